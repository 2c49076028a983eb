//! What the log is told of calls that were not allowed. Those that change something and were allowed are
//! in the database, written with the change; of these nothing is written there.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::access::Identity;
use crate::domain::Role;

/// The target of these lines, by which a log collector can find and keep them.
pub(super) const AUDIT: &str = "drydock::audit";

/// Most lines about callers without a name in a second: anybody can make such calls, and the log must not
/// fill the disk. What is left out is counted.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// The longest path of a method that is logged, in bytes: it is the caller's own text.
const MAX_PATH: usize = 128;

/// Tells of calls whose caller is not known.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Refusals {
    /// One more, for this reason.
    pub(super) fn tell(&self, path: &str, peer: Option<SocketAddr>, why: &'static str) {
        let Some(left_out) = self.admit(Instant::now()) else {
            return;
        };
        let rpc = cut(path);
        let peer = peer.map(tracing::field::display);
        warn!(target: AUDIT, rpc, peer, why, left_out, decision = "unauthenticated", "call refused");
    }

    /// Whether there is room for a line, and how many were left out before it.
    fn admit(&self, now: Instant) -> Option<u64> {
        // A panic elsewhere leaves numbers that are still good.
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now - began >= WINDOW) {
            window.began = Some(now);
            window.lines = 0;
        }
        if window.lines == LINES {
            window.left_out += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

/// Tells of a caller who is known and may not call the method; `needed` is none where nobody may.
pub(super) fn denied(
    path: &str,
    peer: Option<SocketAddr>,
    identity: &Identity,
    needed: Option<Role>,
) {
    let rpc = cut(path);
    let (actor, role) = (&*identity.name, identity.role.token());
    let peer = peer.map(tracing::field::display);
    let needed = needed.map(Role::token);
    warn!(target: AUDIT, rpc, peer, actor, role, needed, decision = "denied", "call refused");
}

fn cut(path: &str) -> &str {
    &path[..path.floor_char_boundary(MAX_PATH)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_and_not_told_one_by_one() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let told = (0..100).filter(|_| refusals.admit(now).is_some()).count();
        assert_eq!(told, 10);
        assert_eq!(refusals.admit(now + WINDOW), Some(90));
        assert_eq!(refusals.admit(now + WINDOW), Some(0));
    }
}
