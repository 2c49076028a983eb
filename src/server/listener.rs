//! The listener: accepts connections and serves calls on them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tracing::{debug, warn};

use super::connection::Connection;
use super::handshake::handshake;
use super::tls::TlsConfig;
use crate::config::Http2;

/// Pause after the listener itself failed, most likely for want of file descriptors: asking again at once
/// would only burn the processor until a connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Most handshakes at a time: each has a few tens of KiB, from somebody who has not said who they are.
/// More wait in the system's queue. None may last longer than its deadline, so that those who do not go
/// on with theirs keep others waiting for seconds at most.
const MAX_HANDSHAKES: usize = 512;

/// What a peer may send before we have read it: on a connection, and of one request. The
/// implementation of HTTP/2 takes half of the former as its budget for small frames, each of which
/// counts as 256 bytes until it is read: with the usual 64 KiB, a few hundred calls that begin at once
/// on one connection end all of them. This is enough for as many as a connection may have open.
const CONNECTION_WINDOW: u32 = 1 << 20;
const STREAM_WINDOW: u32 = 1 << 19;

/// Serves calls until `closing`, then until every connection has finished its own. `cut` ends each
/// connection at once.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Routes,
    http2: Http2,
    tls: Option<TlsConfig>,
    closing: CancellationToken,
    cut: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let incoming = Incoming {
        listener,
        tls,
        handshakes: JoinSet::new(),
        cut,
    };
    tonic::transport::Server::builder()
        // gRPC-Web comes over HTTP/1.
        .accept_http1(true)
        .max_concurrent_streams(http2.max_concurrent_streams)
        .http2_keepalive_interval(Some(http2.keepalive_interval))
        .http2_keepalive_timeout(Some(http2.keepalive_timeout))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections(incoming), closing.cancelled_owned())
        .await
}

fn connections(incoming: Incoming) -> impl Stream<Item = Result<Connection, Infallible>> {
    futures::stream::unfold(incoming, async |mut incoming| {
        let connection = incoming.next().await;
        Some((Ok(connection), incoming))
    })
}

/// Connections as they come, their handshakes done.
struct Incoming {
    listener: TcpListener,
    tls: Option<TlsConfig>,
    /// Dropped with the listener, and with it whoever still shakes hands.
    handshakes: JoinSet<Option<Connection>>,
    cut: CancellationToken,
}

impl Incoming {
    async fn next(&mut self) -> Connection {
        loop {
            let has_room = self.handshakes.len() < MAX_HANDSHAKES;
            tokio::select! {
                (stream, address) = accept(&self.listener), if has_room => {
                    let cut = self.cut.child_token();
                    let Some(tls) = &self.tls else {
                        return Connection::plain(stream, address, cut);
                    };
                    let acceptor = tls.acceptor();
                    self.handshakes.spawn(handshake(acceptor, stream, address, cut));
                }
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Some(connection)) => return connection,
                    Ok(None) => {}
                    Err(error) => warn!(%error, "a handshake panicked"),
                }
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Events are small and many: none may wait for the next one to fill a packet.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%peer, %error, "connection without nodelay");
                }
                return (stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => {
                debug!(%error, "connection lost before it was accepted");
            }
            Err(error) => {
                warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the failure is of the connection that was being accepted, and not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
