//! Bytes that are no request: not decodable, too large, of another protocol.

use std::net::SocketAddr;

use bytes::Bytes;
use drydock::proto::v1::{
    CreateTaskRequest, FilterType, ListTasksRequest, ListTasksResponse, NodeFilter, NodeFilterSet,
    TaskAction, WaitTaskRequest,
};
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

use crate::naming::label;
use crate::support::client::{Client, channel, create_request, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};

on_both_databases!(
    what_is_not_decodable_or_too_large_says_so,
    a_browser_is_served_over_http_1,
    a_connection_of_nonsense_harms_nobody,
    what_nobody_knows_says_so,
    a_call_that_takes_longer_than_its_caller_gives_says_so,
    as_many_calls_as_a_connection_may_have_begin_at_once,
);

const MIB: usize = 1024 * 1024;

/// Sends bytes as they are and receives them so.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
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

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(buffer, item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length)))
    }
}

async fn send_raw(address: SocketAddr, method: &'static str, body: Vec<u8>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel(address));
    grpc.ready().await.expect("a connection");
    let path = PathAndQuery::from_static(method);
    let request = tonic::Request::new(Bytes::from(body));
    grpc.unary(request, path, Raw).await.map(drop)
}

async fn what_is_not_decodable_or_too_large_says_so(database: Database) {
    let server = Launch::on(&database).start().await;
    let client = Client::of(server.address());
    let create = "/drydock.v1.TaskService/CreateTask";
    let watch = "/drydock.v1.TaskService/WatchTask";
    let resolve = "/drydock.v1.DesignService/ResolveNodeFilter";
    // A field without its value, a group that never began, a text that is not UTF-8, a length beyond the
    // end, a number without an end.
    let bodies: [&[u8]; 5] = [
        &[0x08],
        &[0x0c],
        &[0x12, 0x02, 0xff, 0xfe],
        &[0x12, 0x7f, b'x'],
        &[
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ],
    ];
    for method in [create, watch, resolve] {
        for body in bodies {
            let status = send_raw(server.address(), method, body.to_vec()).await;
            let status = status.expect_err("nonsense is refused");
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{method} {body:?}: {status:?}"
            );
            assert_eq!(reason(&status), "REQUEST_UNDECODABLE", "{method} {body:?}");
        }
        let status = send_raw(server.address(), method, vec![0; 5 * MIB]).await;
        let status = status.expect_err("too much is refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{method}: {status:?}");
        assert_eq!(reason(&status), "REQUEST_TOO_LARGE", "{method}");
    }

    // Just below the limit a request is read, and refused for what it says.
    let request = CreateTaskRequest {
        labels: label("k", "v".repeat(4 * MIB - 1024)),
        ..create_request(TaskAction::VerifyNode, "file:///x")
    };
    let status = client
        .try_create(request)
        .await
        .expect_err("the label is too long");
    assert_eq!(reason(&status), "FIELD_INVALID", "{status:?}");
    // More violations than an answer has room for make an answer all the same.
    let request = CreateTaskRequest {
        node_filter: Some(NodeFilterSet {
            filter_set_type: FilterType::Union.into(),
            filter_set: vec![NodeFilter {
                filter_type: FilterType::Union.into(),
                node_names: vec![String::new(); 10_000],
                ..NodeFilter::default()
            }],
        }),
        ..create_request(TaskAction::VerifyNode, "file:///x")
    };
    let status = client
        .try_create(request)
        .await
        .expect_err("the names are empty");
    assert_eq!(reason(&status), "FIELD_INVALID", "{status:?}");
    assert_eq!(client.list().await, []);
}

/// Sends one HTTP/1.1 request and reads the answer to the end of the connection.
async fn http_1(address: SocketAddr, head: &str, body: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection
        .write_all(head.as_bytes())
        .await
        .expect("the head is sent");
    connection.write_all(body).await.expect("the body is sent");
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(30), connection.read_to_end(&mut answer)).await;
    read.expect("the answer ends").expect("the answer is read");
    answer
}

