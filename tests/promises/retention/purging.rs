//! What every test of a purge does: finished tasks, the request, the refusal.

use drydock::proto::v1::{PurgeTasksResponse, Task, TaskAction, TaskFilter};
use tonic::Status;

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::Site;
use crate::support::stream::{Follower, Next, Stream};

/// A server that keeps nothing longer than it is asked to.
pub(super) fn forgetful(database: &Database, site: &Site) -> Launch {
    Launch::on(database)
        .designs_in(site.directory())
        .set("retention.events", "0s")
}

/// Creates a task and waits for its end.
pub(super) async fn done(client: &Client, site: &Site) -> Task {
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    Follower::of(client, &task.task_id).finish(None).await;
    client.get(&task.task_id).await
}

pub(super) fn of_tree(task: &Task) -> Option<TaskFilter> {
    Some(TaskFilter {
        root_task_id: task.task_id.clone(),
        ..TaskFilter::default()
    })
}

pub(super) async fn purge(client: &Client, filter: Option<TaskFilter>) -> PurgeTasksResponse {
    let purged = client.try_purge(0, filter, true).await;
    purged.expect("the tasks are purged")
}

pub(super) fn answer(count: i32, sample: &[&Task]) -> PurgeTasksResponse {
    PurgeTasksResponse {
        purge_count: Some(count),
        purge_sample: sample.iter().map(|task| task.task_id.clone()).collect(),
    }
}

/// The error of a stream, whether it comes at once or as its first message.
pub(super) async fn refusal(opened: Result<Stream, Status>) -> Status {
    match opened {
        Err(status) => status,
        Ok(mut stream) => match stream.next().await {
            Next::End(Err(status)) => status,
            other => panic!("the stream says {other:?}"),
        },
    }
}
