//! Leases and claims: who owns what, in which order, and what a stale owner may still do.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use drydock::domain::node_filter::{FilterType, NodeFilter, NodeFilterSet};
use drydock::domain::{Action, InstanceId, StepKind, TaskStatus};
use drydock::store::{PreviousOwner, Renewal, Store, TreeWrite, WriteError};
use futures::FutureExt as _;
use futures::future::join_all;

use super::fold::assert_tells_the_state;
use super::tree::{
    self, Owner, add, create, full, instance, lock, message, node, root, step, terminate,
};

/// A filter of names.
fn filter(names: &[&str]) -> NodeFilterSet {
    NodeFilterSet {
        filter_set_type: FilterType::Union,
        filter_set: vec![NodeFilter {
            filter_type: FilterType::Union,
            node_names: names.iter().map(|name| (*name).to_owned()).collect(),
            node_tags: Vec::new(),
            node_labels: BTreeMap::new(),
            rack_names: Vec::new(),
            rack_labels: BTreeMap::new(),
        }],
    }
}

async fn claim_one(store: &Store, instance: InstanceId) -> Owner {
    let mut claimed = store.claim(instance, 10).await.expect("a claim");
    assert_eq!(claimed.len(), 1);
    Owner::of(store, instance, claimed.remove(0))
}

