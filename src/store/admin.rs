//! Schema changes and the store's epoch: what an operator does to a database as a whole.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use tracing::info;

use super::connect::Connections;
use super::error::OpenError;
use super::sql::Dialect;
use super::{DatabaseUrl, StoreOptions};

/// The advisory lock that replicas starting together take for migrations. Any number that no
/// other program uses on the same database: the first letters of the service's name.
const MIGRATION_LOCK: i64 = 0x6472_7964_6f63_6b00;

/// One migration and whether it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name, which begins with its date.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// Applies pending migrations; how many there were.
pub async fn migrate_up(url: DatabaseUrl) -> Result<usize, OpenError> {
    let connections = connect(url).await?;
    let result = up(&connections).await;
    connections.close().await;
    result
}

/// Takes the last `steps` migrations back. Their data goes with them.
pub async fn migrate_down(url: DatabaseUrl, steps: u32) -> Result<(), OpenError> {
    let connections = connect(url).await?;
    let result = locked(&connections, async |admin| {
        Migrator::down(admin, Some(steps)).await
    })
    .await
    .map_err(OpenError::Migrate);
    connections.close().await;
    result
}

/// Every migration this version knows, oldest first.
pub async fn migrate_status(url: DatabaseUrl) -> Result<Vec<MigrationState>, OpenError> {
    let connections = connect(url).await?;
    let result = status(&connections).await;
    connections.close().await;
    result
}

/// Begins a new life of the store: every position that a watcher holds is stale from here on.
/// To be called after a restore from a backup, before the service starts. The new epoch.
pub async fn new_epoch(url: DatabaseUrl) -> Result<i64, OpenError> {
    let connections = connect(url).await?;
    let epoch = rand::random::<i64>() & i64::MAX;
    let result = connections
        .admin()
        .execute_raw(connections.dialect.statement(
            "UPDATE event_clock SET epoch = $1 WHERE id = 1",
            [epoch.into()],
        ))
        .await;
    connections.close().await;
    match result {
        Ok(_) => Ok(epoch),
        Err(error) => Err(OpenError::Migrate(error)),
    }
}

/// Applies what is pending, or refuses when that is not wanted.
pub(super) async fn prepare(
    connections: &Connections,
    options: &StoreOptions,
) -> Result<(), OpenError> {
    if options.migrate {
        up(connections).await?;
        return Ok(());
    }
    let states = status(connections).await?;
    match states.iter().filter(|state| !state.applied).count() {
        0 => Ok(()),
        pending => Err(OpenError::MigrationsPending { pending }),
    }
}

async fn connect(url: DatabaseUrl) -> Result<Connections, OpenError> {
    Connections::open(&StoreOptions {
        url,
        migrate: false,
        lease: std::time::Duration::ZERO,
    })
    .await
}

async fn up(connections: &Connections) -> Result<usize, OpenError> {
    let mut applied = 0;
    locked(connections, async |admin| {
        applied = Migrator::get_pending_migrations(admin).await?.len();
        Migrator::up(admin, None).await
    })
    .await
    .map_err(OpenError::Migrate)?;
    if applied > 0 {
        info!(applied, "migrated the database");
    }
    Ok(applied)
}

async fn status(connections: &Connections) -> Result<Vec<MigrationState>, OpenError> {
    let admin = connections.admin();
    let pending = Migrator::get_pending_migrations(admin)
        .await
        .map_err(OpenError::Migrate)?;
    Ok(Migrator::migrations()
        .iter()
        .map(|migration| MigrationState {
            name: migration.name().to_owned(),
            applied: !pending.iter().any(|each| each.name() == migration.name()),
        })
        .collect())
}

/// Runs a schema change while no other replica runs one.
async fn locked<F>(connections: &Connections, change: F) -> Result<(), DbErr>
where
    F: AsyncFnOnce(&DatabaseConnection) -> Result<(), DbErr>,
{
    if connections.dialect == Dialect::Sqlite {
        // The file's lock keeps every other process out.
        return change(connections.admin()).await;
    }
    // Beside the change, which has transactions of its own. However long another replica's change takes:
    // its end is waited for, and this session is idle during ours.
    let session = connections.lease.begin().await?;
    let lock = format!(
        "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0; \
         SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
    );
    session.execute_unprepared(&lock).await?;
    let result = change(connections.admin()).await;
    // Gives the lock back; nothing was written.
    session.rollback().await?;
    result
}
