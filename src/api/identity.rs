//! Who a call is made by: whom the [gate](super::gate) let pass. No header names an actor.

use tonic::Request;

use super::status::Failure;
use crate::access::Identity;

/// The caller, as the gate knows them. Without a gate there is no caller, and nothing is allowed.
pub(super) fn identity<T>(request: &Request<T>) -> Result<Identity, Failure> {
    let identity = request.extensions().get::<Identity>();
    identity.cloned().ok_or(Failure::Unauthenticated)
}
