//! Fields of lines in COPY's text format, as `copy_from::line` writes them.

/// The fields of one line (without its newline); `None` is NULL.
pub fn fields(line: &str) -> impl Iterator<Item = Option<String>> + '_ {
    line.split('\t')
        .map(|field| (field != "\\N").then(|| unescaped(field)))
}

fn unescaped(field: &str) -> String {
    if !field.contains('\\') {
        return field.to_owned();
    }
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}
