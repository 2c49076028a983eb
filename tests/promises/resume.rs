//! A watcher that is cut off sees what one sees that is not (promises P10, P11).

use drydock::proto::v1::{TaskAction, TaskEvent, TaskFilter};

use crate::support::checker::{Beginning, Checker, End, Scope, arm_name, assert_same_history};
use crate::support::client::{Client, create_request, labelled};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::{Follower, Next};

on_both_databases!(
    a_watcher_cut_off_after_every_event_misses_and_repeats_nothing,
    a_finished_task_is_told_in_full_and_its_end_once_more,
);

async fn a_watcher_cut_off_after_every_event_misses_and_repeats_nothing(database: Database) {
    let mut machines = Machine::many(10);
    machines.push(Machine::named("fails").fails_at("apply_node_platform"));
    machines.push(Machine::named("falters").label("drydock.dev/simulate-flaky", "deploy_node=1"));
    let site = Site::of(&machines);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "30ms")
        .set("executor.retry_backoff", "10ms")
        .start()
        .await;
    let client = Client::of(server.address());

    let filter = labelled("run", "resume");
    let before = client.position(Some(filter.clone())).await;
    let mut request = create_request(TaskAction::DeployNode, &site.reference());
    request.labels.clone_from(&filter.labels);
    let task = client
        .try_create(request)
        .await
        .expect("the task is created");
    let tree = client.tree(&task.task_id).await;
    let known = tree.tasks.values();

    let follow = |cut_after| {
        Follower::resuming(&client, &task.task_id, &tree.resume_token, known.clone())
            .finish(cut_after)
    };
    let from_snapshot = Follower::of(&client, &task.task_id).finish(Some(1));
    let (whole, cut, snapshot) = tokio::join!(follow(None), follow(Some(1)), from_snapshot);
    assert_eq!(whole.streams, 1);
    assert_same_history(&whole.events, &cut.events, "cut off after every event");
    assert!(cut.streams > 200, "cut off only {} times", cut.streams);
    let afterwards = follow(None).await;
    assert_same_history(
        &whole.events,
        &afterwards.events,
        "the journal read afterwards",
    );

    // From before the task existed, so that its creation is in it.
    let journal = fleet_until_end(&client, &filter, &before, &task.task_id).await;
    assert_eq!(journal.first().map(arm_name), Some("task_created"));
    let since = |position: i64| -> Vec<TaskEvent> {
        let later = journal.iter().filter(|event| event.sequence > position);
        later.cloned().collect()
    };
    let first = whole.events.first().expect("an event").sequence;
    assert_same_history(&whole.events, &since(first - 1), "the fleet's journal");
    let resumable = snapshot
        .events
        .iter()
        .find(|event| !event.resume_token.is_empty());
    let complete = resumable.expect("snapshot_complete").sequence;
    assert_same_history(
        &snapshot.events,
        &since(complete),
        "what follows a snapshot",
    );
}

/// Everything that happened to the tasks of a filter since `token`, checked, to the end of one root.
async fn fleet_until_end(
    client: &Client,
    filter: &TaskFilter,
    token: &str,
    root: &str,
) -> Vec<TaskEvent> {
    let stream = client.watch_fleet(Some(filter.clone()), token).await;
    let mut stream = stream.expect("the fleet is watched");
    let mut checker = Checker::new(Scope::Fleet);
    checker.begin(Beginning::Resume);
    let mut events = Vec::new();
    loop {
        match stream.next().await {
            Next::Message(event, _) => {
                checker
                    .see(&event)
                    .unwrap_or_else(|broken| panic!("{broken}"));
                let is_end = event.task_id == root && arm_name(&event) == "task_finished";
                events.push(*event);
                if is_end {
                    return events;
                }
            }
            Next::End(end) => panic!("a fleet's stream ended: {end:?}"),
        }
    }
}

async fn a_finished_task_is_told_in_full_and_its_end_once_more(database: Database) {
    let site = Site::of(&Machine::many(3));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let live = Follower::of(&client, &task.task_id).finish(None).await;
    let original = live.events.last().expect("the end").clone();

    let (events, end) = client.watch(&task.task_id).await.rest().await;
    assert!(end.is_ok(), "{end:?}");
    let mut checker = Checker::new(Scope::Task(task.task_id.clone()));
    checker.begin(Beginning::Snapshot);
    for event in &events {
        checker
            .see(event)
            .unwrap_or_else(|broken| panic!("{broken}"));
    }
    checker
        .end(End::Ok)
        .unwrap_or_else(|broken| panic!("{broken}"));
    let again = events.last().expect("the end");
    assert!(again.replay);
    assert_eq!(again.sequence, original.sequence);
    assert_eq!(again.event, original.event);

    let stream = client.try_watch(&task.task_id, &again.resume_token).await;
    let (events, end) = stream.expect("the end is resumed").rest().await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(events.len(), 1);
    assert!(events[0].replay);
    assert_eq!(events[0].sequence, original.sequence);
}
