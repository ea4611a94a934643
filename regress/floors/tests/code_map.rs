//! `docs/architecture/code-map.md` is made of the sources. `UPDATE_DOCS=1` writes it.

use expanse_floors::Crate;
use std::path::Path;

/// The page with the tables of both crates put in; `None` when a place for one is missing.
fn with_tables(page: &str, top: &Path) -> Option<String> {
    let mut page = page.to_owned();
    for name in ["extension", "sidecar"] {
        let root = top.join(name);
        let found = Crate::read(&root).expect("the crate can be read");
        let table = found
            .code_map(&root)
            .expect("each room says what it is about");
        let (begin, end) = (
            format!("<!-- {name}: begin -->\n"),
            format!("<!-- {name}: end -->"),
        );
        let from = page.find(&begin)? + begin.len();
        let to = from + page[from..].find(&end)?;
        let put_in = format!("\n{}.\n\n{table}\n", found.rooms());
        page.replace_range(from..to, &put_in);
    }
    Some(page)
}

#[test]
fn the_code_map_is_up_to_date() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = top.join("docs/architecture/code-map.md");
    let page = std::fs::read_to_string(&path).expect("the page can be read");
    let wanted = with_tables(&page, &top).expect("the page has places for both tables");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).expect("the page can be written");
        return;
    }
    assert!(
        page == wanted,
        "docs/architecture/code-map.md is out of date: make docs"
    );
}
