//! The paths of a source file that lead to other rooms.

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// `crate::room...`
    Room(String),
    /// So many `super::` in a row, beyond the modules that the file has inside.
    Above(usize),
}

/// All paths of a file that begin with `crate::` or `super::`, in code (comments and strings are left out).
pub fn imports(text: &str) -> Vec<Import> {
    let code = code_of(text);
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        if !begins_word(&code, start) {
            continue;
        }
        let rest = code[start + "crate::".len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(tree) => found.extend(first_names(tree).map(Import::Room)),
            None => found.extend(name(rest).map(Import::Room)),
        }
    }
    for (start, _) in code.match_indices("super::") {
        if begins_word(&code, start) && !code[..start].ends_with("super::") {
            let mut rest = &code[start..];
            let mut levels = 0;
            while let Some(next) = rest.strip_prefix("super::") {
                levels += 1;
                rest = next;
            }
            let inside = inline_modules(&code, start);
            if levels > inside {
                found.push(Import::Above(levels - inside));
            }
        }
    }
    found
}

/// How many `mod name { ... }` of the file are around a place.
fn inline_modules(code: &str, place: usize) -> usize {
    let mut open: Vec<bool> = Vec::new();
    for (index, _) in code[..place].match_indices(['{', '}']) {
        if code[index..].starts_with('}') {
            open.pop();
            continue;
        }
        let mut before = code[..index].split_whitespace().rev();
        let is_module = before.next().is_some() && before.next() == Some("mod");
        open.push(is_module);
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

fn begins_word(code: &str, start: usize) -> bool {
    !code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        || code[..start].ends_with("super::")
}

fn name(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The first name of each branch of `a::b, c::{d, e}, ...}`.
fn first_names(tree: &str) -> impl Iterator<Item = String> + '_ {
    let mut depth = 0usize;
    let mut begins = true;
    let mut names = Vec::new();
    for (index, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                begins = false;
                names.extend(name(&tree[index..]));
            }
            _ => {}
        }
    }
    names.into_iter()
}

/// The text without comments and without what stands in quotes.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if c == '"' {
            rest = after_string(&rest[1..]);
            code.push_str("\"\"");
        } else {
            // A quote as a character literal begins no string.
            let taken = if rest.starts_with("'\"'") {
                3
            } else {
                c.len_utf8()
            };
            code.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
    }
    code
}

fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &text[index + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(text: &str) -> Vec<Import> {
        imports(text)
    }

    fn room(name: &str) -> Import {
        Import::Room(name.to_owned())
    }

    #[test]
    fn trees_and_inline_paths_are_found() {
        let text =
            "use crate::pg::list;\nuse crate::{scan::{a, b}, copy};\nfn f() { crate::plan::x(); }";
        assert_eq!(
            rooms(text),
            [room("pg"), room("scan"), room("copy"), room("plan")]
        );
    }

    #[test]
    fn comments_and_strings_are_none() {
        let text = "// crate::hooks\n/* crate::ddl */ let a = \"crate::scan \\\" crate::copy\"; let q = '\"'; crate::pg::x";
        assert_eq!(rooms(text), [room("pg")]);
    }

    #[test]
    fn supers_are_counted() {
        assert_eq!(
            rooms("use super::a; use super::super::b;"),
            [Import::Above(1), Import::Above(2)]
        );
    }

    #[test]
    fn modules_inside_of_the_file_are_no_rooms() {
        let text = "mod tests { use super::*; fn f() { super::super::x(); } } use super::y;";
        assert_eq!(rooms(text), [Import::Above(1), Import::Above(1)]);
    }

    #[test]
    fn paths_of_other_crates_are_none() {
        assert_eq!(rooms("use expanse_crate::x; $crate_::y"), []);
    }
}
