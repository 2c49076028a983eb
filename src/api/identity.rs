//! Who a call is made by.
//!
//! Nobody is authenticated, so everybody is anonymous. No header names an actor: an identity is verified
//! or it is none.

use std::sync::Arc;

use tonic::Request;

use crate::domain::ANONYMOUS_ACTOR;

/// The actor of a call.
pub(super) fn actor<T>(_request: &Request<T>) -> Arc<str> {
    Arc::from(ANONYMOUS_ACTOR)
}
