//! Many watchers of one tree: how much they are sent in a second, and what they cost at rest.
//!
//! They see a whole life of the tree: they watch it while it waits behind a task that hangs, which is
//! then terminated.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use drydock::proto::v1::{
    Task, TaskEvent, TerminateTaskRequest, WatchTaskRequest, task_event::Event,
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Result;
use crate::bare::{Bare, PUBLISH, SUBSCRIBE, publication};
use crate::load::between;
use crate::pairs::Pairs;
use crate::process;
use crate::report::{Floor, Row, count, mebibytes, times};
use crate::sample::Sample;
use crate::server::{Home, Kind, Server, verify};
use crate::wire::{Answers, Caller, Method, encoded};
use crate::world::World;

const RATE_FLOOR: f64 = 0.5;
const MEMORY_MIB: f64 = 150.0;

/// Streams of one connection where the rate is measured, and where memory is: it keeps the number of
/// connections below what a shell may open.
const STREAMS_OF_A_BUSY_CONNECTION: usize = 20;
const STREAMS_OF_A_QUIET_CONNECTION: usize = 100;

/// One watcher in this many looks at when its messages were committed.
const TIMED: usize = 100;

/// How long everything is left alone before memory is read.
const REST: Duration = Duration::from_secs(2);

pub(crate) async fn rate(world: &World) -> Result<Vec<Row>> {
    let bare = world.bare().await?;
    let home = Home::new(world, Kind::Sqlite).await?;
    let (server, holding) = Server::start_held(world, &home).await?;
    let holding = RefCell::new(holding);
    // What one watcher of the tree hears, for the broadcast to repeat.
    let volume = Cell::new(Volume::default());
    let watchers = world.sizes.watchers;
    let pairs = Pairs::run(
        world.sizes.rounds,
        async || {
            let held = holding.borrow().clone();
            let (heard, next) = watch_tree(world, &server, watchers, &held).await?;
            holding.replace(next);
            volume.set(heard.volume);
            Ok(heard.sample)
        },
        async || broadcast(bare.address, bare.pid, watchers, volume.get()).await,
    )
    .await?;
    let ratio = pairs.rates()?;
    let volume = volume.get();
    Ok(vec![
        Row {
            name: format!("SQLite, {} watchers", count(watchers as f64)),
            unit: "events",
            figures: pairs.measured(),
            result: format!(
                "{}; {} nodes: {} events of {} bytes to each",
                times(ratio),
                count(world.sizes.watched_nodes as f64),
                count(volume.messages as f64),
                volume.size(),
            ),
            floor: format!(">= {RATE_FLOOR} x bare broadcast"),
            verdict: Some(Floor::AtLeast(RATE_FLOOR).judge(ratio.median)),
        },
        Row::bound(
            format!("bare broadcast to {} streams", count(watchers as f64)),
            "messages",
            pairs.bound(),
        ),
    ])
}

pub(crate) async fn memory(world: &World) -> Result<Vec<Row>> {
    let watchers = world.sizes.idle_watchers;
    let home = Home::new(world, Kind::Sqlite).await?;
    let (server, held) = Server::start_held(world, &home).await?;
    let ours = grown(server.pid, server.address, Subject::Task(held), watchers).await?;
    // A server of its own: the shared one has grown with what it served before.
    let bare = Bare::start().await?;
    let bares = grown(bare.pid, bare.address, Subject::Broadcast, watchers).await?;
    let each = |bytes: u64| {
        format!(
            "{} more, {:.1} KiB each",
            mebibytes(bytes as f64),
            bytes as f64 / watchers as f64 / 1024.0
        )
    };
    let mebibytes = ours as f64 / f64::from(1 << 20);
    Ok(vec![
        Row {
            name: format!(
                "SQLite, {} watchers, {STREAMS_OF_A_QUIET_CONNECTION} a connection",
                count(watchers as f64)
            ),
            result: each(ours),
            floor: format!("<= {MEMORY_MIB} MiB more"),
            verdict: Some(Floor::AtMost(MEMORY_MIB).judge(mebibytes)),
            ..Row::default()
        },
        Row {
            result: each(bares),
            ..Row::bound(
                "bare broadcast, as many streams",
                "",
                crate::sample::Figures::default(),
            )
        },
    ])
}

