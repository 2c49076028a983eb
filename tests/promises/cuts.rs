//! Connections that are cut again and again, between the server and its database and between the server and
//! its clients: nothing is lost, nothing is repeated (promises P1, P2, P5, P10, P11).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drydock::proto::v1::{CreateTaskRequest, ResultStatus, TaskAction, TaskEvent};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::client::{Client, create_request};
use crate::support::database::Database;
use crate::support::journal::Journal;
use crate::support::ledger::Ledger;
use crate::support::proxy::Proxy;
use crate::support::scale::scaled;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;
use crate::support::work::check_deployments;

/// Cuts of every connection, at the scale of CI.
const CUTS: u32 = 30;

/// The longest pause between two cuts: some steps end within it, and some writes are cut off.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Customers who want small tasks, beside the one who wants deployments.
const SMALL_CUSTOMERS: usize = 5;

/// Between two tries of a call that was cut off.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_the_database_may_be_cut_at_any_moment() {
    survive(1, |database, _| database.cut()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_clients_may_be_cut_at_any_moment() {
    survive(2, |_, clients| clients.cut()).await;
}

/// Lets `cut` do its worst while deployments run one after the other, watched, and tasks are created.
async fn survive(seed: u64, cut: impl Fn(&Proxy, &Proxy)) {
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::postgres().await;
    let site = Site::of(&Machine::many(6));
    let small = site.add("small", &Machine::many(1));
    let (to_database, through) = Proxy::to_database(database.url()).await;
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .reaching(&through)
        .set("simulated.step_duration", "50ms")
        .start()
        .await;
    let to_server = Proxy::to(server.address()).await;
    let direct = Client::of(server.address());
    let before = direct.position(None).await;

    let over = Arc::new(AtomicBool::new(false));
    let mut customers = JoinSet::new();
    let wishes = [(TaskAction::DeployNode, site.reference())];
    let small = std::iter::repeat_n((TaskAction::VerifyNode, small), SMALL_CUSTOMERS);
    for (action, design) in wishes.into_iter().chain(small) {
        // Each has a connection of its own.
        let (client, over) = (Client::of(to_server.address()), Arc::clone(&over));
        customers.spawn(async move { one_after_the_other(&client, action, &design, &over).await });
    }
    for _ in 0..scaled(CUTS) {
        // The passing of this time is what the test is about: a cut comes at any moment.
        sleep(random.random_range(Duration::ZERO..LONGEST_PAUSE)).await;
        cut(&to_database, &to_server);
    }
    over.store(true, Ordering::Release);
    let told: Vec<Told> = customers.join_all().await.into_iter().flatten().collect();

    let roots: BTreeSet<String> = told.iter().map(|one| one.task_id.clone()).collect();
    assert_eq!(roots.len(), told.len(), "one request, one task");
    let listed = direct.list().await.into_iter();
    let listed = listed.filter(|task| task.parent_task_id.is_none());
    let listed: BTreeSet<String> = listed.map(|task| task.task_id).collect();
    assert_eq!(
        listed, roots,
        "nothing more and nothing less than asked for"
    );
    let journal = Journal::read(&direct, &before, &roots).await;
    for one in &told {
        journal.assert_told(&one.task_id, &one.events, "a watcher and the journal");
        let result = direct.get(&one.task_id).await.result.expect("a result");
        assert_eq!(result.status(), ResultStatus::Success, "{result:?}");
    }
    let ledger = Ledger::read(&database.ledger());
    let roots = roots.iter().map(String::as_str);
    check_deployments(&direct, &ledger, roots, &[], "cuts").await;
    let retries: usize = told.iter().map(|one| one.retries).sum();
    let streams: usize = told.iter().map(|one| one.streams).sum();
    println!(
        "{} tasks, {retries} creations made again, {streams} streams",
        told.len()
    );
}

/// What a customer was told of a task.
struct Told {
    task_id: String,
    events: Vec<TaskEvent>,
    retries: usize,
    streams: usize,
}

/// Creates a task and watches it to its end, then the next, until it is `over`.
async fn one_after_the_other(
    client: &Client,
    action: TaskAction,
    design: &str,
    over: &AtomicBool,
) -> Vec<Told> {
    let mut told = Vec::new();
    while !over.load(Ordering::Acquire) {
        let request = CreateTaskRequest {
            request_id: Uuid::new_v4().to_string(),
            ..create_request(action, design)
        };
        let mut retries = 0;
        let task = loop {
            match client.try_create(request.clone()).await {
                Ok(task) => break task,
                Err(_) => retries += 1,
            }
            sleep(RETRY_PAUSE).await;
        };
        let follower = Follower::of(client, &task.task_id).finish(None).await;
        told.push(Told {
            task_id: task.task_id,
            events: follower.events,
            retries,
            streams: follower.streams,
        });
    }
    told
}
