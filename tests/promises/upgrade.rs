//! Replicas that are replaced one by one on one database: they migrate it once, work beside each other, and
//! hand over what they have in hand instead of leaving it to their leases (promises P4, P5).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock::domain::Timestamp;
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    ResultStatus, RetryTaskRequest, Task, TaskAction, TaskEvent, TaskStatus, WaitTaskRequest,
};
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::database::{Database, Kind};
use crate::support::journal::Journal;
use crate::support::ledger::Ledger;
use crate::support::server::{Launch, Server, drydock};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;
use crate::support::work::check_deployments;

on_both_databases!(
    a_schema_that_is_behind_is_refused_until_it_is_migrated,
    a_schema_that_is_ahead_is_worked_on_beside_what_is_new,
);

/// How long after the beginning of a drain others may have gone on, on a busy machine. A lease has 20 s left
/// at the least, and after one that is lost comes a quarantine.
const HANDOVER_BOUND: Duration = Duration::from_secs(10);

/// The longest that a server may take to stop.
const STOP_BOUND: Duration = Duration::from_secs(25);

/// How long a replica may take to get something to do, and how often that is looked for.
const WORK_BOUND: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A migration of the next version, and one of the version after it that removes something.
const NEXT: &str = "m21000101_000001_next";
const CONTRACT: &str = "m21000102_000001_less_contract";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_migrate_once() {
    let database = Database::postgres().await;
    let site = Site::of(&Machine::many(2));
    let launch = Launch::on(&database).designs_in(site.directory());
    let servers = join_all((0..3).map(|_| launch.start())).await;
    let migrated = |server: &&Server| server.log().contains("migrated the database applied=");
    assert_eq!(servers.iter().filter(migrated).count(), 1);
    let clients = servers.iter().map(|server| Client::of(server.address()));
    let clients: Vec<Client> = clients.collect();
    for (place, client) in clients.iter().enumerate() {
        let design = site.reference();
        let task = client.create(TaskAction::VerifyNode, &design).await;
        let next = &clients[(place + 1) % clients.len()];
        Follower::of(next, &task.task_id).finish(None).await;
    }
}

async fn a_schema_that_is_behind_is_refused_until_it_is_migrated(database: Database) {
    let site = Site::of(&Machine::many(2));
    let launch = Launch::on(&database).designs_in(site.directory());
    let check = launch.clone().set("database.migrate", "check");

    let refused = check.refused().await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.log);
    let told = |log: &str, pending: usize| {
        log.contains(&format!("pending migrations: {pending} "))
            && log.contains("`drydock migrate up`")
    };
    let all = migrations(&database).await;
    assert!(told(&refused.log, all), "{}", refused.log);
    assert_eq!(database.tables().await, [""; 0], "a check changes nothing");

    migrate(&database, "up").await;
    let server = check.start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    Follower::of(&client, &task.task_id).finish(None).await;
    let before = client.tree(&task.task_id).await;
    server.kill().await;

    // The schema of the version before, with what it holds.
    migrate(&database, "down").await;
    let refused = check.refused().await;
    assert!(told(&refused.log, 1), "{}", refused.log);
    let server = launch.start().await;
    let client = Client::of(server.address());
    assert_eq!(client.tree(&task.task_id).await.tasks, before.tasks);
    deploy(&client, &site).await;
}

