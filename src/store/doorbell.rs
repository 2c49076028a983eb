//! The doorbell: a hint to other replicas that something was committed.
//!
//! It carries only who rang, so that nobody answers their own door; it may come late or never, and
//! everyone polls behind it. One NOTIFY is sent for whatever was published since the last, outside
//! of any transaction that holds locks.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sqlx::Executor as _;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, warn};
use uuid::Uuid;

use super::connect::Connections;
use super::error::Error;
use super::journal::Publisher;

const CHANNEL: &str = "drydock_events";

/// How long to wait before listening anew after the connection broke. Polling goes on meanwhile.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long nobody may ring before it is asked whether the connection still works, and how long that answer
/// may take. Polling goes on meanwhile, so neither needs to be short.
const QUIET: Duration = Duration::from_secs(10);
const PROBE_BOUND: Duration = Duration::from_secs(5);

/// Rings as `ringer` after every publication, for ever.
pub(super) async fn ring(connections: Connections, publisher: Publisher, ringer: Uuid) {
    let sql = format!("NOTIFY {CHANNEL}, '{ringer}'");
    loop {
        publisher.published().await;
        let statement = connections.dialect.statement(&sql, []);
        let ring = async { Ok::<_, Error>(connections.read.execute_raw(statement).await?) };
        if let Err(error) = connections.calls.of(ring).await {
            // Others find the commit by polling.
            debug!(%error, "the doorbell did not ring");
        }
    }
}

/// Listens on a connection of its own, for ever, and counts in `heard` what others than `ourselves`
/// ring.
pub(super) async fn listen(url: String, heard: watch::Sender<u64>, ourselves: Uuid) {
    let ourselves = ourselves.to_string();
    loop {
        match listen_once(&url, &heard, &ourselves).await {
            Ok(()) => debug!("the doorbell's connection ended"),
            Err(error) => warn!(%error, "listening for other replicas' commits"),
        }
        // Whatever rang in between was missed.
        heard.send_modify(|count| *count += 1);
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn listen_once(
    url: &str,
    heard: &watch::Sender<u64>,
    ourselves: &str,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    heard.send_modify(|count| *count += 1);
    loop {
        match timeout(QUIET, listener.try_recv()).await {
            Ok(Ok(Some(rung))) if rung.payload() == ourselves => {}
            Ok(Ok(Some(_))) => heard.send_modify(|count| *count += 1),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            // Nobody rings, or nothing arrives any more: only an answer tells which.
            Err(_) => match timeout(PROBE_BOUND, listener.execute("SELECT 1")).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(()),
            },
        }
    }
}
