//! The bound of calls and streams: a tonic server that does nothing.
//!
//! It echoes bytes and broadcasts bytes, without so much as decoding a message: nobody who answers in
//! gRPC through tonic can be faster. It is a process of its own, as the measured server is: this very
//! program, started once more with `--bare-server`.
#![expect(
    clippy::disallowed_types,
    reason = "a server of its own, which speaks to the wire"
)]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower::Service as Handler;

use crate::Result;
use crate::wire::{Frames, Method};

/// Answers with the request.
pub(crate) const ECHO: Method = Method("/bare.Bare/Echo");
/// Answers with one empty message, then with everything that is published.
pub(crate) const SUBSCRIBE: Method = Method("/bare.Bare/Subscribe");
/// Publishes; the request is from [`publication`].
pub(crate) const PUBLISH: Method = Method("/bare.Bare/Publish");

/// Messages that a subscriber may lag behind: more than any measure publishes at once, so that nobody
/// misses one.
const BACKLOG: usize = 1 << 16;

/// The request to publish `count` messages of `size` bytes, each beginning with the microseconds since
/// 1970 at which it was published.
pub(crate) fn publication(count: usize, size: usize) -> Result<Bytes> {
    let mut request = BytesMut::new();
    request.put_u32(u32::try_from(count)?);
    request.put_u32(u32::try_from(size.max(8))?);
    Ok(request.freeze())
}

/// The bare server, running.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// It ends when its standard input does, so that it never outlives us.
    _process: Child,
}

impl Bare {
    pub(crate) async fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--bare-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().ok_or("the bare server ended at once")?;
        let stdout = process
            .stdout
            .take()
            .ok_or("no output of the bare server")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        Ok(Self {
            address: line.trim().parse()?,
            pid,
            _process: process,
        })
    }
}

/// Is the bare server, until standard input ends.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::report::print(&listener.local_addr()?.to_string())?;
    let service = Service {
        messages: broadcast::channel(BACKLOG).0,
    };
    let incoming = TcpListenerStream::new(listener).map(|stream| {
        let stream = stream?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let ended = async {
        let mut rest = Vec::new();
        // However it ends, whoever started us is gone.
        tokio::io::stdin().read_to_end(&mut rest).await.ok();
    };
    tokio::select! {
        served = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming) => Ok(served?),
        () = ended => Ok(()),
    }
}

#[derive(Clone)]
struct Service {
    messages: broadcast::Sender<Bytes>,
}

impl NamedService for Service {
    const NAME: &'static str = "bare.Bare";
}

impl Handler<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let messages = self.messages.clone();
        let mut grpc = Grpc::new(Frames);
        Box::pin(async move {
            Ok(match request.uri().path() {
                path if path == ECHO.0 => {
                    let echo = tower::service_fn(async |request: Request<Bytes>| {
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    grpc.unary(echo, request).await
                }
                path if path == SUBSCRIBE.0 => {
                    grpc.server_streaming(Subscribe(messages), request).await
                }
                path if path == PUBLISH.0 => {
                    let publish = tower::service_fn(move |request: Request<Bytes>| {
                        let published = publish(&messages, &request.into_inner());
                        async { published.map(Response::new) }
                    });
                    grpc.unary(publish, request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

fn publish(messages: &broadcast::Sender<Bytes>, request: &[u8]) -> Result<Bytes, Status> {
    let &[a, b, c, d, e, f, g, h] = request else {
        return Err(Status::invalid_argument("not a publication"));
    };
    let count = u32::from_be_bytes([a, b, c, d]);
    let size = u32::from_be_bytes([e, f, g, h]) as usize;
    for _ in 0..count {
        let mut message = BytesMut::with_capacity(size);
        message.put_i64(drydock::clock::now().timestamp_micros());
        message.resize(size, 0);
        // No subscriber is no error.
        messages.send(message.freeze()).ok();
    }
    Ok(Bytes::new())
}

struct Subscribe(broadcast::Sender<Bytes>);

impl ServerStreamingService<Bytes> for Subscribe {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        let published = BroadcastStream::new(self.0.subscribe())
            .map(|message| message.map_err(|lag| Status::data_loss(lag.to_string())));
        let greeting = futures::stream::iter([Ok(Bytes::new())]);
        std::future::ready(Ok(Response::new(Box::pin(greeting.chain(published)))))
    }
}
