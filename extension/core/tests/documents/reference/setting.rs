//! Settings, as `settings.rs` defines them: each call of a `define_..._guc` with its arguments in one order.

use super::statement::{items, parenthesis};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The chapter of settings.
pub fn chapter(source: &str) -> String {
    let mut chapter = "
## Settings

| setting | type | default | range | set by | meaning |
| --- | --- | --- | --- | --- | --- |
"
    .to_owned();
    let settings = all(source);
    assert_eq!(
        settings.len(),
        source.matches("_guc(").count(),
        "a setting could not be read"
    );
    for setting in settings.values() {
        setting.describe(&mut chapter);
    }
    chapter
}

struct Setting {
    name: String,
    kind: String,
    default: String,
    range: Option<(i64, i64)>,
    context: String,
    flags: String,
    meaning: String,
}

fn all(source: &str) -> BTreeMap<String, Setting> {
    let calls = source.split("GucRegistry::define_").skip(1);
    calls
        .map(|call| {
            let (kind, arguments) = call.split_once("_guc").expect("a call names its type");
            let setting = Setting::parse(source, kind, &items(parenthesis(arguments).0));
            (setting.name.clone(), setting)
        })
        .collect()
}

impl Setting {
    fn parse(source: &str, kind: &str, arguments: &[String]) -> Setting {
        let text = |n: usize| {
            let quoted = arguments[n].strip_prefix("c\"");
            let quoted = quoted.and_then(|text| text.strip_suffix('"'));
            quoted.expect("names and texts are C strings").to_owned()
        };
        let (range, rest) = match &arguments[4..] {
            [least, most, rest @ ..] if kind == "int" => {
                (Some((number(least), number(most))), rest)
            }
            rest => (None, rest),
        };
        let [context, flags] = rest else {
            panic!("{arguments:?} end otherwise than expected")
        };
        Setting {
            name: text(0),
            kind: kind.to_owned(),
            default: default(source, arguments[3].trim_start_matches('&')),
            range,
            context: context.clone(),
            flags: flags.clone(),
            meaning: format!("{} {}", text(1), text(2)),
        }
    }

    fn unit(&self) -> &'static str {
        match () {
            () if self.flags.contains("UNIT_MS") => " ms",
            () if self.flags.contains("UNIT_KB") => " kB",
            () => "",
        }
    }

    fn describe(&self, chapter: &mut String) {
        let unit = self.unit();
        let range = self
            .range
            .as_ref()
            .map_or_else(String::new, |(least, most)| {
                format!("{least} to {most}{unit}")
            });
        let default = match self.default.as_str() {
            "" => "empty".into(),
            default => format!("`{default}{unit}`"),
        };
        let internal = if self.flags.contains("NO_SHOW_ALL") {
            " Internal: not shown by SHOW ALL."
        } else {
            ""
        };
        writeln!(
            chapter,
            "| `{}` | {} | {default} | {range} | {} | {}{internal} |",
            self.name,
            self.kind,
            who(&self.context),
            self.meaning
        )
        .expect("a String takes all");
    }
}

/// The value that the static of a setting is made with.
fn default(source: &str, name: &str) -> String {
    let declared = source.split(&format!("pub static {name}:")).nth(1);
    let made = declared.and_then(|declared| declared.split_once("::new"));
    let (_, arguments) = made.expect("a setting has a static of its own");
    let value = parenthesis(arguments).0.trim();
    let inner = value
        .strip_prefix("Some(c\"")
        .and_then(|value| value.strip_suffix("\")"));
    match value {
        "None" => String::new(),
        "true" => "on".into(),
        "false" => "off".into(),
        _ => inner.unwrap_or(value).to_owned(),
    }
}

/// A number as Rust writes it: `600_000`, `1 << 20`.
fn number(text: &str) -> i64 {
    let plain = |text: &str| text.trim().replace('_', "").parse::<i64>();
    let value = match text.split_once("<<") {
        Some((base, bits)) => plain(base).and_then(|base| Ok(base << plain(bits)?)),
        None => plain(text),
    };
    value.unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn who(context: &str) -> &'static str {
    match context {
        "GucContext::Userset" => "every user, at any time",
        "GucContext::Suset" => "superusers, at any time",
        "GucContext::Backend" => "the client, as it connects",
        "GucContext::Sighup" => "`postgresql.conf`, at a reload",
        "GucContext::Postmaster" => "`postgresql.conf`, at a restart",
        other => panic!("{other} is not described"),
    }
}
