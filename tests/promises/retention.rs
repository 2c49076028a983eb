//! Old tasks are deleted whole, on request or by themselves, and whoever holds on to one is told
//! (promises P11, P16).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    CreateTaskRequest, GetTaskRequest, GetTaskTreeRequest, GetTaskTreeResponse,
    ListTaskMessagesRequest, PurgeTasksResponse, RetryTaskRequest, Task, TaskAction, TaskEvent,
    TaskFilter, TerminateTaskRequest, WaitTaskRequest,
};
use futures::StreamExt as _;
use rand::RngExt as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::support::checker::{Beginning, Checker, Scope, assert_same_history};
use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::server::{Launch, drydock};
use crate::support::site::{Machine, Site};
use crate::support::stream::{Follower, Next, Stream};

on_both_databases!(
    a_purged_task_says_so_to_whoever_asks,
    a_position_before_a_purge_is_refused_or_has_lost_nothing,
    a_request_is_free_again_once_its_task_is_purged,
    nothing_is_purged_before_its_time,
    a_purge_under_load_loses_no_event,
    a_server_killed_in_a_purge_leaves_each_tree_whole_or_gone,
    others_are_served_while_a_large_tree_is_purged,
    old_tasks_are_purged_by_themselves,
    the_command_asks_before_it_deletes,
);

/// A server that keeps nothing longer than it is asked to.
fn forgetful(database: &Database, site: &Site) -> Launch {
    Launch::on(database)
        .designs_in(site.directory())
        .set("retention.events", "0s")
}

/// Creates a task and waits for its end.
async fn done(client: &Client, site: &Site) -> Task {
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    Follower::of(client, &task.task_id).finish(None).await;
    client.get(&task.task_id).await
}

fn of_tree(task: &Task) -> Option<TaskFilter> {
    Some(TaskFilter {
        root_task_id: task.task_id.clone(),
        ..TaskFilter::default()
    })
}

async fn purge(client: &Client, filter: Option<TaskFilter>) -> PurgeTasksResponse {
    let purged = client.try_purge(0, filter, true).await;
    purged.expect("the tasks are purged")
}

fn answer(count: i32, sample: &[&Task]) -> PurgeTasksResponse {
    PurgeTasksResponse {
        purge_count: Some(count),
        purge_sample: sample.iter().map(|task| task.task_id.clone()).collect(),
    }
}

/// The error of a stream, whether it comes at once or as its first message.
async fn refusal(opened: Result<Stream, Status>) -> Status {
    match opened {
        Err(status) => status,
        Ok(mut stream) => match stream.next().await {
            Next::End(Err(status)) => status,
            other => panic!("the stream says {other:?}"),
        },
    }
}

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

/// Tasks are created, run, watched and purged at the same time.
async fn a_purge_under_load_loses_no_event(database: Database) {
    const CREATORS: usize = 4;
    const TASKS: usize = 15;
    const WATCHERS: usize = 3;
    let site = Site::of(&Machine::many(3));
    // Longer than a watcher on a busy machine lags.
    let server = forgetful(&database, &site)
        .set("retention.events", "5s")
        .start()
        .await;
    let client = Client::of(server.address());

    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| tokio::spawn(watch_purges(client.clone(), CREATORS * TASKS)))
        .collect();
    let creators: Vec<_> = (0..CREATORS)
        .map(|_| {
            let (client, design_ref) = (client.clone(), site.reference());
            tokio::spawn(async move {
                let mut created = BTreeSet::new();
                for _ in 0..TASKS {
                    let task = client.create(TaskAction::VerifyNode, &design_ref).await;
                    watch_to_end(&client, &task.task_id).await;
                    created.insert(task.task_id);
                }
                created
            })
        })
        .collect();
    let purger = {
        let client = client.clone();
        tokio::spawn(async move {
            let mut count = 0;
            while count < CREATORS * TASKS {
                let purged = purge(&client, None).await.purge_count;
                count += usize::try_from(purged.unwrap_or_default()).expect("a count");
                // Not to wait for anything: a purge beside everything else, again and again.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            count
        })
    };
    let mut created = BTreeSet::new();
    for creator in creators {
        created.extend(creator.await.expect("a creator is served"));
    }
    let count = purger.await.expect("the purger is served");
    assert_eq!(count, created.len(), "each is purged once");
    for watcher in watchers {
        assert_eq!(watcher.await.expect("a watcher sees all of it"), created);
    }
    assert_eq!(client.list().await, []);
}

