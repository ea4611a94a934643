//! The floors of the crate are told in one way: in `floors.toml`, which the check of imports reads, and in `src/lib.rs`.

use std::collections::BTreeSet;
use std::path::Path;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it is there")
}

/// The rooms of `floors.toml`, from the ground up.
fn floors() -> Vec<Vec<String>> {
    let text: toml::Table = read("floors.toml").parse().expect("it is TOML");
    let floors = text["floors"].clone();
    floors.try_into().expect("lists of names")
}

#[test]
fn every_room_is_on_one_floor() {
    let rooms: Vec<String> = floors().into_iter().flatten().collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let there: BTreeSet<String> = std::fs::read_dir(source)
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").file_name())
        .map(|name| name.to_string_lossy().trim_end_matches(".rs").to_owned())
        .filter(|name| name != "lib" && name != "bin")
        .collect();
    assert_eq!(rooms.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(rooms.len(), there.len(), "a room is on two floors");
}

#[test]
fn the_table_in_the_documentation_is_the_same() {
    let source = read("src/lib.rs");
    let told: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split('`').next())
        .collect();
    let rooms: Vec<String> = floors().into_iter().flatten().collect();
    assert_eq!(told, rooms);
}
