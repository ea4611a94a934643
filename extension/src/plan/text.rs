//! The text of a fragment, as `pg_get_querydef` writes it, on one line.

use pgrx::pg_sys::*;

/// The query as SQL that every node understands: all names with their schema, all literals in ISO style.
///
/// # Safety
/// The query is ours; it may be changed.
pub unsafe fn deparse(query: *mut Query) -> std::string::String {
    // SAFETY: the settings are undone below, or by the abort of the transaction.
    unsafe {
        let level = NewGUCNestLevel();
        for (name, value) in [
            (c"search_path", c"pg_catalog"),
            (c"datestyle", c"ISO"),
            (c"intervalstyle", c"postgres"),
            (c"extra_float_digits", c"3"),
        ] {
            set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                GucContext::PGC_USERSET,
                GucSource::PGC_S_SESSION,
                GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        let text = pg_get_querydef(query, false);
        AtEOXact_GUC(true, level);
        one_line(&std::ffi::CStr::from_ptr(text).to_string_lossy())
    }
}

/// Line breaks and indentation outside of quotes as single spaces.
pub fn one_line(text: &str) -> std::string::String {
    let mut line = std::string::String::with_capacity(text.len());
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
