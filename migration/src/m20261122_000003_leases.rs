//! Which replicas live, and which root holds which node.

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
                "active_instances",
                vec![
                    c.uuid("instance_id").not_null().primary_key().to_owned(),
                    c.time("started").not_null().to_owned(),
                    c.time("renewed").not_null().to_owned(),
                    c.time("expires").not_null().to_owned(),
                ],
            ))
            .await?;
        manager
            .create_table(
                table(
                    "node_locks",
                    vec![
                        c.text("site").not_null().to_owned(),
                        c.text("node").not_null().to_owned(),
                        c.uuid("root_task_id").not_null().to_owned(),
                    ],
                )
                .primary_key(
                    Index::create()
                        .col(Alias::new("site"))
                        .col(Alias::new("node")),
                )
                .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table(
                    "node_lock_waiters",
                    vec![
                        c.text("site").not_null().to_owned(),
                        c.text("node").not_null().to_owned(),
                        c.uuid("root_task_id").not_null().to_owned(),
                    ],
                )
                .primary_key(
                    Index::create()
                        .col(Alias::new("site"))
                        .col(Alias::new("node"))
                        .col(Alias::new("root_task_id")),
                )
                .to_owned(),
            )
            .await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX node_locks_root ON node_locks (root_task_id)",
                "CREATE INDEX node_lock_waiters_root ON node_lock_waiters (root_task_id)",
                "CREATE INDEX tasks_owner ON tasks (owner) WHERE owner IS NOT NULL AND status < 5",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "DROP INDEX tasks_owner",
                "DROP TABLE node_lock_waiters",
                "DROP TABLE node_locks",
                "DROP TABLE active_instances",
            ],
        )
        .await
    }
}
