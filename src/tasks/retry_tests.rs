//! Tests of [`super`].

use super::*;

use super::super::submit::Submission;
use crate::domain::{Action, TaskStatus};

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn outcomes() -> Vec<(Arc<str>, ResultStatus)> {
    vec![
        (Arc::from("a"), ResultStatus::Success),
        (Arc::from("b"), ResultStatus::Failure),
        (Arc::from("c"), ResultStatus::Incomplete),
        (Arc::from("d"), ResultStatus::PartialSuccess),
    ]
}

#[test]
fn a_scope_chooses_by_outcome_and_counts_what_never_began() {
    // `e` is a target without a subtask.
    let targets = names(&["a", "b", "c", "d", "e"]);
    let cases = [
        (RetryScope::FailedNodes, names(&["b", "d"])),
        (RetryScope::UnfinishedNodes, names(&["b", "c", "d", "e"])),
        (RetryScope::AllNodes, targets.clone()),
    ];
    for (scope, expected) in cases {
        assert_eq!(in_scope(scope, targets.clone(), &outcomes()), expected);
    }
}

#[test]
fn the_new_filter_names_exactly_the_nodes() {
    let many: Vec<Arc<str>> = (0..20_000).map(|n| Arc::from(format!("n{n}"))).collect();
    let set = naming(&many);
    assert_eq!(set.filter_set.len(), 1);
    assert_eq!(set.filter_set[0].node_names.len(), many.len());
    assert_eq!(set.filter_set[0].filter_type, FilterType::Intersection);
}

#[test]
fn only_final_roots_are_retried_and_site_actions_only_whole() {
    let ended = Task {
        status: TaskStatus::Complete,
        ..crate::tasks::tests::task(Action::DeployNode)
    };
    for scope in [
        RetryScope::FailedNodes,
        RetryScope::UnfinishedNodes,
        RetryScope::AllNodes,
    ] {
        assert_eq!(check(&ended, scope), Ok(()));
    }

    let subtask = Task {
        parent_task_id: Some(TaskId::new_root()),
        ..ended.clone()
    };
    assert_eq!(
        check(&subtask, RetryScope::AllNodes),
        Err(Refusal::NotARoot)
    );

    for status in TaskStatus::ALL {
        let task = Task {
            status,
            ..ended.clone()
        };
        let expected = if status.is_terminal() {
            Ok(())
        } else {
            Err(Refusal::NotFinal { status })
        };
        assert_eq!(check(&task, RetryScope::FailedNodes), expected);
    }

    for action in Action::ALL {
        let task = Task {
            action,
            ..ended.clone()
        };
        let partial = check(&task, RetryScope::FailedNodes);
        if action.is_per_node() {
            assert_eq!(partial, Ok(()));
        } else {
            assert_eq!(partial, Err(Refusal::SiteAction { action }));
        }
        assert_eq!(check(&task, RetryScope::AllNodes), Ok(()));
    }
}

#[test]
fn retries_of_other_tasks_and_scopes_are_other_requests() {
    let request = RetryRequest {
        task_id: TaskId(uuid::Uuid::from_u128(1)),
        scope: RetryScope::FailedNodes,
        request_id: None,
    };
    let other_task = RetryRequest {
        task_id: TaskId(uuid::Uuid::from_u128(2)),
        ..request
    };
    let other_scope = RetryRequest {
        scope: RetryScope::AllNodes,
        ..request
    };
    let created = Submission {
        action: Action::DeployNode,
        design_ref: String::new(),
        node_filter: None,
        timeout: None,
        labels: BTreeMap::new(),
        request_id: None,
    };
    let hashes: HashSet<[u8; 32]> = [
        request.body_hash(),
        other_task.body_hash(),
        other_scope.body_hash(),
        created.body_hash(),
    ]
    .into();
    assert_eq!(hashes.len(), 4);
}
