//! The schema of Drydock's database: one file a change, applied in order, frozen once released.

#![expect(clippy::disallowed_types, reason = "the schema belongs to the store")]

pub use sea_orm_migration::prelude::*;

mod column;
mod m20261122_000001_tasks;
mod m20261122_000002_journal;
mod m20261122_000003_leases;
mod m20261122_000004_retention;

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
        ]
    }
}
