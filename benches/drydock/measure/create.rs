//! Creating tasks: each answer means a durable commit.
//!
//! The server has one place for a running root and a task that hangs in it, so that what is created
//! waits: creating is measured, not running.

use bytes::Bytes;
use drydock::proto::v1::CreateTaskRequest;
use uuid::Uuid;

use crate::Result;
use crate::bare::ECHO;
use crate::load::{Client, drive};
use crate::pairs::Pairs;
use crate::process;
use crate::raw::Inserter;
use crate::report::{Floor, Row, times};
use crate::server::{Home, Kind, Server, verify};
use crate::wire::{Caller, Method, encoded};
use crate::world::World;

const SQLITE_CLIENTS: usize = 64;
const SQLITE_FLOOR: f64 = 0.3;
const POSTGRES_CLIENTS: usize = 32;
const POSTGRES_FLOOR: f64 = 0.6;

pub(crate) async fn sqlite(world: &World) -> Result<Vec<Row>> {
    let home = Home::new(world, Kind::Sqlite).await?;
    let (server, _) = Server::start_held(world, &home).await?;
    let mut creators = Creator::connect(world, &server, SQLITE_CLIENTS).await?;
    let bare = world.bare().await?;
    let request = verify(&world.designs.site(1)?);
    let mut echoers: Vec<Echoer> = Caller::connect_many(bare.address, SQLITE_CLIENTS)
        .await?
        .into_iter()
        .map(|caller| Echoer {
            caller,
            request: encoded(&request),
        })
        .collect();
    let mut inserters = Inserter::connect(&home, SQLITE_CLIENTS).await?;
    let slice = world.sizes.slice;
    let against_echo = Pairs::run(
        world.sizes.rounds,
        async || drive(&mut creators, slice, || server.cpu().map(Some)).await,
        async || drive(&mut echoers, slice, || process::cpu(bare.pid).map(Some)).await,
    )
    .await?;
    let against_raw = Pairs::run(
        world.sizes.rounds,
        async || drive(&mut creators, slice, || server.cpu().map(Some)).await,
        async || drive(&mut inserters, slice, || Ok(None)).await,
    )
    .await?;
    let ratio = against_echo.rates()?;
    Ok(vec![
        Row {
            name: format!("{SQLITE_CLIENTS} clients"),
            unit: "tasks",
            figures: against_echo.measured(),
            result: times(ratio),
            floor: format!(">= {SQLITE_FLOOR} x bare unary"),
            verdict: Some(Floor::AtLeast(SQLITE_FLOOR).judge(ratio.median)),
        },
        Row::bound(
            format!("bare unary, {SQLITE_CLIENTS} clients"),
            "calls",
            against_echo.bound(),
        ),
        Row {
            result: format!("tasks: {} of this", times(against_raw.rates()?)),
            ..Row::bound(
                format!("raw commits, {SQLITE_CLIENTS} callers"),
                "rows",
                against_raw.bound(),
            )
        },
    ])
}

pub(crate) async fn postgres(world: &World) -> Result<Vec<Row>> {
    let home = Home::new(world, Kind::Postgres).await?;
    let (server, _) = Server::start_held(world, &home).await?;
    let mut creators = Creator::connect(world, &server, POSTGRES_CLIENTS).await?;
    let mut inserters = Inserter::connect(&home, POSTGRES_CLIENTS).await?;
    let slice = world.sizes.slice;
    let postmaster = world.postmaster();
    let pairs = Pairs::run(
        world.sizes.rounds,
        async || drive(&mut creators, slice, || server.cpu().map(Some)).await,
        async || {
            let database = || postmaster.map(process::family_cpu).transpose();
            drive(&mut inserters, slice, database).await
        },
    )
    .await?;
    let ratio = pairs.rates()?;
    Ok(vec![
        Row {
            name: format!("{POSTGRES_CLIENTS} clients"),
            unit: "tasks",
            figures: pairs.measured(),
            result: times(ratio),
            floor: format!(">= {POSTGRES_FLOOR} x raw commits"),
            verdict: Some(Floor::AtLeast(POSTGRES_FLOOR).judge(ratio.median)),
        },
        Row::bound(
            format!("raw commits, {POSTGRES_CLIENTS} sessions"),
            "rows",
            pairs.bound(),
        ),
    ])
}

/// Somebody who creates tasks, each under a key of its own, as a careful client does.
struct Creator {
    caller: Caller,
    request: CreateTaskRequest,
}

impl Creator {
    async fn connect(world: &World, server: &Server, count: usize) -> Result<Vec<Self>> {
        let request = verify(&world.designs.site(1)?);
        let callers = Caller::connect_many(server.address, count).await?;
        Ok(callers
            .into_iter()
            .map(|caller| Self {
                caller,
                request: request.clone(),
            })
            .collect())
    }
}

impl Client for Creator {
    async fn operate(&mut self) -> Result<()> {
        self.request.request_id = Uuid::new_v4().to_string();
        self.caller
            .unary(Method::CREATE, encoded(&self.request))
            .await?;
        Ok(())
    }
}

/// Somebody who has the same bytes echoed.
pub(super) struct Echoer {
    pub(super) caller: Caller,
    pub(super) request: Bytes,
}

impl Client for Echoer {
    async fn operate(&mut self) -> Result<()> {
        self.caller.unary(ECHO, self.request.clone()).await?;
        Ok(())
    }
}
