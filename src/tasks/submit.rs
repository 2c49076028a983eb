//! Submitting a task: one durable root, however often the request is repeated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::canonical::Canonical;
use super::detached::detached;
use super::error::Error;
use super::{Caller, Tasks};
use crate::clock;
use crate::domain::node_filter::{NodeFilterSet, select};
use crate::domain::task::LIST_LIMIT;
use crate::domain::{Action, Detail, Outcome, RequestId, Task, TaskId, TaskStatus};
use crate::failpoint::failpoint;
use crate::store::{AuditRecord, Created, NewRoot, RequestKey};

/// The revision of a root as it is handed to the store.
const FIRST_REVISION: i64 = 1;

/// A task to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// What to do.
    pub action: Action,
    /// The design, allowed by [`Tasks::check_design_ref`].
    pub design_ref: String,
    /// Which nodes; none: all.
    pub node_filter: Option<NodeFilterSet>,
    /// How long it may run; none: the configured default.
    pub timeout: Option<Duration>,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// The caller's idempotency key.
    pub request_id: Option<RequestId>,
}

/// A task that a request created, now or when it came first.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// The task as it is.
    pub task: Task,
    /// Whether an earlier call with the same request had created it.
    pub replayed: bool,
}

impl Submission {
    /// What makes two requests the same: everything asked for, but not the key it was asked under.
    ///
    /// A timeout that was left out stays left out, so that a changed default does not turn a repeated
    /// request into another one.
    pub fn body_hash(&self) -> [u8; 32] {
        Canonical::new("CreateTask")
            .text(self.action.token())
            .text(&self.design_ref)
            .node_filter(self.node_filter.as_ref())
            .optional(self.timeout, |hash, timeout| {
                // Validated to at most seven days, so the seconds fit.
                hash.number(timeout.as_secs() as i64)
                    .number(i64::from(timeout.subsec_nanos()))
            })
            .map(&self.labels)
            .finish()
    }
}

impl Tasks {
    /// Checks a design reference by its text alone.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, for the caller to read.
    pub fn check_design_ref(&self, design_ref: &str) -> Result<(), String> {
        self.designs.check(design_ref)
    }

    /// Creates a task and queues it. Durable when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::RequestIdReused`], [`Error::QueueFull`], [`Error::Draining`],
    /// [`Error::Store`].
    pub async fn submit(&self, caller: Caller, submission: Submission) -> Result<Submitted, Error> {
        caller.may_run(submission.action)?;
        let tasks = self.clone();
        detached(async move {
            let key = submission.request_id.map(|request_id| RequestKey {
                request_id,
                body_hash: submission.body_hash(),
            });
            let task = tasks.new_root(&caller, submission);
            tasks.create(&caller, "CreateTask", task, key).await
        })
        .await
    }

    /// Goes through everything that submitting would, reads the design as well, and stores nothing: the
    /// task as it would be, with the nodes it would be for and without meaningful ids.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Design`].
    pub async fn rehearse(&self, caller: Caller, submission: Submission) -> Result<Task, Error> {
        caller.may_run(submission.action)?;
        let inventory = self
            .designs
            .load(&submission.design_ref)
            .await
            .map_err(Error::Design)?;
        let per_node = submission.action.is_per_node();
        let selection = select(&inventory, submission.node_filter.as_ref());
        let mut task = self.new_root(&caller, submission);
        task.revision = 0;
        if !per_node {
            return Ok(task);
        }
        // An inventory has at most 200,000 nodes.
        task.target_node_count = selection.nodes.len() as u32;
        if let Some(detail) = &mut task.detail {
            detail.target_nodes = selection
                .names(&inventory)
                .take(LIST_LIMIT)
                .map(Arc::from)
                .collect();
        }
        Ok(task)
    }

