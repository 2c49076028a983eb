//! A replica as a host of the simulation: what `server` puts together, on a simulated network.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use turmoil::net::{TcpListener, TcpStream};

use super::designs;
use super::machines::{Hands, Machines};
use super::weather::Weather;
use crate::access::Access;
use crate::api;
use crate::driver::Registry;
use crate::executor::{Executor, ExecutorOptions};
use crate::failpoint::{Seat, Trap};
use crate::store::Store;
use crate::store::model::Memory;
use crate::tasks::{self, Tasks};
use crate::watch::{Hub, HubOptions};

/// Where every replica listens.
pub(super) const PORT: u16 = 8680;

/// How long a process takes to be started again.
const RESTART: Duration = Duration::from_millis(200);

/// How long what is told last takes to the peers at the most.
const FAREWELL: Duration = Duration::from_millis(100);

/// How long peers may be silent on a connection before it is given up.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// What a replica is made of, whichever of its lives it is in.
#[derive(Clone)]
pub(super) struct Replica {
    pub(super) memory: Memory,
    pub(super) weather: Weather,
    pub(super) machines: Machines,
    pub(super) designs: designs::Memory,
    pub(super) options: ExecutorOptions,
    pub(super) trap: Arc<Trap>,
    /// The life that runs.
    pub(super) life: Rc<RefCell<Life>>,
}

/// From one start of a process to its end.
#[derive(Clone, Default)]
pub(super) struct Life {
    /// Set where it crashed by itself.
    pub(super) dead: Arc<AtomicBool>,
    /// What SIGTERM does.
    pub(super) drain: CancellationToken,
}

impl Replica {
    /// The process, from its start until it has drained.
    pub(super) async fn run(self) -> turmoil::Result {
        let life = Life::default();
        *self.life.borrow_mut() = life.clone();
        let _seat = Seat::take(&self.trap, &life.dead);
        loop {
            let lease = self.options.lease;
            let store = self.memory.store(lease, Arc::new(self.weather.clone()));
            match self.serve(&store, &life).await {
                Ok(()) => return Ok(()),
                // As whoever runs processes does.
                Err(problem) => tracing::warn!(%problem, "not started"),
            }
            sleep(RESTART).await;
        }
    }

    async fn serve(&self, store: &Store, life: &Life) -> Result<(), Box<dyn std::error::Error>> {
        let (hub, hub_handle) = Hub::start(store.clone(), HubOptions::default()).await?;
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        let hands = Hands {
            machines: self.machines.clone(),
            dead: Arc::clone(&life.dead),
        };
        let designs = Arc::new(self.designs);
        let executor = Executor::start(
            store.clone(),
            self.options.clone(),
            hub.commits(),
            designs.clone(),
            Arc::new(Registry::simulated(Arc::new(hands))),
        )
        .await?;
        let options = tasks::Options::default();
        let tasks = Tasks::new(store.clone(), hub.clone(), designs, options);
        let api = api::routes(tasks, Access::Open).await?;
        // Not shut down by itself: it would draw by a chance of its own what comes first then.
        let serving = tokio::spawn(
            tonic::transport::Server::builder()
                .http2_keepalive_interval(Some(KEEPALIVE))
                .http2_keepalive_timeout(Some(KEEPALIVE))
                .add_routes(api.routes)
                .serve_with_incoming(incoming(listener)),
        );
        api.health.serving().await;
        let panicked = store.background().panicked();
        tokio::select! {
            biased;
            panicked = panicked => panic!("{panicked}"),
            () = life.drain.cancelled() => {}
        }
        let executor = tokio::spawn(executor.drain());
        hub.drain();
        api.health.end().await;
        executor.await?;
        sleep(FAREWELL).await;
        serving.abort();
        hub_handle.stop().await?;
        store.close().await;
        Ok(())
    }
}

fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Wire>> {
    futures::stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.map(|(stream, _)| Wire(stream));
        Some((accepted, listener))
    })
}

/// A simulated connection, as the server wants it.
struct Wire(TcpStream);

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
