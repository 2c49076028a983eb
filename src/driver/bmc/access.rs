//! What the design says of every management controller that is logged in to: where, as whom, and by
//! which password.

use crate::domain::SecretReference;
use crate::domain::inventory::Node;
use crate::driver::{DriverError, ErrorKind};

/// How a node's controller is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::driver) struct Access<'a> {
    /// `oob.address`, as the design spells it.
    pub(in crate::driver) address: &'a str,
    /// Whom we log in as.
    pub(in crate::driver) account: &'a str,
    /// The password.
    pub(in crate::driver) credential: &'a SecretReference,
}

impl<'a> Access<'a> {
    /// What the design says of a node's; an error names what it leaves out.
    pub(in crate::driver) fn to(node: &'a Node) -> Result<Self, DriverError> {
        let oob = &node.oob;
        let address = oob.address.as_deref().ok_or_else(|| missing("address"))?;
        let account = oob.account.as_deref().ok_or_else(|| missing("account"))?;
        let credential = oob.credential.as_ref();
        Ok(Self {
            address,
            account,
            credential: credential.ok_or_else(|| missing("credential"))?,
        })
    }
}

/// The error of a design that a controller cannot be reached with.
pub(in crate::driver) fn unusable(message: impl Into<String>) -> DriverError {
    DriverError::permanent(ErrorKind::Unsupported, message).before_sending()
}

fn missing(what: &str) -> DriverError {
    let hint = match what {
        "credential" => ", which must be `secret://NAME`",
        "address" => ", and the node has no address in its out-of-band network",
        _ => "",
    };
    unusable(format!("the design has no `oob.{what}` for the node{hint}"))
}