/// Statements name their columns and know their tables: what a later version adds does not disturb them,
/// while it is added (where two processes may share a database) and after.
async fn a_schema_that_is_ahead_is_worked_on_beside_what_is_new(database: Database) {
    let mut machines = Machine::many(3);
    let bad = Machine::named("bad").fails_at("apply_node_platform");
    machines.push(bad.hangs_at("destroy_node"));
    let site = Site::of(&machines);
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "100ms")
        .set("retention.events", "0s");
    let mut server = launch.start().await;
    let launch = launch.at(server.address());
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let mut stream = client.watch(&task.task_id).await;
    stream
        .until(|event| runs(event, "apply_node_networking"))
        .await;
    let follower = tokio::spawn(Follower::of(&client, &task.task_id).finish(None));
    match database.kind {
        Kind::Sqlite => {
            server.kill().await;
            extend(&database).await;
            server = launch.start().await;
        }
        Kind::Postgres => extend(&database).await,
    }
    follower.await.expect("the watcher sees the end");
    use_everything(&client, &site, &task).await;
    server.kill().await;
    for migrate in ["auto", "check"] {
        let launch = launch.clone().set("database.migrate", migrate);
        let server = launch.start().await;
        deploy(&Client::of(server.address()), &site).await;
        server.kill().await;
    }

    // Two versions ahead, something may be gone that this one needs.
    note_migration(&database, CONTRACT).await;
    for migrate in ["auto", "check"] {
        let launch = launch.clone().set("database.migrate", migrate);
        let refused = launch.refused().await;
        assert_eq!(refused.status.code(), Some(1), "{}", refused.log);
        assert!(refused.log.contains(CONTRACT), "{}", refused.log);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_stopped_hands_over_at_once() {
    let database = Database::postgres().await;
    let site = Site::of(&Machine::many(4));
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "1s");
    let mut owner = launch.start().await;
    let other = launch.start().await;
    let survivor = Client::of(other.address());
    let before = survivor.position(None).await;
    // Asleep, it claims nothing.
    other.pause().await;
    let client = Client::of(owner.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let mut stream = client.watch(&task.task_id).await;
    stream.until(|event| event.parent_task_id.is_some()).await;
    other.wake().await;
    let follower = tokio::spawn(Follower::of(&survivor, &task.task_id).finish(None));
    stream
        .until(|event| runs(event, "apply_node_storage"))
        .await;

    let asked = drydock::clock::now();
    owner.terminate().await;
    let status = owner.exit(STOP_BOUND).await;
    assert!(status.success(), "{status}");
    let follower = follower.await.expect("the watcher sees the end");
    assert_eq!(follower.streams, 1, "the other's streams are not touched");

    let roots = BTreeSet::from([task.task_id.clone()]);
    let journal = Journal::read(&survivor, &before, &roots).await;
    let taken = journal.0.iter().position(|event| says(event, "gave back"));
    let taken = taken.expect("a takeover of what was given back");
    let next = journal.0[taken..].iter().find(|event| moves(event));
    let next = next.expect("something goes on after it");
    let (taken, next) = (after(&journal.0[taken], asked), after(next, asked));
    println!("taken over {taken:?} after the stop was asked for, at work after {next:?}");
    assert!(next < HANDOVER_BOUND, "at work only after {next:?}");
    let ledger = Ledger::read(&database.ledger());
    let roots = roots.iter().map(String::as_str);
    check_deployments(&survivor, &ledger, roots, &[], "handed over").await;
}

/// What an upgrade is to those who use the service: each replica is stopped and started again in turn,
/// under work and with leases that nobody waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_replaced_one_by_one_under_work() {
    const SITES: usize = 6;
    const TASKS_EACH: usize = 2;
    let database = Database::postgres().await;
    let machines = Machine::many(2);
    let site = Site::of(&machines);
    let designs = (0..SITES).map(|number| site.add(&format!("quay{number}"), &machines));
    let designs: Vec<String> = designs.collect();
    // Few at a time, so that there is work for as long as it takes.
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "500ms")
        .set("executor.max_running_roots", 2);
    let mut servers = join_all((0..2).map(|_| launch.start())).await;
    let clients = servers.iter().map(|server| Client::of(server.address()));
    let clients: Vec<Client> = clients.collect();
    let before = clients[0].position(None).await;
    let mut roots = BTreeSet::new();
    let mut watchers = JoinSet::new();
    for design in designs.iter().cycle().take(SITES * TASKS_EACH) {
        let task = clients[0].create(TaskAction::DeployNode, design).await;
        let follower = Follower::among(clients.clone(), &task.task_id);
        watchers.spawn(follower.finish(None));
        roots.insert(task.task_id);
    }
    for (place, server) in servers.iter_mut().enumerate() {
        until_at_work(&database, server).await;
        server.terminate().await;
        let status = server.exit(STOP_BOUND).await;
        assert!(status.success(), "replica {place}: {status}");
        *server = launch.clone().at(server.address()).start().await;
    }
    watchers.join_all().await;

    let journal = Journal::read(&clients[0], &before, &roots).await;
    let lost = journal.0.iter().find(|event| says(event, "lost its lease"));
    assert!(lost.is_none(), "{lost:?}");
    assert!(journal.0.iter().any(|event| says(event, "gave back")));
    let ledger = Ledger::read(&database.ledger());
    let roots = roots.iter().map(String::as_str);
    check_deployments(&clients[0], &ledger, roots, &[], "replaced").await;
}

