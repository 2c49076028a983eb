//! Validating a whole design: read, parsed, checked by every rule, over the wire and in a server's memory.

use std::time::Instant;

use drydock::proto::v1::{ResultStatus, Status, ValidateDesignRequest};

use crate::Result;
use crate::process;
use crate::report::{Floor, Row, count, mebibytes, time};
use crate::sample::{Figures, Sample};
use crate::server::{Home, Kind, Server};
use crate::wire::{Caller, Method};
use crate::world::World;

/// Seconds for 10,000 nodes; larger designs take proportionally longer.
const SECONDS_FOR_10_000: f64 = 5.0;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for nodes in &world.sizes.validated_nodes {
        rows.extend(validate(world, *nodes).await?);
    }
    Ok(rows)
}

async fn validate(world: &World, nodes: usize) -> Result<[Row; 2]> {
    let home = Home::new(world, Kind::Sqlite).await?;
    let server = Server::start(world, &home, &[]).await?;
    let mut caller = Caller::connect(server.address).await?;
    let before = process::memory(server.pid)?.peak;
    let (mut fresh, mut known) = (Sample::default(), Sample::default());
    for round in 0..world.sizes.rounds {
        // Another site, so that nothing of the last one is of use.
        let design_ref = world.designs.real(&format!("real-{round}"), nodes)?;
        for sample in [&mut fresh, &mut known] {
            let begun = Instant::now();
            let request = ValidateDesignRequest {
                design_ref: design_ref.clone(),
            };
            let status: Status = caller.call(Method::VALIDATE, &request).await?;
            if status.status() != ResultStatus::Success {
                return Err(format!("a good design was refused: {}", status.message).into());
            }
            let took = begun.elapsed();
            sample.latencies.push(took);
            sample.elapsed += took;
            sample.operations += 1;
        }
    }
    let peak = process::memory(server.pid)?.peak.saturating_sub(before);
    let allowed = SECONDS_FOR_10_000 * nodes as f64 / 10_000.0;
    let name = |what: &str| format!("{} nodes, {what}", count(nodes as f64));
    let p50 = fresh.p50();
    Ok([
        Row {
            name: name("never seen before"),
            unit: "designs",
            figures: Figures::of(&[fresh]),
            result: format!("{}, {} at most", time(p50), mebibytes(peak as f64)),
            floor: format!("p50 <= {allowed} s"),
            verdict: Some(Floor::AtMost(allowed).judge(p50.as_secs_f64())),
        },
        Row {
            name: name("read again, unchanged"),
            unit: "designs",
            figures: Figures::of(&[known]),
            ..Row::default()
        },
    ])
}
