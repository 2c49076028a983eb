//! Everything that is served on the port, put together.

use tonic::server::NamedService;
use tonic::service::{LayerExt as _, Routes};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder as ReflectionBuilder;
use tonic_web::GrpcWebLayer;
use tower::layer::util::Stack;

use super::build_data_service::BuildDataApi;
use super::design_service::DesignApi;
use super::gate::GateLayer;
use super::task_service::TaskApi;
use super::trace_call::TraceCallLayer;
use super::transport_errors::TransportErrorsLayer;
use crate::access::Access;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::v1::build_data_service_server::BuildDataServiceServer;
use crate::proto::v1::design_service_server::DesignServiceServer;
use crate::proto::v1::task_service_server::TaskServiceServer;
use crate::tasks::Tasks;

/// The largest request that is read (api contract, "Errors"): enough for 10,000 names of 253 bytes.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// The services of the contract, by the names that health and reflection know them by.
pub const SERVICE_NAMES: [&str; 3] = [
    <TaskServiceServer<TaskApi> as NamedService>::NAME,
    <DesignServiceServer<DesignApi> as NamedService>::NAME,
    <BuildDataServiceServer<BuildDataApi> as NamedService>::NAME,
];

/// What the composition root serves.
pub struct Api {
    /// Every service, gRPC-Web included. A server that adds these must accept HTTP/1 for gRPC-Web.
    pub routes: Routes,
    /// What health checks are told.
    pub health: Health,
}

/// What health checks are told: of the whole (the empty name) and of each service the same.
#[derive(Clone, Debug)]
pub struct Health(HealthReporter);

impl Health {
    /// Calls are served.
    pub async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Calls should go elsewhere.
    pub async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends every watch of health: an open stream would keep its connection from closing.
    pub async fn end(&self) {
        let mut reporter = self.0.clone();
        for name in SERVICE_NAMES.into_iter().chain([""]) {
            reporter.clear_service_status(name).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in SERVICE_NAMES.into_iter().chain([""]) {
            self.0.set_service_status(name, status).await;
        }
    }
}

/// Puts together what is served on the port: the services of the contract, health, reflection (v1 and
/// v1alpha), and gRPC-Web for all of them, for those whom `access` admits. Health says not serving until it is told otherwise.
///
/// # Errors
///
/// The descriptors that were built into the program cannot be read.
pub async fn routes(tasks: Tasks, access: Access) -> Result<Api, tonic_reflection::server::Error> {
    let (reporter, health_service) = health_reporter();
    let health = Health(reporter);
    health.not_serving().await;

    let layer = Stack::new(TransportErrorsLayer, TraceCallLayer);
    let task_service =
        TaskServiceServer::new(TaskApi::new(tasks.clone())).max_decoding_message_size(MAX_REQUEST);
    let design_service = DesignServiceServer::new(DesignApi::new(tasks.clone()))
        .max_decoding_message_size(MAX_REQUEST);
    let build_data_service = BuildDataServiceServer::new(BuildDataApi::new(tasks))
        .max_decoding_message_size(MAX_REQUEST);
    let routes = Routes::new(layer.named_layer(task_service))
        .add_service(layer.named_layer(design_service))
        .add_service(layer.named_layer(build_data_service))
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    // Around every service once more: what none of them knows is answered by none of them.
    let router = routes.into_axum_router().layer(TransportErrorsLayer);
    // The gate is before everything, unknown methods as well; its refusals are told to browsers too.
    let router = router.layer(GateLayer::new(access));
    let routes = Routes::from(router.layer(GrpcWebLayer::new())).prepare();
    Ok(Api { routes, health })
}

fn reflection() -> ReflectionBuilder<'static> {
    ReflectionBuilder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that tools can show the details of errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}