/// What a stream is about.
#[derive(Clone)]
enum Subject {
    /// A task, to its end.
    Task(String),
    /// Whatever is published.
    Broadcast,
}

impl Subject {
    async fn open(&self, caller: &mut Caller) -> Result<Answers> {
        match self {
            Self::Task(task_id) => {
                let request = WatchTaskRequest {
                    task_id: task_id.clone(),
                    ..WatchTaskRequest::default()
                };
                let mut answers = caller.stream(Method::WATCH, encoded(&request)).await?;
                loop {
                    let event = answers.next().await?.ok_or("the stream ended")?;
                    if let Some(Event::SnapshotComplete(_)) = TaskEvent::decode(event)?.event {
                        return Ok(answers);
                    }
                }
            }
            Self::Broadcast => {
                let mut answers = caller.stream(SUBSCRIBE, Bytes::new()).await?;
                answers.next().await?.ok_or("the stream ended")?;
                Ok(answers)
            }
        }
    }

    /// Microseconds since 1970 at which a message was committed or published.
    fn stamp(&self, mut message: Bytes) -> Result<i64> {
        match self {
            Self::Task(_) => {
                let ts = TaskEvent::decode(message)?.ts.unwrap_or_default();
                Ok(ts.seconds * 1_000_000 + i64::from(ts.nanos) / 1_000)
            }
            Self::Broadcast => Ok(message.get_i64()),
        }
    }
}

/// How much one stream was sent.
#[derive(Clone, Copy, Default)]
struct Volume {
    messages: usize,
    bytes: usize,
}

impl Volume {
    fn size(self) -> usize {
        self.bytes / self.messages.max(1)
    }
}

/// What all streams together heard.
struct Heard {
    sample: Sample,
    /// Of one stream.
    volume: Volume,
}

/// Streams that are open and being read.
struct Audience {
    listening: JoinSet<Result<Listened>>,
}

struct Listened {
    begun: Option<Instant>,
    ended: Instant,
    volume: Volume,
    latencies: Vec<Duration>,
}

impl Audience {
    /// Opens `streams` and waits until each has begun. Each is read to its end, or `until` so many
    /// messages.
    async fn gather(
        address: SocketAddr,
        subject: &Subject,
        streams: usize,
        until: Option<usize>,
    ) -> Result<Self> {
        let (open, mut opened) = mpsc::unbounded_channel();
        let mut listening = JoinSet::new();
        let connections = streams.div_ceil(STREAMS_OF_A_BUSY_CONNECTION);
        let callers = Caller::connect_many(address, connections).await?;
        for number in 0..streams {
            let mut caller = callers[number % connections].clone();
            let (subject, open) = (subject.clone(), open.clone());
            listening.spawn(async move {
                let answers = subject.open(&mut caller).await?;
                open.send(())?;
                let timed = (number % TIMED == 0).then_some(&subject);
                listen(answers, until, timed).await
            });
        }
        drop(open);
        for _ in 0..streams {
            if opened.recv().await.is_none() {
                break;
            }
        }
        Ok(Self { listening })
    }

    /// What they heard, once all of them are done, counted from `begun` or else from the first message.
    async fn done(mut self, begun: Option<Instant>) -> Result<Heard> {
        let mut sample = Sample::default();
        let mut volume = Volume::default();
        let (mut first, mut last) = (begun, None);
        while let Some(listened) = self.listening.join_next().await {
            let listened = listened??;
            if begun.is_none() {
                first = first.into_iter().chain(listened.begun).min();
            }
            last = last.max(Some(listened.ended));
            sample.operations += listened.volume.messages as u64;
            sample.latencies.extend(listened.latencies);
            volume = listened.volume;
        }
        let (Some(first), Some(last)) = (first, last) else {
            return Err("nobody listened".into());
        };
        sample.elapsed = last - first;
        Ok(Heard { sample, volume })
    }
}

