//! The contract of the coordination stores: one suite against every implementation, with real
//! servers that are started here. What cannot be started fails.

mod contract;
mod contract_hostile;
mod contract_leaders;
mod counting;
mod differential;
mod directory_faults;
mod faults;
mod faults_servers;
mod helper;
mod proxy;
mod stores;

/// Makes a test of each promise for the store that `$store` begins.
macro_rules! contract {
    ($name:ident) => {
        mod $name {
            contract!(@tests $name contract;
                starts_at_version_zero
                creates_parents
                compares_and_sets_also_at_version_zero
                one_of_many_writers_wins
                ephemeral_entries_end_with_their_client
                ephemeral_entries_end_with_their_process
                watches_see_changes
                watches_see_children
                watches_end_when_dropped
                many_operations_are_done_as_one
                operations_of_a_list_see_each_other
                a_closed_client_refuses
            );
            contract!(@tests $name contract_hostile;
                entries_hold_any_bytes
                paths_hold_any_characters
                bad_paths_are_refused
                entries_have_a_limit
                damaged_entries_are_errors
            );
            contract!(@tests $name contract_leaders;
                one_leader_at_a_time
                leadership_passes_when_the_process_dies
                never_two_leaders
                a_candidate_that_gives_up_leaves_nothing
                a_damaged_epoch_stops_elections
                leadership_ends_when_the_entry_is_removed
            );
        }
    };
    (@tests $name:ident $file:ident; $($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let store = crate::stores::$name().await;
                crate::$file::$test(&store.url).await;
            }
        )*
    };
}

contract!(directory);
contract!(zookeeper);
contract!(ensemble);
