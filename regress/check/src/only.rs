//! Which levels and tests to run: `LEVEL`, `LEVEL/TEST`, or a family of levels such as `scenarios`, separated by commas
//! or blanks.

use crate::error::Error;
use crate::levels::Level;

/// The levels that are named, with their single tests; all of `make check` if none is.
///
/// # Errors
/// [`Error::NoLevel`], [`Error::NoTests`], [`Error::NoTest`].
pub fn select(all: Vec<Level>, only: &str) -> Result<Vec<Level>, Error> {
    let wanted: Vec<&str> = only
        .split([',', ' '])
        .filter(|part| !part.is_empty())
        .flat_map(|part| members(&all, part))
        .collect();
    if wanted.is_empty() {
        return Ok(all.into_iter().filter(|level| !level.asked_only).collect());
    }
    let known: Vec<&str> = all.iter().map(|level| level.name).collect();
    let known = known.join(" ");
    let mut selected: Vec<Level> = Vec::new();
    let mut all = all;
    for part in wanted {
        let (name, test) = match part.split_once('/') {
            Some((name, test)) => (name, Some(test)),
            None => (part, None),
        };
        let level = match selected.iter().position(|level| level.name == name) {
            Some(at) => &mut selected[at],
            None => {
                let at = all.iter().position(|level| level.name == name);
                let level = all.remove(at.ok_or_else(|| Error::NoLevel {
                    name: name.into(),
                    known: known.clone(),
                })?);
                selected.push(level);
                selected.last_mut().expect("it has just been added")
            }
        };
        if let Some(test) = test {
            level.select(test)?;
        }
    }
    Ok(selected)
}

/// The levels of a family, or the one that is named.
fn members<'a>(all: &[Level], part: &'a str) -> Vec<&'a str> {
    let members: Vec<&str> = all
        .iter()
        .filter(|level| level.family() == part && !level.asked_only)
        .map(|level| level.name)
        .collect();
    if members.is_empty() {
        vec![part]
    } else {
        members
    }
}

#[cfg(test)]
mod tests {
    use super::select;
    use crate::error::Error;
    use crate::levels;

    fn names(only: &str) -> Vec<String> {
        let selected = select(levels::all(), only).expect("the levels are there");
        selected
            .iter()
            .map(|level| format!("{} {}", level.name, level.tests.join(" ")))
            .collect()
    }

    #[test]
    fn levels_and_single_tests() {
        assert_eq!(
            names("cluster/transactions,cluster/read,lint"),
            ["cluster transactions read", "lint "]
        );
    }

    #[test]
    fn families() {
        assert!(names("sql,lint").contains(&"cluster ".to_owned()));
        assert!(names("scenarios").contains(&"crash ".to_owned()));
    }

    #[test]
    fn without_names_all_levels_but_those_that_take_hours() {
        let all = names("");
        assert!(all.len() > 20);
        assert!(!all.contains(&"killsteps-all ".to_owned()));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let refused = |only| select(levels::all(), only).err().expect("it is refused");
        assert!(matches!(refused("nothing"), Error::NoLevel { .. }));
        assert!(matches!(refused("lint/one"), Error::NoTests { .. }));
        assert!(matches!(refused("cluster/nothing"), Error::NoTest { .. }));
    }
}
