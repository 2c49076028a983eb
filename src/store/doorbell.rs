//! The doorbell: a hint to other replicas that something was committed.
//!
//! It carries only who rang, so that nobody answers their own door; it may come late or never, and
//! everyone polls behind it. One NOTIFY is sent for whatever was published since the last, outside
//! of any transaction that holds locks.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tracing::{debug, warn};
use uuid::Uuid;

use super::connect::Connections;
use super::journal::Publisher;

const CHANNEL: &str = "drydock_events";

/// How long to wait before listening anew after the connection broke. Polling goes on meanwhile.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Rings as `ringer` after every publication, for ever.
pub(super) async fn ring(connections: Connections, publisher: Publisher, ringer: Uuid) {
    let sql = format!("NOTIFY {CHANNEL}, '{ringer}'");
    loop {
        publisher.published().await;
        let statement = connections.dialect.statement(&sql, []);
        if let Err(error) = connections.read.execute_raw(statement).await {
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
    while let Some(rung) = listener.try_recv().await? {
        if rung.payload() != ourselves {
            heard.send_modify(|count| *count += 1);
        }
    }
    Ok(())
}
