//! What a server costs that does nothing: its memory, and how soon it serves.

use std::time::Duration;

use crate::Result;
use crate::process;
use crate::report::{Floor, Row, mebibytes, time};
use crate::sample::Spread;
use crate::server::{Home, Kind, Server};
use crate::world::World;

/// How long a server is left alone before its memory is read: some leases are renewed by then.
const REST: Duration = Duration::from_secs(2);

const READY_MS: f64 = 300.0;
const RESIDENT_MIB: f64 = 30.0;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let (mut first, mut again, mut resident) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..world.sizes.rounds {
            let home = Home::new(world, kind).await?;
            first.push(Server::start(world, &home, &[]).await?.ready_in);
            let server = Server::start(world, &home, &[]).await?;
            again.push(server.ready_in);
            tokio::time::sleep(REST).await;
            resident.push(process::memory(server.pid)?.resident);
        }
        let first = milliseconds(&first)?;
        let again = milliseconds(&again)?;
        let resident = Spread::of(resident.into_iter().map(|bytes| bytes as f64))
            .ok_or("nothing was measured")?;
        rows.push(Row {
            name: format!("{}: ready with a new database", kind.name()),
            result: spread(first),
            floor: format!("<= {READY_MS} ms"),
            verdict: Some(Floor::AtMost(READY_MS).judge(first.median)),
            ..Row::default()
        });
        rows.push(Row {
            name: format!("{}: ready after a crash", kind.name()),
            result: spread(again),
            floor: format!("<= {READY_MS} ms"),
            verdict: Some(Floor::AtMost(READY_MS).judge(again.median)),
            ..Row::default()
        });
        rows.push(Row {
            name: format!("{}: resident memory", kind.name()),
            result: format!(
                "{} ({}-{})",
                mebibytes(resident.median),
                mebibytes(resident.least),
                mebibytes(resident.most)
            ),
            floor: format!("<= {RESIDENT_MIB} MiB"),
            verdict: Some(Floor::AtMost(RESIDENT_MIB).judge(resident.median / f64::from(1 << 20))),
            ..Row::default()
        });
    }
    Ok(rows)
}

fn milliseconds(times: &[Duration]) -> Result<Spread> {
    Spread::of(times.iter().map(|time| time.as_secs_f64() * 1e3))
        .ok_or_else(|| "nothing was measured".into())
}

fn spread(milliseconds: Spread) -> String {
    let shown = |value: f64| time(Duration::from_secs_f64(value / 1e3));
    format!(
        "{} ({}-{})",
        shown(milliseconds.median),
        shown(milliseconds.least),
        shown(milliseconds.most)
    )
}
