//! Opening and changing a database as a whole: migrations, epochs, and who may have it.

use std::sync::Arc;

use drydock::domain::Action;
use drydock::store::{DatabaseUrl, OpenError, Store, StoreOptions, admin};
use futures::future::join_all;

use crate::database::Database;
use crate::fold::assert_tells_the_state;
use crate::tree::{create, full, root};

fn without_migrating(database: &Database) -> StoreOptions {
    StoreOptions {
        migrate: false,
        ..database.options()
    }
}

async fn applied(url: DatabaseUrl) -> Vec<bool> {
    let states = admin::migrate_status(url).await.expect("a status");
    assert!(states.is_sorted_by_key(|state| state.name.clone()));
    states.into_iter().map(|state| state.applied).collect()
}

on_each_database! {
    async fn migrations_go_up_and_down(database) {
        let all = applied(database.url()).await.len();
        assert!(all >= 3);
        assert_eq!(applied(database.url()).await, vec![false; all]);
        match Store::open(without_migrating(&database)).await {
            Err(OpenError::MigrationsPending { pending }) => assert_eq!(pending, all),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("opened without a schema"),
        }
        assert_eq!(admin::migrate_up(database.url()).await.unwrap(), all);
        assert_eq!(admin::migrate_up(database.url()).await.unwrap(), 0);
        assert_eq!(applied(database.url()).await, vec![true; all]);
        let store = Store::open(without_migrating(&database)).await.expect("it opens");
        create(&store, root(Action::DeployNode)).await;
        store.close().await;
        drop(store);

        admin::migrate_down(database.url(), 1).await.unwrap();
        let mut expected = vec![true; all];
        expected[all - 1] = false;
        assert_eq!(applied(database.url()).await, expected);
        admin::migrate_down(database.url(), all as u32 - 1).await.unwrap();
        assert_eq!(applied(database.url()).await, vec![false; all]);
        assert_eq!(admin::migrate_up(database.url()).await.unwrap(), all);
        let store = database.open().await;
        assert_eq!(store.clock().await.unwrap().last, 0, "the data went with the schema");
        store.close().await;
    }

    async fn a_new_epoch_changes_nothing_else(database) {
        let store = database.open().await;
        let task = create(&store, root(Action::DeployNode)).await;
        let before = store.clock().await.unwrap();
        store.close().await;
        drop(store);
        let epoch = admin::new_epoch(database.url()).await.unwrap();
        assert_ne!(epoch, before.epoch);
        let store = database.open().await;
        let clock = store.clock().await.unwrap();
        assert_eq!(clock.epoch, epoch);
        assert_eq!((clock.last, clock.floor), (before.last, before.floor));
        assert_eq!(full(&store, task.task_id).await, task);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn an_epoch_is_random(database) {
        let other = match &database {
            Database::Sqlite(_) => Database::sqlite(),
            Database::Postgres(_) => Database::postgres().await,
        };
        let (one, two) = (database.open().await, other.open().await);
        assert_ne!(one.clock().await.unwrap().epoch, two.clock().await.unwrap().epoch);
        one.close().await;
        two.close().await;
    }

    async fn a_url_in_a_log_holds_no_password(database) {
        let url = DatabaseUrl::Postgres("postgres://drydock:secret@db/drydock".to_owned());
        assert!(!format!("{url:?} {:?}", database.options()).contains("secret"));
    }
}

#[tokio::test]
async fn a_sqlite_file_has_one_store() {
    let database = Database::sqlite();
    let store = database.open().await;
    for attempt in [
        Store::open(database.options()).await.map(drop),
        admin::migrate_up(database.url()).await.map(drop),
        admin::migrate_status(database.url()).await.map(drop),
        admin::new_epoch(database.url()).await.map(drop),
    ] {
        match attempt {
            Err(OpenError::InUse { path }) => assert_eq!(DatabaseUrl::Sqlite(path), database.url()),
            other => panic!("{other:?}"),
        }
    }
    create(&store, root(Action::DeployNode)).await;
    store.close().await;
    drop(store);
    database.open().await.close().await;
}

/// Replicas that start together migrate an empty database once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_replicas_may_start_together() {
    let database = Database::postgres().await;
    let stores = join_all((0..6).map(|_| Store::open(database.options()))).await;
    for store in stores {
        let store = store.expect("it opens");
        create(&store, root(Action::DeployNode)).await;
        store.close().await;
    }
    let store = database.open().await;
    assert_tells_the_state(&store).await;
    store.close().await;
}

/// A commit that a power cut takes back is none: the store does not open on such a server.
#[tokio::test]
async fn postgres_without_durable_commits_is_refused() {
    let database = Database::postgres().await;
    let name = database.url();
    let DatabaseUrl::Postgres(url) = name else {
        panic!("a PostgreSQL database");
    };
    let name = url.rsplit('/').next().unwrap();
    database
        .execute(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = off"
        ))
        .await;
    match Store::open(database.options()).await.map(drop) {
        Err(OpenError::NotDurable { setting, value }) => {
            assert_eq!((setting, value.as_str()), ("synchronous_commit", "off"));
        }
        other => panic!("{other:?}"),
    }
}

/// A write on one replica rings at the other; SQLite has no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_rings_at_the_other_replica() {
    let database = Database::postgres().await;
    let (store, replica) = (database.open().await, database.open().await);
    assert!(store.is_shared());
    let mut bell = replica.doorbell();
    // The first ring says that it listens from here on.
    bell.wait_for(|count| *count > 0).await.unwrap();
    bell.mark_unchanged();
    create(&store, root(Action::DeployNode)).await;
    tokio::time::timeout(std::time::Duration::from_secs(10), bell.changed())
        .await
        .expect("it rings")
        .unwrap();
    store.close().await;
    replica.close().await;
    let alone = Database::sqlite();
    let store = Arc::new(alone.open().await);
    assert!(!store.is_shared());
    store.close().await;
}
