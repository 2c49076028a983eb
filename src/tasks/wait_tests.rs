//! Tests of [`super`].

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::domain::{Action, Event, Progress, ResultStatus, RootFacts, Subject, TaskStatus};

/// Long enough that no test waits for it.
const MINUTE: Duration = Duration::from_secs(60);
/// How long a test waits in vain.
const MOMENT: Duration = Duration::from_millis(50);

fn task(status: TaskStatus) -> Task {
    Task {
        status,
        ..crate::tasks::tests::task(Action::VerifyNode)
    }
}

fn commit(task: &Task, kind: EventKind) -> Arc<Commit> {
    Arc::new(Commit {
        root_task_id: task.root_task_id,
        first_sequence: 1,
        ts: task.created,
        facts: Arc::new(RootFacts {
            action: task.action,
            design_ref: task.design_ref.clone(),
            labels: task.labels.clone(),
        }),
        progress: Progress::default(),
        events: vec![Event {
            task_id: task.task_id,
            parent_task_id: None,
            depth: 0,
            revision: 2,
            subject: Subject {
                node_name: None,
                created: task.created,
                created_by: task.created_by.clone(),
                before: None,
                after: (task.status, ResultStatus::Success),
            },
            kind,
        }],
    })
}

/// Answers `running` for the first `reads` reads, then `complete`.
fn store(
    reads: u32,
) -> (
    impl Fn() -> std::future::Ready<Result<Task, Error>>,
    Arc<AtomicU32>,
) {
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    let read = move || {
        let status = if count.fetch_add(1, Ordering::SeqCst) < reads {
            TaskStatus::Running
        } else {
            TaskStatus::Complete
        };
        std::future::ready(Ok(task(status)))
    };
    (read, seen)
}

#[tokio::test]
async fn a_final_task_is_answered_at_once() {
    let (_sender, receiver) = broadcast::channel(4);
    let (read, _) = store(0);
    let waited = until_final(task(TaskStatus::Complete).task_id, MINUTE, receiver, read).await;
    assert!(waited.expect("a task").done);
}

#[tokio::test]
async fn a_finish_between_registering_and_reading_is_not_missed() {
    let (sender, receiver) = broadcast::channel(4);
    let running = task(TaskStatus::Running);
    let finished = EventKind::TaskFinished(Box::new(task(TaskStatus::Complete)));
    sender.send(commit(&running, finished)).expect("registered");
    let (read, reads) = store(1);
    let begun = Instant::now();
    let waited = until_final(running.task_id, MINUTE, receiver, read).await;
    assert!(waited.expect("a task").done);
    assert_eq!(reads.load(Ordering::SeqCst), 2);
    assert!(begun.elapsed() < MINUTE);
}

#[tokio::test]
async fn other_events_cost_no_read_and_expiry_is_no_error() {
    let (sender, receiver) = broadcast::channel(4);
    let running = task(TaskStatus::Running);
    let other = Task {
        task_id: TaskId::new_root(),
        ..running.clone()
    };
    let finished = EventKind::TaskFinished(Box::new(other.clone()));
    sender.send(commit(&other, finished)).expect("registered");
    let added = EventKind::SubtaskAdded(Box::new(running.clone()));
    sender.send(commit(&running, added)).expect("registered");
    let (read, reads) = store(u32::MAX);
    let begun = Instant::now();
    let waited = until_final(running.task_id, MOMENT, receiver, read).await;
    assert!(!waited.expect("a task").done);
    assert_eq!(reads.load(Ordering::SeqCst), 2);
    assert!(begun.elapsed() >= MOMENT);
}

#[tokio::test]
async fn a_waiter_that_lagged_reads_again() {
    let (sender, receiver) = broadcast::channel(1);
    let running = task(TaskStatus::Running);
    for _ in 0..3 {
        let added = EventKind::SubtaskAdded(Box::new(running.clone()));
        sender.send(commit(&running, added)).expect("registered");
    }
    let (read, _) = store(1);
    let waited = until_final(running.task_id, MINUTE, receiver, read).await;
    assert!(waited.expect("a task").done);
}

#[tokio::test]
async fn a_hub_that_closes_ends_the_wait() {
    let (sender, receiver) = broadcast::channel::<Arc<Commit>>(1);
    drop(sender);
    let (read, _) = store(u32::MAX);
    let waited = until_final(TaskId::new_root(), MINUTE, receiver, read).await;
    assert!(matches!(waited, Err(Error::Draining)));
}
