//! Servers that answer badly, and what a loader makes of them.

#[path = "../../../../tests/support/http.rs"]
mod http;

mod answers;
mod location;
mod tls;
