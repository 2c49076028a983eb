//! Schema changes and the store's epoch: what an operator does to a database as a whole.

use std::time::Duration;

use migration::{Migrator, MigratorTrait, SchemaManager};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    TransactionTrait,
};
use tracing::{info, warn};

use super::answer::Answers;
use super::connect::{Connections, open_for_changes};
use super::error::{Error, OpenError};
use super::sql::get;
use super::{DatabaseUrl, StoreOptions};

/// The advisory lock that replicas starting together take for migrations. Any number that no
/// other program uses on the same database: the first letters of the service's name.
const MIGRATION_LOCK: i64 = 0x6472_7964_6f63_6b00;

/// How often that lock is asked for while another replica has it.
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// How often the database is asked for a word while a change is under way.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The table of applied migrations.
const APPLIED: &str = "seaql_migrations";

/// How the name of a migration ends that removes something. It removes what nobody uses who knows every
/// migration before it.
const CONTRACT: &str = "_contract";

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
    let connections = connect(&url).await?;
    let result = up(&connections, &url).await;
    connections.close().await;
    result
}

/// Takes the last `steps` migrations back. Their data goes with them.
pub async fn migrate_down(url: DatabaseUrl, steps: u32) -> Result<(), OpenError> {
    let connections = connect(&url).await?;
    let result = locked(&connections, &url, async |schema| {
        let down = Migrator::down(schema, Some(steps)).await;
        down.map_err(OpenError::Migrate)
    })
    .await;
    connections.close().await;
    result
}

/// Every migration that this version or the database knows, oldest first. Changes nothing.
pub async fn migrate_status(url: DatabaseUrl) -> Result<Vec<MigrationState>, OpenError> {
    let connections = connect(&url).await?;
    let standing = standing(&connections).await;
    connections.close().await;
    let Standing { applied, pending } = standing?;
    let state = |name, applied| MigrationState { name, applied };
    let mut states: Vec<MigrationState> = applied
        .into_iter()
        .map(|name| state(name, true))
        .chain(pending.into_iter().map(|name| state(name, false)))
        .collect();
    states.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(states)
}

/// Begins a new life of the store: every position that a watcher holds is stale from here on.
/// To be called after a restore from a backup, before the service starts. The new epoch.
pub async fn new_epoch(url: DatabaseUrl) -> Result<i64, OpenError> {
    let connections = connect(&url).await?;
    let epoch = rand::random::<i64>() & i64::MAX;
    let sql = "UPDATE event_clock SET epoch = $1 WHERE id = 1";
    let update = connections.dialect.statement(sql, [epoch.into()]);
    let update = async {
        let updated = connections.admin().execute_raw(update).await;
        updated.map_err(OpenError::Migrate)
    };
    let updated = connections.calls.of(update).await;
    connections.close().await;
    updated.map(|_| epoch)
}

/// Applies what is pending, or refuses when that is not wanted. A schema that is ahead of this version is
/// left as it is.
pub(super) async fn prepare(
    connections: &Connections,
    options: &StoreOptions,
) -> Result<(), OpenError> {
    if options.migrate {
        up(connections, &options.url).await?;
        return Ok(());
    }
    let standing = standing(connections).await?;
    standing.check()?;
    match standing.pending.len() {
        0 => Ok(()),
        pending => Err(OpenError::MigrationsPending { pending }),
    }
}

async fn connect(url: &DatabaseUrl) -> Result<Connections, OpenError> {
    Connections::open(&StoreOptions {
        url: url.clone(),
        migrate: false,
        lease: Duration::ZERO,
    })
    .await
}

async fn up(connections: &Connections, url: &DatabaseUrl) -> Result<usize, OpenError> {
    // A replica with nothing to do does not wait for one that has.
    let standing = standing(connections).await?;
    standing.check()?;
    if standing.pending.is_empty() {
        return Ok(0);
    }
    let applied = locked(connections, url, async |schema| {
        // Another replica may have been faster, one of a later version even.
        let standing = Standing::of(schema).await?;
        standing.check()?;
        if !standing.pending.is_empty() {
            let up = Migrator::up(schema, None).await;
            up.map_err(OpenError::Migrate)?;
        }
        Ok(standing.pending.len())
    })
    .await?;
    if applied > 0 {
        info!(applied, "migrated the database");
    }
    Ok(applied)
}

/// How the schema stands, if the database says so in time.
async fn standing(connections: &Connections) -> Result<Standing, OpenError> {
    let standing = Standing::of(connections.admin());
    connections.calls.of(standing).await
}

/// How a database's schema stands to this version.
#[derive(Debug)]
struct Standing {
    /// Names of what is applied, in order; this version may not know all of it.
    applied: Vec<String>,
    /// Names of what this version would apply, in order.
    pending: Vec<String>,
}

impl Standing {
    /// Reads it, and changes nothing: a user without the right to make tables can do that.
    async fn of(schema: &DatabaseConnection) -> Result<Self, OpenError> {
        let manager = SchemaManager::new(schema);
        let exists = manager.has_table(APPLIED).await;
        let mut applied: Vec<String> = Vec::new();
        if exists.map_err(OpenError::Migrate)? {
            let sql = format!("SELECT version FROM {APPLIED}");
            let select = Statement::from_string(schema.get_database_backend(), sql);
            let rows = schema.query_all_raw(select).await;
            let rows = rows.map_err(OpenError::Migrate)?;
            for row in &rows {
                applied.push(get(row, "version")?);
            }
        }
        applied.sort_unstable();
        let pending = known().filter(|name| !applied.contains(name)).collect();
        Ok(Self { applied, pending })
    }

