//! Watching: committed events to any number of watchers, each at its own pace, none lost.
//!
//! A watch is a cursor over the journal. The [`Hub`] follows the journal once for the replica and
//! keeps the newest commits in a ring; a watcher inside the ring reads memory, one behind it reads
//! pages from the store. No channel is the truth: channels only say that there is something to
//! read, so a slow watcher lags and loses nothing, and costs bounded memory.
//!
//! Read in this order: the tail fills the ring; a watch is opened, from a snapshot in a spool or
//! from a token, and its cursor moves through spool, journal and ring; seats notice who stalls.
//!
//! Rejected: a broadcast channel per tree, which loses events for whoever is slow, and a queue per
//! watcher, which makes ten thousand watchers pay for every event.

mod published;
mod weight;

mod source;

mod hub;
mod ring;
mod tail;

mod scope;
mod token;

mod fill;
mod spool;

mod cursor;
mod finale;
mod open;
mod replay;
mod seat;
#[expect(
    clippy::module_inception,
    reason = "a watch is what this layer is about"
)]
mod watch;

mod error;

pub use error::WatchError;
pub use hub::{Hub, HubError, HubHandle, HubOptions};
pub use published::Published;
pub use scope::Scope;
pub use seat::ConnectionKill;
pub use token::{ResumeToken, TokenError, TokenMint};
pub use watch::{Item, Start, Watch, WatchRequest};

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;
