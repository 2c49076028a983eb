//! Too much of something: what is beyond a limit is refused at once and says when to come back, and nobody
//! who was let in is harmed by it (promises P11, P13, P17).

use std::time::{Duration, Instant};

use drydock::proto::v1::{CreateTaskRequest, RetryTaskRequest, TaskAction, TaskEvent, TaskStatus};
use prost::Message as _;
use tokio::time::sleep;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::support::checker::assert_same_history;
use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::server::{Launch, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::{Follower, Stream};

on_both_databases!(
    a_full_queue_refuses_what_is_new_and_knows_what_it_has,
    a_reader_that_stalls_is_told_so_and_loses_nothing,
    a_reader_that_never_reads_is_cut_off_and_loses_nothing,
    a_stream_that_has_lived_long_enough_is_resumed_without_loss,
);

/// What the smallest window of HTTP/2 holds: with it, a reader that does not read is soon sent no more.
const LITTLE_ROOM: u32 = 65_535;

/// How long a reader may stall, where the test reads on after that and before its connection is closed.
const STALL: Duration = Duration::from_secs(4);

/// How long room may take to be found that there is, and how often it is asked for.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

async fn a_full_queue_refuses_what_is_new_and_knows_what_it_has(database: Database) {
    let site = Site::of(&[Machine::named("hung").hangs_at("interrogate_oob")]);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("tasks.max_queued", 2)
        .set("executor.max_running_roots", 1)
        .start()
        .await;
    let client = Client::of(server.address());
    let request = || CreateTaskRequest {
        request_id: Uuid::new_v4().to_string(),
        ..create_request(TaskAction::VerifyNode, &site.reference())
    };
    let ended = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let mut stream = client.watch(&ended.task_id).await;
    stream.until(|event| event.parent_task_id.is_some()).await;
    client.terminate(&ended.task_id, "to be tried again").await;
    Follower::of(&client, &ended.task_id).finish(None).await;

    let first = client.try_create(request()).await.expect("a task");
    let mut stream = client.watch(&first.task_id).await;
    stream.until(|event| event.parent_task_id.is_some()).await;
    let known = [request(), request()];
    let mut queued = Vec::new();
    for request in &known {
        let task = client.try_create(request.clone()).await;
        queued.push(task.expect("there is room for two").task_id);
    }
    let fresh = request();
    let refused = client.try_create(fresh.clone()).await;
    assert_refused(&refused.expect_err("the queue is full"), "QUEUE_FULL");
    let retry = RetryTaskRequest {
        task_id: ended.task_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        scope: drydock::proto::v1::RetryScope::AllNodes.into(),
    };
    let refused = client.tasks.clone().retry_task(retry.clone()).await;
    assert_refused(&refused.expect_err("the queue is full"), "QUEUE_FULL");

    // Who repeats what was acknowledged is answered, and one who repeats what was not gets nothing.
    for (request, task_id) in known.iter().zip(&queued) {
        let again = client.tasks.clone().create_task(request.clone()).await;
        let again = again.expect("the task that there is");
        assert!(again.metadata().get("drydock-replayed").is_some());
        assert_eq!(&again.get_ref().task_id, task_id);
    }
    let refused = client.try_create(fresh.clone()).await;
    assert_refused(&refused.expect_err("the queue is full"), "QUEUE_FULL");
    let roots = client.list().await.into_iter();
    let roots = roots.filter(|task| task.parent_task_id.is_none());
    assert_eq!(roots.count(), 4, "nothing of what was refused is stored");

    // Room is found once there is some.
    let stopped = client.terminate(&queued[0], "room").await;
    assert_eq!(stopped.status(), TaskStatus::Terminated);
    let begun = Instant::now();
    let task = loop {
        match client.try_create(fresh.clone()).await {
            Ok(task) => break task,
            Err(status) => assert_refused(&status, "QUEUE_FULL"),
        }
        assert!(begun.elapsed() < PATIENCE, "room is never found");
        sleep(LOOK_AGAIN).await;
    };
    for task_id in [&first.task_id, &queued[1], &task.task_id] {
        client.terminate(task_id, "the end").await;
        Follower::of(&client, task_id).finish(None).await;
    }
}

async fn a_reader_that_stalls_is_told_so_and_loses_nothing(database: Database) {
    let told = Told::of(&database, |launch| {
        launch.set("watch.stall_timeout", format!("{}s", STALL.as_secs()))
    })
    .await;
    let slow = with_little_room(&told.server);
    let stream = slow.try_watch(&told.task_id, &told.from).await;
    let stream = stream.expect("the task is watched");
    // The passing of this time is what the test is about: released after one, cut off after two.
    sleep(STALL * 3 / 2).await;
    let (mut events, end) = stream.rest().await;
    let status = end.expect_err("it stalled");
    assert_refused(&status, "WATCH_CONSUMER_STALLED");
    assert!(events.len() < told.events.len(), "it had room for all");
    let token = token_of(&events).expect("something was in the window");
    let stream = slow.try_watch(&told.task_id, token).await;
    let (rest, end) = stream.expect("it goes on where it was").rest().await;
    assert!(end.is_ok(), "{end:?}");
    events.extend(rest);
    assert_same_history(&told.events, &events, "one that stalled");
}

async fn a_reader_that_never_reads_is_cut_off_and_loses_nothing(database: Database) {
    let told = Told::of(&database, |launch| {
        launch
            .set("watch.stall_timeout", "1s")
            .set("watch.max_per_replica", 1)
    })
    .await;
    let slow = with_little_room(&told.server);
    let (stream, _) = seated(&slow, &told.task_id, &told.from).await;
    // It has the only seat, until its connection is closed.
    let (other, refused) = seated(&told.client, &told.task_id, &told.from).await;
    assert!(refused > 0, "there was a seat beside it");
    let (events, end) = other.rest().await;
    assert!(end.is_ok(), "{end:?}");
    assert_same_history(&told.events, &events, "one that had to wait for a seat");

    let (mut events, end) = stream.rest().await;
    let status = end.expect_err("its connection was closed");
    assert!(std::error::Error::source(&status).is_some(), "{status:?}");
    assert!(events.len() < told.events.len(), "it had room for all");
    let token = token_of(&events).unwrap_or(&told.from);
    let (stream, _) = seated(&slow, &told.task_id, token).await;
    let (rest, end) = stream.rest().await;
    assert!(end.is_ok(), "{end:?}");
    events.extend(rest);
    assert_same_history(&told.events, &events, "one that was cut off");
}

async fn a_stream_that_has_lived_long_enough_is_resumed_without_loss(database: Database) {
    let site = Site::of(&Machine::many(3));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "500ms")
        .set("watch.max_life", "400ms")
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let tree = client.tree(&task.task_id).await;
    let mut token = tree.resume_token.clone();
    let mut events = Vec::new();
    let mut rotated = 0;
    loop {
        let stream = client.try_watch(&task.task_id, &token).await;
        let (told, end) = stream.expect("the task is watched").rest().await;
        if let Some(last) = token_of(&told) {
            last.clone_into(&mut token);
        }
        events.extend(told);
        match end {
            Ok(()) => break,
            Err(status) => assert_rotated(&status),
        }
        rotated += 1;
    }
    println!("{:?}: rotated {rotated} times", database.kind);
    assert!(rotated > 1, "one life was enough");
    let known = tree.tasks.values();
    let whole = Follower::resuming(&client, &task.task_id, &tree.resume_token, known);
    let whole = whole.finish(None).await;
    assert_same_history(&whole.events, &events, "one that was rotated");

    let fleet = client.watch_fleet(None, "").await;
    let (_, end) = fleet.expect("the fleet is watched").rest().await;
    assert_rotated(&end.expect_err("a fleet has no end"));
}

