//! The gRPC surface: decodes and validates requests, and turns what comes back into answers.
//!
//! Nothing here decides: what may be done is up to [`crate::tasks`]. This is the only layer that knows
//! the generated messages and makes a `tonic::Status`.

#![expect(
    clippy::disallowed_types,
    reason = "this is the layer that speaks gRPC"
)]

pub mod routes;

mod task_service;

mod design_service;
mod effective_node;
mod node_document;

pub use node_document::node_document;

mod build_data_request;
mod build_data_service;

pub mod call;

mod identity;

mod gate;

mod gated_body;

mod rules;

mod refusals;

mod requests;

mod validate;

mod filters;

mod fields;

mod violations;

mod convert;

mod validation;

mod show_filter;

mod enums;

mod size;

mod page_token;

mod events;

pub mod frame;

mod watch_stream;

mod status;

mod transport_errors;

mod trace_call;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

pub use call::Peer;
pub use routes::{Api, Health, SERVICE_NAMES, routes};