/// Watches a task to its end, which a purge may be faster to tell.
async fn watch_to_end(client: &Client, task_id: &str) {
    let mut checker = Checker::new(Scope::Task(task_id.to_owned()));
    checker.begin(Beginning::Snapshot);
    let end = match client.try_watch(task_id, "").await {
        Err(status) => Err(status),
        Ok(mut stream) => loop {
            match stream.next().await {
                Next::Message(event, _) => {
                    checker
                        .see(&event)
                        .unwrap_or_else(|broken| panic!("{broken}"));
                }
                Next::End(end) => break end,
            }
        },
    };
    match end {
        Ok(()) => assert!(checker.is_over(), "OK before the end"),
        Err(status) => {
            assert_eq!(reason(&status), "TASK_PURGED", "{status:?}");
            assert!(!checker.is_over());
        }
    }
}

/// Watches everything, checked, until `count` trees were purged: their roots.
async fn watch_purges(client: Client, count: usize) -> BTreeSet<String> {
    let stream = client.watch_fleet(None, "").await;
    let mut stream = stream.expect("the fleet is watched");
    let mut checker = Checker::new(Scope::Fleet);
    checker.begin(Beginning::Snapshot);
    let mut purged = BTreeSet::new();
    while purged.len() < count {
        match stream.next().await {
            Next::Message(event, _) => {
                checker
                    .see(&event)
                    .unwrap_or_else(|broken| panic!("{broken}"));
                if matches!(event.event, Some(Arm::TaskPurged(_))) {
                    purged.insert(event.task_id);
                }
            }
            Next::End(end) => panic!("a fleet's stream ended: {end:?}"),
        }
    }
    purged
}

async fn a_server_killed_in_a_purge_leaves_each_tree_whole_or_gone(database: Database) {
    const TREES: usize = 200;
    const AT_ONCE: usize = 16;
    const ROUNDS: usize = 30;
    let site = Site::of(&Machine::many(1));
    let launch = forgetful(&database, &site);
    let mut server = launch.start().await;
    let mut in_the_middle = 0;
    // When a purge is under way depends on the machine, so each kill that misses it tells the next.
    let (mut soonest, mut latest) = (Duration::ZERO, Duration::from_millis(60));
    for round in 0..ROUNDS {
        let client = Client::of(server.address());
        let trees = futures::stream::iter(0..TREES).map(|_| tree(&client, &site));
        let trees: Vec<_> = trees.buffered(AT_ONCE).collect().await;
        let histories = histories(&client, &trees).await;
        let purging = {
            let client = client.clone();
            tokio::spawn(async move { client.try_purge(0, None, true).await })
        };
        // Not to wait for anything: the kill must come at any moment of the purge.
        let pause = rand::rng().random_range(soonest..=latest);
        tokio::time::sleep(pause).await;
        server.kill().await;
        let told = purging.await.expect("the call ends");

        server = launch.start().await;
        let client = Client::of(server.address());
        let mut gone = 0;
        let listed = client.list().await;
        for (place, (task_id, tree)) in trees.iter().enumerate() {
            let left = listed
                .iter()
                .filter(|task| task.root_task_id == *task_id)
                .count();
            let get = GetTaskRequest {
                task_id: task_id.clone(),
                ..GetTaskRequest::default()
            };
            match client.tasks.clone().get_task(get).await {
                Err(status) => {
                    assert_eq!(left, 0, "a part of tree {task_id} is left");
                    assert_eq!(reason(&status), "TASK_PURGED");
                    let resumed = client.try_watch(task_id, &tree.resume_token).await;
                    assert_eq!(reason(&refusal(resumed).await), "TASK_PURGED");
                    gone += 1;
                }
                Ok(_) => {
                    assert_eq!(left, 3, "a part of tree {task_id} is gone");
                    let Some(before) = histories.get(place) else {
                        continue;
                    };
                    let again = history(&client, task_id, tree).await;
                    assert_same_history(before, &again, "a tree that a purge left alone");
                }
            }
        }
        if let Ok(purged) = told {
            assert_eq!(purged.purge_count.map(|count| count as usize), Some(gone));
        }
        match gone {
            0 => soonest = (soonest + pause) / 2,
            TREES => latest = (latest + pause) / 2,
            _some => in_the_middle += 1,
        }
        let rest = purge(&client, None).await;
        assert_eq!(
            rest.purge_count.map(|count| count as usize),
            Some(TREES - gone)
        );
        if in_the_middle >= 2 {
            println!(
                "{:?}: killed in the middle after {round} rounds",
                database.kind
            );
            return;
        }
    }
    panic!("only {in_the_middle} of {ROUNDS} kills came in the middle of a purge");
}

