//! A function with its arguments, its result, its comment and the roles that may call it.

use super::audience;
use super::statement::{items, literal, parenthesis, Statement};
use std::fmt::Write;

#[derive(Debug)]
pub struct Function {
    /// With its schema.
    pub name: String,
    /// Such as `layout text DEFAULT 'minimal'`.
    arguments: Vec<String>,
    /// The result's type, or the columns of its rows.
    result: String,
    pub comment: String,
    roles: Vec<String>,
}

impl Function {
    /// The functions that the statements create, each with the statements after it that are about it.
    pub fn all(statements: &[Statement]) -> Vec<Function> {
        let mut found: Vec<Function> = Vec::new();
        for statement in statements {
            let rest = &statement.rest;
            match statement.verb {
                "CREATE FUNCTION" => found.push(Function::parse(rest)),
                "GRANT EXECUTE ON FUNCTION" => {
                    let roles = rest.rsplit_once(" TO ").expect("a GRANT names roles").1;
                    let function = found.last_mut().expect("a GRANT follows its function");
                    function.roles = items(roles);
                }
                "COMMENT ON FUNCTION" => {
                    let comment = rest.split_once(" IS").expect("a COMMENT has a text").1;
                    let function = found.last_mut().expect("a COMMENT follows its function");
                    function.comment = literal(comment);
                }
                _ => {}
            }
        }
        found
    }

    fn parse(text: &str) -> Function {
        let at = text.find('(').expect("a function has arguments");
        let (list, after) = parenthesis(&text[at..]);
        let (out, arguments): (Vec<String>, Vec<String>) = items(list)
            .into_iter()
            .partition(|argument| argument.starts_with("OUT "));
        let result = after.split("LANGUAGE").next().unwrap_or_default();
        let result = result.split_whitespace().collect::<Vec<_>>().join(" ");
        let columns: Vec<&str> = out.iter().map(|column| &column["OUT ".len()..]).collect();
        Function {
            name: text[..at].to_owned(),
            arguments,
            result: match columns.as_slice() {
                [] => result.trim_start_matches("RETURNS ").to_owned(),
                columns => format!("SETOF ({})", columns.join(", ")),
            },
            comment: String::new(),
            roles: Vec::new(),
        }
    }

    pub fn is_public(&self) -> bool {
        self.name.starts_with("pg_catalog.")
    }

    /// A section of its own.
    pub fn describe(&self, page: &mut String) {
        let name = self.name.trim_start_matches("pg_catalog.");
        let (meaning, errors) = self
            .comment
            .split_once('\n')
            .unwrap_or((&self.comment, "Errors: none."));
        write!(
            page,
            "\n#### `{name}`\n\n```\n{}\n```\n\n{meaning}\n\n{errors}\n\nFor {}.\n",
            self.signature(name),
            audience(&self.roles)
        )
        .expect("a String takes all");
    }

    fn signature(&self, name: &str) -> String {
        let line = format!("{name}({}) -> {}", self.arguments.join(", "), self.result);
        if line.len() <= 100 {
            return line;
        }
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| format!("\n    {argument}"))
            .collect();
        let end = if arguments.is_empty() { "" } else { "\n" };
        format!("{name}({}{end}) -> {}", arguments.join(","), self.result)
    }

    /// One line.
    pub fn mention(&self, page: &mut String) {
        writeln!(
            page,
            "* `{}({}) -> {}`: {} For {}.",
            self.name,
            self.arguments.join(", "),
            self.result,
            self.comment,
            audience(&self.roles)
        )
        .expect("a String takes all");
    }
}
