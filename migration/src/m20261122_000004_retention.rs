//! Which trees were deleted, and the indexes by which trees are found that may be.

use sea_orm_migration::prelude::*;

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
                "tombstones",
                vec![
                    c.uuid("root_task_id").not_null().primary_key().to_owned(),
                    c.time("purged").not_null().to_owned(),
                    // Of the tree's own events; what tells of its purge comes after it.
                    c.number("last_sequence").not_null().to_owned(),
                    // Whether every row of the tree is gone, not only its root.
                    c.flag("swept").not_null().default(false).to_owned(),
                    // Of the event that tells of the purge, once swept and until it goes too.
                    c.number("event_sequence"),
                ],
            ))
            .await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX tombstones_unswept ON tombstones (root_task_id) WHERE NOT swept",
                "CREATE INDEX tombstones_event ON tombstones (event_sequence) WHERE event_sequence IS NOT NULL",
                "CREATE INDEX tasks_ended ON tasks (completed, task_id) WHERE parent_task_id IS NULL AND status >= 5",
                "CREATE INDEX task_specs_design ON task_specs (design_digest) WHERE design_digest IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "DROP INDEX task_specs_design",
                "DROP INDEX tasks_ended",
                "DROP TABLE tombstones",
            ],
        )
        .await
    }
}
