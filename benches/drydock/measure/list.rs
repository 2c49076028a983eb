//! The same page of a short and of a long list.
//!
//! The lists are filled by the database itself, from one task that the server ran: what creating a
//! million tasks costs is measured elsewhere.

use std::time::Instant;

use bytes::Bytes;
use drydock::proto::v1::{ListTasksRequest, ListTasksResponse, Task, TaskFilter, TaskStatus};
use prost::Message as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use uuid::Uuid;

use super::done::run_one;
use crate::Result;
use crate::load::between;
use crate::pairs::Pairs;
use crate::report::{Floor, Row, count, times};
use crate::sample::Sample;
use crate::server::{Home, Kind, Server};
use crate::wire::{Caller, Method, encoded};
use crate::world::World;

const PAGE: usize = 50;
const FLOOR: f64 = 2.0;

pub(crate) async fn run(world: &World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let [few, many] = world.sizes.listed_tasks;
        let mut short = List::open(world, kind, few).await?;
        let mut long = List::open(world, kind, many).await?;
        for page in Page::ALL {
            let (of_short, of_long) = (short.request(page), long.request(page));
            let operations = world.sizes.idle_operations;
            let pairs = Pairs::run(
                world.sizes.rounds,
                async || long.read(page, &of_long, operations).await,
                async || short.read(page, &of_short, operations).await,
            )
            .await?;
            let ratio = pairs
                .compare(|long, short| long.p50().as_secs_f64() / short.p50().as_secs_f64())?;
            rows.push(Row {
                name: format!(
                    "{}, {} of {} tasks",
                    kind.name(),
                    page.name(),
                    count(many as f64)
                ),
                unit: "pages",
                figures: pairs.measured(),
                result: times(ratio),
                floor: format!("p50 <= {FLOOR} x the short list's"),
                verdict: Some(Floor::AtMost(FLOOR).judge(ratio.median)),
            });
            rows.push(Row::bound(
                format!("{} of {} tasks", page.name(), count(few as f64)),
                "pages",
                pairs.bound(),
            ));
        }
    }
    Ok(rows)
}

#[derive(Clone, Copy)]
enum Page {
    First,
    Roots,
    Middle,
    Complete,
    Running,
}

impl Page {
    const ALL: [Self; 5] = [
        Self::First,
        Self::Roots,
        Self::Middle,
        Self::Complete,
        Self::Running,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::First => "the first page",
            Self::Roots => "the first roots",
            Self::Middle => "a page from the middle",
            Self::Complete => "the first complete roots",
            Self::Running => "the running roots (none)",
        }
    }

    /// How many tasks it has.
    fn tasks(self) -> usize {
        match self {
            Self::First | Self::Roots | Self::Middle | Self::Complete => PAGE,
            Self::Running => 0,
        }
    }
}

/// A server with a list of finished roots, each created a second before the next.
struct List {
    server: Server,
    caller: Caller,
    newest: Task,
    tasks: usize,
    /// Kept for as long as the server runs in it.
    _home: Home,
}

impl List {
    async fn open(world: &World, kind: Kind, tasks: usize) -> Result<Self> {
        let home = Home::new(world, kind).await?;
        let newest = {
            let server = Server::start(world, &home, &[]).await?;
            run_one(
                &mut Caller::connect(server.address).await?,
                &world.designs.site(1)?,
            )
            .await?
        };
        fill(&home, newest.task_id.parse()?, tasks).await?;
        let server = Server::start(world, &home, &[]).await?;
        Ok(Self {
            caller: Caller::connect(server.address).await?,
            server,
            newest,
            tasks,
            _home: home,
        })
    }

    fn request(&self, page: Page) -> Bytes {
        let of_roots = |status: TaskStatus| TaskFilter {
            roots_only: true,
            status: vec![status.into()],
            ..TaskFilter::default()
        };
        let filter = match page {
            Page::First => TaskFilter::default(),
            Page::Roots => TaskFilter {
                roots_only: true,
                ..TaskFilter::default()
            },
            Page::Middle => TaskFilter {
                created_before: self.newest.created.map(|created| prost_types::Timestamp {
                    seconds: created.seconds - (self.tasks / 2) as i64,
                    ..created
                }),
                ..TaskFilter::default()
            },
            Page::Complete => of_roots(TaskStatus::Complete),
            Page::Running => of_roots(TaskStatus::Running),
        };
        encoded(&ListTasksRequest {
            page_size: PAGE as i32,
            filter: Some(filter),
            ..ListTasksRequest::default()
        })
    }

