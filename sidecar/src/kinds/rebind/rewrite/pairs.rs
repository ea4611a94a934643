//! Who gives to whom when the distribution column changes.

use crate::kinds::rebind::plan::Pair;
use crate::operations::Result;
use crate::operations::{maintenance, Context};

/// Every node that has rows gives to every node that gets some, but to itself.
///
/// # Errors
/// Those of the local server.
pub async fn pairs(context: &Context, from_version: i32, to_version: i32) -> Result<Vec<Pair>> {
    const SQL: &str = "SELECT n.node_name, array_agg(r.first_bucket ORDER BY r.first_bucket), array_agg(r.last_bucket ORDER BY r.first_bucket) \
        FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id) \
        WHERE r.hash_map_version = $1 GROUP BY 1 ORDER BY 1";
    let mut sides = Vec::new();
    for version in [from_version, to_version] {
        let look = maintenance("read a hash map");
        let rows = context
            .executor()
            .query(context.local(), look, SQL, &[&version])
            .await?;
        let ranges = rows.iter().map(|row| {
            let (first, last): (Vec<i32>, Vec<i32>) = (row.get(1), row.get(2));
            let ranges: Vec<(i32, i32)> = first.into_iter().zip(last).collect();
            (row.get::<_, String>(0), ranges)
        });
        sides.push(ranges.collect::<Vec<_>>());
    }
    Ok(every_pair(&sides[0], &sides[1]))
}

fn every_pair(from: &[(String, Vec<(i32, i32)>)], to: &[(String, Vec<(i32, i32)>)]) -> Vec<Pair> {
    from.iter()
        .flat_map(|(source, old_ranges)| {
            let others = to.iter().filter(move |(target, _)| target != source);
            others.map(move |(target, ranges)| Pair {
                source: source.clone(),
                target: target.clone(),
                ranges: ranges.clone(),
                old_ranges: old_ranges.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gives_to_everybody_else() {
        let side = |names: &[&str]| -> Vec<(String, Vec<(i32, i32)>)> {
            names
                .iter()
                .enumerate()
                .map(|(n, name)| ((*name).to_owned(), vec![(n as i32 * 10, n as i32 * 10 + 9)]))
                .collect()
        };
        let pairs = every_pair(&side(&["a", "b"]), &side(&["b", "c", "a"]));
        let shown: Vec<_> = pairs
            .iter()
            .map(|p| {
                (
                    p.source.as_str(),
                    p.target.as_str(),
                    p.ranges[0].0,
                    p.old_ranges[0].0,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", "b", 0, 0),
                ("a", "c", 10, 0),
                ("b", "c", 10, 10),
                ("b", "a", 20, 10)
            ]
        );
    }
}
