//! The schema of Drydock's database: one file a change, applied in order, frozen once released.
//!
//! Two versions share a database while replicas are replaced one by one, so a change only adds: tables,
//! indexes, and columns that may be absent. What is removed goes in a change of its own whose name ends in
//! `_contract`, in a later release than the one that ceased to use it and after a migration of that one: a
//! program works on a schema ahead of it unless there is such a change behind another that it does not know.

#![expect(clippy::disallowed_types, reason = "the schema belongs to the store")]

pub use sea_orm_migration::prelude::*;

mod column;
mod m20261122_000001_tasks;
mod m20261122_000002_journal;
mod m20261122_000003_leases;
mod m20261122_000004_retention;
mod m20261122_000005_build_data;

/// Every change of the schema, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_tasks::Migration),
            Box::new(m20261122_000002_journal::Migration),
            Box::new(m20261122_000003_leases::Migration),
            Box::new(m20261122_000004_retention::Migration),
            Box::new(m20261122_000005_build_data::Migration),
        ]
    }
}
