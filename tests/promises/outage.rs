//! The database is taken, is not there, goes away and comes back.

use std::time::{Duration, Instant};

use drydock::proto::v1::{CreateTaskRequest, GetTaskRequest, TaskAction, TaskStatus};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::postgres::Cluster;
use crate::support::server::{Launch, SHORT_LEASE};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

/// How long a server may try to reach its database before it gives up.
const PATIENCE_AT_START: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_a_sqlite_file_refuses_and_says_why() {
    let database = Database::sqlite();
    let server = Launch::on(&database).start().await;
    let refusal = Launch::on(&database).refused().await;
    assert_eq!(refusal.status.code(), Some(1), "{refusal:?}");
    let path = database.directory().join("drydock.db");
    let path = path.to_str().expect("a path in UTF-8");
    assert!(refusal.log.contains(path), "{refusal:?}");
    assert!(refusal.log.contains("another process"), "{refusal:?}");
    assert_eq!(
        Client::of(server.address()).list().await,
        [],
        "the first one still serves"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_database_gives_up_and_says_why() {
    let cluster = tokio::task::block_in_place(Cluster::start);
    let database = Database::at(cluster.database().await);
    tokio::task::block_in_place(|| cluster.stop());
    let begun = Instant::now();
    let refusal = Launch::on(&database).refused().await;
    println!("gave up after {:?}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE_AT_START);
    assert_eq!(refusal.status.code(), Some(1), "{refusal:?}");
    assert!(
        refusal.log.to_lowercase().contains("refused"),
        "{refusal:?}"
    );
    assert!(!refusal.log.contains("panicked"), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_when_the_database_is_back() {
    outlive_outages(|launch| launch, Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_an_outage_longer_than_the_lease() {
    outlive_outages(Launch::with_short_leases, SHORT_LEASE * 2).await;
}

/// Takes the database away twice during a deployment, the second time by a crash, for as long as a restart
/// takes and `at_least`.
async fn outlive_outages(leases: fn(Launch) -> Launch, at_least: Duration) {
    let cluster = tokio::task::block_in_place(Cluster::start);
    let database = Database::at(cluster.database().await);
    let site = Site::of(&Machine::many(6));
    let launch = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "300ms");
    let server = leases(launch).start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let follower = tokio::spawn(Follower::of(&client, &task.task_id).finish(None));
    let mut stream = client.watch(&task.task_id).await;
    stream.until(|event| event.parent_task_id.is_some()).await;

    for crash in [false, true] {
        tokio::task::block_in_place(|| {
            if crash {
                cluster.kill()
            } else {
                cluster.stop()
            }
        });
        let request = CreateTaskRequest {
            request_id: Uuid::new_v4().to_string(),
            ..create_request(TaskAction::VerifyNode, &site.reference())
        };
        let read = GetTaskRequest {
            task_id: task.task_id.clone(),
            ..GetTaskRequest::default()
        };
        let read = client.tasks.clone().get_task(read).await.map(drop);
        check_unavailable(&read.expect_err("nothing can be read"));
        let created = client.try_create(request.clone()).await;
        check_unavailable(&created.expect_err("nothing can be created"));

        // The passing of this time is what the test is about.
        tokio::time::sleep(at_least).await;
        tokio::task::block_in_place(|| cluster.resume());
        let created = until_answered(&client, &request).await;
        let again = until_answered(&client, &request).await;
        assert_eq!(created, again, "one request, one task");
        Follower::of(&client, &created).finish(None).await;
    }
    follower.await.expect("the watcher sees the end");
    let task = client.get(&task.task_id).await;
    assert_eq!(task.status(), TaskStatus::Complete);
    assert_eq!(task.result.and_then(|result| result.success_count), Some(6));
    let ledger = Ledger::read(&database.ledger());
    ledger
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
}

fn check_unavailable(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(reason(status), "STORE_UNAVAILABLE");
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
}

/// Makes a request as clients do: again, as long as the answer says that it may pass.
async fn until_answered(client: &Client, request: &CreateTaskRequest) -> String {
    for _ in 0..60 {
        match client.try_create(request.clone()).await {
            Ok(task) => return task.task_id,
            Err(status) => check_unavailable(&status),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the database is back and the server does not notice");
}
