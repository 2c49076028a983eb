//! Column types that the two databases spell differently.
//!
//! PostgreSQL has native types; SQLite keeps UUIDs as 16-byte blobs, moments as microseconds
//! since 1970 and JSON as text.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Builds the columns of one database.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    postgres: bool,
}

impl Columns {
    /// The columns of the database behind `manager`.
    pub(crate) fn of(manager: &SchemaManager<'_>) -> Self {
        Self {
            postgres: manager.get_database_backend() == DbBackend::Postgres,
        }
    }

    fn custom(self, name: &'static str, postgres: &'static str, sqlite: &'static str) -> ColumnDef {
        ColumnDef::new(Alias::new(name))
            .custom(Alias::new(if self.postgres { postgres } else { sqlite }))
            .to_owned()
    }

    /// A UUID.
    pub(crate) fn uuid(self, name: &'static str) -> ColumnDef {
        self.custom(name, "uuid", "blob")
    }

    /// A moment.
    pub(crate) fn time(self, name: &'static str) -> ColumnDef {
        self.custom(name, "timestamptz", "bigint")
    }

    /// A JSON document.
    pub(crate) fn json(self, name: &'static str) -> ColumnDef {
        self.custom(name, "jsonb", "text")
    }

    /// Bytes.
    pub(crate) fn bytes(self, name: &'static str) -> ColumnDef {
        self.custom(name, "bytea", "blob")
    }

    /// Text of any length: limits are the service's, not the schema's.
    pub(crate) fn text(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(Alias::new(name)).text().to_owned()
    }

    /// A small number: enums.
    pub(crate) fn small(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(Alias::new(name)).small_integer().to_owned()
    }

    /// A count. 64 bits: SQLite knows no other.
    pub(crate) fn count(self, name: &'static str) -> ColumnDef {
        self.number(name).default(0).to_owned()
    }

    /// A 64-bit number.
    pub(crate) fn number(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(Alias::new(name)).big_integer().to_owned()
    }

    /// True or false.
    pub(crate) fn flag(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(Alias::new(name)).boolean().to_owned()
    }
}

/// The table `name` with `columns`.
pub(crate) fn table(name: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    for mut column in columns {
        table.col(&mut column);
    }
    table
}

/// Runs statements in order; each is the same text on both databases.
pub(crate) async fn execute_all(
    manager: &SchemaManager<'_>,
    statements: &[&str],
) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}
