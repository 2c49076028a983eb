//! Every method and every action takes its role (promise P18), and who did what is the verified name
//! (promise P21).

use std::collections::BTreeSet;

use drydock::domain::Role;
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    CreateTaskRequest, GetNodeRequest, GetTaskRequest, GetTaskTreeRequest, ListBuildDataRequest,
    ListTaskMessagesRequest, ListTasksRequest, PurgeTasksRequest, ResolveNodeFilterRequest,
    RetryTaskRequest, TaskAction, TerminateTaskRequest, ValidateDesignRequest, WaitTaskRequest,
    WatchTaskRequest, WatchTasksRequest,
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::call::{Call, NO_TASK};
use crate::people::People;
use crate::support::client::{Client, channel, create_request, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(who_did_it_is_the_verified_name);

/// Every method with the least role it takes, and a request that is wrong in each: a refusal comes before
/// anybody looks at it.
fn methods() -> Vec<(Role, Call)> {
    let task_id = || "no task".to_owned();
    vec![
        (Role::Operate, Call::Create(CreateTaskRequest::default())),
        (
            Role::Read,
            Call::Get(GetTaskRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Read,
            Call::Tree(GetTaskTreeRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Read,
            Call::List(ListTasksRequest {
                page_size: -1,
                ..Default::default()
            }),
        ),
        (
            Role::Read,
            Call::Messages(ListTaskMessagesRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Read,
            Call::Watch(WatchTaskRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Read,
            Call::WatchAll(WatchTasksRequest {
                resume_token: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Read,
            Call::Wait(WaitTaskRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Operate,
            Call::Terminate(TerminateTaskRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (
            Role::Operate,
            Call::Retry(RetryTaskRequest {
                task_id: task_id(),
                ..Default::default()
            }),
        ),
        (Role::Destroy, Call::Purge(PurgeTasksRequest::default())),
        (Role::Read, Call::Validate(ValidateDesignRequest::default())),
        (
            Role::Read,
            Call::Resolve(ResolveNodeFilterRequest::default()),
        ),
        (Role::Read, Call::Node(GetNodeRequest::default())),
        (Role::Read, Call::BuildData(ListBuildDataRequest::default())),
    ]
}

/// Who may not is told so, and nothing else; who may gets to hear what is wrong with the request.
fn assert_answered(answer: Result<(), Status>, who: &str, method: &str, expected: Option<Code>) {
    let status = answer.expect_err("every request is wrong");
    let what = format!("{method} by {who}: {status:?}");
    match expected {
        Some(code) => {
            assert_eq!(status.code(), code, "{what}");
            let expected = match code {
                Code::Unauthenticated => "UNAUTHENTICATED",
                _ => "PERMISSION_DENIED",
            };
            assert_eq!(reason(&status), expected, "{what}");
        }
        None => assert_eq!(status.code(), Code::InvalidArgument, "{what}"),
    }
}

#[tokio::test]
async fn every_method_takes_its_role() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let server = people.ask(Launch::on(&database)).start().await;
    let nobody = Client::of(server.address());
    let stranger = Client::over(channel(server.address()), Some("drydock_of-somebody-else"));
    for (needed, call) in methods() {
        let method = call.method();
        for (who, client) in [("nobody", &nobody), ("a stranger", &stranger)] {
            let answer = call.clone().send(client).await;
            assert_answered(answer, who, method, Some(Code::Unauthenticated));
        }
        for role in Role::ALL {
            let answer = call.clone().send(&people.client(&server, role)).await;
            let denied = (!role.includes(needed)).then_some(Code::PermissionDenied);
            assert_answered(answer, role.token(), method, denied);
        }
    }
    let log = server.log();
    assert!(log.contains("drydock::audit"), "{log}");
    assert!(log.contains("decision=\"denied\""), "{log}");

    let set = FileDescriptorSet::decode(drydock::proto::FILE_DESCRIPTOR_SET).expect("descriptors");
    let ours = set
        .file
        .iter()
        .filter(|file| file.package() == "drydock.v1");
    let services = ours.flat_map(|file| &file.service);
    let all: BTreeSet<&str> = services
        .flat_map(|service| &service.method)
        .map(|method| method.name())
        .collect();
    let methods = methods();
    let tried: BTreeSet<&str> = methods.iter().map(|(_, call)| call.method()).collect();
    assert_eq!(tried, all);
}

#[tokio::test]
async fn every_action_takes_its_role() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let site = Site::of(&Machine::many(1));
    let launch = Launch::on(&database).designs_in(site.directory());
    let server = people.ask(launch).start().await;
    for number in 1..=7 {
        let action = TaskAction::try_from(number).expect("seven actions");
        let needed = if action == TaskAction::DestroyNode {
            Role::Destroy
        } else {
            Role::Operate
        };
        for role in Role::ALL {
            let client = people.client(&server, role);
            for validate_only in [true, false] {
                let request = CreateTaskRequest {
                    validate_only,
                    ..create_request(action, &site.reference())
                };
                let answer = client.try_create(request).await;
                let code = answer.map(drop).map_err(|status| status.code());
                let expected = if role.includes(needed) {
                    Ok(())
                } else {
                    Err(Code::PermissionDenied)
                };
                assert_eq!(code, expected, "{action:?} by {role}");
            }
        }
    }

    // What is wrong with a request that would wipe is nothing to who may not wipe.
    let operator = people.client(&server, Role::Operate);
    let nonsense = create_request(TaskAction::DestroyNode, "ftp://nowhere");
    let refused = operator.try_create(nonsense).await.expect_err("it wipes");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");

    let destroyer = people.client(&server, Role::Destroy);
    let wiped = destroyer
        .create(TaskAction::DestroyNode, &site.reference())
        .await;
    Follower::of(&destroyer, &wiped.task_id).finish(None).await;
    let again = |task_id: &str| {
        Call::Retry(RetryTaskRequest {
            task_id: task_id.to_owned(),
            scope: drydock::proto::v1::RetryScope::AllNodes.into(),
            ..RetryTaskRequest::default()
        })
    };
    let refused = again(&wiped.task_id).send(&operator).await;
    let refused = refused.expect_err("it would wipe again");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    assert!(again(&wiped.task_id).send(&destroyer).await.is_ok());
    // An operator sees every task, so that this tells them nothing.
    let missing = again(NO_TASK).send(&operator).await.expect_err("no task");
    assert_eq!(missing.code(), Code::NotFound);
    // To stop wiping takes no more than to stop anything else.
    let stop = Call::Terminate(TerminateTaskRequest {
        task_id: wiped.task_id.clone(),
        ..TerminateTaskRequest::default()
    });
    let late = stop.send(&operator).await.expect_err("it is complete");
    assert_eq!(late.code(), Code::FailedPrecondition);
}

async fn who_did_it_is_the_verified_name(database: Database) {
    let people = People::of_each_role();
    let site = Site::of(&[Machine::named("n1").hangs_at("interrogate_oob")]);
    let launch = Launch::on(&database).designs_in(site.directory());
    let server = people.ask(launch).start().await;
    let operator = people.client(&server, Role::Operate);
    let destroyer = people.client(&server, Role::Destroy);
    let request = CreateTaskRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..create_request(TaskAction::VerifyNode, &site.reference())
    };
    // No header is trusted, and none stands in the way.
    let mut claiming = Request::new(request.clone());
    for key in ["x-user", "x-forwarded-user", "x-forwarded-client-cert"] {
        let value = "root".parse().expect("a header");
        claiming.metadata_mut().insert(key, value);
    }
    let first = operator.tasks.clone().create_task(claiming).await;
    let first = first.expect("the task").into_inner();
    assert_eq!(first.created_by, "operate");
    // An id is unique per creator: that of another says nothing.
    let other = destroyer.try_create(request.clone()).await.expect("a task");
    assert_eq!(other.created_by, "destroy");
    assert_ne!(other.task_id, first.task_id);
    let again = operator.try_create(request).await.expect("the same");
    assert_eq!(again.task_id, first.task_id);

    let mut watch = destroyer.watch(&first.task_id).await;
    watch
        .until(|event| matches!(event.event, Some(Arm::SnapshotComplete(_))))
        .await;
    let stopped = destroyer.terminate(&first.task_id, "enough").await;
    assert_eq!(stopped.terminated_by, "destroy");
    let by_client = |event: &drydock::proto::v1::TaskEvent| {
        matches!(&event.event, Some(Arm::StatusChanged(changed))
            if changed.cause() == drydock::proto::v1::TransitionCause::Client
            && event.task_id == first.task_id && changed.actor == "destroy")
    };
    watch.until(by_client).await;

    let audit = "SELECT actor || ' ' || rpc || ' ' || decision FROM audit_records ORDER BY ts";
    assert_eq!(
        database.texts(audit).await,
        [
            "operate CreateTask created",
            "destroy CreateTask created",
            "destroy TerminateTask accepted",
        ]
    );
    let denied = people
        .client(&server, Role::Read)
        .try_purge(0, None, true)
        .await;
    assert_eq!(denied.expect_err("a reader").code(), Code::PermissionDenied);
    assert_eq!(database.texts(audit).await.len(), 3);
}

#[tokio::test]
async fn health_is_for_everybody_and_reflection_for_readers() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

    let database = Database::sqlite();
    let people = People::of_each_role();
    let server = people.ask(Launch::on(&database)).start().await;
    let mut health = HealthClient::new(channel(server.address()));
    let answer = health.check(HealthCheckRequest::default()).await;
    assert!(answer.is_ok(), "{answer:?}");

    let ask = async |token: Option<&str>| {
        let mut client = ServerReflectionClient::new(channel(server.address()));
        let mut request = Request::new(tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        }));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.metadata_mut().insert("authorization", value);
        }
        let answer = client.server_reflection_info(request).await?;
        answer
            .into_inner()
            .message()
            .await
            .map(|answer| answer.is_some())
    };
    let refused = ask(None).await.expect_err("nobody");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let answered = ask(Some(people.token(Role::Read))).await;
    assert!(answered.expect("a reader"));
}
