//! A database that falls silent: its connections are open and nothing comes through. Callers are told in
//! time, health says so, the work goes on elsewhere, and all is well again when the database is (promises
//! P2, P3, P4, P5, P16, P17).

use std::time::{Duration, Instant};

use drydock::proto::v1::{
    CreateTaskRequest, GetTaskRequest, ListTasksRequest, TaskAction, TaskStatus,
    TerminateTaskRequest,
};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::support::client::{Client, channel, create_request, reason};
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::postgres;
use crate::support::proxy::{Direction, Proxy};
use crate::support::server::{Launch, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

/// Within which a call must be answered: the store's bound for one call behind another, and room for a busy
/// machine.
const ANSWER_BOUND: Duration = Duration::from_secs(20);

/// Within which health must change: a renewal's interval and its bound, and room.
const HEALTH_BOUND: Duration = Duration::from_secs(15);

/// Within which the other server must finish: what the silent one locked at the database is its own for
/// 5 s, then come the lease, the quarantine and the work.
const TAKEOVER_BOUND: Duration = Duration::from_secs(30);

/// Within which a server that starts must give up, once nothing is heard from its database.
const GIVE_UP_BOUND: Duration = Duration::from_secs(40);

/// How often the database is asked how far a server has come.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Clients that have something in flight when the silence begins.
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_when_nothing_reaches_the_database() {
    fall_silent(|proxy| proxy.silence(Direction::There)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_when_nothing_comes_from_the_database() {
    fall_silent(|proxy| proxy.silence(Direction::Back)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reaches_the_database_after_a_takeover_changes_nothing() {
    fall_silent(Proxy::stall).await;
}

async fn fall_silent(begin: impl Fn(&Proxy)) {
    let database = Database::postgres().await;
    let site = Site::of(&Machine::many(4));
    let small = site.add("small", &Machine::many(1));
    let (proxy, through) = Proxy::to_database(database.url()).await;
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .with_short_leases()
        .set("simulated.step_duration", "1s");
    let owner = launch.clone().reaching(&through).start().await;
    let client = Client::of(owner.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let mut stream = client.watch(&task.task_id).await;
    stream.until(|event| event.parent_task_id.is_some()).await;
    let other = launch.start().await;
    let survivor = Client::of(other.address());
    let follower = Follower::among(vec![survivor.clone()], &task.task_id);
    let follower = tokio::spawn(follower.finish(None));

    let mut callers = JoinSet::new();
    for number in 0..CLIENTS {
        let (client, task_id) = (client.clone(), task.task_id.clone());
        callers.spawn(call_until_refused(client, number, small.clone(), task_id));
    }
    // Every kind of call has been answered, and the next is on its way.
    let mut health = Health::of(&owner).await;
    let mut stream = survivor.watch_fleet(None, "").await.expect("a stream");
    for _ in 0..CLIENTS {
        stream
            .until(|event| event.root_task_id != task.task_id)
            .await;
    }
    let silent = Instant::now();
    begin(&proxy);
    health.until(ServingStatus::NotServing).await;
    println!("not serving after {:?}", silent.elapsed());
    let mut unanswered = Vec::new();
    while let Some(caller) = callers.join_next().await {
        let (request, took) = caller.expect("a caller is refused as it should be");
        assert!(took < ANSWER_BOUND, "a call took {took:?}");
        unanswered.extend(request);
    }
    println!("the last call was refused after {:?}", silent.elapsed());
    let watched = follower.await.expect("the watcher sees the end");
    let took = silent.elapsed();
    println!("finished elsewhere after {took:?}");
    assert!(took < TAKEOVER_BOUND, "the takeover took {took:?}");

    proxy.heal();
    health.until(ServingStatus::Serving).await;
    assert!(owner.log().contains("lease lost"));
    for request in unanswered {
        let created = client.try_create(request.clone()).await;
        let created = created.expect("the database is back").task_id;
        let again = survivor.try_create(request).await.expect("a task");
        assert_eq!(created, again.task_id, "one request, one task");
        Follower::of(&client, &created).finish(None).await;
    }
    let ended = client.get(&task.task_id).await;
    assert_eq!(ended.status(), TaskStatus::Complete);
    assert_eq!(
        ended.result.and_then(|result| result.success_count),
        Some(4)
    );
    let afterwards = Follower::of(&client, &task.task_id).finish(None).await;
    assert_eq!(
        afterwards.events.last().map(|event| &event.event),
        watched.events.last().map(|event| &event.event),
        "the end stays as it was told"
    );
    let ledger = Ledger::read(&database.ledger());
    ledger
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
    // Both serve, and both work.
    for client in [&client, &survivor] {
        let task = client.create(TaskAction::VerifyNode, &small).await;
        Follower::of(client, &task.task_id).finish(None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_to_migrate_gives_up_a_silent_database() {
    let database = Database::postgres().await;
    // Another replica's change of the schema, which does not end. The number is that of the service.
    let mut other = postgres::connect(database.url()).await;
    let lock = "SELECT pg_advisory_lock(7237981023410285312)";
    sqlx::raw_sql(lock).execute(&mut other).await.expect("it");
    let asks = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND query LIKE '%pg_try_advisory_xact_lock%' AND pid <> pg_backend_pid()";
    gives_up_in_silence(&database, asks, Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_migrates_gives_up_a_silent_database() {
    let database = Database::postgres().await;
    let changes = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'drydock-migrate' AND query LIKE '%CREATE TABLE%'";
    // Slow enough that the silence falls into the change.
    gives_up_in_silence(&database, changes, Duration::from_millis(50)).await;
}

/// Starts a server, lets its database fall silent once `reached` counts something, and expects it to say so
/// and end.
async fn gives_up_in_silence(database: &Database, reached: &'static str, delay: Duration) {
    let (proxy, through) = Proxy::to_database(database.url()).await;
    proxy.slow_down(delay);
    let launch = Launch::on(database).reaching(&through);
    let refused = tokio::spawn(async move { launch.refused().await });
    let mut observer = postgres::connect(database.url()).await;
    let seen = async {
        while sqlx::query_scalar::<_, i64>(reached)
            .fetch_one(&mut observer)
            .await
            .expect("the database answers")
            == 0
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(GIVE_UP_BOUND, seen).await.expect("it gets there");
    proxy.silence(Direction::Back);
    let refused = timeout(GIVE_UP_BOUND, refused).await;
    let refused = refused.expect("it gives up in time").expect("a refusal");
    assert!(!refused.status.success());
    assert!(
        refused.log.contains("open the store: reach the database"),
        "{}",
        refused.log
    );
    assert!(refused.log.contains("no answer within"), "{}", refused.log);
}

/// Makes calls of every kind, one after the other, until one is refused: how long that one took and, where it
/// was to create a task, its request.
async fn call_until_refused(
    client: Client,
    first: usize,
    design_ref: String,
    task_id: String,
) -> (Option<CreateTaskRequest>, Duration) {
    // A task of its own first, so that there is one to stop.
    let own = client.create(TaskAction::VerifyNode, &design_ref).await;
    assert_ne!(own.task_id, task_id);
    for number in first.. {
        let mut tasks = client.tasks.clone();
        let mut asked = None;
        let begun = Instant::now();
        let answer = match number % 4 {
            0 | 1 => {
                let request = CreateTaskRequest {
                    request_id: Uuid::new_v4().to_string(),
                    ..create_request(TaskAction::VerifyNode, &design_ref)
                };
                asked = Some(request.clone());
                tasks.create_task(request).await.map(drop)
            }
            2 => {
                let request = GetTaskRequest {
                    task_id: task_id.clone(),
                    ..GetTaskRequest::default()
                };
                tasks.get_task(request).await.map(drop)
            }
            _ => {
                match tasks.list_tasks(ListTasksRequest::default()).await {
                    // What another client created, to be stopped or to be told why not.
                    Ok(page) => {
                        let mut others = page.into_inner().tasks.into_iter();
                        let other = others.find(|task| task.root_task_id != task_id);
                        stop(&client, other.expect("small tasks").task_id).await
                    }
                    Err(status) => Err(status),
                }
            }
        };
        if let Err(status) = answer {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert_eq!(reason(&status), "STORE_UNAVAILABLE");
            return (asked, begun.elapsed());
        }
    }
    unreachable!("numbers do not end")
}

async fn stop(client: &Client, task_id: String) -> Result<(), Status> {
    let request = TerminateTaskRequest {
        task_id,
        ..TerminateTaskRequest::default()
    };
    match client.tasks.clone().terminate_task(request).await {
        Err(status) if status.code() == Code::FailedPrecondition => Ok(()),
        answer => answer.map(drop),
    }
}

/// What a server tells of itself.
struct Health(tonic::Streaming<tonic_health::pb::HealthCheckResponse>);

impl Health {
    async fn of(server: &Server) -> Self {
        let mut client = HealthClient::new(channel(server.address()));
        let watch = client.watch(HealthCheckRequest::default()).await;
        Self(watch.expect("health is watched").into_inner())
    }

    async fn until(&mut self, wanted: ServingStatus) {
        let told = async {
            loop {
                let message = self.0.message().await.expect("the stream is open");
                let status = message.expect("the stream does not end").status;
                if status == wanted as i32 {
                    return;
                }
            }
        };
        let told = timeout(HEALTH_BOUND, told).await;
        told.unwrap_or_else(|_| panic!("never {wanted:?}"));
    }
}
