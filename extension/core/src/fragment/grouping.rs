//! Groupings: complete on the nodes, or partial there and combined by the coordinator.
//!
//! When the distribution column is among the grouping columns, every group lives on one node, and its aggregates are
//! computed there. Otherwise each node delivers its part of every group, and PostgreSQL's own Agg node combines them with
//! each aggregate's own combine, deserialize and final functions. The part of an aggregate is its transition state.

/// How a grouping is split between the nodes and the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Complete,
    Partial,
}

/// The split of a grouping: `by_key` when a distribution column that is null in no row is among the grouping columns,
/// `in_parts` when every aggregate has parts. `None` when all rows are to be fetched.
pub fn split(by_key: bool, in_parts: impl FnOnce() -> bool) -> Option<Split> {
    match by_key {
        true => Some(Split::Complete),
        false => in_parts().then_some(Split::Partial),
    }
}

/// An aggregate of a query, and what `pg_aggregate` says about its function.
#[derive(Debug, Clone, Copy)]
pub struct Aggregate {
    /// Neither an ordered-set nor a hypothetical-set aggregate.
    pub ordinary: bool,
    /// With DISTINCT or ORDER BY inside.
    pub distinct_or_ordered: bool,
    pub built_in: bool,
    pub has_combine_function: bool,
    pub has_final_function: bool,
    /// The transition state is of type `internal`.
    pub internal_state: bool,
}

/// What gives the transition state of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The aggregate itself: its result is the state.
    Result,
    /// Another aggregate of the same arguments, made for this.
    OtherAggregate,
}

/// What gives the parts of an aggregate; `None` when it has none.
pub fn state(aggregate: &Aggregate) -> Option<State> {
    if !aggregate.ordinary
        || aggregate.distinct_or_ordered
        || !aggregate.built_in
        || !aggregate.has_combine_function
    {
        return None;
    }
    Some(
        match aggregate.has_final_function || aggregate.internal_state {
            true => State::OtherAggregate,
            false => State::Result,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Aggregate = Aggregate {
        ordinary: true,
        distinct_or_ordered: false,
        built_in: true,
        has_combine_function: true,
        has_final_function: false,
        internal_state: false,
    };

    #[test]
    fn a_grouping_by_the_key_asks_for_no_parts() {
        let asked = || -> bool { unreachable!("a complete grouping needs no parts") };
        assert_eq!(split(true, asked), Some(Split::Complete));
        assert_eq!(split(false, || true), Some(Split::Partial));
        assert_eq!(split(false, || false), None);
    }

    #[test]
    fn states_of_aggregates() {
        assert_eq!(state(&SUM), Some(State::Result));
        let finished = Aggregate {
            has_final_function: true,
            ..SUM
        };
        let internal = Aggregate {
            internal_state: true,
            ..SUM
        };
        for other in [finished, internal] {
            assert_eq!(state(&other), Some(State::OtherAggregate));
        }
        let without = [
            Aggregate {
                ordinary: false,
                ..SUM
            },
            Aggregate {
                distinct_or_ordered: true,
                ..SUM
            },
            Aggregate {
                built_in: false,
                ..SUM
            },
            Aggregate {
                has_combine_function: false,
                ..SUM
            },
        ];
        for aggregate in without {
            assert_eq!(state(&aggregate), None);
        }
    }
}
