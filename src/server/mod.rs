//! The composition root: starts every component in order, and stops them in order.
//!
//! This is the only place that names every layer. Start goes from the store upwards and takes calls last;
//! stop goes the other way: calls are sent elsewhere, streams end with a position to resume from,
//! connections close, trees are given back, and the store closes last. All of it is bounded by one
//! deadline, after which what is left is cut off: whatever was acknowledged is durable by then, and what
//! was not given back is taken over when its lease runs out.

pub mod drivers;

pub mod log;

pub mod signal;

mod connection;

mod handshake;

mod tls;

mod reload;

mod designs;

mod listener;

mod options;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::access::{Access, RosterFile, RosterFileError};
use crate::api::{self, Health};
use crate::background::Panicked;
use crate::config::Config;
use crate::design::Loader;
use crate::executor::{self, Executor};
use crate::store::{self, Store};
use crate::tasks::{RetentionHandle, Tasks};
use crate::trust::TrustError;
use crate::watch::{Hub, HubError, HubHandle};
use designs::LoadedDesigns;
use reload::{Files, Reloading};
pub use tls::TlsError;
use tls::TlsFiles;

/// What of the drain timeout is kept for giving trees back and closing the store, once connections are cut:
/// both are a few writes. At most a quarter of it, where it is short.
const CLOSING_RESERVE: Duration = Duration::from_secs(2);