    /// Refuses a schema that this version cannot work with. It can with one that is ahead, so that the
    /// replicas of the version before can be replaced one by one while they work, and started again: what
    /// later versions add is of no concern to it. It cannot without what a later one has removed, unless it
    /// knows all that came before, and so had ceased to use it.
    fn check(&self) -> Result<(), OpenError> {
        let known: Vec<String> = known().collect();
        let mut unknown = self.applied.iter().filter(|name| !known.contains(name));
        let refused = if self.pending.is_empty() {
            unknown
                .skip_while(|name| name.ends_with(CONTRACT))
                .find(|name| name.ends_with(CONTRACT))
        } else {
            // Ahead and behind at once: not of this version's line at all.
            unknown.next()
        };
        match refused {
            None => Ok(()),
            Some(migration) => Err(OpenError::SchemaAhead {
                migration: migration.clone(),
            }),
        }
    }
}

/// The names of the migrations of this version, in order.
fn known() -> impl Iterator<Item = String> {
    let migrations = Migrator::migrations().into_iter();
    migrations.map(|migration| migration.name().to_owned())
}

/// Runs a schema change while no other replica runs one.
async fn locked<T, F>(
    connections: &Connections,
    url: &DatabaseUrl,
    change: F,
) -> Result<T, OpenError>
where
    F: AsyncFnOnce(&DatabaseConnection) -> Result<T, OpenError>,
{
    let url = match url {
        // The file's lock keeps every other process out.
        DatabaseUrl::Sqlite(_) => return change(connections.admin()).await,
        DatabaseUrl::Postgres(url) => url,
    };
    // Beside the change, which has transactions of its own. However long another replica's change takes: its
    // end is waited for. It is asked for instead of waited for in the database, so that a database that
    // has fallen silent is told from one that is busy.
    let leases = &connections.leases;
    let begin = async { Ok::<_, Error>(connections.lease.begin().await?) };
    let session = leases.of(begin).await?;
    let mut waits = false;
    while !leases.of::<_, OpenError>(try_lock(&session)).await? {
        if !std::mem::replace(&mut waits, true) {
            info!("another replica changes the schema: waiting for it");
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    let schema = open_for_changes(url).await?;
    let result = tokio::select! {
        result = change(&schema) => result,
        // The change is dropped with its connection, which nobody uses again: it is taken back by the
        // server, or was complete.
        silence = silence(leases, &session) => return Err(silence),
    };
    let close = async { Ok::<_, Error>(schema.close().await?) };
    if let Err(error) = leases.of(close).await {
        warn!(%error, "closing a database connection");
    }
    // Gives the lock back; nothing was written.
    let end = async { Ok::<_, Error>(session.rollback().await?) };
    leases.of(end).await?;
    result
}

/// Takes the lock of schema changes, if nobody has it. The session is asked often enough while it has the
/// lock, so that it is only ended for idleness where its replica is gone.
async fn try_lock(session: &DatabaseTransaction) -> Result<bool, OpenError> {
    let idle = "SET LOCAL idle_in_transaction_session_timeout = '30s'";
    let lock = format!("SELECT pg_try_advisory_xact_lock({MIGRATION_LOCK}) AS taken");
    let lock = Statement::from_string(DbBackend::Postgres, lock);
    let migrate = OpenError::Migrate;
    session.execute_unprepared(idle).await.map_err(migrate)?;
    let row = session.query_one_raw(lock).await.map_err(migrate)?;
    match row {
        Some(row) => Ok(get(&row, "taken")?),
        None => Ok(false),
    }
}

/// Waits until nothing is heard from the database any more. A change takes as long as it takes, so that its
/// own connection cannot tell.
async fn silence(answers: &Answers, session: &DatabaseTransaction) -> OpenError {
    loop {
        tokio::time::sleep(ASK_AGAIN).await;
        let ask = async { Ok::<_, Error>(session.execute_unprepared("SELECT 1").await?) };
        if let Err(error) = answers.of(ask).await {
            return error.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schema with all that is known but the last `less` migrations, and `more`.
    fn standing(less: usize, more: &[&str]) -> Standing {
        let known: Vec<String> = known().collect();
        let (applied, pending) = known.split_at(known.len() - less);
        let more = more.iter().map(|name| (*name).to_owned());
        Standing {
            applied: applied.iter().cloned().chain(more).collect(),
            pending: pending.to_vec(),
        }
    }

    fn refused(less: usize, more: &[&str]) -> Option<String> {
        match standing(less, more).check() {
            Ok(()) => None,
            Err(OpenError::SchemaAhead { migration }) => Some(migration),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_later_versions_add_is_no_hindrance() {
        assert_eq!(refused(0, &[]), None);
        assert_eq!(refused(1, &[]), None);
        assert_eq!(refused(0, &["m21000101_000001_add"]), None);
    }

    #[test]
    fn what_a_later_version_removes_must_be_out_of_use() {
        let next = ["m21000101_000001_drop_contract", "m21000101_000002_add"];
        assert_eq!(refused(0, &next), None);
        let after_next = ["m21000101_000001_add", "m21000102_000001_drop_contract"];
        assert_eq!(refused(0, &after_next).as_deref(), Some(after_next[1]));
        let both = [next[0], after_next[0], after_next[1]];
        assert_eq!(refused(0, &both).as_deref(), Some(both[2]));
    }

    #[test]
    fn a_schema_of_another_line_is_refused() {
        let other = "m21000101_000001_other";
        assert_eq!(refused(1, &[other]).as_deref(), Some(other));
    }
}
