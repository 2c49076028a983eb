//! From the body of a document to its typed form.
//!
//! A field that has no usable form is reported and left out; the rest of the document is read. A
//! field that no reader asked for is reported as unknown, so that what is known is written once,
//! where it is read. What is found wrong is a [`Misfit`] with its path; its place in the file is
//! looked for only if it is shown.

use serde_json::{Map, Value};

mod nearest;
mod notes;
mod scope;

mod boot_action;
mod hardware;
pub(super) mod host;
mod link;
mod network;
mod rack;
mod region;
mod storage;

pub(super) use nearest::nearest;
pub(crate) use notes::{Misfit, MisfitKind};
pub(super) use scope::{FieldValue, Scope};

use notes::Notes;

pub(super) use boot_action::boot_action;
pub(super) use hardware::hardware_profile;
pub(super) use link::network_link;
pub(super) use network::network;
pub(super) use rack::rack;
pub(super) use region::region;

/// Reads `body` with a reader of its kind: the typed form, and what does not fit.
pub(super) fn read<T>(
    body: &Map<String, Value>,
    reader: impl FnOnce(&mut Scope<'_, '_>) -> T,
) -> (T, Vec<Misfit>) {
    let mut notes = Notes::default();
    let read = Scope::read(body, &mut notes, reader);
    (read, notes.misfits)
}

#[cfg(test)]
#[path = "../tests/read.rs"]
mod tests;
