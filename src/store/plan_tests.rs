//! Tests of how the databases find what is asked for: every list that is documented as cheap is
//! served by an index, in a store of many tasks that are nearly all through.

use std::fmt::Write as _;

use sea_orm::{ConnectionTrait, QueryResult};

use super::connect::Connections;
use super::read::{BuildDataQuery, InTree, Order, View};
use super::sql::{Dialect, get};
use super::{DatabaseUrl, StoreOptions, admin, build_data, gather, query};
use crate::domain::{TaskFilter, TaskId, TaskStatus, Timestamp};

#[path = "../../tests/support/postgres.rs"]
mod postgres;

/// Roots that are through: enough that reading them all is never the cheapest.
const ENDED: u32 = 20_000;
/// Roots that are running.
const OPEN: u32 = 5;
/// Node subtasks of the last root, each with a step.
const NODES: u32 = 1_000;

async fn opened(url: DatabaseUrl) -> Connections {
    let options = StoreOptions {
        url,
        migrate: true,
        lease: std::time::Duration::from_secs(60),
    };
    let connections = Connections::open(&options).await.expect("it opens");
    admin::prepare(&connections, &options)
        .await
        .expect("the schema is made");
    connections
}

async fn fill(connections: &Connections) {
    let roots = ENDED + OPEN;
    let root = id(connections.dialect, "20005");
    let node = id(connections.dialect, "1000000 + s.n");
    let step = id(connections.dialect, "2000000 + s.n");
    let name = "'n' || s.n";
    for (count, values) in [
        (
            roots,
            format!(
                "{id}, {id}, NULL, 0, 0, NULL, NULL, CASE WHEN s.n > {ENDED} THEN 3 ELSE 5 END",
                id = id(connections.dialect, "s.n")
            ),
        ),
        (
            NODES,
            format!("{node}, {root}, {root}, 1, s.n, {name}, NULL, 5"),
        ),
        (NODES, format!("{step}, {root}, {node}, 2, 0, {name}, 1, 5")),
    ] {
        let time = time(connections.dialect, "s.n");
        execute(
            connections,
            &format!(
                "INSERT INTO tasks (task_id, root_task_id, parent_task_id, depth, ordinal, \
                   node_name, step, status, created, updated, action, created_by, timeout_us, \
                   revision, result_status, result_reason, result_message) \
                 SELECT {values}, {time}, {time}, 1, 'ada', 1, 1, 2, 1, '' FROM {}",
                numbers(connections.dialect, count)
            ),
        )
        .await;
    }
    let specs = format!(
        "INSERT INTO task_specs (task_id, design_ref, labels) \
         SELECT {}, 'file:///' || s.n, '{{}}' FROM {}",
        id(connections.dialect, "s.n"),
        numbers(connections.dialect, roots)
    );
    execute(connections, &specs).await;
    let build_data = format!(
        "INSERT INTO build_data (sequence, task_id, root_task_id, node_name, collected_date, \
           generator, data_format, element_bytes, data_element) \
         SELECT s.n, {}, {}, 'n' || (s.n % {NODES}), {}, 'redfish', 'text/plain', 1, 'x' FROM {}",
        id(connections.dialect, "2000000 + s.n"),
        id(connections.dialect, "s.n"),
        time(connections.dialect, "s.n"),
        numbers(connections.dialect, roots)
    );
    execute(connections, &build_data).await;
    if connections.dialect == Dialect::Postgres {
        execute(connections, "ANALYZE").await;
    }
}

async fn execute(connections: &Connections, sql: &str) {
    let statement = connections.dialect.statement(sql, []);
    let done = connections.admin().execute_raw(statement).await;
    done.expect("the statement runs");
}

fn numbers(dialect: Dialect, count: u32) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) \
             SELECT n FROM s) AS s"
        ),
        Dialect::Postgres => format!("generate_series(1, {count}) AS s (n)"),
    }
}

fn id(dialect: Dialect, number: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("unhex(printf('%032x', {number}))"),
        Dialect::Postgres => format!("CAST(lpad(to_hex({number}), 32, '0') AS uuid)"),
    }
}

fn time(dialect: Dialect, seconds: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{seconds} * 1000000"),
        Dialect::Postgres => format!("to_timestamp({seconds})"),
    }
}

/// How the database would run a statement.
async fn plan(connections: &Connections, statement: sea_orm::Statement) -> String {
    let (explain, column) = match connections.dialect {
        Dialect::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
        Dialect::Postgres => ("EXPLAIN", "QUERY PLAN"),
    };
    let statement = sea_orm::Statement {
        sql: format!("{explain} {}", statement.sql),
        ..statement
    };
    let rows: Vec<QueryResult> = connections
        .read
        .query_all_raw(statement)
        .await
        .expect("the statement is understood");
    rows.iter().fold(String::new(), |mut plan, row| {
        let line: String = get(row, column).expect("a line of the plan");
        writeln!(plan, "{line}").expect("text grows");
        plan
    })
}

fn reads_everything(plan: &str) -> bool {
    plan.contains("Seq Scan on")
        || plan.contains("Hash Join")
        || plan.lines().any(|line| {
            let table = ["SCAN t", "SCAN s", "SCAN i", "SCAN b", "SCAN n"]
                .iter()
                .find_map(|scan| line.strip_prefix(scan));
            table.is_some_and(|rest| !rest.starts_with(" USING"))
        })
}

