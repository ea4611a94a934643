//! The sample configuration file, written from the table of fields.

use toml::Table;

use super::fields::FIELDS;
use super::Config;

/// The text of `packaging/expansed.toml`: every field with its meaning, commented out at its default.
pub fn sample() -> String {
    let defaults = Table::try_from(Config::default()).expect("the defaults are plain values");
    let mut text = String::from(
        "# Configuration of expansed. Every line shows a default.\n\
         # A variable EXPANSE_<SECTION>_<FIELD> wins over this file, --set section.field=value over both.\n\
         # SIGHUP reads them all again; a change of what needs a restart is logged and has no effect until then.\n",
    );
    let mut section = "";
    for field in FIELDS {
        if field.section != section {
            section = field.section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let values = match defaults.get(section) {
            Some(table) => table.as_table(),
            None => Some(&defaults),
        };
        let default = values
            .and_then(|v| v.get(field.name))
            .expect("every documented field exists");
        text.push('\n');
        text.push_str(&format!("# {}", field.doc));
        if !field.unit.is_empty() {
            text.push_str(&format!(" Unit: {}.", field.unit));
        }
        if !field.reloadable() {
            text.push_str(" Needs a restart.");
        }
        text.push_str(&format!("\n# {} = {}\n", field.name, default));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/expansed.toml");

    /// `EXPANSE_BLESS=1 cargo test` writes the file anew.
    #[test]
    fn the_sample_file_is_current() {
        if std::env::var_os("EXPANSE_BLESS").is_some() {
            std::fs::write(PATH, sample()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(PATH).unwrap(), sample());
    }

    #[test]
    fn the_sample_with_its_comments_removed_is_the_default() {
        let uncommented: String = sample()
            .lines()
            .filter(|line| !line.starts_with("# ") || line.contains(" = "))
            .map(|line| line.trim_start_matches("# ").to_owned() + "\n")
            .collect();
        let config: Config = uncommented.parse::<Table>().unwrap().try_into().unwrap();
        assert_eq!(config, Config::default());
    }
}
