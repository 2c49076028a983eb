//! What those are told who hold on to a task that is gone, or ask too early.

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    CreateTaskRequest, GetTaskRequest, GetTaskTreeRequest, ListTaskMessagesRequest,
    RetryTaskRequest, TaskAction, TerminateTaskRequest, WaitTaskRequest,
};
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::purging::{answer, done, forgetful, of_tree, purge, refusal};
use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(
    a_purged_task_says_so_to_whoever_asks,
    a_position_before_a_purge_is_refused_or_has_lost_nothing,
    a_request_is_free_again_once_its_task_is_purged,
    nothing_is_purged_before_its_time,
);

/// Every method that names a task says that it was purged.
async fn assert_purged(client: &Client, task_id: &str, token: &str) {
    let id = || task_id.to_owned();
    let mut tasks = client.tasks.clone();
    let get = GetTaskRequest {
        task_id: id(),
        ..GetTaskRequest::default()
    };
    let tree = GetTaskTreeRequest {
        task_id: id(),
        ..GetTaskTreeRequest::default()
    };
    let messages = ListTaskMessagesRequest {
        task_id: id(),
        ..ListTaskMessagesRequest::default()
    };
    let wait = WaitTaskRequest {
        task_id: id(),
        ..WaitTaskRequest::default()
    };
    let terminate = TerminateTaskRequest {
        task_id: id(),
        ..TerminateTaskRequest::default()
    };
    let retry = RetryTaskRequest {
        task_id: id(),
        request_id: Uuid::new_v4().to_string(),
        ..RetryTaskRequest::default()
    };
    for (what, status) in [
        ("get", tasks.get_task(get).await.map(drop)),
        ("tree", tasks.get_task_tree(tree).await.map(drop)),
        (
            "messages",
            tasks.list_task_messages(messages).await.map(drop),
        ),
        ("wait", tasks.wait_task(wait).await.map(drop)),
        ("terminate", tasks.terminate_task(terminate).await.map(drop)),
        ("retry", tasks.retry_task(retry).await.map(drop)),
        (
            "watch",
            Err(refusal(client.try_watch(task_id, "").await).await),
        ),
        (
            "resume",
            Err(refusal(client.try_watch(task_id, token).await).await),
        ),
    ] {
        let status = status.expect_err(what);
        assert_eq!(status.code(), Code::NotFound, "{what}: {status:?}");
        assert_eq!(reason(&status), "TASK_PURGED", "{what}");
        let resource = status.get_details_resource_info();
        let resource = resource.expect("the resource is named");
        assert_eq!(resource.resource_name, task_id, "{what}");
        assert_eq!(resource.resource_type, "drydock.v1.Task", "{what}");
    }
}

async fn a_purged_task_says_so_to_whoever_asks(database: Database) {
    let site = Site::of(&Machine::many(2));
    let launch = forgetful(&database, &site);
    let server = launch.start().await;
    let client = Client::of(server.address());
    let old = done(&client, &site).await;
    let kept = done(&client, &site).await;
    let tree = client.tree(&old.task_id).await;
    assert_eq!(tree.tasks.len(), 5);
    let mut tokens = Vec::new();
    for task_id in tree.tasks.keys() {
        tokens.push((task_id, client.tree(task_id).await.resume_token));
    }

    let dry = client.try_purge(0, of_tree(&old), false).await;
    assert_eq!(dry.expect("a dry run"), answer(1, &[&old]));
    let dry = client.try_purge(0, None, false).await;
    assert_eq!(dry.expect("a dry run"), answer(2, &[&old, &kept]));
    assert_eq!(
        client.get(&old.task_id).await,
        old,
        "a dry run deletes nothing"
    );
    assert_eq!(purge(&client, of_tree(&old)).await, answer(1, &[&old]));
    assert_eq!(purge(&client, of_tree(&old)).await, answer(0, &[]));

    let mut server = server;
    for restarted in [false, true] {
        if restarted {
            server.kill().await;
            server = launch.start().await;
        }
        let client = Client::of(server.address());
        for (task_id, token) in &tokens {
            assert_purged(&client, task_id, token).await;
        }
        let listed = client.list().await;
        assert_eq!(listed.len(), 5);
        assert!(listed.iter().all(|task| task.root_task_id == kept.task_id));
        Follower::of(&client, &kept.task_id).finish(None).await;
    }
}