/// A deployment that is over, as whoever reads it at once is told of it.
struct Told {
    server: Server,
    client: Client,
    task_id: String,
    /// The position that it was read from.
    from: String,
    events: Vec<TaskEvent>,
    _site: Site,
}

impl Told {
    async fn of(database: &Database, set: impl Fn(Launch) -> Launch) -> Self {
        let site = Site::of(&Machine::many(40));
        let launch = Launch::on(database).designs_in(site.directory());
        let server = set(launch).start().await;
        let client = Client::of(server.address());
        let task = client
            .create(TaskAction::DeployNode, &site.reference())
            .await;
        let from = client.tree(&task.task_id).await.resume_token;
        let stream = client.try_watch(&task.task_id, &from).await;
        let (events, end) = stream.expect("the task is watched").rest().await;
        assert!(end.is_ok(), "{end:?}");
        let size: usize = events.iter().map(TaskEvent::encoded_len).sum();
        assert!(size > 3 * LITTLE_ROOM as usize, "{size} bytes fit a window");
        Self {
            server,
            client,
            task_id: task.task_id,
            from,
            events,
            _site: site,
        }
    }
}

/// A client that takes no more than it must before it is read from.
fn with_little_room(server: &Server) -> Client {
    let endpoint = Endpoint::from_shared(server.url()).expect("a URL");
    let channel = endpoint
        .initial_stream_window_size(LITTLE_ROOM)
        .initial_connection_window_size(LITTLE_ROOM)
        .connect_lazy();
    Client::over(channel, None)
}

/// The last position that can be resumed from.
fn token_of(events: &[TaskEvent]) -> Option<&str> {
    let mut tokens = events.iter().map(|event| event.resume_token.as_str());
    tokens.rfind(|token| !token.is_empty())
}

/// A watch from `token` on, as soon as there is a seat for it, and how often there was none.
async fn seated(client: &Client, task_id: &str, token: &str) -> (Stream, usize) {
    let begun = Instant::now();
    let mut refused = 0;
    loop {
        match client.try_watch(task_id, token).await {
            Ok(stream) => return (stream, refused),
            Err(status) => assert_refused(&status, "WATCH_QUOTA"),
        }
        refused += 1;
        assert!(begun.elapsed() < PATIENCE, "a seat is never free");
        sleep(LOOK_AGAIN).await;
    }
}

#[track_caller]
fn assert_refused(status: &Status, why: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(reason(status), why);
    assert!(says_when(status), "{status:?}");
}

#[track_caller]
fn assert_rotated(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(reason(status), "WATCH_ROTATED");
    assert!(says_when(status), "{status:?}");
}

fn says_when(status: &Status) -> bool {
    let retry = status.get_details_retry_info();
    retry.is_some_and(|retry| retry.retry_delay.is_some())
}
