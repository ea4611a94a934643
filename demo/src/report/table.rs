//! Text tables: the first column to the left, numbers to the right.

/// A table that is printed aligned, or as markdown.
#[derive(Debug, Clone)]
pub struct TextTable {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns from this one on are aligned to the right.
    numbers_from: usize,
}

impl TextTable {
    pub fn new(head: &[&str], numbers_from: usize) -> Self {
        let head = head.iter().map(|cell| (*cell).to_owned()).collect();
        Self {
            head,
            rows: Vec::new(),
            numbers_from,
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.head.len());
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| &row[column]);
            cells
                .chain([&self.head[column]])
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        (0..self.head.len()).map(width).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize], between: &str) -> String {
        let padded = cells
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column >= self.numbers_from {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        padded.collect::<Vec<_>>().join(between)
    }

    /// Lines with a rule under the head, indented by two.
    pub fn to_text(&self) -> String {
        let widths = self.widths();
        let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let mut lines = vec![self.line(&self.head, &widths, "  "), rule.join("──")];
        lines.extend(self.rows.iter().map(|row| self.line(row, &widths, "  ")));
        lines
            .iter()
            .map(|line| format!("  {}\n", line.trim_end()))
            .collect()
    }

    pub fn to_markdown(&self) -> String {
        let widths = self.widths();
        let rule: Vec<String> = (0..widths.len())
            .map(|column| {
                if column >= self.numbers_from {
                    "---:".into()
                } else {
                    "---".into()
                }
            })
            .collect();
        let mut lines = vec![self.line(&self.head, &widths, " | "), rule.join(" | ")];
        lines.extend(self.rows.iter().map(|row| self.line(row, &widths, " | ")));
        lines.iter().map(|line| format!("| {line} |\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::TextTable;

    #[test]
    fn aligns_names_left_and_numbers_right() {
        let mut table = TextTable::new(&["node", "buckets"], 1);
        table.row(vec!["n1".into(), "16,384".into()]);
        assert_eq!(
            table.to_text(),
            "  node  buckets\n  ─────────────\n  n1     16,384\n"
        );
        assert_eq!(
            table.to_markdown(),
            "| node | buckets |\n| --- | ---: |\n| n1   |  16,384 |\n"
        );
    }
}
