//! The calls of those who own trees: leases, claims, and what is theirs.

use std::sync::Arc;

use super::claim::{self, Wanted};
use super::connect::Connections;
use super::write::{Claimed, OpenTree};
use super::{Backend, Error, Renewal, Store, detached, lease};
use crate::domain::{InstanceId, TaskId, TaskStatus, Timestamp};

impl Store {
    /// Registers this process as an instance with a full lease.
    pub async fn register(&self, instance: InstanceId) -> Result<(), Error> {
        let inner = database!(self, register(instance).await);
        let inner = Arc::clone(inner);
        detached(async move {
            let register = lease::register(&inner.connections, inner.lease, instance);
            inner.connections.leases.of(register).await
        })
        .await
    }

    /// Renews the lease, on a connection of its own.
    pub async fn renew(&self, instance: InstanceId) -> Result<Renewal, Error> {
        let inner = database!(self, renew(instance).await);
        let inner = Arc::clone(inner);
        detached(async move {
            let renew = lease::renew(&inner.connections, inner.lease, instance);
            inner.connections.leases.of(renew).await
        })
        .await
    }

    /// Takes up to `limit` claimable roots, oldest first, raising their epochs. None when the
    /// instance's own lease has run out.
    pub async fn claim(&self, instance: InstanceId, limit: u32) -> Result<Vec<Claimed>, Error> {
        let inner = database!(self, claim(instance, Wanted::All, limit).await);
        let connections = inner.connections.clone();
        detached(async move { claim(&connections, instance, Wanted::All, limit).await }).await
    }

    /// As [`Self::claim`], but only roots that nobody owns: new ones, and those that were given
    /// back. Cheaper, and what a hint is about.
    pub async fn claim_free(
        &self,
        instance: InstanceId,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        let inner = database!(self, claim_free(instance, limit).await);
        let connections = inner.connections.clone();
        detached(async move {
            let claim = claim::claim_free(&connections, instance, limit);
            connections.calls.of(claim).await
        })
        .await
    }

    /// As [`Self::claim`], but only roots whose owner is gone or gave them back: what others may
    /// wait for, so that a replica takes them even when it is full.
    pub async fn claim_abandoned(
        &self,
        instance: InstanceId,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        let inner = database!(self, claim(instance, Wanted::Abandoned, limit).await);
        let connections = inner.connections.clone();
        detached(async move { claim(&connections, instance, Wanted::Abandoned, limit).await }).await
    }

    /// As [`Self::claim`], but only roots that are queued and were created before a moment: they
    /// wait too long and have to end.
    pub async fn claim_overdue(
        &self,
        instance: InstanceId,
        created_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        let wanted = Wanted::QueuedBefore(created_before);
        let inner = database!(self, claim(instance, wanted, limit).await);
        let connections = inner.connections.clone();
        detached(async move { claim(&connections, instance, wanted, limit).await }).await
    }

    /// Gives back every root of the instance, and the instance itself: others continue at once.
    pub async fn release(&self, instance: InstanceId) -> Result<(), Error> {
        let inner = database!(self, release(instance).await);
        let connections = inner.connections.clone();
        detached(async move {
            connections
                .calls
                .of(lease::release(&connections, instance))
                .await
        })
        .await
    }

    /// Gives back one root that has not begun, because it waits for a lock: it is claimed again when it can
    /// have it. One that is no longer queued, or another's, is left alone.
    pub async fn give_back(&self, instance: InstanceId, root: TaskId) -> Result<(), Error> {
        let inner = database!(self, give_back(instance, root).await);
        let connections = inner.connections.clone();
        detached(async move {
            let give_back = lease::give_back(&connections, instance, root);
            connections.calls.of(give_back).await
        })
        .await
    }

    /// The epoch and status of each root that the instance owns and that is not terminal: what a
    /// lost hint would have told.
    pub async fn owned(
        &self,
        instance: InstanceId,
    ) -> Result<Vec<(TaskId, i64, TaskStatus)>, Error> {
        let inner = database!(self, owned(instance).await);
        let connections = &inner.connections;
        connections
            .calls
            .of(lease::owned(connections, instance))
            .await
    }

    /// What of a tree is not through.
    pub async fn open_tree(&self, root: TaskId) -> Result<OpenTree, Error> {
        let inner = database!(self, open_tree(root).await);
        let connections = inner.connections.clone();
        detached(async move {
            connections
                .calls
                .of(lease::open_tree(&connections, root))
                .await
        })
        .await
    }
}

/// Claims within the bound of a call.
async fn claim(
    connections: &Connections,
    instance: InstanceId,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<Claimed>, Error> {
    let claim = claim::claim(connections, instance, wanted, limit);
    connections.calls.of(claim).await
}
