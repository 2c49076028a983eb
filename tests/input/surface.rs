//! What else is served on the port: health and reflection.

use std::collections::BTreeSet;

use tokio_stream::once;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::client::channel;
use crate::support::database::Database;
use crate::support::server::Launch;

on_both_databases!(
    health_is_told_of_each_service_and_of_the_whole,
    reflection_names_every_service_in_both_versions,
);

const SERVICES: [&str; 3] = [
    "drydock.v1.TaskService",
    "drydock.v1.DesignService",
    "drydock.v1.BuildDataService",
];

async fn health_is_told_of_each_service_and_of_the_whole(database: Database) {
    let server = Launch::on(&database).start().await;
    let mut client = HealthClient::new(channel(server.address()));
    let request = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    for service in SERVICES.into_iter().chain([""]) {
        let answer = client.check(request(service)).await.expect("an answer");
        assert_eq!(
            answer.get_ref().status(),
            ServingStatus::Serving,
            "{service}"
        );
    }
    let unknown = client.check(request("drydock.v1.NoService")).await;
    assert_eq!(unknown.expect_err("no such service").code(), Code::NotFound);

    let watch = client.watch(request("")).await.expect("a stream");
    let mut watch = watch.into_inner();
    let first = watch.message().await.expect("a stream").expect("a message");
    assert_eq!(first.status(), ServingStatus::Serving);
    server.terminate().await;
    let next = watch.message().await.expect("a stream").expect("a message");
    assert_eq!(
        next.status(),
        ServingStatus::NotServing,
        "before the connection is closed"
    );
}

/// Asks a version of the reflection service for its services and for the file of one message.
macro_rules! reflect {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        };
        let channel: Channel = $channel;
        let mut client = ServerReflectionClient::new(channel);
        let mut ask = async |message_request| {
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(message_request),
            };
            let answer = client.server_reflection_info(once(request)).await;
            let message = answer.expect("a stream").into_inner().message().await;
            let message = message.expect("a message").expect("an answer");
            message.message_response.expect("an answer")
        };
        let services = match ask(MessageRequest::ListServices(String::new())).await {
            MessageResponse::ListServicesResponse(list) => list
                .service
                .into_iter()
                .map(|service| service.name)
                .collect(),
            other => panic!("{other:?}"),
        };
        let symbol = "drydock.v1.TaskEvent".to_owned();
        match ask(MessageRequest::FileContainingSymbol(symbol)).await {
            MessageResponse::FileDescriptorResponse(files) => {
                assert!(!files.file_descriptor_proto.is_empty());
            }
            other => panic!("{other:?}"),
        }
        services
    }};
}

async fn reflection_names_every_service_in_both_versions(database: Database) {
    let server = Launch::on(&database).start().await;
    let connection = || channel(server.address());
    let v1: BTreeSet<String> = reflect!(v1, connection());
    let v1alpha: BTreeSet<String> = reflect!(v1alpha, connection());
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(v1.contains(service), "{service} in {v1:?}");
        assert!(v1alpha.contains(service), "{service} in {v1alpha:?}");
    }
}
