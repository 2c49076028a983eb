//! Stopping a task: it ends soon, what was finished counts, nothing new begins (promise P8).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{ResultStatus, TaskAction, TaskEvent, TaskStatus};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(a_stopped_deployment_ends_in_time_and_begins_nothing);

const GRACE: Duration = Duration::from_secs(2);

/// What a stop may take beyond the grace, on a busy machine.
const BEYOND_GRACE: Duration = Duration::from_secs(2);

async fn a_stopped_deployment_ends_in_time_and_begins_nothing(database: Database) {
    // One node finishes, one hangs in deploy_node, ten hang one step before it: where each stands when
    // the stop comes does not depend on time.
    let mut machines = vec![
        Machine::named("done"),
        Machine::named("hung").hangs_at("deploy_node"),
    ];
    let waiting = Machine::many(10).into_iter();
    machines.extend(waiting.map(|machine| machine.hangs_at("apply_node_platform")));
    let site = Site::of(&machines);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "10ms")
        .set("executor.terminate_grace", "2s")
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;

    let mut waiting: BTreeSet<String> = machines_to_wait_for();
    let mut stream = client.watch(&task.task_id).await;
    while !waiting.is_empty() {
        let event = stream.until(|event| reached(event).is_some()).await;
        if let Some(place) = reached(&event) {
            waiting.remove(&place);
        }
    }
    let follower = tokio::spawn(Follower::of(&client, &task.task_id).finish(None));

    let asked = Instant::now();
    let stopped = client.terminate(&task.task_id, "enough").await;
    assert_eq!(stopped.status(), TaskStatus::Terminating);
    stream
        .until(|event| {
            event.task_id == task.task_id && matches!(event.event, Some(Arm::TaskFinished(_)))
        })
        .await;
    let took = asked.elapsed();
    assert!(took < GRACE + BEYOND_GRACE, "the stop took {took:?}");
    follower.await.expect("the history obeys the rules");

    let task = client.get(&task.task_id).await;
    assert_eq!(task.status(), TaskStatus::Terminated);
    assert_eq!(task.termination_reason, "enough");
    assert_eq!(task.terminated_by, "anonymous");
    let result = task.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::PartialSuccess);
    assert_eq!(result.reason, "Terminated");
    assert_eq!(result.successes, ["done"]);
    assert_eq!(result.failures, Vec::<String>::new());

    let ledger = Ledger::read(&database.ledger());
    assert_eq!(
        ledger.nodes_with("deploy_node"),
        BTreeSet::from(["done", "hung"])
    );
    assert_eq!(
        ledger.open(),
        BTreeSet::new(),
        "work that nobody watches any more"
    );

    // Stopping what is stopped changes nothing.
    let again = client.terminate(&task.task_id, "again").await;
    assert_eq!(
        (again.revision, again.termination_reason.as_str()),
        (task.revision, "enough")
    );
}

/// Node and step, and a node's end.
fn machines_to_wait_for() -> BTreeSet<String> {
    let hanging = (1..=10).map(|number| format!("n{number:05} apply_node_platform"));
    hanging
        .chain(["hung deploy_node".to_owned(), "done ".to_owned()])
        .collect()
}

/// The place that an event says a node has reached: a step that runs, or its end. Snapshots tell it too.
fn reached(event: &TaskEvent) -> Option<String> {
    let (task, ended) = match event.event.as_ref()? {
        Arm::Snapshot(task) => (task, task.completed.is_some()),
        Arm::StatusChanged(change) => (change.task.as_ref()?, false),
        Arm::TaskFinished(task) => (task, true),
        _ => return None,
    };
    let runs = task.status() == TaskStatus::Running && !task.step.is_empty();
    let is_node = task.step.is_empty() && !task.node_name.is_empty();
    ((runs && !ended) || (ended && is_node)).then(|| format!("{} {}", task.node_name, task.step))
}
