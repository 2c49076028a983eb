//! How soon a watcher has what was committed.
//!
//! The moment of a commit is the event's own `ts`, which is taken inside the transaction: the rest of
//! the transaction and its fsync are part of what is measured. The bound is one message from the
//! bare server, from the moment before it is broadcast.

use std::time::{Duration, Instant};

use bytes::Buf as _;
use drydock::proto::v1::{Task, TaskEvent, task_event::Event};
use prost::Message as _;

use super::done::watch_roots;
use crate::Result;
use crate::bare::{PUBLISH, SUBSCRIBE, publication};
use crate::load::between;
use crate::pairs::Pairs;
use crate::process;
use crate::report::{Floor, Row, time};
use crate::sample::{Sample, Spread};
use crate::server::{Home, Kind, Server, verify};
use crate::wire::{Answers, Caller, Method};
use crate::world::World;

/// What a commit may take to reach a watcher beyond the bare hop.
const ALLOWANCE: Duration = Duration::from_millis(1);

/// Pause between two commits, so that each finds everybody asleep.
const PAUSE: Duration = Duration::from_millis(3);

/// The size of a bare message, about that of a `task_created`.
const MESSAGE_BYTES: usize = 600;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let bare = world.bare().await?;
    let mut publisher = Caller::connect(bare.address).await?;
    let mut messages = Caller::connect(bare.address)
        .await?
        .stream(SUBSCRIBE, bytes::Bytes::new())
        .await?;
    messages.next().await?;
    for kind in Kind::BOTH {
        let home = Home::new(world, kind).await?;
        let (server, _) = Server::start_held(world, &home).await?;
        let mut caller = Caller::connect(server.address).await?;
        let design = world.designs.site(1)?;
        let mut events = watch_roots(&mut Caller::connect(server.address).await?).await?;
        let operations = world.sizes.idle_operations;
        let mut after_answer = Vec::new();
        let pairs = Pairs::run(
            world.sizes.rounds,
            async || {
                let cpu = server.cpu()?;
                let mut sample = Sample::default();
                for _ in 0..operations {
                    tokio::time::sleep(PAUSE).await;
                    let request = verify(&design);
                    let (answered, delivered) = tokio::join!(
                        async {
                            let task: Task = caller.call(Method::CREATE, &request).await?;
                            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
                                task,
                                Instant::now(),
                            ))
                        },
                        created(&mut events),
                    );
                    let ((_, answered), (latency, delivered)) = (answered?, delivered?);
                    sample.latencies.push(latency);
                    after_answer.push(signed(answered, delivered));
                }
                finish(&mut sample, cpu, server.cpu()?);
                Ok(sample)
            },
            async || {
                let cpu = process::cpu(bare.pid)?;
                let mut sample = Sample::default();
                for _ in 0..operations {
                    tokio::time::sleep(PAUSE).await;
                    let (published, message) = tokio::join!(
                        publisher.unary(PUBLISH, publication(1, MESSAGE_BYTES)?),
                        messages.next(),
                    );
                    published?;
                    let mut message = message?.ok_or("the stream ended")?;
                    sample.latencies.push(since(message.get_i64()));
                }
                finish(&mut sample, cpu, process::cpu(bare.pid)?);
                Ok(sample)
            },
        )
        .await?;
        let beyond = pairs
            .compare(|commit, hop| (commit.p50().as_secs_f64() - hop.p50().as_secs_f64()) * 1e3)?;
        let after_answer = Spread::of(after_answer.into_iter()).ok_or("nothing was measured")?;
        rows.push(Row {
            name: format!("{}, created tasks", kind.name()),
            figures: pairs.measured(),
            result: format!(
                "hop + {:.2} ms ({:.2}-{:.2}); p50 {:+.2} ms from the caller's answer",
                beyond.median, beyond.least, beyond.most, after_answer.median
            ),
            floor: format!("p50 <= bare stream hop + {}", time(ALLOWANCE)),
            verdict: Some(
                Floor::AtMost(ALLOWANCE.as_secs_f64() * 1e3).judge(beyond.median.max(0.001)),
            ),
            ..Row::default()
        });
        rows.push(Row::bound("bare stream hop", "", pairs.bound()));
    }
    Ok(rows)
}

fn finish(sample: &mut Sample, before: Duration, after: Duration) {
    sample.operations = sample.latencies.len() as u64;
    sample.elapsed = sample.latencies.iter().sum();
    sample.cpu = between(Some(before), Some(after));
}

/// The next creation that is delivered: how long ago it was committed, and now.
async fn created(events: &mut Answers) -> Result<(Duration, Instant)> {
    loop {
        let event = events.next().await?.ok_or("the stream ended")?;
        let (now, delivered) = (drydock::clock::now().timestamp_micros(), Instant::now());
        let event = TaskEvent::decode(event)?;
        if let Some(Event::TaskCreated(_)) = event.event {
            let ts = event.ts.ok_or("an event without ts")?;
            let committed = ts.seconds * 1_000_000 + i64::from(ts.nanos) / 1_000;
            return Ok((micros(now - committed), delivered));
        }
    }
}

fn since(then: i64) -> Duration {
    micros(drydock::clock::now().timestamp_micros() - then)
}

fn micros(count: i64) -> Duration {
    // A clock that was set back in between shows nothing.
    Duration::from_micros(u64::try_from(count).unwrap_or_default())
}

/// Milliseconds from `from` to `to`, which may be before it.
fn signed(from: Instant, to: Instant) -> f64 {
    let forward = to.saturating_duration_since(from).as_secs_f64();
    let backward = from.saturating_duration_since(to).as_secs_f64();
    (forward - backward) * 1e3
}
