//! A view with its columns.

use super::audience;
use super::statement::{items, literal, Statement};
use std::fmt::Write;

#[derive(Debug)]
pub struct View {
    pub name: String,
    pub comment: String,
    /// Names and meanings.
    pub columns: Vec<(String, String)>,
    roles: Vec<String>,
}

impl View {
    /// The views that the statements create, each with the statements after it that are about it.
    pub fn all(statements: &[Statement]) -> Vec<View> {
        let mut found: Vec<View> = Vec::new();
        for statement in statements {
            let rest = &statement.rest;
            if statement.verb == "CREATE VIEW" {
                let name = rest.split(' ').next().unwrap_or_default();
                found.push(View {
                    name: name.trim_start_matches("pg_catalog.").to_owned(),
                    comment: String::new(),
                    columns: Vec::new(),
                    roles: Vec::new(),
                });
            }
            let (Some(view), Some((object, comment))) = (found.last_mut(), rest.split_once(" IS"))
            else {
                if let (Some(view), "GRANT SELECT ON") = (found.last_mut(), statement.verb) {
                    let roles = rest.rsplit_once(" TO ").expect("a GRANT names roles").1;
                    view.roles = items(roles);
                }
                continue;
            };
            match statement.verb {
                "COMMENT ON VIEW" => view.comment = literal(comment),
                "COMMENT ON COLUMN" => {
                    let column = object.rsplit('.').next().unwrap_or_default();
                    view.columns.push((column.to_owned(), literal(comment)));
                }
                _ => {}
            }
        }
        found
    }

    pub fn describe(&self, page: &mut String) {
        write!(
            page,
            "\n### `{}`\n\n{} For {}.\n\n| column | meaning |\n| --- | --- |\n",
            self.name,
            self.comment,
            audience(&self.roles)
        )
        .expect("a String takes all");
        for (column, meaning) in &self.columns {
            writeln!(page, "| `{column}` | {meaning} |").expect("a String takes all");
        }
    }
}