async fn a_position_before_a_purge_is_refused_or_has_lost_nothing(database: Database) {
    let site = Site::of(&Machine::many(1));
    let hung = site.add(
        "hung",
        &[Machine::named("hung").hangs_at("interrogate_oob")],
    );
    let server = forgetful(&database, &site).start().await;
    let client = Client::of(server.address());
    let of_all = client.position(None).await;
    let running = client.create(TaskAction::VerifyNode, &hung).await;
    let of_running = client.tree(&running.task_id).await;
    let old = done(&client, &site).await;
    let after_old = client.position(None).await;
    assert_eq!(purge(&client, None).await, answer(1, &[&old]));

    let status = refusal(client.watch_fleet(None, &of_all).await).await;
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!(reason(&status), "RESUME_TOKEN_EXPIRED");
    let info = status.get_details_error_info().expect("an ErrorInfo");
    let number = |key: &str| -> i64 { info.metadata[key].parse().expect("a number") };
    assert!(0 < number("oldest_sequence"));
    assert!(number("oldest_sequence") < number("current_sequence"));

    // The oldest position is good: what follows it is the purge.
    let stream = client.watch_fleet(None, &after_old).await;
    let mut stream = stream.expect("nothing after it is gone");
    let told = stream
        .until(|event| matches!(event.event, Some(Arm::TaskPurged(_))))
        .await;
    assert_eq!(
        (&told.task_id, &told.root_task_id),
        (&old.task_id, &old.task_id)
    );
    assert_eq!((told.parent_task_id, told.revision), (None, old.revision));

    // A tree that is there has lost nothing, however old the position.
    let tasks = of_running.tasks.values();
    let token = &of_running.resume_token;
    let follower = Follower::resuming(&client, &running.task_id, token, tasks);
    let follower = tokio::spawn(follower.finish(Some(1)));
    client
        .terminate(&running.task_id, "the end of the test")
        .await;
    follower.await.expect("the watcher sees the end");
}

async fn a_request_is_free_again_once_its_task_is_purged(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = forgetful(&database, &site).start().await;
    let client = Client::of(server.address());
    let request = CreateTaskRequest {
        request_id: Uuid::new_v4().to_string(),
        ..create_request(TaskAction::VerifyNode, &site.reference())
    };
    let create = || client.try_create(request.clone());
    let first = create().await.expect("a task");
    Follower::of(&client, &first.task_id).finish(None).await;
    let retry = RetryTaskRequest {
        task_id: first.task_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        scope: drydock::proto::v1::RetryScope::AllNodes.into(),
    };
    let retried = client.tasks.clone().retry_task(retry.clone()).await;
    let retried = retried.expect("a retry").into_inner();
    Follower::of(&client, &retried.task_id).finish(None).await;
    assert_eq!(create().await.expect("the same").task_id, first.task_id);

    assert_eq!(purge(&client, of_tree(&first)).await, answer(1, &[&first]));
    let next = create().await.expect("a new task");
    assert_ne!(next.task_id, first.task_id);
    // What the retry created is kept, and so is its answer.
    let again = client.tasks.clone().retry_task(retry.clone()).await;
    let again = again.expect("the same answer").into_inner();
    assert_eq!(again.task_id, retried.task_id);
    assert_eq!(again.retry_of_task_id.as_ref(), Some(&first.task_id));
    purge(&client, of_tree(&retried)).await;
    let again = client.tasks.clone().retry_task(retry).await;
    assert_eq!(reason(&again.expect_err("both are gone")), "TASK_PURGED");
}

async fn nothing_is_purged_before_its_time(database: Database) {
    let site = Site::of(&Machine::many(1));
    let hung = site.add(
        "hung",
        &[Machine::named("hung").hangs_at("interrogate_oob")],
    );
    let launch = Launch::on(&database).designs_in(site.directory());
    let server = launch.start().await;
    let client = Client::of(server.address());
    let task = done(&client, &site).await;
    let of_all = client.tree(&task.task_id).await.resume_token;
    // Events are kept for a day, whatever a purge asks for.
    assert_eq!(purge(&client, None).await, answer(0, &[]));
    assert_eq!(client.get(&task.task_id).await, task);
    client
        .try_watch(&task.task_id, &of_all)
        .await
        .expect("its token is good");
    server.kill().await;

    let server = launch.set("retention.events", "0s").start().await;
    let client = Client::of(server.address());
    let running = client.create(TaskAction::VerifyNode, &hung).await;
    let purged = client.try_purge(3600, None, true).await;
    assert_eq!(purged.expect("nothing is an hour old"), answer(0, &[]));
    let longest = client.try_purge(36_500 * 86_400, None, true).await;
    assert_eq!(longest.expect("nothing is a century old"), answer(0, &[]));
    assert_eq!(purge(&client, of_tree(&running)).await, answer(0, &[]));
    assert_eq!(purge(&client, None).await, answer(1, &[&task]));
    client
        .terminate(&running.task_id, "the end of the test")
        .await;
}
