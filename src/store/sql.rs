//! One text for two databases: the few places where their SQL differs.
//!
//! Rows go to the database as one JSON array, whatever their number: `json_to_recordset` on
//! PostgreSQL and `json_each` on SQLite unfold it. So a statement has one text for every batch
//! size, is prepared once, and reads the same for both. UUIDs and bytes travel as hex, moments as
//! microseconds since 1970.

use std::sync::Arc;

use chrono::DateTime;
use sea_orm::{DbBackend, QueryResult, Statement, TryGetable, Value};
use serde::Serialize;
use uuid::Uuid;

use super::error::Error;
use crate::domain::{TaskId, Timestamp};

/// How a column's values travel and are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    Small,
    Number,
    Flag,
    Text,
    Time,
    Bytes,
    Json,
}

/// A column of a row set: its name (also the JSON key) and kind.
pub(super) type Column = (&'static str, Kind);

/// Which database the SQL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// sea-orm's name for it.
    pub(super) fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }

    /// A statement with its values; placeholders are `$1`, `$2`, ... on both.
    pub(super) fn statement<I>(self, sql: &str, values: I) -> Statement
    where
        I: IntoIterator<Item = Value>,
    {
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// A derived table that unfolds the JSON array in placeholder `parameter` into typed columns.
    pub(super) fn rows(self, parameter: &str, columns: &[Column]) -> String {
        let list = |each: &dyn Fn(&Column) -> String| {
            columns.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Sqlite => {
                let select = list(&|(name, kind)| match kind {
                    Kind::Uuid | Kind::Bytes => format!("unhex(value->>'{name}') AS {name}"),
                    Kind::Json => format!("nullif(value->'{name}', 'null') AS {name}"),
                    Kind::Small | Kind::Number | Kind::Flag | Kind::Text | Kind::Time => {
                        format!("value->>'{name}' AS {name}")
                    }
                });
                format!("(SELECT {select} FROM jsonb_each({parameter}))")
            }
            Self::Postgres => {
                let types = list(&|(name, kind)| {
                    let sql_type = match kind {
                        Kind::Uuid => "uuid",
                        Kind::Small => "smallint",
                        Kind::Number | Kind::Time => "bigint",
                        Kind::Flag => "boolean",
                        Kind::Text | Kind::Bytes => "text",
                        Kind::Json => "jsonb",
                    };
                    format!("{name} {sql_type}")
                });
                let select = list(&|(name, kind)| match kind {
                    Kind::Time => {
                        format!(
                            "'epoch'::timestamptz + {name} * interval '1 microsecond' AS {name}"
                        )
                    }
                    Kind::Bytes => format!("decode({name}, 'hex') AS {name}"),
                    Kind::Uuid
                    | Kind::Small
                    | Kind::Number
                    | Kind::Flag
                    | Kind::Text
                    | Kind::Json => (*name).to_owned(),
                });
                format!(
                    "(SELECT {select} FROM json_to_recordset({parameter}::json) AS row ({types}))"
                )
            }
        }
    }

    /// The condition that `column` is one of the ids in `parameter`, a text from [`Self::ids`].
    pub(super) fn among_ids(self, column: &str, parameter: &str) -> String {
        match self {
            Self::Sqlite => {
                format!("{column} IN (SELECT unhex(value) FROM json_each({parameter}))")
            }
            // Behind a sub-select the planner cannot count the ids. A plan for any number of them then
            // costs what one for these would, so it is kept instead of being made for each call.
            Self::Postgres => {
                format!("{column} = ANY(ARRAY(SELECT unnest(CAST({parameter} AS uuid[]))))")
            }
        }
    }

    /// Ids as one text, so that a statement has one text for any number of them.
    pub(super) fn ids(self, ids: impl IntoIterator<Item = TaskId>) -> String {
        let (open, quote, close) = match self {
            Self::Sqlite => ('[', "\"", ']'),
            Self::Postgres => ('{', "", '}'),
        };
        let mut text = String::from(open);
        for id in ids {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(quote);
            text.push_str(id.0.simple().encode_lower(&mut Uuid::encode_buffer()));
            text.push_str(quote);
        }
        text.push(close);
        text
    }

    /// `INSERT` of the rows in `$1` into `table`, leaving out those that are there already.
    pub(super) fn insert(self, table: &str, columns: &[Column], returning: &str) -> String {
        let names = names(columns, "");
        let rows = self.rows("$1", columns);
        // `WHERE true` keeps SQLite from reading ON CONFLICT as a join condition.
        let returning = if returning.is_empty() {
            String::new()
        } else {
            format!(" RETURNING {returning}")
        };
        format!(
            "INSERT INTO {table} ({names}) SELECT {names} FROM {rows} AS e WHERE true \
             ON CONFLICT DO NOTHING{returning}"
        )
    }

    /// Locks the rows of `table` that a SELECT returns to the end of the transaction, or leaves
    /// out those that another transaction holds. SQLite's one writer needs no row locks.
    pub(super) fn for_update(self, table: &str, skip_locked: bool) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => format!(
                " FOR NO KEY UPDATE OF {table}{}",
                if skip_locked { " SKIP LOCKED" } else { "" }
            ),
        }
    }

    /// Makes text compare as its bytes do: the contract sorts names, and knows no languages.
    pub(super) fn bytewise(self) -> &'static str {
        match self {
            Self::Sqlite => "COLLATE BINARY",
            Self::Postgres => "COLLATE \"C\"",
        }
    }

    /// A moment as a value.
    pub(super) fn time(self, time: Timestamp) -> Value {
        match self {
            Self::Sqlite => Value::from(time.timestamp_micros()),
            Self::Postgres => Value::from(time),
        }
    }

    /// Reads a moment.
    pub(super) fn get_time(self, row: &QueryResult, column: &str) -> Result<Timestamp, Error> {
        self.get_optional_time(row, column)?
            .ok_or_else(|| corrupt("time", column))
    }

    /// Reads a moment that may be absent.
    pub(super) fn get_optional_time(
        self,
        row: &QueryResult,
        column: &str,
    ) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Sqlite => get::<Option<i64>>(row, column)?
                .map(|micros| {
                    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("time", column))
                })
                .transpose(),
            Self::Postgres => get(row, column),
        }
    }
}