/// Why a server did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory cannot be made.
    #[error("make the data directory {}", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store does not open.
    #[error("open the store")]
    Store(#[source] store::OpenError),
    /// The certificate authorities of `design.ca_file` cannot be read.
    #[error("know whom to believe of hosts of designs")]
    Authorities(#[source] TrustError),
    /// Who may call is not known.
    #[error("know who may call")]
    Roster(#[source] RosterFileError),
    /// The certificates cannot be used.
    #[error("set up TLS")]
    Tls(#[source] TlsError),
    /// Reloading ended by itself.
    #[error("reload the roster and the certificates: the task ended")]
    ReloadingEnded(#[source] Option<JoinError>),
    /// A driver cannot be set up.
    #[error("set up the drivers")]
    Drivers(#[source] drivers::Error),
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The built-in descriptors cannot be read.
    #[error("serve the descriptors")]
    Descriptors(#[source] tonic_reflection::server::Error),
    /// The journal cannot be read.
    #[error("follow the journal")]
    Journal(#[source] store::Error),
    /// Watching ended by itself.
    #[error("watch the journal")]
    Hub(#[source] HubError),
    /// The executor cannot register this replica.
    #[error("run tasks")]
    Executor(#[source] store::Error),
    /// A part panicked: a restart recovers what a half-running process does not.
    #[error("work in the background")]
    Background(#[source] Panicked),
    /// Purging ended by itself.
    #[error("purge old tasks: the task ended")]
    RetentionEnded(#[source] Option<JoinError>),
    /// Serving ended by itself.
    #[error("serve calls")]
    Serve(#[source] tonic::transport::Error),
    /// Serving ended by itself, in a panic.
    #[error("serve calls: a task panicked")]
    Panicked(#[source] JoinError),
    /// Serving ended without being told.
    #[error("serve calls: the listener ended")]
    Ended,
}

/// A server that serves.
pub struct Server {
    address: SocketAddr,
    drain_timeout: Duration,
    store: Store,
    hub: Hub,
    hub_handle: HubHandle,
    executor: executor::Handle,
    retention: RetentionHandle,
    reloading: Reloading,
    health: Health,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    /// Ends the listener and lets connections finish their calls.
    closing: CancellationToken,
    /// Cuts every connection.
    cut: CancellationToken,
}

impl Server {
    /// Starts a server. When this returns it serves, and a call to [`Self::address`] is answered.
    ///
    /// # Errors
    ///
    /// Whatever keeps a component from starting; the ones started before it end with the process.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        let data_dir = &config.server.data_dir;
        std::fs::create_dir_all(data_dir).map_err(|source| Error::DataDirectory {
            path: data_dir.clone(),
            source,
        })?;

        // Before the store: what is wrong here is wrong without looking at the database.
        let roster = config.auth.roster.as_deref().map(RosterFile::open);
        let roster = roster.transpose().map_err(Error::Roster)?;
        let access = roster.as_ref().map_or(Access::Open, RosterFile::access);
        let tls = config.tls.as_ref().map(TlsFiles::open);
        let tls = tls.transpose().map_err(Error::Tls)?;

        let store = Store::open(options::store(config))
            .await
            .map_err(Error::Store)?;
        let (hub, hub_handle) = Hub::start(store.clone(), options::hub(config))
            .await
            .map_err(Error::Journal)?;
        let designs = Arc::new(LoadedDesigns::new(Loader::new(options::loader(config)?)));
        let registry = drivers::registry(config).map_err(Error::Drivers)?;

        // Before anything is run: a port that is taken must not leave a tree half begun.
        let listening = config.server.listen;
        let listen = |source| Error::Listen {
            address: listening,
            source,
        };
        let listener = TcpListener::bind(listening).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let executor = Executor::start(
            store.clone(),
            options::executor(config),
            hub.commits(),
            designs.clone(),
            Arc::new(registry),
        )
        .await
        .map_err(Error::Executor)?;
        let tasks = Tasks::new(store.clone(), hub.clone(), designs, options::tasks(config));
        let retention = tasks.start_retention(options::retention(config));
        let api = api::routes(tasks, access)
            .await
            .map_err(Error::Descriptors)?;

        let closing = CancellationToken::new();
        let cut = CancellationToken::new();
        let serving = tokio::spawn(listener::serve(
            listener,
            api.routes,
            config.http2.clone(),
            tls.as_ref().map(TlsFiles::current),
            closing.clone(),
            cut.clone(),
        ));
        let encrypted = tls.is_some();
        let authenticated = roster.is_some();
        let reloading = Reloading::start(Files { roster, tls }, store.background());
        api.health.serving().await;
        info!(%address, encrypted, authenticated, "serving");
        Ok(Self {
            address,
            drain_timeout: config.server.drain_timeout,
            store,
            hub,
            hub_handle,
            executor,
            retention,
            reloading,
            health: api.health,
            serving,
            closing,
            cut,
        })
    }

    /// Where it listens; the port is the real one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready or a component ends by itself, then stops in order, within the drain
    /// timeout and whatever is still connected.
    ///
    /// # Errors
    ///
    /// The component that ended by itself. It is returned after the rest was stopped.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let database = self.executor.reachable();
        let panicked = self.store.background().panicked();
        // A panic before whatever else tells of it: its report says which part it was.
        let ended = tokio::select! {
            biased;
            panicked = panicked => Err(Error::Background(panicked)),
            () = stop => Ok(()),
            never = follow(database, &self.health) => match never {},
            error = self.hub_handle.ended() => Err(Error::Hub(error)),
            ended = self.retention.ended() => Err(Error::RetentionEnded(ended)),
            ended = self.reloading.ended() => Err(Error::ReloadingEnded(ended)),
            served = &mut self.serving => Err(why_ended(served)),
        };
        self.drain().await;
        ended
    }

    async fn drain(self) {
        let deadline = Instant::now() + self.drain_timeout;
        let cut_at = deadline - CLOSING_RESERVE.min(self.drain_timeout / 4);
        info!(timeout_ms = self.drain_timeout.as_millis(), "draining");
        self.health.not_serving().await;
        // New work is left to others from here on; what runs is brought to a place to stop at.
        let executor = tokio::spawn(self.executor.drain());
        // One that ended by itself was told of, and may not be polled again.
        let retention = (!self.retention.is_finished()).then(|| self.retention.stop());
        let reloading = (!self.reloading.is_finished()).then(|| self.reloading.stop());
        // Connections only close once their streams have ended, and streams only end when they are told.
        self.hub.drain();
        self.health.end().await;
        self.closing.cancel();

        // Once the listener has ended by itself there is nothing to wait for, nor may it be polled again.
        if !self.serving.is_finished()
            && tokio::time::timeout_at(cut_at, self.serving).await.is_err()
        {
            warn!("connections are still open and will be cut");
        }
        self.cut.cancel();
        match tokio::time::timeout_at(deadline, executor).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the executor panicked while draining"),
            Err(_) => warn!(
                "trees are still held at the deadline: they are taken over when the lease ends"
            ),
        }
        if let Some(retention) = retention {
            match tokio::time::timeout_at(deadline, retention).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "purging panicked while draining"),
                Err(_) => warn!("purging did not stop by the deadline"),
            }
        }
        if let Some(reloading) = reloading {
            match tokio::time::timeout_at(deadline, reloading).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "reloading panicked while draining"),
                Err(_) => warn!("reloading did not stop by the deadline"),
            }
        }
        match tokio::time::timeout_at(deadline, self.hub_handle.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "watching had failed"),
            Err(_) => warn!("watching did not stop by the deadline"),
        }
        // A task of its own: closing goes on if the deadline passes, as long as the process lives.
        let store = self.store;
        let closed = tokio::spawn(async move { store.close().await });
        if tokio::time::timeout_at(deadline, closed).await.is_err() {
            warn!("the store did not close by the deadline");
        }
        info!("stopped");
    }
}

/// Says that calls should go elsewhere while the database does not answer, for as long as it is polled.
async fn follow(mut database: watch::Receiver<bool>, health: &Health) -> Infallible {
    while database.changed().await.is_ok() {
        let reachable = *database.borrow_and_update();
        if reachable {
            health.serving().await;
        } else {
            health.not_serving().await;
        }
    }
    // The executor has ended, and with it whoever knew.
    std::future::pending().await
}

fn why_ended(served: Result<Result<(), tonic::transport::Error>, JoinError>) -> Error {
    match served {
        Ok(Ok(())) => Error::Ended,
        Ok(Err(error)) => Error::Serve(error),
        Err(error) => Error::Panicked(error),
    }
}
