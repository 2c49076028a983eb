//! Whether what deployments say was done is what was done.

use drydock::proto::v1::{ResultStatus, TaskStatus};

use super::client::Client;
use super::ledger::Ledger;

/// Nothing acted twice, what counts as done was done, and what failed is on a node of `once`, on which the
/// outcome of a step that must not be repeated could not be known.
pub(crate) async fn check_deployments(
    client: &Client,
    ledger: &Ledger,
    roots: impl IntoIterator<Item = &str>,
    once: &[&str],
    who: &str,
) {
    let twice = ledger.check_nothing_acted_twice();
    twice.unwrap_or_else(|problem| panic!("{who}: {problem}"));
    let mut starts = ledger.starts("guarded");
    starts.extend(ledger.starts("once"));
    for root in roots {
        for task in client.tree(root).await.tasks.values() {
            assert_eq!(task.status(), TaskStatus::Complete, "{who}: {task:?}");
            let result = task.result.as_ref().expect("a result");
            let succeeded = result.status() == ResultStatus::Success;
            let is_deed = task.step == "deploy_node";
            if is_deed && succeeded {
                let acted = starts.get(task.task_id.as_str());
                assert_eq!(acted, Some(&1), "{who}: {task:?}");
            }
            let node = task.node_name.as_str();
            let may_fail = node.is_empty() || once.contains(&node);
            assert!(succeeded || may_fail, "{who}: {task:?}");
            if is_deed && !succeeded {
                assert_eq!(result.reason, "ExecutorLost", "{who}: {task:?}");
            }
        }
    }
}
