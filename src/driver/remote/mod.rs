//! The driver whose steps are done by a plug-in: another process, in any language, over gRPC.
//!
//! The protocol is `proto/drydock/driver/v1`. A call of ours opens one Execute stream and follows it for
//! as long as the call lasts, and no longer: nothing of ours holds work between two calls. As the stream
//! has the call's deadline, it ends before our lease could be taken, even if this process is stopped in
//! the middle; the plug-in then stops within another call timeout, and a successor that has waited for
//! its quarantine finds nobody at work. Epochs do the rest: the successor inspects with a higher one
//! before anything else, after which the plug-in refuses us.
//!
//! Rejected: a stream that is held from start to end by a task of ours, which would go on while nobody
//! asks, and be as long as a frozen process is; and promises that are learnt from the plug-in alone, as
//! what a step promises must be known when it is recovered, be the plug-in there or not.

mod wire;

mod options;

mod description;

mod refusal;

mod dial;

mod link;

mod request;

mod told;

mod followed;

mod exchange;

mod fault;

mod course;

mod driver;

pub use dial::SetupError;
pub use driver::Remote;
pub use options::{Address, Describe, Options, Place, Trust};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
