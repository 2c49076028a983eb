//! Designs on the web: a task works on what was there when it began, whatever becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{ResultStatus, Task, TaskAction, TaskEvent, TaskStatus};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::http::{Answer, WebServer};
use crate::support::ledger::Ledger;
use crate::support::server::Launch;
use crate::support::site::{self, Machine};
use crate::support::stream::Follower;

on_both_databases!(
    a_design_that_changes_between_steps_is_one_design_to_a_task,
    a_design_that_changes_is_one_design_to_a_task_across_a_crash,
);

/// The machines that there are at first.
const MACHINES: usize = 3;

async fn a_design_that_changes_between_steps_is_one_design_to_a_task(database: Database) {
    let web = changing().await;
    let launch = launch(&database, &web);
    let server = launch.start().await;
    let client = Client::of(server.address());
    let first = client
        .create(TaskAction::DeployNode, &reference(&web))
        .await;
    Follower::of(&client, &first.task_id).finish(None).await;
    check_first(&client, &first.task_id, &web, &database).await;

    // Whoever begins now works on what is there now.
    let second = client
        .create(TaskAction::DeployNode, &reference(&web))
        .await;
    Follower::of(&client, &second.task_id).finish(None).await;
    let (first, second) = (
        client.get(&first.task_id).await,
        client.get(&second.task_id).await,
    );
    assert_ne!(first.design_digest, second.design_digest);
    assert_eq!(second.target_nodes, ["n00001", "other"]);
    assert_eq!(
        second.result.expect("a result").status(),
        ResultStatus::Failure
    );
    assert_eq!(web.asked().len(), 2);
}

async fn a_design_that_changes_is_one_design_to_a_task_across_a_crash(database: Database) {
    let web = changing().await;
    let launch = launch(&database, &web).set("simulated.step_duration", "300ms");
    let server = launch.start().await;
    let client = Client::of(server.address());
    let before = client.position(None).await;
    let task = client
        .create(TaskAction::DeployNode, &reference(&web))
        .await;
    let stream = client.watch_fleet(None, &before).await;
    let mut stream = stream.expect("the fleet is watched");
    let runs =
        |task: &Task| task.step == "apply_node_networking" && task.status() == TaskStatus::Running;
    stream.until(|event| task_of(event).is_some_and(runs)).await;
    server.kill().await;

    let server = launch.start().await;
    let client = Client::of(server.address());
    Follower::of(&client, &task.task_id).finish(None).await;
    check_first(&client, &task.task_id, &web, &database).await;
}

/// The task worked on the design that was there first, and asked for it once.
async fn check_first(client: &Client, task_id: &str, web: &WebServer, database: &Database) {
    let task = client.get(task_id).await;
    assert_eq!(task.status(), TaskStatus::Complete);
    let result = task.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::Success, "{result:?}");
    let names: Vec<String> = (1..=MACHINES)
        .map(|number| format!("n{number:05}"))
        .collect();
    assert_eq!(task.target_nodes, names);
    assert_eq!(result.successes, names);
    assert_eq!(web.asked().len(), 1, "the design was read again");
    assert_eq!(task.design_digest.len(), 64, "{}", task.design_digest);
    Ledger::read(&database.ledger())
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
}

/// A server with a design that is another one from the second request on: machines are gone, one is new,
/// and those that stay fail.
async fn changing() -> WebServer {
    let requests = AtomicUsize::new(0);
    let first = site::text("harbour", &Machine::many(MACHINES));
    let others = [Machine::named("n00001"), Machine::named("other")];
    let others = others.map(|machine| machine.fails_at("apply_node_storage"));
    let later = site::text("harbour", &others);
    WebServer::start(move |_| match requests.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::ok(&first),
        _later => Answer::ok(&later),
    })
    .await
}

fn launch(database: &Database, web: &WebServer) -> Launch {
    Launch::on(database)
        .with_short_leases()
        .set("design.allowed_hosts", web.address())
        .set("design.allow_plain_http", true)
        .set("design.allow_loopback_hosts", true)
}

fn reference(web: &WebServer) -> String {
    let address = web.address();
    format!("deckhand+http://{address}/api/v1.0/revisions/1/rendered-documents")
}

/// The task that an event holds, if it tells of a status.
fn task_of(event: &TaskEvent) -> Option<&Task> {
    match event.event.as_ref()? {
        Arm::Snapshot(task) => Some(task),
        Arm::StatusChanged(change) => change.task.as_ref(),
        _ => None,
    }
}
