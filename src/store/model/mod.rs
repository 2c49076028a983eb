//! The store without a database, for simulations: several replicas share one in memory.
//!
//! A database's driver has threads and clocks of its own, so a simulated network with one behind it is
//! never the same twice. This has neither. It does to one write at a time what the SQL does to a batch,
//! with the same rules ([`super::apply`]) and plain maps for tables, and it keeps the promises of a
//! database that is shared: leases on its own clock, epochs, node locks, one sequence of events. That it
//! is the same store is proven by the text that both databases run (`conformance`).
//!
//! What a real network does to a call is decided by a [`Link`]: how long it takes there and back, whether
//! it is sent at all, and whether its answer comes. A request that was sent arrives, whatever becomes of
//! who sent it.

mod link;

mod tables;

mod commit;
mod locks;
mod owners;
mod purge;
mod query;

mod replica;

pub(crate) use link::{Direct, Link, Passage};
pub(crate) use replica::Replica;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::{Backend, Store};
use crate::background::Background;
use crate::clock;
use crate::domain::{Commit, InstanceId, Timestamp};
use tables::Tables;

/// A request on its way.
type Request = Box<dyn FnOnce(&mut Tables) + Send>;

/// A database that replicas share. Every clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    tables: Tables,
    /// What was sent and has not arrived, by when it does; at the same moment in the order of sending.
    under_way: BTreeMap<(Timestamp, u64), Request>,
    sent: u64,
    /// The doorbells of the replicas that are there.
    bells: Vec<Weak<watch::Sender<u64>>>,
}

impl Memory {
    /// A replica's store on it, whose instances live for `lease` without a renewal.
    pub(crate) fn store(&self, lease: Duration, link: Arc<dyn Link>) -> Store {
        Store {
            backend: Backend::Model(Replica::new(self.clone(), lease, link)),
            background: Background::default(),
        }
    }

    /// Lets the lease of an instance run out.
    pub(crate) fn expire(&self, instance: InstanceId) {
        self.lock().tables.expire(instance);
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> usize {
        self.lock().tables.count(table)
    }

    /// The journal, from its beginning.
    pub(crate) fn commits(&self) -> Vec<Arc<Commit>> {
        self.lock().tables.journal.values().cloned().collect()
    }

    /// Sends a request that arrives after `delay`; its answer, if it ever arrives.
    fn send<T: Send + 'static>(
        &self,
        delay: Duration,
        request: impl FnOnce(&mut Tables) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let mut inner = self.lock();
        inner.sent += 1;
        let place = (clock::now() + delay, inner.sent);
        let request = Box::new(move |tables: &mut Tables| {
            // Who does not wait any more finds the answer in what is stored.
            reply.send(request(tables)).ok();
        });
        inner.under_way.insert(place, request);
        answer
    }

    /// Carries out what has arrived by now.
    fn arrive(&self) {
        let now = clock::now();
        let mut inner = self.lock();
        while let Some(first) = inner.under_way.first_entry() {
            if first.key().0 > now {
                return;
            }
            let request = first.remove();
            request(&mut inner.tables);
        }
    }

    /// Rings at every replica but `own`.
    fn ring(&self, own: &Arc<watch::Sender<u64>>) {
        let mut inner = self.lock();
        inner.bells.retain(|bell| match bell.upgrade() {
            Some(bell) if Arc::ptr_eq(&bell, own) => true,
            Some(bell) => {
                bell.send_modify(|rings| *rings += 1);
                true
            }
            None => false,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) mod conformance;