/// The body of an HTTP/1.1 answer, out of its chunks.
fn body_of(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, mut rest) = answer.split_at(end.expect("a head") + 4);
    let head = String::from_utf8_lossy(head).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    if !head.contains("transfer-encoding: chunked") {
        return rest.to_vec();
    }
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|bytes| bytes == b"\r\n")
            .expect("a length");
        let length = std::str::from_utf8(&rest[..end]).expect("text");
        let length = usize::from_str_radix(length, 16).expect("a number");
        if length == 0 {
            return body;
        }
        body.extend(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

async fn a_browser_is_served_over_http_1(database: Database) {
    let server = Launch::on(&database).start().await;
    let request = ListTasksRequest::default().encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(request.len()).expect("short").to_be_bytes());
    framed.extend(request);
    let head = "POST /drydock.v1.TaskService/ListTasks HTTP/1.1\r\n\
                content-type: application/grpc-web+proto\r\nx-grpc-web: 1";
    let body = body_of(&http_1(server.address(), head, &framed).await);
    // A frame with the answer, then one with the trailers.
    let length = u32::from_be_bytes(body[1..5].try_into().expect("four bytes"));
    let (answer, trailers) = body[5..].split_at(usize::try_from(length).expect("short"));
    assert_eq!(body[0], 0);
    let answer = ListTasksResponse::decode(answer).expect("an answer");
    assert_eq!(answer.tasks, []);
    assert!(!answer.resume_token.is_empty());
    assert_eq!(trailers[0], 0x80);
    let trailers = String::from_utf8_lossy(&trailers[5..]).replace(' ', "");
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}

async fn a_connection_of_nonsense_harms_nobody(database: Database) {
    let server = Launch::on(&database).start().await;
    for nonsense in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        &[0; 4096],
        b"GET / HTTP/0.9\r\n\r\n",
    ] {
        let mut connection = TcpStream::connect(server.address())
            .await
            .expect("a connection");
        connection
            .write_all(nonsense)
            .await
            .expect("nonsense is sent");
        connection.shutdown().await.expect("our side ends");
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(30), connection.read_to_end(&mut answer)).await;
        // Closed or reset, but not left open.
        read.expect("the server lets go").ok();
    }
    let unknown = http_1(server.address(), "GET /nothing HTTP/1.1", b"").await;
    assert!(
        unknown.starts_with(b"HTTP/1.1"),
        "{:?}",
        String::from_utf8_lossy(&unknown)
    );
    let client = Client::of(server.address());
    assert_eq!(client.list().await, []);
}

async fn what_nobody_knows_says_so(database: Database) {
    let server = Launch::on(&database).start().await;
    for method in [
        "/drydock.v1.TaskService/NoSuchMethod",
        "/drydock.v1.NoSuchService/CreateTask",
        "/nothing",
    ] {
        let status = send_raw(server.address(), method, Vec::new()).await;
        let status = status.expect_err("no such method");
        assert_eq!(status.code(), Code::Unimplemented, "{method}: {status:?}");
        assert_eq!(reason(&status), "UNIMPLEMENTED", "{method}");
        assert!(!status.message().is_empty(), "{method}");
    }
}

async fn a_call_that_takes_longer_than_its_caller_gives_says_so(database: Database) {
    let site = Site::of(&[Machine::named("n1").hangs_at("interrogate_oob")]);
    let launch = Launch::on(&database).designs_in(site.directory());
    let server = launch.start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let request = WaitTaskRequest {
        task_id: task.task_id,
        timeout: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
    };
    let request = request.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(request.len()).expect("short").to_be_bytes());
    framed.extend(request);
    for given in ["0n", "1m", "300m"] {
        // By hand, because a client would not wait for the answer that is looked at.
        let head = format!(
            "POST /drydock.v1.TaskService/WaitTask HTTP/1.1\r\n\
             content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\ngrpc-timeout: {given}"
        );
        let answer = http_1(server.address(), &head, &framed).await;
        let answer = String::from_utf8_lossy(&answer);
        let headers: http::HeaderMap = answer
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| {
                let name = name.parse::<http::HeaderName>().expect("a name");
                (name, value.parse().expect("a value"))
            })
            .collect();
        let status = Status::from_header_map(&headers);
        let status = status.unwrap_or_else(|| panic!("{given}: {answer}"));
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    }
}

/// Small requests count for more than their bytes where HTTP/2 defends itself against floods of them.
async fn as_many_calls_as_a_connection_may_have_begin_at_once(database: Database) {
    let server = Launch::on(&database).start().await;
    let client = Client::of(server.address());
    let request = || CreateTaskRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..create_request(TaskAction::VerifyNode, "file:///nowhere/site.yaml")
    };
    let calls = (0..1000).map(|_| client.try_create(request()));
    for answer in futures::future::join_all(calls).await {
        // Whatever it is, it is said by the service.
        let refused = answer.expect_err("no such design is allowed");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
}