/// A tree that ended, as it was soon after its creation.
async fn tree(client: &Client, site: &Site) -> (String, GetTaskTreeResponse) {
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let tree = client.tree(&task.task_id).await;
    Follower::of(client, &task.task_id).finish(None).await;
    (task.task_id, tree)
}

/// What the tokens of some of the trees lead to.
async fn histories(
    client: &Client,
    trees: &[(String, GetTaskTreeResponse)],
) -> Vec<Vec<TaskEvent>> {
    const SOME: usize = 20;
    let some = trees.iter().take(SOME);
    let some = some.map(|(task_id, tree)| history(client, task_id, tree));
    futures::future::join_all(some).await
}

/// What follows the tree as it was read. One that was over by then has an end to tell again.
async fn history(client: &Client, task_id: &str, tree: &GetTaskTreeResponse) -> Vec<TaskEvent> {
    let is_over = tree.tasks[task_id].completed.is_some();
    let follower = if is_over {
        Follower::of(client, task_id)
    } else {
        Follower::resuming(client, task_id, &tree.resume_token, tree.tasks.values())
    };
    follower.finish(None).await.events
}

async fn others_are_served_while_a_large_tree_is_purged(database: Database) {
    const NODES: usize = 1500;
    let site = Site::of(&Machine::many(NODES));
    let small = site.add("small", &Machine::many(1));
    let server = forgetful(&database, &site)
        .set("executor.max_parallel_nodes", 256)
        .start()
        .await;
    let client = Client::of(server.address());
    let large = done(&client, &site).await;
    assert_eq!(large.target_node_count, Some(NODES as i32));
    let begun = Instant::now();
    assert_eq!(purge(&client, None).await, answer(1, &[&large]));
    let purged = begun.elapsed();
    let mut slowest = Duration::ZERO;
    for _ in 0..30 {
        let begun = Instant::now();
        let task = client.create(TaskAction::VerifyNode, &small).await;
        slowest = slowest.max(begun.elapsed());
        Follower::of(&client, &task.task_id).finish(None).await;
    }
    println!(
        "{:?}: {NODES} nodes purged in {purged:?}, then the slowest create took {slowest:?}",
        database.kind
    );
}

async fn old_tasks_are_purged_by_themselves(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = forgetful(&database, &site)
        .set("retention.tasks", "1s")
        .set("retention.interval", "1s")
        .start()
        .await;
    let client = Client::of(server.address());
    let stream = client.watch_fleet(None, "").await;
    let mut stream = stream.expect("the fleet is watched");
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let purged = stream
        .until(|event| matches!(event.event, Some(Arm::TaskPurged(_))))
        .await;
    assert_eq!(purged.task_id, task.task_id);
    let history = client.try_watch(&task.task_id, "").await;
    assert_eq!(reason(&refusal(history).await), "TASK_PURGED");
    let Some(Arm::TaskPurged(told)) = purged.event else {
        panic!("{purged:?}");
    };
    // It ran after it was created, and then it was kept for a second.
    let created = task.created.expect("when it was created");
    let purged = told.purged.expect("when it was purged");
    let kept_for_us = micros(&purged) - micros(&created);
    assert!(kept_for_us >= 1_000_000, "{created:?} to {purged:?}");
}

fn micros(time: &prost_types::Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)
}

async fn the_command_asks_before_it_deletes(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = forgetful(&database, &site).start().await;
    let client = Client::of(server.address());
    let task = done(&client, &site).await;
    let run = async |arguments: &[&str]| {
        let mut command = drydock();
        command.args([
            "task",
            "purge",
            "--older-than",
            "0s",
            "--server",
            &server.url(),
        ]);
        let output = command.args(arguments).stdin(std::process::Stdio::null());
        let output = output.output().await.expect("the command runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, _) = run(&["--dry-run"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "1 task would be deleted\n"));
    let (code, _, error) = run(&[]).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains(&task.task_id),
        "it names what it would delete: {error}"
    );
    assert!(error.contains("nothing was done"), "{error}");
    client.get(&task.task_id).await;
    let (code, out, _) = run(&["--label", "no=such", "--yes"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "0 tasks deleted\n"));
    let (code, out, error) = run(&["--yes", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains(&task.task_id), "{out}");
    assert_eq!(client.list().await, []);
}
