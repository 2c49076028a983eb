//! What is asked for and not there, or not in a state to be asked for it.

use drydock::proto::v1::{
    GetTaskRequest, GetTaskTreeRequest, ListBuildDataRequest, ListTaskMessagesRequest,
    RetryTaskRequest, TaskAction, TerminateTaskRequest, WaitTaskRequest, WatchTaskRequest,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::call::{Call, NO_TASK};
use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(
    a_task_that_is_not_there_is_named,
    a_task_in_the_wrong_state_says_what_does_not_hold,
    a_design_that_does_not_load_is_refused_before_anything_is_stored,
);

fn calls_for(task_id: &str) -> Vec<Call> {
    let task_id = || task_id.to_owned();
    vec![
        Call::Get(GetTaskRequest {
            task_id: task_id(),
            ..GetTaskRequest::default()
        }),
        Call::Tree(GetTaskTreeRequest {
            task_id: task_id(),
            ..GetTaskTreeRequest::default()
        }),
        Call::Messages(ListTaskMessagesRequest {
            task_id: task_id(),
            ..ListTaskMessagesRequest::default()
        }),
        Call::BuildData(ListBuildDataRequest {
            task_id: task_id(),
            ..ListBuildDataRequest::default()
        }),
        Call::Watch(WatchTaskRequest {
            task_id: task_id(),
            ..WatchTaskRequest::default()
        }),
        Call::Wait(WaitTaskRequest {
            task_id: task_id(),
            ..WaitTaskRequest::default()
        }),
        Call::Terminate(TerminateTaskRequest {
            task_id: task_id(),
            ..TerminateTaskRequest::default()
        }),
        Call::Retry(RetryTaskRequest {
            task_id: task_id(),
            ..RetryTaskRequest::default()
        }),
    ]
}

async fn a_task_that_is_not_there_is_named(database: Database) {
    let server = Launch::on(&database).start().await;
    let client = Client::of(server.address());
    for call in calls_for(NO_TASK) {
        let shown = format!("{call:?}");
        let status = call.send(&client).await.expect_err(&shown);
        assert_eq!(status.code(), Code::NotFound, "{shown}: {status:?}");
        assert_eq!(reason(&status), "TASK_NOT_FOUND", "{shown}");
        let resource = status
            .get_details_resource_info()
            .expect("the resource is named");
        assert!(
            resource.resource_name.contains(NO_TASK),
            "{shown}: {resource:?}"
        );
    }
}

async fn a_task_in_the_wrong_state_says_what_does_not_hold(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    Follower::of(&client, &task.task_id).finish(None).await;
    let task = client.get(&task.task_id).await;
    let terminate = |task_id: &str, expected_revision| {
        Call::Terminate(TerminateTaskRequest {
            task_id: task_id.to_owned(),
            expected_revision,
            ..TerminateTaskRequest::default()
        })
    };
    let retry = |task_id: &str| {
        Call::Retry(RetryTaskRequest {
            task_id: task_id.to_owned(),
            ..RetryTaskRequest::default()
        })
    };
    let subtask = task.subtask_id_list.first().expect("a subtask");
    for (what, call) in [
        ("a stop of a complete task", terminate(&task.task_id, None)),
        ("a stop of a subtask", terminate(subtask, None)),
        ("a retry of a subtask", retry(subtask)),
        ("a retry without failed nodes", retry(&task.task_id)),
    ] {
        let status = call.send(&client).await.expect_err(what);
        assert_eq!(
            status.code(),
            Code::FailedPrecondition,
            "{what}: {status:?}"
        );
        assert_eq!(reason(&status), "TASK_STATE", "{what}");
        let details = status.get_details_precondition_failure();
        assert!(
            details.is_some_and(|details| !details.violations.is_empty()),
            "{what}"
        );
    }

    let hung = site.add("hung", &[Machine::named("n").hangs_at("interrogate_oob")]);
    let running = client.create(TaskAction::VerifyNode, &hung).await;
    let status = terminate(&running.task_id, Some(1000)).send(&client).await;
    let status = status.expect_err("another revision");
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    assert_eq!(reason(&status), "REVISION_CONFLICT");
    let status = retry(&running.task_id).send(&client).await;
    let status = status.expect_err("a retry of what runs");
    assert_eq!(reason(&status), "TASK_STATE", "{status:?}");
}

async fn a_design_that_does_not_load_is_refused_before_anything_is_stored(database: Database) {
    let site = Site::of(&Machine::many(1));
    std::fs::write(site.directory().join("broken.yaml"), "schema: [\n").expect("a file");
    let reference = |name: &str| site.reference().replace("site.yaml", name);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let mut codes = Vec::new();
    for name in ["broken.yaml", "missing.yaml"] {
        let mut request = create_request(TaskAction::DestroyNode, &reference(name));
        request.validate_only = true;
        let status = client.try_create(request).await.expect_err(name);
        assert_eq!(reason(&status), "DESIGN_UNRESOLVABLE", "{name}: {status:?}");
        codes.push(status.code());
    }
    assert_eq!(codes[0], Code::FailedPrecondition);
    assert!(
        matches!(codes[1], Code::FailedPrecondition | Code::Unavailable),
        "{codes:?}"
    );
    assert_eq!(client.list().await, []);

    // Without a rehearsal the task is accepted, and fails with the reason.
    let task = client
        .create(TaskAction::DestroyNode, &reference("broken.yaml"))
        .await;
    Follower::of(&client, &task.task_id).finish(None).await;
    let result = client.get(&task.task_id).await.result.expect("a result");
    assert_eq!(result.status(), drydock::proto::v1::ResultStatus::Failure);
    assert_eq!(result.reason, "DesignInvalid", "{result:?}");
}
