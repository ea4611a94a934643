//! The text of a fragment, as `pg_get_querydef` writes it, on one line.

use crate::pg::spi::with_settings;
use crate::pg::tree::deparse::query_text;
use crate::pg::tree::NodeMut;
use pgrx::pg_sys::Query;

/// The query as SQL that every node understands: all names with their schema, all literals in ISO style.
pub fn deparse(query: NodeMut<'_, Query>) -> String {
    let text = with_settings(
        &[
            (c"search_path", c"pg_catalog"),
            (c"datestyle", c"ISO"),
            (c"intervalstyle", c"postgres"),
            (c"extra_float_digits", c"3"),
        ],
        || query_text(query),
    );
    one_line(&text)
}

/// Line breaks and indentation outside of quotes as single spaces.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut quote = None;
    for character in text.trim().chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, '\n' | ' ') => {
                if !line.ends_with([' ', '(']) {
                    line.push(' ');
                }
                continue;
            }
            _ => {}
        }
        line.push(character);
    }
    line
}