async fn listen(
    mut answers: Answers,
    until: Option<usize>,
    timed: Option<&Subject>,
) -> Result<Listened> {
    let mut listened = Listened {
        begun: None,
        ended: Instant::now(),
        volume: Volume::default(),
        latencies: Vec::new(),
    };
    while until != Some(listened.volume.messages)
        && let Some(message) = answers.next().await?
    {
        listened.begun.get_or_insert_with(Instant::now);
        listened.volume.messages += 1;
        listened.volume.bytes += message.len();
        if let Some(subject) = timed {
            let late = drydock::clock::now().timestamp_micros() - subject.stamp(message)?;
            let late = Duration::from_micros(u64::try_from(late).unwrap_or_default());
            listened.latencies.push(late);
        }
    }
    listened.ended = Instant::now();
    Ok(listened)
}

/// Runs a tree before an audience. It waits for `held` to end, and the task that hangs after it is the
/// second of what is returned.
async fn watch_tree(
    world: &World,
    server: &Server,
    watchers: usize,
    held: &str,
) -> Result<(Heard, String)> {
    let mut caller = Caller::connect(server.address).await?;
    let request = verify(&world.designs.site(world.sizes.watched_nodes)?);
    let tree: Task = caller.call(Method::CREATE, &request).await?;
    let request = verify(&world.designs.hanging()?);
    let next: Task = caller.call(Method::CREATE, &request).await?;
    let audience =
        Audience::gather(server.address, &Subject::Task(tree.task_id), watchers, None).await?;
    let terminate = TerminateTaskRequest {
        task_id: held.to_owned(),
        ..TerminateTaskRequest::default()
    };
    let cpu = server.cpu()?;
    caller.call::<Task>(Method::TERMINATE, &terminate).await?;
    let mut heard = audience.done(None).await?;
    heard.sample.cpu = between(Some(cpu), Some(server.cpu()?));
    Ok((heard, next.task_id))
}

/// Broadcasts the same volume to as many streams.
async fn broadcast(
    address: SocketAddr,
    pid: u32,
    streams: usize,
    volume: Volume,
) -> Result<Sample> {
    let mut caller = Caller::connect(address).await?;
    let audience =
        Audience::gather(address, &Subject::Broadcast, streams, Some(volume.messages)).await?;
    let cpu = process::cpu(pid)?;
    let begun = Instant::now();
    let publication = publication(volume.messages, volume.size())?;
    caller.unary(PUBLISH, publication).await?;
    let mut sample = audience.done(Some(begun)).await?.sample;
    sample.cpu = between(Some(cpu), Some(process::cpu(pid)?));
    Ok(sample)
}

/// By how many bytes a server grows with so many streams that are silent.
async fn grown(pid: u32, address: SocketAddr, subject: Subject, streams: usize) -> Result<u64> {
    let before = process::memory(pid)?.resident;
    let mut opening = JoinSet::new();
    for _ in 0..streams.div_ceil(STREAMS_OF_A_QUIET_CONNECTION) {
        let subject = subject.clone();
        opening.spawn(async move {
            let mut caller = Caller::connect(address).await?;
            let mut open = Vec::new();
            for _ in 0..STREAMS_OF_A_QUIET_CONNECTION {
                open.push(subject.open(&mut caller).await?);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(open)
        });
    }
    let mut open = Vec::with_capacity(streams);
    while let Some(opened) = opening.join_next().await {
        open.extend(opened??);
    }
    tokio::time::sleep(REST).await;
    Ok(process::memory(pid)?.resident.saturating_sub(before))
}
