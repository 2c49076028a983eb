//! What becomes of owners, as far as it is a matter of the database.

use drydock::domain::Action;
use drydock::store::{PreviousOwner, Renewal};

use super::database::Database;
use super::tree::{Owner, instance};

/// On SQLite the file's lock proves every earlier instance dead.
#[tokio::test]
async fn sqlite_owners_die_with_their_process() {
    let database = Database::sqlite();
    let store = database.open().await;
    let owner = Owner::running(&store, Action::DeployNode, &["n1"]).await;
    store.close().await;
    let previous = owner.instance;
    drop((owner, store));
    let store = database.open().await;
    let claimed = store.claim(instance(&store).await, 10).await.unwrap();
    assert_eq!(claimed[0].previous, PreviousOwner::Dead(previous));
    store.close().await;
}

/// A renewal that is checked in time but committed late must not be overtaken by a claim: its
/// instance believes that it lives for another lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_in_flight_is_not_overtaken_by_a_claim() {
    use sqlx::{Connection, Executor};
    let database = Database::postgres().await;
    let store = database.open().await;
    let owner = Owner::of_new(&store, Action::DeployNode).await;
    let successor = instance(&store).await;
    // What others see of the lease has run out by the time its renewal is committed.
    database.expire(owner.instance).await;
    let mut session = database.session().await;
    let mut renewal = session.begin().await.unwrap();
    let renewed = format!(
        "UPDATE active_instances SET expires = clock_timestamp() + interval '10 minutes' \
         WHERE instance_id = {}",
        database.id(owner.instance.0)
    );
    renewal.execute(sqlx::AssertSqlSafe(renewed)).await.unwrap();
    let claimed = store.claim(successor, 10).await.unwrap();
    assert!(claimed.is_empty(), "taken from an owner that lives");
    renewal.commit().await.unwrap();
    assert!(store.claim(successor, 10).await.unwrap().is_empty());
    assert_eq!(store.renew(owner.instance).await.unwrap(), Renewal::Renewed);
    // Once it is buried it is dead for good, whoever got its trees.
    database.expire(owner.instance).await;
    assert_eq!(store.claim(successor, 10).await.unwrap().len(), 1);
    assert_eq!(store.renew(owner.instance).await.unwrap(), Renewal::Lost);
    store.close().await;
}