/// Each list that has an index of its own, the index, and whether it gives the order, too: a list
/// of everything must not be sorted, one of few tasks may be.
fn lists() -> Vec<(&'static str, TaskFilter, Order, &'static str, bool)> {
    let all = TaskFilter::default;
    let roots = || TaskFilter {
        roots_only: true,
        ..all()
    };
    let number = |number: u128| TaskId(uuid::Uuid::from_u128(number));
    let moment = |seconds: i64| Timestamp::from_timestamp(seconds, 0);
    vec![
        (
            "newest",
            all(),
            Order::CreatedDescending,
            "tasks_created",
            true,
        ),
        (
            "oldest",
            all(),
            Order::CreatedAscending,
            "tasks_created",
            true,
        ),
        (
            "a time",
            TaskFilter {
                created_after: moment(9_000),
                created_before: moment(10_000),
                ..all()
            },
            Order::CreatedDescending,
            "tasks_created",
            true,
        ),
        (
            "newest roots",
            roots(),
            Order::CreatedDescending,
            "tasks_root_created",
            true,
        ),
        (
            "changed roots",
            roots(),
            Order::UpdatedDescending,
            "tasks_root_updated",
            true,
        ),
        (
            "complete roots",
            TaskFilter {
                status: vec![TaskStatus::Complete],
                ..roots()
            },
            Order::CreatedDescending,
            "tasks_root_created",
            true,
        ),
        (
            "running roots",
            TaskFilter {
                status: vec![TaskStatus::Running],
                ..roots()
            },
            Order::CreatedDescending,
            "tasks_claimable",
            true,
        ),
        (
            "open roots",
            TaskFilter {
                status: vec![
                    TaskStatus::Queued,
                    TaskStatus::Running,
                    TaskStatus::Terminating,
                ],
                ..roots()
            },
            Order::CreatedAscending,
            "tasks_claimable",
            true,
        ),
        (
            "children",
            TaskFilter {
                parent_task_id: Some(number(1_000_007)),
                ..all()
            },
            Order::CreatedAscending,
            "tasks_parent_ordinal",
            false,
        ),
        (
            "a small tree",
            TaskFilter {
                root_task_id: Some(number(7)),
                ..all()
            },
            Order::CreatedDescending,
            "tasks_tree",
            false,
        ),
        (
            "a node",
            TaskFilter {
                node_name: Some("n7".to_owned()),
                ..all()
            },
            Order::CreatedDescending,
            "tasks_node",
            false,
        ),
        (
            "a design",
            TaskFilter {
                design_ref: Some("file:///7".to_owned()),
                ..all()
            },
            Order::CreatedDescending,
            "task_specs_design_ref",
            false,
        ),
    ]
}

/// The plans of reading one task that are not as they should be.
async fn wrong_plans_of_one(connections: &Connections) -> String {
    let dialect = connections.dialect;
    let mut wrong = String::new();
    for view in [View::Basic, View::Full] {
        let sql = gather::statement(dialect, view);
        let ids = dialect.ids([TaskId(uuid::Uuid::from_u128(7))]);
        let plan = plan(connections, dialect.statement(&sql, [ids.into()])).await;
        if reads_everything(&plan) {
            writeln!(wrong, "one task, {view:?}:\n{plan}").expect("text grows");
        }
    }
    wrong
}

/// The plans of listing build data that are not served by an index: of a root, of another task, and of
/// a node.
async fn wrong_plans_of_build_data(connections: &Connections) -> String {
    let number = |number: u128| TaskId(uuid::Uuid::from_u128(number));
    let of = |task_id, root_task_id| {
        Some(InTree {
            task_id: number(task_id),
            root_task_id: number(root_task_id),
        })
    };
    let mut wrong = String::new();
    for (task, node_name, index) in [
        (of(7, 7), None, "build_data_tree"),
        (of(1_000_007, 20_005), None, "build_data_task"),
        (None, Some("n7".to_owned()), "build_data_node"),
    ] {
        for latest in [false, true] {
            let query = BuildDataQuery {
                task,
                node_name: node_name.clone(),
                generator: None,
                latest,
                element_bytes: None,
                after: 0,
                limit: 50,
            };
            let statement = build_data::select(connections.dialect, &query, 51);
            let plan = plan(connections, statement).await;
            // What is later is looked for by its node, however much a tree collected.
            let served = plan.contains(index) && (!latest || plan.contains("build_data_node"));
            if !served || reads_everything(&plan) {
                writeln!(wrong, "{query:?}, without {index}:\n{plan}").expect("text grows");
            }
        }
    }
    wrong
}

async fn check(url: DatabaseUrl) {
    let connections = opened(url).await;
    let dialect = connections.dialect;
    // A plan may be kept from when there was nothing.
    let mut wrong = wrong_plans_of_one(&connections).await;
    fill(&connections).await;
    for view in [View::Basic, View::Full] {
        for (name, filter, order, index, ordered) in lists() {
            let page = query::select_page(dialect, &filter, order, None, 51, view);
            let plan = plan(&connections, page.expect("a statement")).await;
            let sorts = plan.contains("Sort") || plan.contains("FOR ORDER BY");
            let served = plan.contains(index) && !reads_everything(&plan);
            if !served || (ordered && view == View::Basic && sorts) {
                writeln!(wrong, "{name}, {view:?}, without {index}:\n{plan}").expect("text grows");
            }
        }
    }
    wrong += &wrong_plans_of_one(&connections).await;
    wrong += &wrong_plans_of_build_data(&connections).await;
    connections.close().await;
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn sqlite_finds_every_list_by_an_index() {
    let directory = tempfile::tempdir().expect("a directory");
    check(DatabaseUrl::Sqlite(directory.path().join("drydock.db"))).await;
}

#[tokio::test]
async fn postgres_finds_every_list_by_an_index() {
    let url = postgres::cluster().database().await;
    check(DatabaseUrl::Postgres(url)).await;
}