    /// A root as it is before it is stored.
    pub(super) fn new_root(&self, caller: &Caller, submission: Submission) -> Task {
        let task_id = TaskId::new_root();
        let now = clock::now();
        Task {
            task_id,
            root_task_id: task_id,
            parent_task_id: None,
            depth: 0,
            ordinal: 0,
            action: submission.action,
            status: TaskStatus::Requested,
            node_name: None,
            step: None,
            created: now,
            created_by: caller.actor.clone(),
            updated: now,
            started: None,
            completed: None,
            heartbeat: None,
            terminated: None,
            terminated_by: None,
            termination_reason: None,
            timeout: submission.timeout.unwrap_or(self.options.default_timeout),
            revision: FIRST_REVISION,
            retry: 0,
            retry_of_task_id: None,
            correlation_id: caller.correlation_id.clone(),
            design_ref: submission.design_ref.into(),
            labels: Arc::new(submission.labels),
            design_digest: None,
            result: Outcome::default(),
            subtask_count: 0,
            target_node_count: 0,
            current_step: None,
            detail: Some(Box::new(Detail {
                node_filter: submission.node_filter,
                ..Detail::default()
            })),
        }
    }

    /// Stores a root, if the queue has room. To be run detached.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        rpc: &'static str,
        task: Task,
        key: Option<RequestKey>,
    ) -> Result<Submitted, Error> {
        let request_id = key.as_ref().map(|key| key.request_id);
        if let Err(refused) = self.queue_limit.admit(|| self.store.queued_roots()).await {
            // What exists needs no room: a full queue must not break a client's retries.
            let earlier = match &key {
                Some(key) => self.store.find_created(&caller.actor, key).await?,
                None => None,
            };
            return match earlier {
                Some(earlier) => self.answer(earlier, None, request_id).await,
                None => Err(refused),
            };
        }
        let asked = task.detail.clone();
        let root = NewRoot {
            audit: AuditRecord {
                ts: task.created,
                actor: caller.actor.clone(),
                rpc,
                request_id,
                decision: "created",
            },
            task,
            request: key,
        };
        let created = self.store.create(root).await?;
        failpoint!(BeforeAnswer => Err(Error::Store(crate::store::Error::Closed)));
        self.answer(created, asked, request_id).await
    }

    /// What the caller is told; `asked` is the detail of a task that is new.
    pub(super) async fn answer(
        &self,
        created: Created,
        asked: Option<Box<Detail>>,
        request_id: Option<RequestId>,
    ) -> Result<Submitted, Error> {
        match created {
            Created::New(mut task) => {
                // A root this young has no lists but those it was stored with.
                task.detail = task.detail.or(asked);
                Ok(Submitted {
                    task,
                    replayed: false,
                })
            }
            Created::Replayed(task) => Ok(Submitted {
                task: self.with_detail(task).await?,
                replayed: true,
            }),
            Created::Reused(task_id) => match request_id {
                Some(request_id) => Err(Error::RequestIdReused {
                    request_id,
                    task_id,
                }),
                None => Err(Error::Store(crate::store::Error::Corrupt {
                    what: "request_id",
                    problem: format!("task {task_id} answers a request without one"),
                })),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::node_filter::FilterType;

    fn submission() -> Submission {
        Submission {
            action: Action::VerifyNode,
            design_ref: "file:///designs/site.yaml".to_owned(),
            node_filter: None,
            timeout: None,
            labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            request_id: None,
        }
    }

    #[test]
    fn the_key_is_not_part_of_the_body() {
        let keyed = Submission {
            request_id: Some(RequestId(uuid::Uuid::from_u128(7))),
            ..submission()
        };
        assert_eq!(keyed.body_hash(), submission().body_hash());
    }

    #[test]
    fn every_part_of_the_body_counts() {
        let bodies = [
            submission(),
            Submission {
                action: Action::DeployNode,
                ..submission()
            },
            Submission {
                design_ref: "file:///designs/other.yaml".to_owned(),
                ..submission()
            },
            Submission {
                node_filter: Some(NodeFilterSet {
                    filter_set_type: FilterType::Union,
                    filter_set: Vec::new(),
                }),
                ..submission()
            },
            // The default, said aloud, is not the same as leaving it to the server.
            Submission {
                timeout: Some(Duration::from_secs(24 * 60 * 60)),
                ..submission()
            },
            Submission {
                timeout: Some(Duration::from_nanos(1)),
                ..submission()
            },
            Submission {
                labels: BTreeMap::new(),
                ..submission()
            },
        ];
        let hashes: HashSet<[u8; 32]> = bodies.iter().map(Submission::body_hash).collect();
        assert_eq!(hashes.len(), bodies.len());
    }
}
