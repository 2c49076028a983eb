//! The journal of events and the clock that numbers them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column::{Columns, execute_all, table};

/// The change.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns::of(manager);
        manager
            .create_table(table(
                "task_events",
                vec![
                    c.number("last_sequence")
                        .not_null()
                        .primary_key()
                        .to_owned(),
                    c.number("first_sequence").not_null().to_owned(),
                    c.uuid("root_task_id").not_null().to_owned(),
                    c.time("ts").not_null().to_owned(),
                    c.bytes("payload").not_null().to_owned(),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "event_clock",
                vec![
                    c.small("id").not_null().primary_key().to_owned(),
                    c.number("last").not_null().to_owned(),
                    c.number("floor").not_null().to_owned(),
                    c.number("epoch").not_null().to_owned(),
                    c.time("ts").not_null().to_owned(),
                ],
            ))
            .await?;
        execute_all(
            manager,
            &["CREATE INDEX task_events_tree ON task_events (root_task_id, last_sequence)"],
        )
        .await?;
        // The epoch tells one life of a store from another: random, and positive for readers.
        let seed = match manager.get_database_backend() {
            DbBackend::Postgres => {
                "INSERT INTO event_clock (id, last, floor, epoch, ts) \
                 VALUES (1, 0, 0, floor(random() * 4611686018427387904)::bigint + 1, clock_timestamp())"
            }
            _ => {
                "INSERT INTO event_clock (id, last, floor, epoch, ts) \
                 VALUES (1, 0, 0, abs(random() % 4611686018427387904) + 1, 0)"
            }
        };
        execute_all(manager, &[seed]).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            // The clock's row is updated by every commit: leave room for updates in its page.
            execute_all(manager, &["ALTER TABLE event_clock SET (fillfactor = 10)"]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &["DROP TABLE event_clock", "DROP TABLE task_events"],
        )
        .await
    }
}
