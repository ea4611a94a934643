//! Imports go down only, in the extension and in the sidecar.

use expanse_floors::{unsafe_lines, Crate};
use std::path::Path;

fn check(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    let found = Crate::read(&root).expect("the crate can be read");
    let faults = found.faults();
    println!("{name}: {}", found.figure());
    assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n"));
}

#[test]
fn the_extension_imports_downwards() {
    check("extension");
}

#[test]
fn the_sidecar_imports_downwards() {
    check("sidecar");
}

/// Unsafe code is for the rooms `pg` and `remote`, and short elsewhere.
#[test]
fn little_of_the_extension_is_unsafe() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../extension/src");
    let found = unsafe_lines(&src).expect("the sources can be read");
    let percent = 100 * found.inside / found.lines;
    println!("{} of {} lines inside of unsafe", found.inside, found.lines);
    assert!(
        percent < 12,
        "{percent} % of the lines are inside of unsafe"
    );
    assert!(
        found.raw_parameters.is_empty(),
        "safe functions with raw pointers: {:?}",
        found.raw_parameters
    );
}

/// A crate made for the test breaks each rule once.
#[test]
fn each_fault_is_found() {
    let root = std::env::temp_dir().join(format!("expanse-floors-{}", std::process::id()));
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("below root")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write(
        "floors.toml",
        "floors = [[\"ground\", \"cellar\"], [\"roof\"], [\"gone\"]]",
    );
    write("src/ground/mod.rs", "use crate::{cellar::a, roof::b};");
    write("src/ground/deep.rs", "use super::super::roof;");
    write(
        "src/cellar.rs",
        "macro_rules! m { () => { $crate::ground::x() } }",
    );
    write("src/roof.rs", "use crate::ground::fine;");
    write("src/nowhere.rs", "");
    for number in 0..16 {
        write(&format!("src/roof/file{number}.rs"), "");
    }
    let faults = Crate::read(&root).expect("it can be read").faults();
    std::fs::remove_dir_all(&root).expect("it was made here");
    assert_eq!(
        faults,
        [
            "cellar.rs imports from \"ground\", which is beside \"cellar\"".to_owned(),
            "floors.toml names room \"gone\", which does not exist".to_owned(),
            "ground/deep.rs leaves its room by super::".to_owned(),
            "ground/mod.rs imports from \"cellar\", which is beside \"ground\"".to_owned(),
            "ground/mod.rs imports from \"roof\", which is above \"ground\"".to_owned(),
            "room \"nowhere\" stands on no floor".to_owned(),
            "src/roof has 16 files of its own".to_owned(),
        ]
    );
}
