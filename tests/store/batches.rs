//! Batches: callers that come at once share a transaction.

use drydock::domain::{Action, ResultStatus};
use futures::future::join_all;

use super::fold::assert_tells_the_state;
use super::tree::{self, Owner, end, root};

on_each_database! {
    async fn two_hundred_callers_share_a_few_transactions(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let before = store.clock().await.unwrap().last;
        let mut published = store.commits();
        let creates = join_all((0..200).map(|_| store.create(root(Action::DeployNode))));
        let writes = join_all((0..200).map(|ordinal| {
            let task = tree::node(&owner.task, ordinal, &format!("n{ordinal}"));
            owner.send(owner.changes([tree::add(&task)]))
        }));
        let illegal = owner.send(owner.changes([end(
            &tree::node(&owner.task, 999, "none"),
            ResultStatus::Success,
        )]));
        let (creates, writes, illegal) = futures::join!(creates, writes, illegal);
        assert!(creates.iter().all(Result::is_ok));
        assert!(writes.iter().all(Result::is_ok), "one caller's defect is its own");
        assert!(illegal.is_err());
        assert_eq!(store.clock().await.unwrap().last, before + 200 * 2 + 200 * 3);
        // One time a transaction: the clock is asked once in each.
        let creates = join_all((0..200).map(|_| store.create(root(Action::DeployNode)))).await;
        assert!(creates.iter().all(Result::is_ok));
        let mut times = Vec::new();
        while let Ok(commit) = published.try_recv() {
            times.push(commit.ts);
        }
        let times: std::collections::BTreeSet<_> = times[times.len() - 200..].iter().collect();
        assert!(times.len() < 10, "{} transactions", times.len());
        assert_tells_the_state(&store).await;
        store.close().await;
    }
}
