//! The 22 queries of TPC-H with the specification's validation parameters.

use tpchgen::q_and_a::queries::query;

/// Substitution parameters of each query, `:1` first (TPC-H specification, "Query validation" of
/// each query).
const PARAMETERS: [&[&str]; 22] = [
    &["90"],
    &["15", "BRASS", "EUROPE"],
    &["BUILDING", "1995-03-15"],
    &["1993-07-01"],
    &["ASIA", "1994-01-01"],
    &["1994-01-01", "0.06", "24"],
    &["FRANCE", "GERMANY"],
    &["BRAZIL", "AMERICA", "ECONOMY ANODIZED STEEL"],
    &["green"],
    &["1993-10-01"],
    &["GERMANY", "0.001"],
    &["MAIL", "SHIP", "1994-01-01"],
    &["special", "requests"],
    &["1995-09-01"],
    &["1996-01-01"],
    &[
        "Brand#45",
        "MEDIUM POLISHED",
        "49",
        "14",
        "23",
        "45",
        "19",
        "3",
        "36",
        "9",
    ],
    &["Brand#23", "MED BOX"],
    &["300"],
    &["Brand#12", "Brand#23", "Brand#34", "1", "10", "20"],
    &["forest", "1994-01-01", "CANADA"],
    &["SAUDI ARABIA"],
    &["13", "31", "23", "29", "30", "18", "17"],
];

/// One statement in PostgreSQL's SQL, of query 1 to 22.
///
/// # Panics
/// If there is no such query.
pub fn statement(number: usize) -> String {
    let text = i32::try_from(number)
        .ok()
        .and_then(query)
        .expect("queries are numbered 1 to 22");
    // The specification's precision of an interval's leading field is no SQL of PostgreSQL's.
    let mut text = text.replace(" day (3)", " day").replace(":s", "_0");
    // From the back, because `:1` is the beginning of `:10`.
    for (i, parameter) in PARAMETERS[number - 1].iter().enumerate().rev() {
        text = text.replace(&format!(":{}", i + 1), parameter);
    }
    if number == 15 {
        text = view_as_with(&text);
    }
    text.trim().trim_end_matches(';').to_owned()
}

/// Query 15 makes a view, reads it and drops it; the specification also allows WITH.
fn view_as_with(text: &str) -> String {
    let mut parts = text.split(';').map(str::trim);
    let (view, select) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let body = view
        .replacen("create view", "with", 1)
        .replacen(" as", " as (", 1);
    format!("{body}) {select}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_filled_in() {
        for number in 1..=22 {
            let text = statement(number);
            let open = text
                .as_bytes()
                .windows(2)
                .any(|w| w[0] == b':' && w[1].is_ascii_alphanumeric());
            assert!(!open && !text.contains(';'), "query {number}: {text}");
        }
        assert!(statement(15).starts_with("with revenue_0 (supplier_no, total_revenue) as ("));
        assert!(statement(16).contains("49, 14, 23, 45, 19, 3, 36, 9"));
    }
}
