//! Several writes as one round trip, with what each is expected to find.

use sea_orm::{ConnectionTrait, DatabaseTransaction, Value};

use super::error::Error;
use super::sql::{Dialect, corrupt, get};
use crate::domain::Timestamp;

/// Parts of what will be sent at once.
///
/// On SQLite they are statements that run one after the other. On PostgreSQL they are CTEs of one
/// statement: they all see the rows as they were before it, and no two of them may write the same
/// row.
pub(super) struct Parts {
    pub(super) dialect: Dialect,
    values: Vec<Value>,
    /// SQLite: the statements. PostgreSQL: the CTEs.
    statements: Vec<String>,
    /// PostgreSQL: the conditions under which the clock is taken.
    conditions: Vec<String>,
    /// SQLite: what each number that is asked for must be.
    expected: Vec<i64>,
    /// The table with what was taken from the clock.
    clock: Option<String>,
}

/// Where the clock stood before, and its time.
pub(super) struct Base {
    pub(super) sequence: i64,
    pub(super) ts: Timestamp,
}

/// What came of sending the parts.
pub(super) enum Sent {
    /// Everything was as expected; where the clock was taken, if it was.
    Sound(Option<Base>),
    /// Something was not: the transaction is to be rolled back.
    Unsound,
}

impl Parts {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            values: Vec::new(),
            statements: Vec::new(),
            conditions: Vec::new(),
            expected: Vec::new(),
            clock: None,
        }
    }

    /// Adds a value; its placeholder.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// Demands that `condition` holds before anything is written.
    pub(super) fn check(&mut self, condition: String) {
        match self.dialect {
            Dialect::Postgres => self.conditions.push(condition),
            Dialect::Sqlite => self.ask(&condition, 1),
        }
    }

    /// Adds an INSERT or UPDATE without RETURNING; `expected`: how many rows it must write. It
    /// comes before the clock, because it may wait for another transaction that needs the clock.
    pub(super) fn write(&mut self, sql: String, expected: Option<usize>) {
        let expected = expected.map(|count| count as i64);
        match self.dialect {
            Dialect::Postgres => {
                let name = format!("w{}", self.statements.len());
                self.statements
                    .push(format!("{name} AS ({sql} RETURNING 1)"));
                let condition = match expected {
                    Some(count) => {
                        let count = self.bind(count.into());
                        format!("(SELECT count(*) FROM {name}) = {count}")
                    }
                    // Always true, and known only when it is written.
                    None => format!("(SELECT count(*) FROM {name}) >= 0"),
                };
                self.conditions.push(condition);
            }
            Dialect::Sqlite => {
                self.statements.push(sql);
                if let Some(count) = expected {
                    self.ask("changes()", count);
                }
            }
        }
    }

    /// Takes `count` sequences from the clock, if everything before was as expected.
    pub(super) fn take_clock(&mut self, count: usize) {
        let count = self.bind((count as i64).into());
        match self.dialect {
            Dialect::Postgres => {
                let sound = self.sound();
                self.statements
                    .push(format!("k AS (SELECT {sound} AS sound)"));
                self.statements.push(format!(
                    "c AS (UPDATE event_clock \
                       SET last = last + {count}, ts = greatest(ts, clock_timestamp()) \
                       FROM k WHERE id = 1 AND k.sound RETURNING last - {count} AS base, ts)"
                ));
                self.clock = Some("c".to_owned());
            }
            Dialect::Sqlite => {
                let now = self.bind(self.dialect.time(crate::clock::now()));
                self.statements.push(format!(
                    "UPDATE event_clock SET last = last + {count}, ts = max(ts, {now}) \
                     WHERE id = 1 RETURNING last - {count} AS base, ts"
                ));
                self.clock = Some(format!(
                    "(SELECT last - {count} AS base, ts FROM event_clock WHERE id = 1)"
                ));
            }
        }
    }

    /// Adds an INSERT of what the clock numbers: `sql` is given the table with the clock's `base`
    /// and `ts`. After [`Self::take_clock`].
    pub(super) fn write_numbered(&mut self, sql: impl FnOnce(&str) -> String) {
        let Some(clock) = &self.clock else {
            return;
        };
        let sql = sql(clock);
        self.statements.push(match self.dialect {
            Dialect::Postgres => format!("w{} AS ({sql})", self.statements.len()),
            Dialect::Sqlite => sql,
        });
    }

    /// Sends everything.
    pub(super) async fn send(self, transaction: &DatabaseTransaction) -> Result<Sent, Error> {
        if self.statements.is_empty() && self.conditions.is_empty() {
            return Ok(Sent::Sound(None));
        }
        match self.dialect {
            Dialect::Postgres => self.send_as_one(transaction).await,
            Dialect::Sqlite => self.send_in_order(transaction).await,
        }
    }

    async fn send_as_one(self, transaction: &DatabaseTransaction) -> Result<Sent, Error> {
        let select = if self.clock.is_some() {
            "SELECT k.sound, c.base, c.ts FROM k LEFT JOIN c ON true".to_owned()
        } else {
            format!(
                "SELECT {} AS sound, CAST(NULL AS bigint) AS base, \
                 CAST(NULL AS timestamptz) AS ts",
                self.sound()
            )
        };
        let sql = format!("WITH {} {select}", self.statements.join(", "));
        let row = transaction
            .query_one_raw(self.dialect.statement(&sql, self.values))
            .await?
            .ok_or_else(|| corrupt("record", "absence"))?;
        if !get::<bool>(&row, "sound")? {
            return Ok(Sent::Unsound);
        }
        let base = get::<Option<i64>>(&row, "base")?;
        let ts = self.dialect.get_optional_time(&row, "ts")?;
        let base = base.zip(ts).map(|(sequence, ts)| Base { sequence, ts });
        if base.is_none() && self.clock.is_some() {
            return Err(corrupt("event clock", "absence"));
        }
        Ok(Sent::Sound(base))
    }

    async fn send_in_order(self, transaction: &DatabaseTransaction) -> Result<Sent, Error> {
        let sql = self.statements.join("; ");
        let rows = transaction
            .query_all_raw(self.dialect.statement(&sql, self.values))
            .await?;
        let (answers, clock) = rows
            .split_at_checked(self.expected.len())
            .ok_or_else(|| corrupt("record", "absence"))?;
        for (answer, expected) in answers.iter().zip(&self.expected) {
            if get::<i64>(answer, "base")? != *expected {
                return Ok(Sent::Unsound);
            }
        }
        if self.clock.is_none() {
            return Ok(Sent::Sound(None));
        }
        let clock = clock
            .first()
            .ok_or_else(|| corrupt("event clock", "absence"))?;
        Ok(Sent::Sound(Some(Base {
            sequence: get(clock, "base")?,
            ts: self.dialect.get_time(clock, "ts")?,
        })))
    }

    /// SQLite: asks for a number that must be `expected`.
    fn ask(&mut self, what: &str, expected: i64) {
        self.statements
            .push(format!("SELECT {what} AS base, 0 AS ts"));
        self.expected.push(expected);
    }

    /// PostgreSQL: all conditions in one.
    fn sound(&self) -> String {
        if self.conditions.is_empty() {
            "true".to_owned()
        } else {
            self.conditions.join(" AND ")
        }
    }
}
