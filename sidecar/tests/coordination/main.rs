//! The contract of the coordination stores: one suite against every implementation, started here.

mod contract;

/// Makes a test of each function of [`contract`] for the store that `$store` gives the URL of.
macro_rules! contract {
    ($name:ident, $store:expr) => {
        mod $name {
            contract!(@tests $store;
                starts_at_version_zero
                creates_parents
                compares_and_sets_also_at_version_zero
                ephemeral_entries_end_with_their_client
                watches_see_changes
                watches_see_children
                many_operations_are_done_as_one
                one_leader_at_a_time
            );
        }
    };
    (@tests $store:expr; $($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let store = $store.await;
                crate::contract::$test(store.url()).await;
            }
        )*
    };
}

struct TemporaryDirectory(tempfile::TempDir);

impl TemporaryDirectory {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> String {
        format!("dir://{}/store", self.0.path().display())
    }
}

contract!(directory, crate::TemporaryDirectory::new());
