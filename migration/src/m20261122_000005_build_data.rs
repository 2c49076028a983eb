//! What steps found out about nodes.

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
                "build_data",
                vec![
                    // Of its event: one order for both, and the latest is the greatest.
                    c.number("sequence").not_null().primary_key().to_owned(),
                    c.uuid("task_id").not_null().to_owned(),
                    c.uuid("root_task_id").not_null().to_owned(),
                    c.text("node_name").not_null().to_owned(),
                    c.time("collected_date").not_null().to_owned(),
                    c.text("generator").not_null().to_owned(),
                    c.text("data_format").not_null().to_owned(),
                    // Of the element, so that a page is bounded before one is read.
                    c.number("element_bytes").not_null().to_owned(),
                    // Text, and last: it is no document of ours, and most reads leave it out.
                    c.text("data_element").not_null().to_owned(),
                ],
            ))
            .await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX build_data_task ON build_data (task_id, sequence)",
                "CREATE INDEX build_data_tree ON build_data (root_task_id, sequence)",
                // Also whether there is a later one.
                "CREATE INDEX build_data_node ON build_data (node_name, generator, sequence)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["DROP TABLE build_data"]).await
    }
}
