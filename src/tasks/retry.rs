//! Retrying: a new task for some or all nodes of one that ended.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::canonical::Canonical;
use super::detached::detached;
use super::error::{Error, Refusal};
use super::purge::missing;
use super::submit::{Submission, Submitted};
use super::{Caller, Tasks};
use crate::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};
use crate::domain::{RequestId, ResultStatus, Task, TaskId};
use crate::store::{RequestKey, View};

/// Which nodes of the ended task are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryScope {
    /// Those that failed.
    FailedNodes,
    /// Those that did not succeed: they failed, or nothing is known of them.
    UnfinishedNodes,
    /// All; the only scope for actions on the site.
    AllNodes,
}

impl RetryScope {
    /// The document token, for example `failed_nodes`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::FailedNodes => "failed_nodes",
            Self::UnfinishedNodes => "unfinished_nodes",
            Self::AllNodes => "all_nodes",
        }
    }
}

impl fmt::Display for RetryScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// A task to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRequest {
    /// The root that ended.
    pub task_id: TaskId,
    /// Which of its nodes.
    pub scope: RetryScope,
    /// The caller's idempotency key.
    pub request_id: Option<RequestId>,
}

impl RetryRequest {
    /// What makes two requests the same; see [`Submission::body_hash`].
    pub fn body_hash(&self) -> [u8; 32] {
        Canonical::new("RetryTask")
            .text(&self.task_id.to_string())
            .text(self.scope.token())
            .finish()
    }
}

impl Tasks {
    /// Creates a new task from one that ended: the same action on the same design, which is read anew, for
    /// the nodes of the scope, each by its name. It keeps the timeout and the labels. Durable when it
    /// returns.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Refused`], and those of [`Tasks::submit`].
    pub async fn retry(&self, caller: Caller, request: RetryRequest) -> Result<Submitted, Error> {
        let tasks = self.clone();
        detached(async move {
            let key = request.request_id.map(|request_id| RequestKey {
                request_id,
                body_hash: request.body_hash(),
            });
            let original = tasks.store.task(request.task_id, View::Full).await?;
            let Some(original) = original else {
                return tasks.without_original(&caller, request.task_id, key).await;
            };
            let refused = |refusal| Error::Refused {
                task_id: request.task_id,
                refusal,
            };
            // Every caller who comes here may see the task; what it does decides who may have it done again.
            caller.may_run(original.action)?;
            check(&original, request.scope).map_err(refused)?;
            let node_filter = if original.action.is_per_node() {
                let names = tasks.scope_nodes(&original, request.scope).await?;
                if names.is_empty() {
                    return Err(refused(Refusal::EmptyScope {
                        scope: request.scope,
                    }));
                }
                Some(naming(&names))
            } else {
                original
                    .detail
                    .as_ref()
                    .and_then(|detail| detail.node_filter.clone())
            };

            let mut task = tasks.new_root(
                &caller,
                Submission {
                    action: original.action,
                    design_ref: original.design_ref.to_string(),
                    node_filter,
                    timeout: Some(original.timeout),
                    labels: BTreeMap::clone(&original.labels),
                    request_id: request.request_id,
                },
            );
            task.retry = original.retry.saturating_add(1);
            task.retry_of_task_id = Some(original.task_id);
            tasks.create(&caller, "RetryTask", task, key).await
        })
        .await
    }

    /// A task that is gone cannot be retried, but what a retry of it created before it went is still
    /// the answer to the same request.
    async fn without_original(
        &self,
        caller: &Caller,
        task_id: TaskId,
        key: Option<RequestKey>,
    ) -> Result<Submitted, Error> {
        if let Some(key) = key
            && let Some(earlier) = self.store.find_created(&caller.actor, &key).await?
        {
            return self.answer(earlier, None, Some(key.request_id)).await;
        }
        Err(missing(&self.store, task_id).await)
    }

    async fn scope_nodes(
        &self,
        original: &Task,
        scope: RetryScope,
    ) -> Result<Vec<Arc<str>>, Error> {
        let targets = self.store.target_nodes(original.task_id).await?;
        let outcomes = match scope {
            RetryScope::AllNodes => Vec::new(),
            RetryScope::FailedNodes | RetryScope::UnfinishedNodes => {
                self.store.node_outcomes(original.task_id).await?
            }
        };
        Ok(in_scope(scope, targets, &outcomes))
    }
}

/// Whether the task's state and kind allow a retry.
fn check(original: &Task, scope: RetryScope) -> Result<(), Refusal> {
    if !original.is_root() {
        return Err(Refusal::NotARoot);
    }
    if !original.status.is_terminal() {
        return Err(Refusal::NotFinal {
            status: original.status,
        });
    }
    if !original.action.is_per_node() && scope != RetryScope::AllNodes {
        return Err(Refusal::SiteAction {
            action: original.action,
        });
    }
    Ok(())
}

/// The target nodes in the scope, in their order.
fn in_scope(
    scope: RetryScope,
    mut targets: Vec<Arc<str>>,
    outcomes: &[(Arc<str>, ResultStatus)],
) -> Vec<Arc<str>> {
    let with = |wanted: fn(ResultStatus) -> bool| -> HashSet<&str> {
        outcomes
            .iter()
            .filter(|(_, outcome)| wanted(*outcome))
            .map(|(name, _)| &**name)
            .collect()
    };
    match scope {
        RetryScope::FailedNodes => {
            let failed = with(|outcome| match outcome {
                ResultStatus::Failure | ResultStatus::PartialSuccess => true,
                ResultStatus::Success | ResultStatus::Incomplete => false,
            });
            targets.retain(|name| failed.contains(&**name));
        }
        RetryScope::UnfinishedNodes => {
            let succeeded = with(|outcome| outcome == ResultStatus::Success);
            targets.retain(|name| !succeeded.contains(&**name));
        }
        RetryScope::AllNodes => {}
    }
    targets
}

/// A filter for exactly these nodes, beyond the limit on names in a request if need be.
fn naming(names: &[Arc<str>]) -> NodeFilterSet {
    NodeFilterSet {
        filter_set_type: FilterType::Intersection,
        filter_set: vec![NodeFilter {
            filter_type: FilterType::Intersection,
            node_names: names.iter().map(|name| name.to_string()).collect(),
            node_tags: Vec::new(),
            node_labels: BTreeMap::new(),
            rack_names: Vec::new(),
            rack_labels: BTreeMap::new(),
        }],
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
