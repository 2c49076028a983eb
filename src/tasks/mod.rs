//! The use cases: what may be asked of tasks, and the policy by which it is granted.
//!
//! A request comes in here already in the domain's types and leaves as one, or as a typed [`Error`].
//! Nothing here knows gRPC; nothing above decides. Whatever changes the store runs to its end even if
//! its caller goes away ([`detached`]).

pub mod designs;

pub mod error;

pub mod canonical;

mod detached;

mod queue_limit;

pub mod submit;

pub mod retry;

mod terminate;

pub mod read;

pub mod build_data;

pub mod wait;

pub mod watch;

pub mod purge;

pub mod retention;

pub mod selection;

pub mod validation;

use std::sync::Arc;
use std::time::Duration;

pub use build_data::{BuildDataOf, BuildDataPart};
pub use designs::{DesignError, Designs};
pub use error::{Error, Refusal};
pub use purge::PurgeRequest;
pub use retention::{RetentionHandle, RetentionOptions};
pub use retry::{RetryRequest, RetryScope};
pub use submit::{Submission, Submitted};
pub use wait::Waited;
pub use watch::{WatchQuery, WatchStart, Watching};

use tokio::sync::Notify;

use crate::domain::{Action, Role};
use crate::seeded::{Bug, seeded};
use crate::store::Store;
use crate::watch::Hub;
use queue_limit::QueueLimit;

/// The policy that an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many roots may wait in the queue before new ones are refused.
    pub max_queued: u64,
    /// How long a task may run where its request does not say.
    pub default_timeout: Duration,
    /// How long the events of a tree are kept after its end, at least.
    pub keep_events: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            max_queued: 100_000,
            default_timeout: DAY,
            keep_events: DAY,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The verified identity.
    pub actor: Arc<str>,
    /// How much it may do.
    pub role: Role,
    /// The caller's mark for following the request across systems.
    pub correlation_id: Option<Arc<str>>,
}

impl Caller {
    /// Whether the caller may have `action` done.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn may_run(&self, action: Action) -> Result<(), Error> {
        let needed = Role::to_run(action);
        if self.role.includes(needed) || seeded(Bug::IgnoredRole) {
            return Ok(());
        }
        Err(Error::Denied {
            actor: Arc::clone(&self.actor),
            role: self.role,
            needed,
        })
    }
}

/// The use cases over one store. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Tasks {
    store: Store,
    hub: Hub,
    designs: Arc<dyn Designs>,
    options: Options,
    queue_limit: Arc<QueueLimit>,
    /// Wakes whoever sweeps.
    purged: Arc<Notify>,
}

impl Tasks {
    /// The use cases over `store`, with the `hub` that follows its journal.
    pub fn new(store: Store, hub: Hub, designs: Arc<dyn Designs>, options: Options) -> Self {
        Self {
            store,
            hub,
            designs,
            options,
            queue_limit: Arc::new(QueueLimit::new(options.max_queued)),
            purged: Arc::new(Notify::new()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A task for tests to begin with.

    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{Detail, Outcome, Task, TaskId, TaskStatus, Timestamp};

    /// A queued root of 2026-01-02 03:04:05.000006, always with the same id.
    pub(crate) fn task(action: Action) -> Task {
        let created =
            Timestamp::from_timestamp_micros(1_767_323_045_000_006).expect("a moment that exists");
        let task_id = TaskId(uuid::Uuid::from_u128(
            0x0198_f3a0_0000_7000_8000_0000_0000_0001,
        ));
        Task {
            task_id,
            root_task_id: task_id,
            parent_task_id: None,
            depth: 0,
            ordinal: 0,
            action,
            status: TaskStatus::Queued,
            node_name: None,
            step: None,
            created,
            created_by: Arc::from("anonymous"),
            updated: created,
            started: None,
            completed: None,
            heartbeat: None,
            terminated: None,
            terminated_by: None,
            termination_reason: None,
            timeout: Duration::from_secs(60),
            revision: 2,
            retry: 0,
            retry_of_task_id: None,
            correlation_id: None,
            design_ref: Arc::from("file:///designs/site.yaml"),
            labels: Arc::new(BTreeMap::new()),
            design_digest: None,
            result: Outcome::default(),
            subtask_count: 0,
            target_node_count: 0,
            current_step: None,
            detail: Some(Box::new(Detail::default())),
        }
    }
}
