//! A hundred clients at once, each with a task of its own.

use std::time::Duration;

use drydock::domain::Timestamp;
use drydock::proto::v1::{TaskAction, TaskEvent, TaskStatus};

use crate::support::checker::{Beginning, Checker, End, Scope};
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Next;

on_both_databases!(a_hundred_clients_each_see_their_task_end);

const CLIENTS: usize = 100;

async fn a_hundred_clients_each_see_their_task_end(database: Database) {
    let site = Site::of(&Machine::many(4));
    let kind = database.kind;
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "20ms")
        .start()
        .await;
    let address = server.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let reference = site.reference();
            tokio::spawn(async move { one_client(&Client::of(address), &reference).await })
        })
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await.expect("a client sees its task end"));
    }
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100];
    println!(
        "{kind:?}: {CLIENTS} clients, {} events, commit to delivery p50 {:?} p99 {:?} max {:?}",
        latencies.len(),
        at(50),
        at(99),
        at(100)
    );
}

/// Creates a task, watches it to its end, and tells how long each event took to arrive.
async fn one_client(client: &Client, design_ref: &str) -> Vec<Duration> {
    let task = client.create(TaskAction::VerifyNode, design_ref).await;
    assert_eq!(task.status(), TaskStatus::Queued);
    let mut stream = client.watch(&task.task_id).await;
    let mut checker = Checker::new(Scope::Task(task.task_id.clone()));
    checker.begin(Beginning::Snapshot);
    let mut latencies = Vec::new();
    let mut live = false;
    loop {
        match stream.next().await {
            Next::Message(event, received) => {
                let checked = checker.see(&event);
                checked.unwrap_or_else(|broken| panic!("{broken}"));
                if live && !event.replay && !event.resume_token.is_empty() {
                    latencies.extend(since(&event, received));
                }
                live |= !event.resume_token.is_empty();
            }
            Next::End(end) => {
                end.expect("the stream ends with OK");
                checker
                    .end(End::Ok)
                    .unwrap_or_else(|broken| panic!("{broken}"));
                return latencies;
            }
        }
    }
}

/// How long ago an event was committed; both clocks are this machine's.
fn since(event: &TaskEvent, received: Timestamp) -> Option<Duration> {
    let ts = event.ts?;
    let committed = chrono::DateTime::from_timestamp(ts.seconds, ts.nanos.unsigned_abs())?;
    Some((received - committed).to_std().unwrap_or_default())
}
