//! Clients that vanish in the middle of a call: what was acknowledged is there, what was not is done once or
//! not at all, and nothing is kept for those who are gone (promises P1, P2, P8, P13).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    CreateTaskRequest, Task, TaskAction, TaskEvent, TaskStatus, TerminateTaskRequest,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::client::{Client, create_request, reason};
use crate::support::database::Database;
use crate::support::proxy::{Direction, Proxy};
use crate::support::scale::scaled;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::{Follower, Stream};

on_both_databases!(
    a_client_that_vanishes_in_a_create_has_one_task,
    a_client_that_vanishes_in_a_terminate_has_stopped_it_or_not,
    a_watcher_that_vanishes_frees_its_seat,
);

/// How often clients vanish, at the scale of CI, and how many at once.
const ROUNDS: u32 = 15;
const AT_ONCE: usize = 8;

/// The longest that a round lets them live, connecting included: about what their calls take together on a
/// busy machine.
const LONGEST: Duration = Duration::from_millis(120);

/// Seats for watches.
const SEATS: usize = 6;

/// How long a seat may stay taken by somebody who is gone.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

async fn a_client_that_vanishes_in_a_create_has_one_task(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let proxy = Proxy::to(server.address()).await;
    let direct = Client::of(server.address());
    let mut random = StdRng::seed_from_u64(3);
    let mut asked = BTreeSet::new();
    let mut acknowledged = 0;
    for _ in 0..scaled(ROUNDS) {
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let request = CreateTaskRequest {
                request_id: Uuid::new_v4().to_string(),
                ..create_request(TaskAction::VerifyNode, &site.reference())
            };
            let client = Client::of(proxy.address());
            calls.spawn(async move { (client.try_create(request.clone()).await, request) });
        }
        cut_within(&proxy, LONGEST, &mut random).await;
        for (answer, request) in calls.join_all().await {
            let once = direct.try_create(request.clone()).await.expect("a task");
            let again = direct.try_create(request).await.expect("a task");
            assert_eq!(once.task_id, again.task_id, "one request, one task");
            if let Ok(task) = answer {
                assert_eq!(task.task_id, once.task_id, "what was acknowledged is there");
                acknowledged += 1;
            }
            asked.insert(once.task_id);
        }
    }
    let tasks = direct.list().await.into_iter();
    let roots: BTreeSet<String> = tasks
        .filter(|task| task.parent_task_id.is_none())
        .map(|task| task.task_id)
        .collect();
    assert_eq!(roots, asked, "nothing more and nothing less than asked for");
    println!(
        "{:?}: {acknowledged} of {} acknowledged",
        database.kind,
        asked.len()
    );
    for task_id in &asked {
        Follower::of(&direct, task_id).finish(None).await;
    }
}

async fn a_client_that_vanishes_in_a_terminate_has_stopped_it_or_not(database: Database) {
    let site = Site::of(&[Machine::named("hung").hangs_at("interrogate_oob")]);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("executor.max_running_roots", 1000)
        .start()
        .await;
    let proxy = Proxy::to(server.address()).await;
    let direct = Client::of(server.address());
    let mut random = StdRng::seed_from_u64(4);
    let (mut stopped, mut asked) = (0, 0);
    for _ in 0..scaled(ROUNDS) {
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let task = direct
                .create(TaskAction::VerifyNode, &site.reference())
                .await;
            let client = Client::of(proxy.address());
            calls.spawn(async move {
                let answer = terminate(&client, &task.task_id, "first").await;
                (answer, task.task_id)
            });
            asked += 1;
        }
        cut_within(&proxy, LONGEST, &mut random).await;
        for (answer, task_id) in calls.join_all().await {
            let now = direct.get(&task_id).await;
            if answer.is_ok() {
                assert!(now.status() >= TaskStatus::Terminating, "{now:?}");
            }
            // Once it is told to stop, by whomever, nothing changes that.
            let again = terminate(&direct, &task_id, "second").await.expect("told");
            if now.terminated.is_some() {
                assert_eq!(again.terminated, now.terminated);
                assert_eq!(again.termination_reason, "first");
                stopped += 1;
            }
            Follower::of(&direct, &task_id).finish(None).await;
            let end = direct.get(&task_id).await;
            assert_eq!(end.status(), TaskStatus::Terminated, "{end:?}");
            assert_eq!(end.termination_reason, again.termination_reason);
        }
    }
    println!("{:?}: {stopped} of {asked} stopped at once", database.kind);
}

async fn a_watcher_that_vanishes_frees_its_seat(database: Database) {
    let site = Site::of(&[Machine::named("hung").hangs_at("interrogate_oob")]);
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .set("watch.max_per_replica", SEATS)
        .set("http2.keepalive_interval", "1s")
        .set("http2.keepalive_timeout", "1s")
        .start()
        .await;
    let proxy = Proxy::to(server.address()).await;
    let direct = Client::of(server.address());
    let task = direct
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let leave: [fn(&Proxy); 4] = [
        Proxy::cut,
        |proxy| proxy.silence(Direction::There),
        |proxy| proxy.silence(Direction::Back),
        Proxy::cut,
    ];
    for leave in leave {
        let far = Client::of(proxy.address());
        let mut watches = Vec::new();
        for _ in 0..SEATS {
            watches.push(seated(&far, &task.task_id).await);
        }
        let refused = direct.try_watch(&task.task_id, "").await;
        let refused = refused.expect_err("every seat is taken");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert_eq!(reason(&refused), "WATCH_QUOTA");
        leave(&proxy);
        let gone = Instant::now();
        let mut others = Vec::new();
        for _ in 0..SEATS {
            others.push(seated(&direct, &task.task_id).await);
        }
        println!("{:?}: free after {:?}", database.kind, gone.elapsed());
        drop((watches, others));
        proxy.heal();
    }
    direct.terminate(&task.task_id, "the end").await;
    let mut last = seated(&direct, &task.task_id).await;
    last.until(|event| event.task_id == task.task_id && is_end(event))
        .await;
}

fn is_end(event: &TaskEvent) -> bool {
    matches!(event.event, Some(Arm::TaskFinished(_)))
}

/// A watch that has begun, as soon as there is a seat for it.
async fn seated(client: &Client, task_id: &str) -> Stream {
    let begun = Instant::now();
    loop {
        match client.try_watch(task_id, "").await {
            Ok(mut stream) => {
                stream.until(|event| !event.resume_token.is_empty()).await;
                return stream;
            }
            Err(status) => {
                assert_eq!(reason(&status), "WATCH_QUOTA", "{status:?}");
                assert!(begun.elapsed() < PATIENCE, "a seat is never free");
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn terminate(client: &Client, task_id: &str, reason: &str) -> Result<Task, Status> {
    let request = TerminateTaskRequest {
        task_id: task_id.to_owned(),
        reason: reason.to_owned(),
        ..TerminateTaskRequest::default()
    };
    let answer = client.tasks.clone().terminate_task(request).await?;
    Ok(answer.into_inner())
}

/// Cuts every connection there is, at a moment within `longest`.
async fn cut_within(proxy: &Proxy, longest: Duration, random: &mut StdRng) {
    // The passing of this time is what the test is about: clients vanish at any moment.
    sleep(random.random_range(Duration::ZERO..longest)).await;
    proxy.cut();
}
