//! Aligned tables.

/// Prints rows under headings; columns of numbers are aligned to the right.
pub fn print(headings: &[String], rows: &[Vec<Option<String>>]) {
    if rows.is_empty() {
        println!("(none)");
        return;
    }
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".into());
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(i, heading)| {
            let cells = rows.iter().map(|row| text(&row[i]).chars().count());
            cells.max().unwrap_or(0).max(heading.len())
        })
        .collect();
    let numeric: Vec<bool> = (0..headings.len())
        .map(|i| {
            rows.iter().all(|row| {
                row[i]
                    .as_ref()
                    .is_none_or(|cell| cell.parse::<f64>().is_ok())
            })
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(i, cell)| {
                let width = widths[i];
                if numeric[i] {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(headings.iter().map(|h| h.replace('_', " ")).collect());
    line(widths.iter().map(|&w| "-".repeat(w)).collect());
    for row in rows {
        line(row.iter().map(text).collect());
    }
}
