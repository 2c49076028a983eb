//! A server that is asked to stop: it does so in time, and its watchers go on elsewhere.

use std::time::{Duration, Instant};

use drydock::proto::v1::{TaskAction, TaskStatus};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Next;

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
    let task = client.create(TaskAction::DeployNode, &site.reference()).await;

    let mut streams = Vec::new();
    for _ in 0..WATCHES {
        let mut stream = client.watch(&task.task_id).await;
        let event = stream.until(|event| !event.resume_token.is_empty()).await;
        streams.push((stream, event.resume_token));
    }
    let asked = Instant::now();
    server.terminate().await;
    let mut tokens = Vec::new();
    for (mut stream, mut token) in streams {
        let end = loop {
            match stream.next().await {
                Next::Message(event, _) if event.resume_token.is_empty() => {}
                Next::Message(event, _) => token = event.resume_token,
                Next::End(end) => break end,
            }
        };
        let status = end.expect_err("a stream that is cut off does not end with OK");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(reason(&status), "SERVER_DRAINING");
        assert!(status.get_details_retry_info().is_some(), "{status:?}");
        tokens.push(token);
    }
    let status = server.exit(DRAIN + BEYOND_DRAIN).await;
    let took = asked.elapsed();
    println!("{:?}: {WATCHES} watches, stopped in {took:?}", database.kind);
    assert!(status.success(), "{status}");

    let server = launch.at(server.address()).start().await;
    let mut streams = Vec::new();
    for token in &tokens {
        let stream = client.try_watch(&task.task_id, token).await;
        streams.push(stream.expect("a watch goes on where it was"));
    }
    client.terminate(&task.task_id, "the end of the test").await;
    for stream in streams {
        let (events, end) = stream.to_end().await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(events.last().map(|event| &event.task_id), Some(&task.task_id));
    }
    assert_eq!(client.get(&task.task_id).await.status(), TaskStatus::Terminated);
    drop(server);
}
