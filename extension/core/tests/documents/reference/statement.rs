//! Statements of a part that begin at the start of a line.

/// The verb, what follows it, and that again without line breaks.
#[derive(Debug)]
pub struct Statement {
    pub verb: &'static str,
    /// The text after the verb, without the closing semicolon.
    pub rest: String,
}

const VERBS: [&str; 7] = [
    "CREATE FUNCTION",
    "CREATE VIEW",
    "COMMENT ON FUNCTION",
    "COMMENT ON VIEW",
    "COMMENT ON COLUMN",
    "GRANT EXECUTE ON FUNCTION",
    "GRANT SELECT ON",
];

/// All statements of these kinds. A statement ends where a line at the margin begins another thing; the body of a
/// function, which may end earlier so, is of no interest here.
pub fn all(part: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let mut open = false;
    for line in part.lines() {
        if line.starts_with([' ', '\'']) {
            if let (true, Some(statement)) = (open, found.last_mut()) {
                statement.rest.push('\n');
                statement.rest.push_str(line);
            }
            continue;
        }
        let begun = VERBS.iter().find_map(|verb| {
            let rest = line.strip_prefix(verb)?.strip_prefix(' ')?;
            Some(Statement {
                verb,
                rest: rest.to_owned(),
            })
        });
        open = begun.is_some();
        found.extend(begun);
    }
    for statement in &mut found {
        statement.rest = statement.rest.trim_end_matches(';').to_owned();
    }
    found
}

/// The value of adjacent string literals, which PostgreSQL joins; with escapes if the first begins with E.
pub fn literal(text: &str) -> String {
    let text = text.trim();
    let escapes = text.starts_with('E');
    let mut value = String::new();
    let mut chars = text.trim_start_matches('E').chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' if inside && chars.peek() == Some(&'\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' => inside = !inside,
            '\\' if inside && escapes => match chars.next() {
                Some('n') => value.push('\n'),
                other => value.extend(other),
            },
            c if inside => value.push(c),
            _ => {}
        }
    }
    value
}

/// Where in a text one is: inside of which quotes, and of how many parentheses.
#[derive(Default)]
struct Place {
    quote: Option<char>,
    depth: usize,
}

impl Place {
    fn pass(&mut self, c: char) {
        match (self.quote, c) {
            (Some(quote), c) if quote == c => self.quote = None,
            (None, '\'' | '"') => self.quote = Some(c),
            (None, '(') => self.depth += 1,
            (None, ')') => self.depth -= 1,
            _ => {}
        }
    }

    fn is_outside(&self) -> bool {
        self.quote.is_none() && self.depth == 0
    }
}

/// The text inside the parenthesis that begins here, and what follows it.
pub fn parenthesis(text: &str) -> (&str, &str) {
    let mut place = Place::default();
    for (at, c) in text.char_indices() {
        place.pass(c);
        if place.is_outside() {
            return (&text[1..at], &text[at + 1..]);
        }
    }
    panic!("no closing parenthesis in {text:?}")
}

/// The items of a list, split at commas outside of quotes and parentheses, each in one line.
pub fn items(list: &str) -> Vec<String> {
    let mut place = Place::default();
    let split = list.split(|c| {
        place.pass(c);
        c == ',' && place.is_outside()
    });
    let lines = split.map(|item| item.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|item| !item.is_empty()).collect()
}

#[test]
fn literals_are_joined_and_unescaped() {
    assert_eq!(literal("'a table''s '\n    'name'"), "a table's name");
    assert_eq!(literal("E'one\\n'\n    'two'"), "one\ntwo");
    assert_eq!(
        items("a int, b text DEFAULT 'x, y',\n  c numeric(1, 2)"),
        ["a int", "b text DEFAULT 'x, y'", "c numeric(1, 2)"]
    );
}
