//! How much of a tree one asks for, and that exactly this is told.

use std::collections::BTreeMap;

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{GetTaskTreeRequest, TaskAction, TaskEvent, WatchTaskRequest};

use crate::support::checker::{arm_name, assert_same_history};
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Stream;

on_both_databases!(options_narrow_what_is_told_and_nothing_else);

/// A way to ask for less: what it is, how it is asked for, and how many levels below the task are left.
type Narrow = (&'static str, fn(&mut WatchTaskRequest), u32);

const NARROW: [Narrow; 6] = [
    ("everything", |_| {}, 2),
    ("no levels", |r| r.max_depth = Some(0), 0),
    ("one level", |r| r.max_depth = Some(1), 1),
    ("more levels than there are", |r| r.max_depth = Some(9), 2),
    ("no subtasks", |r| r.include_subtasks = Some(false), 0),
    (
        "no subtasks, in levels",
        |r| {
            r.include_subtasks = Some(false);
            r.max_depth = Some(2);
        },
        0,
    ),
];

async fn options_narrow_what_is_told_and_nothing_else(database: Database) {
    let site = Site::of(&[
        Machine::named("good"),
        Machine::named("bad").fails_at("apply_node_storage"),
    ]);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::DeployNode, &site.reference())
        .await;
    let from = client.tree(&task.task_id).await.resume_token;
    let whole = watch(&client, &task.task_id, &from, |_| {}).await;
    let tree = client.tree(&task.task_id).await.tasks;
    let levels: BTreeMap<&str, u32> = tree
        .values()
        .map(|one| {
            let parent = one.parent_task_id.as_deref();
            let level = match parent {
                None => 0,
                Some(parent) if parent == task.task_id => 1,
                Some(_) => 2,
            };
            (one.task_id.as_str(), level)
        })
        .collect();
    let within = |most: u32| levels.values().filter(|level| **level <= most).count();

    for (what, narrow, most) in NARROW {
        for messages in [true, false] {
            let change = |request: &mut WatchTaskRequest| {
                narrow(request);
                request.include_messages = Some(messages);
            };
            let wanted = whole.iter().filter(|event| {
                levels[event.task_id.as_str()] <= most
                    && (messages || arm_name(event) != "message_added")
            });
            let wanted: Vec<TaskEvent> = wanted.cloned().collect();
            let told = watch(&client, &task.task_id, &from, change).await;
            assert_same_history(&wanted, &told, what);
            // An option does not bind a position: what is asked for next may be more.
            let first = &told.first().expect("an event").resume_token;
            let more = watch(&client, &task.task_id, first, |_| {}).await;
            assert_eq!(more.last(), whole.last(), "{what}");

            let snapshot = watch(&client, &task.task_id, "", change).await;
            let tasks = snapshot
                .iter()
                .filter(|event| arm_name(event) == "snapshot");
            assert_eq!(tasks.count(), within(most), "{what}");
            let complete = snapshot.iter().find_map(|event| match &event.event {
                Some(Arm::SnapshotComplete(complete)) => complete.task_count,
                _ => None,
            });
            assert_eq!(complete, i32::try_from(within(most)).ok(), "{what}");
        }
        let request = GetTaskTreeRequest {
            task_id: task.task_id.clone(),
            max_depth: i32::try_from(most).ok(),
            ..GetTaskTreeRequest::default()
        };
        let answer = client.tasks.clone().get_task_tree(request).await;
        let answer = answer.expect("the tree is read").into_inner();
        assert_eq!(answer.tasks.len(), within(most), "{what}");
        assert!(!answer.truncated, "{what}");
    }
}

/// Everything that is told of a task to the end of the stream.
async fn watch(
    client: &Client,
    task_id: &str,
    token: &str,
    change: impl Fn(&mut WatchTaskRequest),
) -> Vec<TaskEvent> {
    let mut request = WatchTaskRequest {
        task_id: task_id.to_owned(),
        resume_token: token.to_owned(),
        ..WatchTaskRequest::default()
    };
    change(&mut request);
    let answer = client.tasks.clone().watch_task(request).await;
    let stream = Stream::of(answer.expect("the task is watched").into_inner());
    let (events, end) = stream.rest().await;
    assert!(end.is_ok(), "{end:?}");
    events
}
