//! The buckets of a hash map as a strip of 64 cells: each cell says which node owns its first bucket.

use expanse_core::{HashMap, BUCKETS};

/// Cells of a strip; each stands for 1,024 buckets.
pub const CELLS: u32 = 64;

/// One letter or digit a cell: the last one of the owner's name in `names` (node id, name).
pub fn strip(map: &HashMap, names: &[(i32, String)]) -> String {
    let mark = |node: i32| {
        let name = names
            .iter()
            .find(|(id, _)| *id == node)
            .map_or("?", |(_, name)| name.as_str());
        name.chars().last().unwrap_or('?')
    };
    (0..CELLS)
        .map(|cell| mark(map.owner(cell * (BUCKETS / CELLS))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expanse_core::NodeWeight;

    #[test]
    fn each_cell_names_its_owner() {
        let nodes = [
            NodeWeight { node: 1, weight: 1 },
            NodeWeight { node: 2, weight: 3 },
        ];
        let map = HashMap::initial(1, &nodes).expect("a valid map");
        let strip = strip(&map, &[(1, "n1".into()), (2, "n2".into())]);
        assert_eq!(strip, format!("{}{}", "1".repeat(16), "2".repeat(48)));
    }
}
