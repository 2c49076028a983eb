//! Tasks, what their roots were asked, what was said about them, and who asked.

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
                "tasks",
                vec![
                    c.uuid("task_id").not_null().primary_key().to_owned(),
                    c.uuid("root_task_id").not_null().to_owned(),
                    c.uuid("parent_task_id"),
                    c.small("depth").not_null().to_owned(),
                    c.number("ordinal").not_null().to_owned(),
                    c.small("action").not_null().to_owned(),
                    c.small("status").not_null().to_owned(),
                    c.text("node_name"),
                    c.small("step"),
                    c.time("created").not_null().to_owned(),
                    c.text("created_by").not_null().to_owned(),
                    c.time("updated").not_null().to_owned(),
                    c.time("started"),
                    c.time("completed"),
                    c.time("terminated"),
                    c.text("terminated_by"),
                    c.text("termination_reason"),
                    c.number("timeout_us").not_null().to_owned(),
                    c.number("revision").not_null().to_owned(),
                    c.count("retry").not_null().to_owned(),
                    c.uuid("retry_of_task_id"),
                    c.text("correlation_id"),
                    c.uuid("request_id"),
                    c.bytes("body_hash"),
                    c.small("result_status").not_null().to_owned(),
                    c.small("result_reason").not_null().to_owned(),
                    c.text("result_message").not_null().to_owned(),
                    c.count("succeeded").not_null().to_owned(),
                    c.count("failed").not_null().to_owned(),
                    c.count("error_count").not_null().to_owned(),
                    c.count("message_count").not_null().to_owned(),
                    c.count("subtask_count").not_null().to_owned(),
                    c.count("target_node_count").not_null().to_owned(),
                    c.count("running_count").not_null().to_owned(),
                    c.small("current_step"),
                    c.uuid("owner"),
                    c.flag("released").not_null().default(false).to_owned(),
                    c.count("epoch").not_null().to_owned(),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "task_specs",
                vec![
                    c.uuid("task_id").not_null().primary_key().to_owned(),
                    c.text("design_ref").not_null().to_owned(),
                    c.json("labels").not_null().to_owned(),
                    c.json("node_filter"),
                    c.text("site"),
                    c.json("target_nodes"),
                    c.json("target_nodes_head"),
                    c.text("design_digest"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "result_messages",
                vec![
                    c.number("sequence").not_null().primary_key().to_owned(),
                    c.uuid("task_id").not_null().to_owned(),
                    c.uuid("root_task_id").not_null().to_owned(),
                    c.time("ts").not_null().to_owned(),
                    c.text("message").not_null().to_owned(),
                    c.flag("error").not_null().to_owned(),
                    c.text("context_type").not_null().to_owned(),
                    c.text("context").not_null().to_owned(),
                    c.json("extra").not_null().to_owned(),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "designs",
                vec![
                    c.text("digest").not_null().primary_key().to_owned(),
                    c.bytes("bytes").not_null().to_owned(),
                    c.time("fetched_at").not_null().to_owned(),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "audit_records",
                vec![
                    c.number("id")
                        .not_null()
                        .auto_increment()
                        .primary_key()
                        .to_owned(),
                    c.time("ts").not_null().to_owned(),
                    c.text("actor").not_null().to_owned(),
                    c.text("rpc").not_null().to_owned(),
                    c.uuid("task_id"),
                    c.uuid("request_id"),
                    c.text("decision").not_null().to_owned(),
                ],
            ))
            .await?;
        execute_all(
            manager,
            &[
                // A child is created once, whoever asks and however often.
                "CREATE UNIQUE INDEX tasks_parent_ordinal ON tasks (parent_task_id, ordinal) WHERE parent_task_id IS NOT NULL",
                "CREATE UNIQUE INDEX tasks_request ON tasks (created_by, request_id) WHERE request_id IS NOT NULL",
                "CREATE INDEX tasks_tree ON tasks (root_task_id, depth, ordinal)",
                "CREATE INDEX tasks_created ON tasks (created, task_id)",
                // A snapshot of all tasks: parents first, in the order of creation.
                "CREATE INDEX tasks_level ON tasks (depth, created, task_id)",
                "CREATE INDEX tasks_root_created ON tasks (created, task_id) WHERE parent_task_id IS NULL",
                "CREATE INDEX tasks_root_updated ON tasks (updated, task_id) WHERE parent_task_id IS NULL",
                "CREATE INDEX tasks_claimable ON tasks (created, task_id) WHERE parent_task_id IS NULL AND status < 5",
                "CREATE INDEX tasks_node ON tasks (node_name, created) WHERE node_name IS NOT NULL AND step IS NULL",
                "CREATE INDEX tasks_retry_of ON tasks (retry_of_task_id) WHERE retry_of_task_id IS NOT NULL",
                "CREATE INDEX task_specs_design_ref ON task_specs (design_ref)",
                "CREATE INDEX result_messages_task ON result_messages (task_id, sequence)",
                "CREATE INDEX result_messages_tree ON result_messages (root_task_id, sequence)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "DROP TABLE audit_records",
                "DROP TABLE designs",
                "DROP TABLE result_messages",
                "DROP TABLE task_specs",
                "DROP TABLE tasks",
            ],
        )
        .await
    }
}
