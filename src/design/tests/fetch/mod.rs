//! Servers that answer badly, and what a loader makes of them.

#[path = "../../../../tests/support/http.rs"]
mod http;

mod fetching;

mod answers;
mod hostile;
mod location;
mod names;
mod tls;