on_each_database! {
    async fn the_oldest_roots_are_claimed_first(database) {
        let store = database.open().await;
        let mut ids = Vec::new();
        // Created in the reverse order of their times.
        for age in [0, 3, 1, 2] {
            let mut new = root(Action::DeployNode);
            new.task.created -= Duration::from_secs(age);
            ids.push((new.task.created, create(&store, new).await.task_id));
        }
        ids.sort();
        let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
        let me = instance(&store).await;
        let claimed = async |limit| -> Vec<_> {
            let claimed = store.claim(me, limit).await.unwrap();
            claimed.into_iter().map(|claimed| claimed.task.task_id).collect()
        };
        assert_eq!(claimed(3).await, ids[..3]);
        assert_eq!(claimed(3).await, ids[3..]);
        assert!(claimed(3).await.is_empty());
        store.close().await;
    }

    async fn a_root_is_not_claimed_for_a_lock_that_it_would_not_get(database) {
        let store = database.open().await;
        let holder = Owner::running(&store, Action::PrepareSite, &[]).await;
        let taking = TreeWrite { lock: Some(lock("")), ..holder.write() };
        holder.send(taking).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let owner = Owner::of_new(&store, Action::PrepareSite).await;
            let wait = TreeWrite {
                allowed: &[TaskStatus::Queued],
                wait_for: Some(lock("")),
                root_messages: vec![message("waits")],
                ..owner.write()
            };
            owner.send(wait).await.unwrap();
            waiting.push(owner);
        }
        waiting.sort_by_key(Owner::id);
        let me = instance(&store).await;
        let others = async || -> Vec<_> {
            let mut claimed = store.claim_free(me, 10).await.unwrap();
            claimed.extend(store.claim(me, 10).await.unwrap());
            claimed.into_iter().map(|claimed| claimed.task.task_id).collect()
        };
        // Another's is not given back.
        store.give_back(me, waiting[0].id()).await.unwrap();
        assert!(!store.owned(waiting[0].instance).await.unwrap().is_empty());
        for owner in &waiting {
            store.give_back(owner.instance, owner.id()).await.unwrap();
            assert!(store.owned(owner.instance).await.unwrap().is_empty());
        }
        assert!(others().await.is_empty());
        // A stopped one holds nobody up, and the first in line is let through, alone.
        terminate(&store, waiting[0].id()).await;
        assert!(others().await.is_empty());
        holder.send(TreeWrite { unlock: Some(lock("")), ..holder.changes([]) }).await.unwrap();
        assert_eq!(others().await, [waiting[1].id()]);
        assert!(others().await.is_empty());
        // What has waited too long is let through for its end.
        let overdue = store.claim_overdue(me, drydock::clock::now(), 10).await.unwrap();
        let overdue: Vec<_> = overdue.iter().map(|claimed| claimed.task.task_id).collect();
        assert_eq!(overdue, [waiting[2].id()]);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn claims_are_disjoint(database) {
        let store = database.open().await;
        let replica = database.replica(&store).await;
        let (one, two) = (instance(&store).await, instance(&replica).await);
        let mut created = HashSet::new();
        for _ in 0..60 {
            created.insert(create(&store, root(Action::DeployNode)).await.task_id);
        }
        let claims = (0..40).map(|number| match number % 4 {
            0 => store.claim(one, 2).boxed(),
            1 => replica.claim(two, 2).boxed(),
            2 => store.claim_free(one, 2).boxed(),
            _ => replica.claim_free(two, 2).boxed(),
        });
        // Not joined in one task: each claim is to run beside the others.
        let mut claimed = Vec::new();
        for claims in join_all(claims).await {
            claimed.extend(claims.unwrap());
        }
        // A claim skips rows that another is about to take: what is left is there for the next.
        loop {
            let rest = store.claim(one, 7).await.unwrap();
            if rest.is_empty() {
                break;
            }
            claimed.extend(rest);
        }
        assert_eq!(claimed.len(), created.len());
        let ids: HashSet<_> = claimed.iter().map(|claimed| claimed.task.task_id).collect();
        assert_eq!(ids, created);
        assert!(claimed.iter().all(|claimed| claimed.epoch == 1));
        let owned = store.owned(one).await.unwrap().len() + store.owned(two).await.unwrap().len();
        assert_eq!(owned, created.len());
        store.close().await;
        replica.close().await;
    }

    async fn a_claimed_root_says_what_became_of_its_owner(database) {
        let store = database.open().await;
        let first = Owner::running(&store, Action::DeployNode, &["n2", "n1"]).await;
        assert_eq!(first.epoch, 1);
        let second = instance(&store).await;
        assert!(store.claim(second, 10).await.unwrap().is_empty(), "its owner lives");

        store.release(first.instance).await.unwrap();
        let claimed = store.claim(second, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].previous, PreviousOwner::Released);
        assert_eq!(claimed[0].epoch, 2);
        assert_eq!(claimed[0].site.as_deref(), Some("sitename"));
        assert_eq!(claimed[0].task.status, TaskStatus::Running, "a takeover changes no status");

        database.expire(second).await;
        let third = instance(&store).await;
        let claimed = store.claim(third, 10).await.unwrap();
        assert_eq!(claimed[0].epoch, 3);
        let expected = if database.is_postgres() {
            PreviousOwner::Expired(second)
        } else {
            PreviousOwner::Dead(second)
        };
        assert_eq!(claimed[0].previous, expected);
        assert_eq!(
            store.owned(third).await.unwrap(),
            [(first.id(), 3, TaskStatus::Running)]
        );
        assert!(store.owned(second).await.unwrap().is_empty());
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// What a hint is about is taken in a cheaper way, and found the same.
    async fn a_root_that_nobody_owns_is_claimed_like_any_other(database) {
        let store = database.open().await;
        let mut wished = root(Action::DeployNode);
        wished.task.detail.as_mut().unwrap().node_filter = Some(filter(&["n1"]));
        create(&store, wished).await;
        let first = instance(&store).await;
        let mut claimed = store.claim_free(first, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!((claimed[0].epoch, claimed[0].previous), (1, PreviousOwner::None));
        let detail = claimed[0].task.detail.clone().unwrap();
        assert_eq!(detail.node_filter, Some(filter(&["n1"])));
        let owner = Owner::of(&store, first, claimed.remove(0));
        owner.send(owner.start(&["n1", "n2"])).await.unwrap();
        let second = instance(&store).await;
        assert!(store.claim_free(second, 10).await.unwrap().is_empty(), "its owner lives");

        store.release(first).await.unwrap();
        let claimed = store.claim_free(second, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!((claimed[0].epoch, claimed[0].previous), (2, PreviousOwner::Released));
        assert_eq!(claimed[0].site.as_deref(), Some("sitename"));
        let detail = claimed[0].task.detail.clone().unwrap();
        assert_eq!(detail.node_filter, Some(filter(&["n1"])));
        assert_eq!(detail.target_nodes, ["n1", "n2"].map(Arc::<str>::from));
        assert_eq!(store.owned(second).await.unwrap(), [(owner.id(), 2, TaskStatus::Running)]);

        database.expire(second).await;
        let third = instance(&store).await;
        assert!(store.claim_free(third, 10).await.unwrap().is_empty(), "it was not given back");
        create(&store, root(Action::DeployNode)).await;
        database.expire(third).await;
        assert!(store.claim_free(third, 10).await.unwrap().is_empty(), "the claimer is dead");
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn an_instance_whose_lease_ran_out_claims_nothing(database) {
        let store = database.open().await;
        create(&store, root(Action::DeployNode)).await;
        let dead = instance(&store).await;
        database.expire(dead).await;
        assert!(store.claim(dead, 10).await.unwrap().is_empty());
        assert!(store.claim(InstanceId::new(), 10).await.unwrap().is_empty(), "unregistered");
        claim_one(&store, instance(&store).await).await;
        store.close().await;
    }

    async fn registering_again_is_no_error_and_revives_nobody(database) {
        let store = database.open().await;
        let me = instance(&store).await;
        store.register(me).await.expect("an answer was lost, the call is repeated");
        create(&store, root(Action::DeployNode)).await;
        database.expire(me).await;
        store.register(me).await.expect("no error");
        assert!(store.claim(me, 10).await.unwrap().is_empty());
        store.close().await;
    }

    async fn a_fenced_write_leaves_nothing(database) {
        let store = database.open().await;
        let old = Owner::running(&store, Action::DeployNode, &["n1"]).await;
        store.release(old.instance).await.unwrap();
        let new = claim_one(&store, instance(&store).await).await;
        let before = (store.clock().await.unwrap(), old.now().await);

        let task = node(&old.task, 0, "n1");
        let mut write = old.changes([add(&task)]);
        write.root_messages.push(message("still here"));
        write.lock = Some(tree::lock("n1"));
        assert!(matches!(old.send(write).await, Err(WriteError::Fenced)));
        let finish = old.finish(drydock::domain::Ending::Stopped);
        assert!(matches!(old.send(finish).await, Err(WriteError::Fenced)));
        let mut ahead = new.changes([add(&task)]);
        ahead.epoch += 1;
        assert!(matches!(new.send(ahead).await, Err(WriteError::Fenced)));

        assert_eq!((store.clock().await.unwrap(), old.now().await), before);
        assert_eq!(database.number("SELECT count(*) FROM node_locks").await, 0);
        new.send(new.changes([add(&task)])).await.expect("the new owner writes");
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_write_to_a_root_that_does_not_exist_is_fenced(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DeployNode, &["n1"]).await;
        let mut write = owner.changes([]);
        write.root_task_id = drydock::domain::TaskId::new_root();
        assert!(matches!(owner.send(write).await, Err(WriteError::Fenced)));
        store.close().await;
    }

    async fn a_lease_can_be_renewed_while_it_lasts(database) {
        let store = database.open().await;
        let me = instance(&store).await;
        assert_eq!(store.renew(me).await.unwrap(), Renewal::Renewed);
        assert_eq!(store.renew(InstanceId::new()).await.unwrap(), Renewal::Lost);
        store.release(me).await.unwrap();
        assert_eq!(store.renew(me).await.unwrap(), Renewal::Lost);
        store.close().await;
    }

    async fn an_expired_lease_is_lost_where_others_may_have_taken_over(database) {
        let store = database.open().await;
        let me = instance(&store).await;
        database.expire(me).await;
        // Nobody else can have a SQLite file: there a late renewal is as good as an early one.
        let expected = if database.is_postgres() { Renewal::Lost } else { Renewal::Renewed };
        assert_eq!(store.renew(me).await.unwrap(), expected);
        store.close().await;
    }

    async fn a_heartbeat_is_the_owners_last_renewal(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DeployNode, &["n1"]).await;
        let before = owner.now().await.heartbeat.expect("it is owned");
        store.renew(owner.instance).await.unwrap();
        assert!(owner.now().await.heartbeat > Some(before));
        store.release(owner.instance).await.unwrap();
        assert_eq!(owner.now().await.heartbeat, None);
        store.close().await;
    }

    async fn a_successor_finds_what_is_not_through(database) {
        let store = database.open().await;
        let names: Vec<String> = (0..1500).map(|number| format!("n{number:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let owner = Owner::running(&store, Action::DeployNode, &names).await;
        let ended = owner.add_node(0, "n0000").await;
        let open = owner.add_node(1, "n0001").await;
        let first = step(&open, 0, StepKind::ApplyNodeNetworking);
        let second = step(&open, 1, StepKind::ApplyNodeStorage);
        let success = drydock::domain::ResultStatus::Success;
        owner.send(owner.changes([add(&first)])).await.unwrap();
        let said = tree::saying(tree::end(&first, success), message("done"));
        owner.send(owner.changes([said, add(&second)])).await.unwrap();
        owner.send(owner.changes([tree::end(&ended, success)])).await.unwrap();
        store.release(owner.instance).await.unwrap();

        let me = instance(&store).await;
        let claimed = store.claim(me, 1).await.unwrap().remove(0);
        let targets = &claimed.task.detail.as_ref().unwrap().target_nodes;
        assert_eq!(targets.len(), 1500, "a claim has all of them");
        assert_eq!(*targets, store.target_nodes(owner.id()).await.unwrap());
        let shown = owner.now().await;
        assert_eq!(shown.detail.as_ref().unwrap().target_nodes, targets[..1000]);
        assert_eq!(shown.target_node_count, 1500);

        let tree = store.open_tree(owner.id()).await.unwrap();
        let ids = |tasks: &[drydock::domain::Task]| -> Vec<_> {
            tasks.iter().map(|task| task.task_id).collect()
        };
        assert_eq!(ids(&tree.children), [open.task_id]);
        assert_eq!(ids(&tree.grandchildren), [first.task_id, second.task_id]);
        let history = tree.grandchildren[0].detail.as_ref().unwrap();
        assert_eq!(history.messages[0].message, "done");
        assert!(tree.ended_steps.is_empty());
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn the_ended_steps_of_a_site_action_are_its_history(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::PrepareSite, &[]).await;
        let first = step(&owner.task, 0, StepKind::CreateNetworkTemplate);
        let second = step(&owner.task, 1, StepKind::ConfigureUserCredentials);
        let end = tree::end(&first, drydock::domain::ResultStatus::Success);
        owner.send(owner.changes([add(&first)])).await.unwrap();
        owner.send(owner.changes([end, add(&second)])).await.unwrap();
        let tree = store.open_tree(owner.id()).await.unwrap();
        assert_eq!(tree.children[0].task_id, second.task_id);
        assert_eq!(tree.ended_steps[0].task_id, first.task_id);
        assert_eq!((tree.children.len(), tree.ended_steps.len()), (1, 1));
        let root = full(&store, owner.id()).await;
        assert_eq!((root.result.succeeded, root.success_count()), (1, 0));
        assert_tells_the_state(&store).await;
        store.close().await;
    }
}