    async fn read(&mut self, page: Page, request: &Bytes, operations: usize) -> Result<Sample> {
        let cpu = self.server.cpu()?;
        let mut sample = Sample::default();
        for _ in 0..operations {
            let begun = Instant::now();
            let answer = self.caller.unary(Method::LIST, request.clone()).await?;
            sample.latencies.push(begun.elapsed());
            let listed = ListTasksResponse::decode(answer)?.tasks.len();
            if listed != page.tasks() {
                return Err(format!("{} has {listed} tasks", page.name()).into());
            }
        }
        sample.operations = operations as u64;
        sample.elapsed = sample.latencies.iter().sum();
        sample.cpu = between(Some(cpu), Some(self.server.cpu()?));
        Ok(sample)
    }
}

/// Adds copies of the root `pattern` until there are `tasks` roots.
///
/// The ids are as the service makes them: they grow with the time of creation.
async fn fill(home: &Home, pattern: Uuid, tasks: usize) -> Result<()> {
    match home.kind {
        Kind::Sqlite => {
            let mut session = sqlx::SqliteConnection::connect(&format!(
                "sqlite://{}",
                home.sqlite_file().display()
            ))
            .await?;
            session
                .execute(
                    "PRAGMA cache_size = -262144; \
                     CREATE TEMP TABLE copies (id blob NOT NULL, age bigint NOT NULL)",
                )
                .await?;
            sqlx::query(
                "WITH RECURSIVE ages (age) AS (SELECT $1 UNION ALL SELECT age - 1 FROM ages WHERE age > 1) \
                 INSERT INTO copies SELECT unhex(printf('0190000000007000%016x', 1000000000 - age)), age FROM ages",
            )
            .bind(i64::try_from(tasks)? - 1)
            .execute(&mut session)
            .await?;
            let columns: Vec<String> =
                sqlx::query_scalar("SELECT name FROM pragma_table_info('tasks')")
                    .fetch_all(&mut session)
                    .await?;
            let specs: Vec<String> =
                sqlx::query_scalar("SELECT name FROM pragma_table_info('task_specs')")
                    .fetch_all(&mut session)
                    .await?;
            for (table, columns) in [("task_specs", specs), ("tasks", columns)] {
                let sql = copy(table, &columns, |time| format!("{time} - c.age * 1000000"));
                sqlx::query(AssertSqlSafe(sql))
                    .bind(pattern)
                    .execute(&mut session)
                    .await?;
            }
            session.close().await?;
        }
        Kind::Postgres => {
            let mut session = sqlx::PgConnection::connect(&home.url()).await?;
            sqlx::query("CREATE TEMP TABLE copies (id uuid NOT NULL, age bigint NOT NULL)")
                .execute(&mut session)
                .await?;
            sqlx::query(
                "INSERT INTO copies SELECT \
                   CAST('0190000000007000' || lpad(to_hex(1000000000 - age), 16, '0') AS uuid), age \
                 FROM generate_series($1, 1, -1) AS age",
            )
            .bind(i64::try_from(tasks)? - 1)
            .execute(&mut session)
            .await?;
            let names = "SELECT attname::text FROM pg_attribute \
                         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped";
            for table in ["task_specs", "tasks"] {
                let columns: Vec<String> = sqlx::query_scalar(names)
                    .bind(table)
                    .fetch_all(&mut session)
                    .await?;
                let sql = copy(table, &columns, |time| {
                    format!("{time} - c.age * interval '1 second'")
                });
                sqlx::query(AssertSqlSafe(sql))
                    .bind(pattern)
                    .execute(&mut session)
                    .await?;
            }
            // What autovacuum would have done by the time anybody lists a million tasks.
            session.execute("VACUUM ANALYZE").await?;
            session.close().await?;
        }
    }
    Ok(())
}

/// The statement that copies the row of `$1`: another id, no request, `aged` times.
fn copy(table: &str, columns: &[String], aged: impl Fn(&str) -> String) -> String {
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            "task_id" | "root_task_id" => "c.id".to_owned(),
            "request_id" | "body_hash" => "NULL".to_owned(),
            "created" | "updated" | "started" | "completed" => aged(&format!("p.{column}")),
            _ => format!("p.{column}"),
        })
        .collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM copies c, {table} p WHERE p.task_id = $1",
        columns.join(", "),
        values.join(", ")
    )
}
