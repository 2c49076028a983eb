//! Reading one finished task, whole, as often as can be.

use bytes::Bytes;
use drydock::proto::v1::{GetTaskRequest, TaskView};

use super::create::Echoer;
use super::done::run_one;
use crate::Result;
use crate::load::{Client, drive};
use crate::pairs::Pairs;
use crate::process;
use crate::report::{Floor, Row, times};
use crate::server::{Home, Kind, Server};
use crate::wire::{Caller, Method, encoded};
use crate::world::World;

const CLIENTS: usize = 16;
const FLOOR: f64 = 0.5;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let home = Home::new(world, kind).await?;
        let server = Server::start(world, &home, &[]).await?;
        let mut caller = Caller::connect(server.address).await?;
        let task = run_one(&mut caller, &world.designs.site(1)?).await?;
        let bare = world.bare().await?;
        for view in [TaskView::Full, TaskView::Basic] {
            let request = encoded(&GetTaskRequest {
                task_id: task.task_id.clone(),
                view: view.into(),
            });
            let mut getters: Vec<Getter> = Caller::connect_many(server.address, CLIENTS)
                .await?
                .into_iter()
                .map(|caller| Getter {
                    caller,
                    request: request.clone(),
                })
                .collect();
            let mut echoers: Vec<Echoer> = Caller::connect_many(bare.address, CLIENTS)
                .await?
                .into_iter()
                .map(|caller| Echoer {
                    caller,
                    request: request.clone(),
                })
                .collect();
            let slice = world.sizes.slice;
            let pairs = Pairs::run(
                world.sizes.rounds,
                async || drive(&mut getters, slice, || server.cpu().map(Some)).await,
                async || drive(&mut echoers, slice, || process::cpu(bare.pid).map(Some)).await,
            )
            .await?;
            let ratio = pairs.rates()?;
            let name = match view {
                TaskView::Full => "FULL",
                TaskView::Basic | TaskView::Unspecified => "BASIC",
            };
            rows.push(Row {
                name: format!("{}, {CLIENTS} clients, {name}", kind.name()),
                unit: "calls",
                figures: pairs.measured(),
                result: times(ratio),
                floor: format!(">= {FLOOR} x bare unary"),
                verdict: Some(Floor::AtLeast(FLOOR).judge(ratio.median)),
            });
            rows.push(Row::bound(
                format!("bare unary, {CLIENTS} clients"),
                "calls",
                pairs.bound(),
            ));
        }
    }
    Ok(rows)
}

struct Getter {
    caller: Caller,
    request: Bytes,
}

impl Client for Getter {
    async fn operate(&mut self) -> Result<()> {
        self.caller.unary(Method::GET, self.request.clone()).await?;
        Ok(())
    }
}
