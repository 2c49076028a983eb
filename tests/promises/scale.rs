//! One task over ten thousand nodes, in bounded memory.

use std::time::Instant;

use drydock::proto::v1::{ResultStatus, TaskAction, TaskStatus};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(ten_thousand_nodes_are_one_task_in_bounded_memory);

const NODES: usize = 10_000;

/// What the server may hold at its peak: the design, what runs, and rings of bounded size.
const MAX_MEMORY: u64 = 400 * 1024 * 1024;

async fn ten_thousand_nodes_are_one_task_in_bounded_memory(database: Database) {
    let site = Site::of(&Machine::many(NODES));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let begun = Instant::now();
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let follower = Follower::of(&client, &task.task_id).finish(None).await;
    let took = begun.elapsed();
    let memory = server.peak_memory();
    // A subtask for each node and one for its step.
    let rate = (NODES * 2) as f64 / took.as_secs_f64();
    println!(
        "{:?}: {NODES} nodes in {took:?}, {rate:.0} subtasks/s, {} events, peak {} MiB",
        database.kind,
        follower.events.len(),
        memory / (1024 * 1024)
    );
    let task = client.get(&task.task_id).await;
    assert_eq!(task.status(), TaskStatus::Complete);
    assert_eq!(task.target_node_count, Some(10_000));
    assert_eq!(task.target_nodes.len(), 1000);
    let result = task.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::Success);
    assert_eq!(result.success_count, Some(10_000));
    assert_eq!(result.successes.len(), 1000);
    assert!(memory < MAX_MEMORY, "{memory} bytes");
}
