//! One small task from its creation to its durable end, with nothing else going on.

use std::time::{Duration, Instant};

use drydock::proto::v1::{
    Task, TaskEvent, TaskFilter, WaitTaskRequest, WaitTaskResponse, WatchStart, WatchTasksRequest,
    task_event::Event,
};
use prost::Message as _;

use crate::Result;
use crate::load::{Client as _, between};
use crate::pairs::Pairs;
use crate::process;
use crate::raw::Inserter;
use crate::report::{Floor, Row, time};
use crate::sample::Sample;
use crate::server::{Home, Kind, Server, verify};
use crate::wire::{Answers, Caller, Method, encoded};
use crate::world::World;

/// Raw commits that the whole life of a task may take, and what is allowed on top.
const COMMITS: u32 = 12;
const ALLOWANCE: Duration = Duration::from_millis(1);

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let home = Home::new(world, kind).await?;
        let server = Server::start(world, &home, &[]).await?;
        let mut caller = Caller::connect(server.address).await?;
        let design = world.designs.site(1)?;
        let mut endings = watch_roots(&mut caller).await?;
        let mut inserters = Inserter::connect(&home, 1).await?;
        let inserter = inserters.first_mut().ok_or("nobody inserts")?;
        let operations = world.sizes.idle_operations;
        let postmaster = world.postmaster().filter(|_| kind == Kind::Postgres);
        let pairs = Pairs::run(
            world.sizes.rounds,
            async || {
                let cpu = server.cpu()?;
                let mut sample = Sample::default();
                for _ in 0..operations {
                    let begun = Instant::now();
                    let task: Task = caller.call(Method::CREATE, &verify(&design)).await?;
                    end_of(&mut endings, &task.task_id).await?;
                    sample.latencies.push(begun.elapsed());
                }
                sample.elapsed = sample.latencies.iter().sum();
                sample.operations = operations as u64;
                sample.cpu = between(Some(cpu), Some(server.cpu()?));
                Ok(sample)
            },
            async || {
                let cpu = postmaster.map(process::family_cpu).transpose()?;
                let mut sample = Sample::default();
                for _ in 0..operations {
                    let begun = Instant::now();
                    inserter.operate().await?;
                    sample.latencies.push(begun.elapsed());
                }
                sample.elapsed = sample.latencies.iter().sum();
                sample.operations = operations as u64;
                sample.cpu = between(cpu, postmaster.map(process::family_cpu).transpose()?);
                Ok(sample)
            },
        )
        .await?;
        let part = pairs.compare(|task, commit| {
            task.p50().as_secs_f64() / allowed(commit.p50()).as_secs_f64()
        })?;
        let commits =
            pairs.compare(|task, commit| task.p50().as_secs_f64() / commit.p50().as_secs_f64())?;
        let bound = pairs.bound();
        rows.push(Row {
            name: format!("{}, one after the other", kind.name()),
            unit: "tasks",
            figures: pairs.measured(),
            result: format!(
                "{:.1} commits ({:.1}-{:.1}); allowed {}",
                commits.median,
                commits.least,
                commits.most,
                time(allowed(bound.p50.unwrap_or_default()))
            ),
            floor: format!("<= {COMMITS} raw commits + {}", time(ALLOWANCE)),
            verdict: Some(Floor::AtMost(1.0).judge(part.median)),
        });
        rows.push(Row::bound(
            format!("raw commit, {}", kind.name()),
            "rows",
            bound,
        ));
    }
    Ok(rows)
}

fn allowed(commit: Duration) -> Duration {
    commit * COMMITS + ALLOWANCE
}

/// A stream of everything that happens to roots from now on.
pub(super) async fn watch_roots(caller: &mut Caller) -> Result<Answers> {
    let request = WatchTasksRequest {
        filter: Some(TaskFilter {
            roots_only: true,
            ..TaskFilter::default()
        }),
        start: WatchStart::Now.into(),
        ..WatchTasksRequest::default()
    };
    let mut events = caller.stream(Method::WATCH_ALL, encoded(&request)).await?;
    loop {
        // The stream says where it begins.
        let event = events.next().await?.ok_or("the stream ended")?;
        if let Some(Event::SnapshotComplete(_) | Event::Heartbeat(_)) =
            TaskEvent::decode(event)?.event
        {
            return Ok(events);
        }
    }
}

/// Returns when `task_id` is final.
async fn end_of(events: &mut Answers, task_id: &str) -> Result<()> {
    loop {
        let event = events.next().await?.ok_or("the stream ended")?;
        let event = TaskEvent::decode(event)?;
        if event.task_id == task_id && matches!(event.event, Some(Event::TaskFinished(_))) {
            return Ok(());
        }
    }
}

/// Creates a task over a design and waits for its end, however long that takes.
pub(super) async fn run_one(caller: &mut Caller, design: &str) -> Result<Task> {
    let created: Task = caller.call(Method::CREATE, &verify(design)).await?;
    let wait = WaitTaskRequest {
        task_id: created.task_id,
        timeout: None,
    };
    loop {
        let waited: WaitTaskResponse = caller.call(Method::WAIT, &wait).await?;
        if waited.done == Some(true) {
            return waited.task.ok_or_else(|| "no task in the answer".into());
        }
    }
}
