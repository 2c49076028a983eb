//! The documents of the original service, as JSON: the task document that asks for a task, and the status
//! document that tells of one. Their keys and tokens are the contract (api contract, section 7); what is
//! ours beyond them is left out, and `-o json` has it.

mod request;

mod status;

pub(super) use request::{DocumentError, parse};
pub(super) use status::{task, tree};

#[cfg(test)]
mod tests;
