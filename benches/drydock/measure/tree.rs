//! A task over all nodes of a site, from its creation to its durable end.

use std::time::{Duration, Instant};

use drydock::proto::v1::{ResultStatus, Task};

use super::done::run_one;
use crate::Result;
use crate::load::between;
use crate::process;
use crate::report::{Floor, Row, count, mebibytes, time};
use crate::sample::{Figures, Sample, Spread};
use crate::server::{Home, Kind, Server};
use crate::wire::Caller;
use crate::world::World;

/// Subtasks of each node: the node's own, and its one step.
const SUBTASKS_OF_A_NODE: usize = 2;

/// From this many nodes on a tree is large: it has to be linear, and may have more memory.
const LARGE: usize = 100_000;

/// How much slower a node of a large tree may be than one of a small tree to be called linear.
const LINEAR: f64 = 0.8;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let floor = match kind {
            Kind::Sqlite => 8_000.0,
            Kind::Postgres => 5_000.0,
        };
        let mut small: Option<f64> = None;
        for nodes in world.sizes.tree_nodes.iter().copied() {
            let design = world.designs.site(nodes)?;
            let mut samples = Vec::new();
            let (mut running, mut peaks) = (Vec::new(), Vec::new());
            let runs = if nodes < LARGE {
                world.sizes.tree_runs
            } else {
                1
            };
            for _ in 0..runs {
                let home = Home::new(world, kind).await?;
                let server = Server::start(world, &home, &[]).await?;
                let mut caller = Caller::connect(server.address).await?;
                let cpu = server.cpu()?;
                let begun = Instant::now();
                let task = run_one(&mut caller, &design).await?;
                samples.push(Sample {
                    operations: (nodes * SUBTASKS_OF_A_NODE) as u64,
                    elapsed: begun.elapsed(),
                    latencies: Vec::new(),
                    cpu: between(Some(cpu), Some(server.cpu()?)),
                });
                running.push(ran_for(&task)?.as_secs_f64());
                peaks.push(process::memory(server.pid)?.peak as f64);
                let result = task.result.ok_or("a final task without result")?;
                if result.status() != ResultStatus::Success {
                    return Err(format!("the tree ended badly: {}", result.message).into());
                }
            }
            let figures = Figures::of(&samples);
            let whole = figures.rate.unwrap_or_default();
            let running = Spread::of(running.into_iter()).ok_or("nothing was measured")?;
            let subtasks = (nodes * SUBTASKS_OF_A_NODE) as f64;
            let peak = Spread::of(peaks.into_iter()).ok_or("nothing was measured")?;
            let name = format!("{}, {} nodes", kind.name(), count(nodes as f64));
            let (floor_text, verdict, memory_floor) = match small {
                None => (
                    format!(">= {} subtasks/s", count(floor)),
                    Floor::AtLeast(floor).judge(whole),
                    300.0,
                ),
                Some(small) => (
                    format!("linear: >= {LINEAR} x the rate of the small one"),
                    Floor::AtLeast(LINEAR).judge(whole / small),
                    600.0,
                ),
            };
            small.get_or_insert(whole);
            rows.push(Row {
                name: name.clone(),
                unit: "subtasks",
                figures,
                result: format!(
                    "{} whole; {} running, {} subtasks/s",
                    time(Duration::from_secs_f64(subtasks / whole.max(1.0))),
                    time(Duration::from_secs_f64(running.median)),
                    count(subtasks / running.median),
                ),
                floor: floor_text,
                verdict: Some(verdict),
            });
            rows.push(Row {
                name: format!("{name}: most resident memory"),
                result: mebibytes(peak.median),
                floor: format!("<= {memory_floor} MiB"),
                verdict: Some(Floor::AtMost(memory_floor).judge(peak.median / f64::from(1 << 20))),
                ..Row::default()
            });
        }
    }
    Ok(rows)
}

/// From the start of a task to its end, by its own account: without reading the design.
fn ran_for(task: &Task) -> Result<Duration> {
    let micros = |at: &Option<prost_types::Timestamp>| {
        at.as_ref()
            .map(|at| at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000)
    };
    let (Some(started), Some(completed)) = (micros(&task.started), micros(&task.completed)) else {
        return Err("a final task without times".into());
    };
    Ok(Duration::from_micros(u64::try_from(completed - started)?))
}