/// Returns once the server is in the middle of a step.
async fn until_at_work(database: &Database, server: &Server) {
    let begun = Instant::now();
    loop {
        let ledger = Ledger::read(&database.ledger());
        let open = ledger.open_by_instance();
        let instance = server.instances().pop().expect("its id");
        if open.contains_key(instance.as_str()) {
            return;
        }
        assert!(begun.elapsed() < WORK_BOUND, "a replica does nothing");
        sleep(LOOK_AGAIN).await;
    }
}

/// Deploys a site to its end.
async fn deploy(client: &Client, site: &Site) -> Task {
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    Follower::of(client, &task.task_id).finish(None).await;
    client.get(&task.task_id).await
}

/// Calls what reads and writes, on a deployment of which one node has failed.
async fn use_everything(client: &Client, site: &Site, deployed: &Task) {
    let task_id = &deployed.task_id;
    let tree = client.tree(task_id).await;
    let root = &tree.tasks[task_id];
    assert_eq!(root.status(), TaskStatus::Complete, "{root:?}");
    let result = root.result.as_ref().expect("a result");
    assert_eq!(result.status(), ResultStatus::PartialSuccess, "{result:?}");
    assert_eq!(result.failures, ["bad"]);
    assert!(
        !result
            .details
            .as_ref()
            .expect("messages")
            .message_list
            .is_empty()
    );
    let listed = client.list().await;
    assert_eq!(listed.len(), tree.tasks.len());

    let request = RetryTaskRequest {
        task_id: task_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        ..RetryTaskRequest::default()
    };
    let retried = client.tasks.clone().retry_task(request).await;
    let retried = retried.expect("it is tried again").into_inner();
    let wait = WaitTaskRequest {
        task_id: retried.task_id.clone(),
        timeout: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
    };
    let waited = client.tasks.clone().wait_task(wait).await;
    assert_eq!(
        waited.expect("it is waited for").into_inner().done,
        Some(true)
    );

    let stopped = client
        .create(TaskAction::DestroyNode, &site.reference())
        .await;
    client.terminate(&stopped.task_id, "enough").await;
    Follower::of(client, &stopped.task_id).finish(None).await;
    let purged = client.try_purge(0, None, true).await;
    let purged = purged.expect("what is over is purged");
    assert_eq!(purged.purge_count, Some(3));
}

/// Does to the schema what a later version does: a new column in every table, a new table, and a note of it.
async fn extend(database: &Database) {
    for table in database.tables().await {
        let column = format!("ALTER TABLE {table} ADD COLUMN of_a_later_version text");
        database.execute(&column).await;
    }
    let table = "CREATE TABLE of_a_later_version (id integer PRIMARY KEY)";
    database.execute(table).await;
    note_migration(database, NEXT).await;
}

async fn note_migration(database: &Database, name: &str) {
    let note = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 0)");
    database.execute(&note).await;
}

/// How many migrations the program knows.
async fn migrations(database: &Database) -> usize {
    migrate(database, "status").await.lines().count()
}

/// What `drydock migrate` prints.
async fn migrate(database: &Database, command: &str) -> String {
    let mut program = drydock();
    program.args(["migrate", command, "--database-url", database.url()]);
    program.env("DRYDOCK_SERVER__DATA_DIR", database.directory());
    let output = program.output().await.expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Whether an event tells that a task of `step` runs.
fn runs(event: &TaskEvent, step: &str) -> bool {
    let task = match &event.event {
        Some(Arm::Snapshot(task)) => Some(task),
        Some(Arm::StatusChanged(change)) => change.task.as_ref(),
        _ => None,
    };
    task.is_some_and(|task| task.step == step && task.status() == TaskStatus::Running)
}

/// Whether an event is a change of status.
fn moves(event: &TaskEvent) -> bool {
    matches!(event.event, Some(Arm::StatusChanged(_)))
}

/// Whether an event is a message with this text.
fn says(event: &TaskEvent, text: &str) -> bool {
    matches!(&event.event, Some(Arm::MessageAdded(said)) if said.message.contains(text))
}

/// How long after `moment` an event was committed; both clocks are this machine's.
fn after(event: &TaskEvent, moment: Timestamp) -> Duration {
    let ts = event.ts.expect("an event has a time");
    let committed = chrono::DateTime::from_timestamp(ts.seconds, ts.nanos.unsigned_abs());
    let committed = committed.expect("a time");
    (committed - moment).to_std().unwrap_or_default()
}
