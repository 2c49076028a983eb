//! The client of every measure: gRPC whose messages stay bytes.
//!
//! Client and server share the machine, so whatever the client does is taken from the server. Requests
//! are encoded once and answers are not decoded unless a measure looks at them, for the bounds and for
//! the service alike.
#![expect(
    clippy::disallowed_types,
    reason = "a client of the wire meets the errors of the wire"
)]

use std::net::SocketAddr;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::Result;

/// A codec that leaves messages as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frames;

impl Codec for Frames {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A method, by its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method(pub(crate) &'static str);

impl Method {
    pub(crate) const CREATE: Self = Self("/drydock.v1.TaskService/CreateTask");
    pub(crate) const GET: Self = Self("/drydock.v1.TaskService/GetTask");
    pub(crate) const LIST: Self = Self("/drydock.v1.TaskService/ListTasks");
    pub(crate) const TERMINATE: Self = Self("/drydock.v1.TaskService/TerminateTask");
    pub(crate) const VALIDATE: Self = Self("/drydock.v1.DesignService/ValidateDesign");
    pub(crate) const WAIT: Self = Self("/drydock.v1.TaskService/WaitTask");
    pub(crate) const WATCH: Self = Self("/drydock.v1.TaskService/WatchTask");
    pub(crate) const WATCH_ALL: Self = Self("/drydock.v1.TaskService/WatchTasks");
}

/// One connection to a server. A clone shares it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    grpc: tonic::client::Grpc<Channel>,
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect()
            .await?;
        Ok(Self {
            grpc: tonic::client::Grpc::new(channel),
        })
    }

    /// `count` connections.
    pub(crate) async fn connect_many(address: SocketAddr, count: usize) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        for _ in 0..count {
            callers.push(Self::connect(address).await?);
        }
        Ok(callers)
    }

    /// A call with one answer, both as bytes.
    pub(crate) async fn unary(&mut self, method: Method, request: Bytes) -> Result<Bytes> {
        self.grpc.ready().await?;
        let path = PathAndQuery::from_static(method.0);
        let answer = self
            .grpc
            .unary(Request::new(request), path, Frames)
            .await
            .map_err(|status| explain(method, &status))?;
        Ok(answer.into_inner())
    }

    /// A call with one answer.
    pub(crate) async fn call<T: Message + Default>(
        &mut self,
        method: Method,
        request: &impl Message,
    ) -> Result<T> {
        let answer = self.unary(method, encoded(request)).await?;
        Ok(T::decode(answer)?)
    }

    /// A call with a stream of answers.
    pub(crate) async fn stream(&mut self, method: Method, request: Bytes) -> Result<Answers> {
        self.grpc.ready().await?;
        let path = PathAndQuery::from_static(method.0);
        let answer = self
            .grpc
            .server_streaming(Request::new(request), path, Frames)
            .await
            .map_err(|status| explain(method, &status))?;
        Ok(Answers {
            method,
            stream: answer.into_inner(),
        })
    }
}

/// A stream of answers, as bytes.
pub(crate) struct Answers {
    method: Method,
    stream: Streaming<Bytes>,
}

impl Answers {
    /// The next answer; none at the end with OK.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = self.stream.message().await;
        next.map_err(|status| explain(self.method, &status).into())
    }
}

pub(crate) fn encoded(message: &impl Message) -> Bytes {
    Bytes::from(message.encode_to_vec())
}

fn explain(method: Method, status: &Status) -> String {
    format!("{}: {:?}: {}", method.0, status.code(), status.message())
}
