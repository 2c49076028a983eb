//! A server that is killed at any moment and started again: nothing that was acknowledged is lost, nothing
//! destructive is done twice, no watcher loses its place (promises P1, P2, P5, P6, P11).

use std::collections::BTreeSet;
use std::time::Duration;

use drydock::proto::v1::{CreateTaskRequest, Task, TaskAction, TaskEvent};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinHandle;
use tonic::Status;
use uuid::Uuid;

use crate::support::client::{Client, create_request};
use crate::support::database::{Database, Kind};
use crate::support::journal::Journal;
use crate::support::ledger::Ledger;
use crate::support::scale::scaled;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;
use crate::support::work::check_deployments;

/// Kills on each database, at the scale of CI.
const SQLITE_KILLS: u32 = 30;
/// Each waits out a lease, so there are fewer.
const POSTGRES_KILLS: u32 = 10;

/// How many times as many kills as were asked for there may be.
const MOST_ROUNDS: u32 = 3;

/// The nodes whose deployment must not be repeated.
const ONCE: [&str; 2] = ["n00005", "n00006"];

const STEP_DURATION: Duration = Duration::from_millis(60);

/// Events of the two deployments that a kill waits for, at most: they have more than 300 together.
const LAST_KILL: usize = 290;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_a_killed_server_loses_nothing_and_repeats_nothing() {
    survive(scaled(SQLITE_KILLS), || async { Database::sqlite() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_killed_server_loses_nothing_and_repeats_nothing() {
    survive(scaled(POSTGRES_KILLS), Database::postgres).await;
}

/// Kills servers until there were enough kills, and half as many with a step open. On a machine that is so
/// busy that kills come late there are more, within [`MOST_ROUNDS`].
async fn survive<F: Future<Output = Database>>(kills: u32, fresh: impl Fn() -> F) {
    let mut done = 0;
    let mut with_open_step = 0;
    while done < kills || with_open_step * 2 < kills {
        assert!(
            done < kills * MOST_ROUNDS,
            "kills miss the steps: {with_open_step} of {done}"
        );
        let database = fresh().await;
        println!("seed {done} on {:?}", database.kind);
        with_open_step += u32::from(one_kill(done.into(), &database).await);
        done += 1;
    }
    println!("{with_open_step} of {done} kills left a step open");
}

/// Kills a server in the middle of two deployments; whether a step was open then.
async fn one_kill(seed: u64, database: &Database) -> bool {
    let mut random = StdRng::seed_from_u64(seed);
    let mut machines = Machine::many(6);
    for machine in &mut machines[4..] {
        *machine = machine.clone().once_at("deploy_node");
    }
    let site = Site::of(&machines);
    let quay = site.add("quay", &machines);
    let small = site.add("small", &Machine::many(1));
    let mut launch = Launch::on(database).designs_in(site.directory()).set(
        "simulated.step_duration",
        format!("{}ms", STEP_DURATION.as_millis()),
    );
    if database.kind == Kind::Postgres {
        launch = launch.with_short_leases();
    }
    let server = launch.start().await;
    let launch = launch.at(server.address());
    let client = Client::of(server.address());

    let before = client.position(None).await;
    let deployments = [
        client
            .create(TaskAction::DeployNode, &site.reference())
            .await,
        client.create(TaskAction::DeployNode, &quay).await,
    ];
    let followers = deployments.each_ref().map(|task| {
        let follower = Follower::of(&client, &task.task_id);
        tokio::spawn(follower.finish(None))
    });
    let applicant = apply(client.clone(), small);

    let events = random.random_range(1..=LAST_KILL);
    let pause = random.random_range(Duration::ZERO..STEP_DURATION);
    count_events(&client, &before, &deployments, events).await;
    // Not to wait for anything: the kill must not always come right after a commit.
    tokio::time::sleep(pause).await;
    server.kill().await;
    let at_kill = Ledger::read(&database.ledger());
    let (acknowledged, unanswered) = applicant.await.expect("the applicant is refused at last");

    let server = launch.start().await;
    let mut told = Vec::new();
    for follower in followers {
        told.push(follower.await.expect("a watcher sees its task end").events);
    }
    for task in &acknowledged {
        Follower::of(&client, &task.task_id).finish(None).await;
    }
    check_repeated_request(&client, unanswered).await;

    let roots: BTreeSet<String> = deployments
        .iter()
        .chain(&acknowledged)
        .map(|task| task.task_id.clone())
        .collect();
    let journal = Journal::read(&client, &before, &roots).await;
    for (task, told) in deployments.iter().zip(&told) {
        let who = format!("seed {seed}: a watcher and the journal");
        journal.assert_told(&task.task_id, told, &who);
    }
    let ledger = Ledger::read(&database.ledger());
    let roots = deployments.iter().map(|task| task.task_id.as_str());
    check_deployments(&client, &ledger, roots, &ONCE, &format!("seed {seed}")).await;
    drop(server);
    !at_kill.open().is_empty()
}

/// Creates small tasks, one after the other, until the server is gone: those that it acknowledged, and the
/// request that it did not answer.
fn apply(client: Client, design_ref: String) -> JoinHandle<(Vec<Task>, CreateTaskRequest)> {
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        loop {
            let request = CreateTaskRequest {
                request_id: Uuid::new_v4().to_string(),
                ..create_request(TaskAction::VerifyNode, &design_ref)
            };
            match client.try_create(request.clone()).await {
                Ok(task) => acknowledged.push(task),
                Err(_) => return (acknowledged, request),
            }
        }
    })
}

/// A request whose answer was lost, made again and again, is one task (promise P2).
async fn check_repeated_request(client: &Client, request: CreateTaskRequest) {
    let create = || client.try_create(request.clone());
    let one = create().await.expect("the request is made again");
    let other = create().await.expect("and again");
    assert_eq!(one.task_id, other.task_id);
    let tasks = client.list().await;
    let roots = tasks.iter().filter(|task| task.parent_task_id.is_none());
    let of_request = roots.filter(|task| task.task_id == one.task_id).count();
    assert_eq!(of_request, 1);
    Follower::of(client, &one.task_id).finish(None).await;
}

async fn count_events(client: &Client, token: &str, tasks: &[Task; 2], count: usize) {
    let stream: Result<_, Status> = client.watch_fleet(None, token).await;
    let mut stream = stream.expect("the fleet is watched");
    let ours = |event: &TaskEvent| tasks.iter().any(|task| task.task_id == event.root_task_id);
    for _ in 0..count {
        stream.until(ours).await;
    }
}
