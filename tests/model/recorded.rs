//! What a real server does is a path of the model: its histories replay, and broken ones do not.

use drydock::domain::{Action, TaskStatus};
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{RetryTaskRequest, Task, TaskAction, TaskEvent, TaskStatus as Status};

use super::history::replay;
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::{Next, Stream};

/// Every event of a fresh database, from its first.
struct Recording {
    stream: Stream,
    events: Vec<TaskEvent>,
}

impl Recording {
    /// Records until `wanted` holds for an event.
    async fn until(&mut self, wanted: impl Fn(&TaskEvent) -> bool) {
        loop {
            match self.stream.next().await {
                Next::Message(event, _) => {
                    let transient = matches!(
                        event.event,
                        Some(Arm::Heartbeat(_) | Arm::ProgressChanged(_))
                    );
                    let found = wanted(&event);
                    if !transient {
                        self.events.push(*event);
                    }
                    if found {
                        return;
                    }
                }
                Next::End(end) => panic!("the recording ended: {end:?}"),
            }
        }
    }

    async fn until_finished(&mut self, task: &Task) {
        self.until(|event| {
            event.task_id == task.task_id && matches!(event.event, Some(Arm::TaskFinished(_)))
        })
        .await;
    }

    /// What was told of one root.
    fn of(&self, root: &Task) -> Vec<TaskEvent> {
        let events = self.events.iter();
        events
            .filter(|event| event.root_task_id == root.task_id)
            .cloned()
            .collect()
    }
}

/// A deployment that succeeds, fails and is tried again on different nodes, its retry, and one that
/// is stopped while a step hangs.
async fn record() -> [Vec<TaskEvent>; 3] {
    let database = Database::sqlite();
    let site = Site::of(&[
        Machine::named("fine"),
        Machine::named("broken").fails_at("apply_node_storage"),
        Machine::named("shaky").label("drydock.dev/simulate-flaky", "deploy_node=2"),
    ]);
    let hanging = site.add(
        "quay",
        &[
            Machine::named("fine"),
            Machine::named("hung").hangs_at("apply_node_platform"),
        ],
    );
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("executor.retry_backoff", "10ms")
        .set("executor.terminate_grace", "1s")
        .start()
        .await;
    let client = Client::of(server.address());
    let token = client.position(None).await;
    let stream = client.watch_fleet(None, &token).await;
    let mut recording = Recording {
        stream: stream.expect("the fleet is watched"),
        events: Vec::new(),
    };

    let deployed = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    recording.until_finished(&deployed).await;

    let request = RetryTaskRequest {
        task_id: deployed.task_id.clone(),
        ..RetryTaskRequest::default()
    };
    let retried = client.tasks.clone().retry_task(request).await;
    let retried = retried.expect("what failed is tried again").into_inner();
    recording.until_finished(&retried).await;

    let stopped = client.create(TaskAction::DeployNode, &hanging).await;
    recording
        .until(|event| match &event.event {
            Some(Arm::StatusChanged(change)) => change.task.as_ref().is_some_and(|task| {
                task.root_task_id == stopped.task_id
                    && task.step == "apply_node_platform"
                    && task.node_name == "hung"
                    && task.status() == Status::Running
            }),
            _ => false,
        })
        .await;
    client.terminate(&stopped.task_id, "enough").await;
    recording.until_finished(&stopped).await;

    // One journal, from its first event: no number is missing.
    let sequences: Vec<i64> = recording
        .events
        .iter()
        .map(|event| event.sequence)
        .collect();
    let expected: Vec<i64> = (1..).take(sequences.len()).collect();
    assert_eq!(sequences, expected, "the journal has a gap");
    [&deployed, &retried, &stopped].map(|root| recording.of(root))
}

/// Whether an event says that a task is there, moved, or ended.
fn changes_a_task(event: &TaskEvent) -> bool {
    matches!(
        event.event,
        Some(
            Arm::TaskCreated(_)
                | Arm::SubtaskAdded(_)
                | Arm::StatusChanged(_)
                | Arm::TaskFinished(_)
        )
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_histories_are_paths_of_the_model_and_broken_ones_are_not() {
    let histories = record().await;
    let ends = [
        TaskStatus::Complete,
        TaskStatus::Complete,
        TaskStatus::Terminated,
    ];
    for (history, end) in histories.iter().zip(ends) {
        let tree = replay(Action::DeployNode, history);
        let tree = tree.unwrap_or_else(|illegal| panic!("a real history: {illegal}"));
        assert_eq!(tree.root.status, end);

        let changes = history.iter().enumerate();
        let changes: Vec<usize> = changes
            .filter(|(_, event)| changes_a_task(event))
            .map(|(at, _)| at)
            .collect();
        println!("{} events, {} changes", history.len(), changes.len());
        for at in &changes {
            let event = &history[*at];
            let mut without = history.clone();
            without.remove(*at);
            let refused = replay(Action::DeployNode, &without).is_err();
            assert!(refused, "nobody misses {event:?}");

            let mut late = without;
            late.push(event.clone());
            if at + 1 < history.len() {
                let refused = replay(Action::DeployNode, &renumbered(late)).is_err();
                assert!(refused, "it may come last: {event:?}");
            }

            let mut twice = history.clone();
            twice.insert(*at, event.clone());
            let refused = replay(Action::DeployNode, &renumbered(twice)).is_err();
            assert!(refused, "it may come twice: {event:?}");
        }
    }
}

/// The same events under numbers that follow each other.
fn renumbered(mut events: Vec<TaskEvent>) -> Vec<TaskEvent> {
    for (event, sequence) in events.iter_mut().zip(1..) {
        event.sequence = sequence;
    }
    events
}
