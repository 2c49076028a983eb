//! The text that both databases run, on the model: what a simulation's store does is what they do.
//!
//! Left out is what is a matter of a database alone: batches, locks of rows, outages, what a purge leaves
//! to sweep.

use crate::simulation::scale;

/// Declares each test once, on the model.
macro_rules! on_each_database {
    ($($(#[doc = $doc:literal])* async fn $name:ident($database:ident) $body:block)*) => {
        $($(#[doc = $doc])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let $database = super::database::Database::new();
            $body
        })*
    };
}

#[path = "../../../tests/store/fold.rs"]
pub(crate) mod fold;
#[path = "../../../tests/store/model.rs"]
mod model;
#[path = "../../../tests/store/tree.rs"]
mod tree;

#[path = "../../../tests/store/build_data.rs"]
mod build_data;
#[path = "../../../tests/store/claim.rs"]
mod claim;
#[path = "../../../tests/store/create.rs"]
mod create;
#[path = "../../../tests/store/history.rs"]
mod history;
#[path = "../../../tests/store/journal.rs"]
mod journal;
#[path = "../../../tests/store/list.rs"]
mod list;
#[path = "../../../tests/store/message.rs"]
mod message;
#[path = "../../../tests/store/node_lock.rs"]
mod node_lock;
#[path = "../../../tests/store/terminate.rs"]
mod terminate;
#[path = "../../../tests/store/write.rs"]
mod write;

mod database {
    //! The model, as the suite asks for a database.

    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Direct, Memory};
    use crate::domain::InstanceId;
    use crate::store::Store;

    /// Longer than any test: no lease runs out by itself.
    const LEASE: Duration = Duration::from_secs(600);

    /// An empty memory of a test's own.
    pub(super) struct Database(Memory);

    impl Database {
        pub(super) fn new() -> Self {
            Self(Memory::default())
        }

        pub(super) async fn open(&self) -> Store {
            self.0.store(LEASE, Arc::new(Direct))
        }

        /// A store as another replica has it.
        pub(super) async fn replica(&self, _store: &Store) -> Store {
            self.open().await
        }

        /// Leases are those of a database that is shared.
        pub(super) fn is_postgres(&self) -> bool {
            true
        }

        pub(super) async fn expire(&self, instance: InstanceId) {
            self.0.expire(instance);
        }

        /// The number that a count of a table answers.
        pub(super) async fn number(&self, sql: &str) -> i64 {
            let table = sql.strip_prefix("SELECT count(*) FROM ");
            let table = table.expect("tables are counted, and nothing else is asked");
            i64::try_from(self.0.count(table)).expect("a small number")
        }
    }
}

#[test]
fn the_model_does_what_the_model_of_the_databases_says() {
    history::histories(async || database::Database::new());
}
