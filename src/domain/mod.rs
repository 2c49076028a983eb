//! What tasks are and the rules they obey: pure types, no I/O, no database, no gRPC.
//!
//! Read in this order: an [`action`] names the [`step`]s of its [`plan`]; a [`task`] lives by the
//! moves of [`state`]; outcomes fold into a [`result`]; each change is an [`event`].

pub mod id;

pub mod action;
pub mod step;

pub mod secret_reference;

pub mod site;

pub mod inventory;

pub mod node_filter;

pub mod plan;

pub mod state;

pub mod result;

pub mod ending;

pub mod task;

pub mod build_data;

pub mod event;

pub mod task_filter;

pub mod role;

pub use action::Action;
pub use build_data::{BuildData, Collected};
pub use ending::Ending;
pub use event::{Commit, Event, EventKind, RootFacts, Subject};
pub use id::{InstanceId, RequestId, TaskId};
pub use result::{Reason, ResultStatus};
pub use role::Role;
pub use secret_reference::{NotASecretReference, SecretReference};
pub use state::{Cause, TaskStatus};
pub use step::{Policy, StepKind};
pub use task::{Detail, Message, Outcome, Progress, Task, Timestamp};
pub use task_filter::TaskFilter;

/// The actor of what the service does itself (api contract, "Who").
pub const SERVICE_ACTOR: &str = "drydock";

/// The actor of every request while no authentication is configured.
pub const ANONYMOUS_ACTOR: &str = "anonymous";
