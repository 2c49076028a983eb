//! Access: who calls, and how much each caller may do.
//!
//! The roster is a file with a line for each credential: a token, of which only the hash is written down,
//! or a name in a client certificate. It is read again whenever it changes, and what was granted on a line
//! that went is withdrawn, from open streams too. What an RPC needs is up to [`crate::api`], what an action
//! needs is up to [`crate::domain::Role`].
//!
//! Tokens are made here, from the system's randomness, and are as hard to guess as a key. So one round of
//! SHA-256 protects them as well as a slow hash would, which is for words that people choose, and every
//! call costs a microsecond.

pub mod identity;

pub mod token;

pub mod certificate;

pub mod roster;

pub mod grant;

pub mod roster_file;

pub use certificate::{Certificate, CertificateName};
pub use grant::{Access, Grant};
pub use identity::Identity;
pub use roster::{Credential, Found, Roster, RosterError};
pub use roster_file::{RosterFile, RosterFileError};
pub use token::{Token, TokenHash};
