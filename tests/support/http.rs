//! A web server that answers what a test tells it to, byte by byte, so that it can also lie.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Between two bytes of one who trickles: too little to be called silent.
const TRICKLE: Duration = Duration::from_millis(20);

/// The longest request that is read: ours are small.
const MAX_REQUEST: usize = 64 * 1024;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    /// The head as it came.
    pub(crate) head: String,
}

impl Asked {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// What is done with a connection after its request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// The first bytes, then the second again and again until nobody takes them.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, then one more every now and then.
    Trickle(Vec<u8>),
    /// These bytes, then silence.
    Silence(Vec<u8>),
}

impl Answer {
    /// An ordinary answer with a body.
    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::with("200 OK", &[], body)
    }

    /// An answer with a status, more headers and a body of the length it says.
    pub(crate) fn with(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = format!("content-length: {}", body.len());
        let headers = [headers, &[length.as_str()]].concat();
        let mut bytes = head(status, &headers);
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }

    /// A step elsewhere.
    pub(crate) fn redirect(to: &str) -> Self {
        Self::with("302 Found", &[&format!("location: {to}")], "")
    }
}

/// The head of an answer.
pub(crate) fn head(status: &str, headers: &[&str]) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes()
}

/// A web server. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct WebServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl WebServer {
    /// A server on this machine that answers as `answer` says.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_as(None, answer).await
    }

    /// One that proves who it is.
    pub(crate) async fn start_as(
        identity: Option<TlsAcceptor>,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                let identity = identity.clone();
                connections.spawn(async move {
                    // A client that leaves is none of a server's business.
                    match identity {
                        None => serve(stream, &log, &*answer).await.ok(),
                        Some(identity) => match identity.accept(stream).await {
                            Ok(stream) => serve(stream, &log, &*answer).await.ok(),
                            Err(_) => None,
                        },
                    };
                });
            }
        });
        Self {
            address,
            asked,
            serving,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&Asked) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if request.len() > MAX_REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let asked = Asked { target, head };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(asked.clone());
    match answer(&asked) {
        Answer::Bytes(bytes) => stream.write_all(&bytes).await?,
        Answer::Endless(head, more) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&more).await?;
            }
        }
        Answer::Trickle(bytes) => {
            stream.write_all(&bytes).await?;
            loop {
                tokio::time::sleep(TRICKLE).await;
                stream.write_all(b"#").await?;
            }
        }
        Answer::Silence(bytes) => {
            stream.write_all(&bytes).await?;
            // Until the other side leaves.
            while stream.read_buf(&mut request).await? > 0 {
                request.clear();
            }
        }
    }
    stream.shutdown().await
}