/// The columns' names, each with `prefix`, separated by commas.
pub(super) fn names(columns: &[Column], prefix: &str) -> String {
    columns
        .iter()
        .map(|(name, _)| format!("{prefix}{name}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The rows as one JSON value.
pub(super) fn json<T: Serialize>(rows: &[T]) -> Result<Value, Error> {
    serde_json::to_string(rows)
        .map(Value::from)
        .map_err(|error| Error::Corrupt {
            what: "row",
            problem: error.to_string(),
        })
}

/// Bytes as they travel: lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A row that holds one id, for row sets that are lists of ids.
#[derive(Serialize)]
pub(super) struct IdRow {
    id: String,
}

/// The one column of [`IdRow`].
pub(super) const ID_COLUMN: &[Column] = &[("id", Kind::Uuid)];

impl From<TaskId> for IdRow {
    fn from(id: TaskId) -> Self {
        Self { id: uuid_hex(id.0) }
    }
}

/// A UUID as it travels.
pub(super) fn uuid_hex(id: Uuid) -> String {
    id.simple().to_string()
}

/// Reads a column.
pub(super) fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, Error> {
    row.try_get("", column).map_err(Error::from)
}

/// Reads a task id.
pub(super) fn get_id(row: &QueryResult, column: &str) -> Result<TaskId, Error> {
    get::<Uuid>(row, column).map(TaskId)
}

/// Reads text that many readers share.
pub(super) fn get_text(row: &QueryResult, column: &str) -> Result<Arc<str>, Error> {
    get::<String>(row, column).map(Arc::from)
}

/// Reads text that may be absent.
pub(super) fn get_optional_text(
    row: &QueryResult,
    column: &str,
) -> Result<Option<Arc<str>>, Error> {
    Ok(get::<Option<String>>(row, column)?.map(Arc::from))
}

/// Reads a count.
pub(super) fn get_count(row: &QueryResult, column: &str) -> Result<u32, Error> {
    u32::try_from(get::<i64>(row, column)?).map_err(|_| corrupt("count", column))
}

/// The error for a value that no version of the service wrote.
pub(super) fn corrupt(what: &'static str, value: impl std::fmt::Display) -> Error {
    Error::Corrupt {
        what,
        problem: format!("unexpected {value}"),
    }
}
