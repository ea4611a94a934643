//! `docs/errors.md`, and the codes that are quoted elsewhere.

use super::{at, files, is_up_to_date, read};
use expanse_core::sqlstate::{self, SqlState, CHAPTERS};
use std::fmt::Write;

const HEAD: &str = "# Errors

Every error of Expanse has a SQLSTATE of class `XP`, with which a client tells it apart; its text may change. What one
PostgreSQL would refuse is refused with the SQLSTATE of PostgreSQL, also by another node, which the context names.

This page is made of `extension/core/src/sqlstate`; `make docs` writes it anew.
";

#[test]
fn the_page_of_errors_is_up_to_date() {
    is_up_to_date("docs/errors.md", &page());
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, table) in CHAPTERS {
        write!(page, "\n## {title}\n\n").expect("a String takes all");
        for state in table {
            section(&mut page, state);
        }
    }
    page
}

fn section(page: &mut String, state: &SqlState) {
    let SqlState {
        code,
        name,
        meaning,
        when,
        hint,
    } = state;
    writeln!(
        page,
        "* **{code}** `{name}`: {meaning}\n  * When: {when}\n  * What to do: {hint}"
    )
    .expect("a String takes all");
}

/// Codes in a text, such as `XP016` or `XPC11`.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let is_code = |word: &&str| {
        word.len() == 5
            && word.starts_with("XP")
            && word.bytes().skip(3).all(|byte| byte.is_ascii_digit())
    };
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(is_code)
}

#[test]
fn codes_that_are_quoted_exist() {
    let mut texts = files("docs", ".md");
    texts.extend(files("sql", ".sql"));
    texts.extend(files("regress", ".out"));
    texts.extend([at("README.md"), at("CHANGELOG.md")]);
    let mut quoted = 0;
    for path in texts {
        for code in codes(&read(&path)) {
            quoted += 1;
            assert!(
                SqlState::find(code).is_some(),
                "{} quotes {code}, which no error has",
                path.display()
            );
        }
    }
    assert!(quoted > 100, "only {quoted} codes were found");
}

#[test]
fn every_condition_is_raised() {
    let mut sources = files("extension/src", ".rs");
    sources.extend(files("sidecar/src", ".rs"));
    let sources: Vec<String> = sources.iter().map(|path| read(path)).collect();
    for state in sqlstate::all() {
        let (constant, code) = (state.name.to_uppercase(), state.code);
        assert!(
            sources
                .iter()
                .any(|source| source.contains(&constant) || source.contains(code)),
            "{code} ({constant}) is used nowhere"
        );
    }
}
