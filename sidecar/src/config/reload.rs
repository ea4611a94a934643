//! What has changed between two configurations, and what of it can be applied to a running daemon.

use toml::{Table, Value};

use super::fields::{Field, FIELDS};
use super::Config;

/// One field that has another value now.
#[derive(Debug, Clone, Copy)]
pub struct Change(pub &'static Field);

/// All fields that differ, in the order of the sample file.
pub fn changes(from: &Config, to: &Config) -> Vec<Change> {
    let table = |config: &Config| Table::try_from(config).expect("a configuration is plain values");
    let (from, to) = (table(from), table(to));
    FIELDS
        .iter()
        .filter(|field| value(&from, field) != value(&to, field))
        .map(Change)
        .collect()
}

fn value<'a>(table: &'a Table, field: &Field) -> Option<&'a Value> {
    if field.section.is_empty() {
        table.get(field.name)
    } else {
        table.get(field.section)?.get(field.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_say_what_they_need() {
        let from = Config::default();
        let mut to = from.clone();
        assert!(changes(&from, &to).is_empty());
        to.executor.critical_sockets = 3;
        to.postgres.port = 5;
        to.log.filter = "debug".into();
        let seen: Vec<_> = changes(&from, &to)
            .iter()
            .map(|change| (change.0.full_name(), change.0.reloadable()))
            .collect();
        let expected = [
            ("postgres.port", false),
            ("executor.critical_sockets", true),
            ("log.filter", true),
        ];
        assert_eq!(seen, expected.map(|(name, yes)| (name.to_owned(), yes)));
    }
}
