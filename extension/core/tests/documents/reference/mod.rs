//! `docs/sql-reference.md`: functions and views with what `sql/parts` says of them, and settings.

mod function;
mod setting;
mod statement;
mod view;

use super::{at, is_up_to_date, read, sql};
use function::Function;
use statement::Statement;
use std::fmt::Write;
use view::View;

const HEAD: &str = "# SQL reference

This page is made of the comments, arguments and privileges in `sql/parts` and of the settings in
`extension/src/state/settings.rs`; `make docs` writes it anew. What each SQLSTATE means is in [errors](errors.md).

Functions that change the cluster are for superusers and for members of the role `expanse_admin`; views are for members of
`pg_monitor`, too.
";

const INTERNAL: &str = "
## Internal functions

Schema `expanse` has the steps that nodes and sidecars call. They are not an interface: they change from version to version.
Its aggregates `partial_NAME` give the transition state of `NAME`, to be combined on another node.
";

/// A file of `sql/parts`.
pub struct Part {
    /// What it is about, in one sentence or a few words.
    pub title: String,
    pub functions: Vec<Function>,
    pub views: Vec<View>,
}

impl Part {
    fn read(text: &str) -> Part {
        let statements: Vec<Statement> = statement::all(text);
        Part {
            title: title(text),
            functions: Function::all(&statements),
            views: View::all(&statements),
        }
    }
}

/// The first sentence of the comment between rules at the top of a part.
fn title(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("-- ---"))
        .skip(1)
        .take_while(|line| !line.starts_with("-- ---"))
        .map(|line| line.trim_start_matches("-- "))
        .collect();
    let sentence = lines.join(" ");
    let end = sentence.find(['.', ':', ';']).unwrap_or(sentence.len());
    sentence[..end].to_owned()
}

fn all_parts() -> Vec<Part> {
    let texts = sql::parts().into_iter().map(|path| read(&path));
    texts.map(|text| Part::read(&text)).collect()
}

#[test]
fn the_reference_is_up_to_date() {
    is_up_to_date("docs/sql-reference.md", &page(&all_parts()));
}

#[test]
fn everything_public_is_described_in_sentences() {
    let parts = all_parts();
    let mut functions = 0;
    for function in parts.iter().flat_map(|part| &part.functions) {
        functions += 1;
        assert!(
            function.comment.ends_with('.'),
            "{}: {:?}",
            function.name,
            function.comment
        );
        if function.is_public() {
            assert!(
                function.comment.contains("\nErrors: "),
                "{} does not say which errors it raises",
                function.name
            );
        }
    }
    assert!(functions > 100, "only {functions} functions were found");
    for view in parts.iter().flat_map(|part| &part.views) {
        assert!(view.comment.ends_with('.'), "{}", view.name);
        assert!(!view.columns.is_empty(), "{}", view.name);
    }
}

fn page(parts: &[Part]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Functions\n");
    for part in parts {
        let mut public = part
            .functions
            .iter()
            .filter(|function| function.is_public());
        if let Some(first) = public.next() {
            write!(page, "\n### {}\n", part.title).expect("a String takes all");
            first.describe(&mut page);
            public.for_each(|function| function.describe(&mut page));
        }
    }
    page.push_str("\n## Views\n");
    for view in parts.iter().flat_map(|part| &part.views) {
        view.describe(&mut page);
    }
    page.push_str(&setting::chapter(&read(&at(
        "extension/src/state/settings.rs",
    ))));
    page.push_str(INTERNAL);
    for part in parts {
        let mut internal = part
            .functions
            .iter()
            .filter(|function| !function.is_public());
        if let Some(first) = internal.next() {
            write!(page, "\n### {} (internal)\n\n", part.title).expect("a String takes all");
            first.mention(&mut page);
            internal.for_each(|function| function.mention(&mut page));
        }
    }
    page
}

/// Roles that may use something, for a sentence.
fn audience(roles: &[String]) -> String {
    match roles {
        [one] if one == "PUBLIC" => "every user".into(),
        _ => {
            let names: Vec<String> = roles.iter().map(|role| format!("`{role}`")).collect();
            format!("members of {}", names.join(" and "))
        }
    }
}
