//! Hostile task documents, for [`crate::fuzzing`].

use super::document;
use crate::api;

/// A task document in the seed's form. What it asks for is validated as the server would.
pub(crate) fn task_document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match document::parse(text) {
        Ok(request) => api::fuzz::created(request),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
