//! A server that is asked to stop: it does so in time, and its watchers go on elsewhere.

use std::time::{Duration, Instant};

use drydock::proto::v1::{TaskAction, TaskStatus};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::checker::{Beginning, Checker, End, Scope};
use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::{Next, Stream};

on_both_databases!(a_stop_ends_every_watch_where_it_can_be_resumed);

const WATCHES: usize = 100;

/// The drain timeout that the server is given, and what its end may take beyond it.
const DRAIN: Duration = Duration::from_secs(10);
const BEYOND_DRAIN: Duration = Duration::from_secs(3);

async fn a_stop_ends_every_watch_where_it_can_be_resumed(database: Database) {
    let site = Site::of(&[
        Machine::named("done"),
        Machine::named("hung").hangs_at("deploy_node"),
    ]);
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .set("server.drain_timeout", "10s");
    let mut server = launch.start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;

    let mut watchers = Vec::new();
    for _ in 0..WATCHES {
        let mut watcher = Watcher::of(&client, &task.task_id).await;
        while watcher.token.is_empty() {
            watcher.next().await.expect("the stream is open");
        }
        watchers.push(watcher);
    }
    let asked = Instant::now();
    server.terminate().await;
    for watcher in &mut watchers {
        let end = watcher.rest().await;
        let status = end.expect_err("a stream that is cut off does not end with OK");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(reason(&status), "SERVER_DRAINING");
        assert!(status.get_details_retry_info().is_some(), "{status:?}");
    }
    let status = server.exit(DRAIN + BEYOND_DRAIN).await;
    let took = asked.elapsed();
    println!(
        "{:?}: {WATCHES} watches, stopped in {took:?}",
        database.kind
    );
    assert!(status.success(), "{status}");

    let server = launch.at(server.address()).start().await;
    for watcher in &mut watchers {
        watcher.resume(&client, &task.task_id).await;
    }
    client.terminate(&task.task_id, "the end of the test").await;
    for watcher in &mut watchers {
        watcher.rest().await.expect("the stream ends with OK");
        assert!(watcher.checker.is_over());
    }
    assert_eq!(
        client.get(&task.task_id).await.status(),
        TaskStatus::Terminated
    );
    drop(server);
}

/// A client's stream, held against the rules, and the position that it can be resumed from.
struct Watcher {
    stream: Stream,
    checker: Checker,
    token: String,
}

impl Watcher {
    async fn of(client: &Client, task_id: &str) -> Self {
        let mut checker = Checker::new(Scope::Task(task_id.to_owned()));
        checker.begin(Beginning::Snapshot);
        Self {
            stream: client.watch(task_id).await,
            checker,
            token: String::new(),
        }
    }

    async fn resume(&mut self, client: &Client, task_id: &str) {
        let stream = client.try_watch(task_id, &self.token).await;
        self.stream = stream.expect("a watch goes on where it was");
        self.checker.begin(Beginning::Resume);
    }

    /// Reads one message; the end is an error, none where it is OK.
    async fn next(&mut self) -> Result<(), Option<Status>> {
        match self.stream.next().await {
            Next::Message(event, _) => {
                let checked = self.checker.see(&event);
                checked.unwrap_or_else(|broken| panic!("{broken}"));
                if !event.resume_token.is_empty() {
                    self.token = event.resume_token;
                }
                Ok(())
            }
            Next::End(end) => Err(end.err()),
        }
    }

    async fn rest(&mut self) -> Result<(), Status> {
        loop {
            match self.next().await {
                Ok(()) => {}
                Err(Some(status)) => return Err(status),
                Err(None) => {
                    let ended = self.checker.end(End::Ok);
                    ended.unwrap_or_else(|broken| panic!("{broken}"));
                    return Ok(());
                }
            }
        }
    }
}
