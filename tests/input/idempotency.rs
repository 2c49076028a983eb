//! The same request again is the same task; another one under its id is refused (promise P2).

use drydock::proto::v1::{CreateTaskRequest, RetryTaskRequest, Task, TaskAction};
use tonic::{Code, Response};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::naming::duration;
use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(
    the_same_request_is_the_same_task,
    another_request_under_the_same_id_is_refused,
    many_at_once_make_one_task,
    a_retry_is_repeated_like_a_create,
);

/// A change to a request, and what it changes.
type Change<'a> = (&'a str, &'a dyn Fn(&mut CreateTaskRequest));

fn is_replayed(answer: &Response<Task>) -> bool {
    answer
        .metadata()
        .get("drydock-replayed")
        .is_some_and(|value| value == "true")
}

fn request(site: &Site) -> CreateTaskRequest {
    CreateTaskRequest {
        request_id: Uuid::new_v4().to_string(),
        labels: [("b", "2"), ("a", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..create_request(TaskAction::VerifyNode, &site.reference())
    }
}

async fn roots(client: &Client) -> usize {
    let tasks = client.list().await;
    tasks
        .iter()
        .filter(|task| task.parent_task_id.is_none())
        .count()
}

async fn the_same_request_is_the_same_task(database: Database) {
    let site = Site::of(&Machine::many(1));
    let launch = Launch::on(&database).designs_in(site.directory());
    let server = launch.start().await;
    let client = Client::of(server.address());
    let request = request(&site);
    let create = |request: &CreateTaskRequest| {
        let (mut tasks, request) = (client.tasks.clone(), request.clone());
        async move { tasks.create_task(request).await.expect("the task") }
    };
    let first = create(&request).await;
    assert!(!is_replayed(&first));
    let again = create(&request).await;
    assert!(is_replayed(&again));
    assert_eq!(first.get_ref().task_id, again.get_ref().task_id);
    // The case of an id says nothing.
    let capitals = CreateTaskRequest {
        request_id: request.request_id.to_uppercase(),
        ..request.clone()
    };
    assert_eq!(
        create(&capitals).await.get_ref().task_id,
        first.get_ref().task_id
    );

    // Also by another process, and after the task's end.
    Follower::of(&client, &first.get_ref().task_id)
        .finish(None)
        .await;
    let launch = launch.at(server.address());
    server.kill().await;
    let server = launch.start().await;
    let client = Client::of(server.address());
    let again = client
        .tasks
        .clone()
        .create_task(request)
        .await
        .expect("the task");
    assert!(is_replayed(&again));
    assert_eq!(again.get_ref().task_id, first.get_ref().task_id);
    assert_eq!(roots(&client).await, 1);
}

async fn another_request_under_the_same_id_is_refused(database: Database) {
    let site = Site::of(&Machine::many(1));
    let other_design = site.add("other", &Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let request = request(&site);
    let task = client.try_create(request.clone()).await.expect("the task");
    let changes: [Change<'_>; 4] = [
        ("action", &|r| r.action = TaskAction::DestroyNode.into()),
        ("design_ref", &|r| r.design_ref.clone_from(&other_design)),
        ("timeout", &|r| r.timeout = duration(60, 0)),
        ("labels", &|r| drop(r.labels.remove("a"))),
    ];
    for (what, change) in changes {
        let mut changed = request.clone();
        change(&mut changed);
        let status = client.try_create(changed).await.expect_err(what);
        assert_eq!(status.code(), Code::AlreadyExists, "{what}: {status:?}");
        assert_eq!(reason(&status), "REQUEST_ID_REUSED", "{what}");
        let resource = status
            .get_details_resource_info()
            .expect("the resource is named");
        assert!(
            resource.resource_name.contains(&task.task_id),
            "{what}: {resource:?}"
        );
    }
    assert_eq!(roots(&client).await, 1);
}

async fn many_at_once_make_one_task(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let request = request(&site);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (client, request) = (Client::of(server.address()), request.clone());
            tokio::spawn(async move { client.try_create(request).await })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for call in calls {
        let task = call.await.expect("the call is made").expect("the task");
        ids.insert(task.task_id);
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(roots(&Client::of(server.address())).await, 1);
}

async fn a_retry_is_repeated_like_a_create(database: Database) {
    let site = Site::of(&[Machine::named("n").fails_at("interrogate_oob")]);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let failed = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    Follower::of(&client, &failed.task_id).finish(None).await;
    let request = RetryTaskRequest {
        task_id: failed.task_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        ..RetryTaskRequest::default()
    };
    let first = client
        .tasks
        .clone()
        .retry_task(request.clone())
        .await
        .expect("the task");
    let again = client
        .tasks
        .clone()
        .retry_task(request.clone())
        .await
        .expect("the task");
    assert!(!is_replayed(&first) && is_replayed(&again));
    assert_eq!(first.get_ref().task_id, again.get_ref().task_id);
    assert_eq!(
        first.get_ref().retry_of_task_id.as_ref(),
        Some(&failed.task_id)
    );
    assert_eq!(first.get_ref().retry, Some(1));
    // Creates and retries share their ids.
    let create = CreateTaskRequest {
        request_id: request.request_id,
        ..create_request(TaskAction::VerifyNode, &site.reference())
    };
    let status = client.try_create(create).await.expect_err("the id is used");
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
}
