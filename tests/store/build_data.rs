//! Build data: kept with the end of the step that collected it, told without its element, listed in
//! order, and the latest for each node and generator.

use std::sync::Arc;

use drydock::domain::{Action, BuildData, EventKind, ResultStatus, StepKind, Task, TaskId};
use drydock::store::{
    BuildDataPage, BuildDataQuery, InTree, JournalScope, RootChange, Store, TreeWrite, WriteError,
};

use super::fold::assert_tells_the_state;
use super::tree::{Owner, add, child, collecting, end, message, node, saying, step};

/// Everything of `task`, with elements.
fn of_task(owner: &Owner, task_id: TaskId) -> BuildDataQuery {
    BuildDataQuery {
        task: Some(InTree {
            task_id,
            root_task_id: owner.id(),
        }),
        ..of_node(None)
    }
}

/// Everything of a node, with elements.
fn of_node(name: Option<&str>) -> BuildDataQuery {
    BuildDataQuery {
        task: None,
        node_name: name.map(str::to_owned),
        generator: None,
        latest: false,
        element_bytes: Some(1 << 20),
        after: 0,
        limit: 100,
    }
}

async fn listed(store: &Store, query: BuildDataQuery) -> BuildDataPage {
    store.build_data(query).await.expect("it is read")
}

/// Node, generator and element of each entry.
async fn shown(store: &Store, query: BuildDataQuery) -> Vec<String> {
    let page = listed(store, query).await;
    assert!(!page.more);
    let entries = page.entries.iter().map(|(_, data)| {
        let element = data.data_element.as_deref().unwrap_or("-");
        format!("{} {} {element}", data.node_name, data.generator)
    });
    entries.collect()
}

/// The write that ends a step of the new node `name`, which collected `elements` of generators.
async fn collected(owner: &Owner, place: u32, name: &str, elements: &[(&str, &str)]) -> Task {
    let one = owner.add_node(place, name).await;
    let first = step(&one, 0, StepKind::InterrogateOob);
    owner.send(owner.changes([add(&first)])).await.unwrap();
    let mut ending = end(&first, ResultStatus::Success);
    for (generator, element) in elements {
        ending = collecting(ending, generator, element);
    }
    owner.send(owner.changes([ending])).await.unwrap();
    first
}

/// A running root of a site of its own.
async fn at_site(store: &Store, site: &str) -> Owner {
    let owner = Owner::of_new(store, Action::VerifyNode).await;
    let mut write = owner.start(&["n1"]);
    if let RootChange::Start(start) = &mut write.root {
        start.site = Arc::from(site);
    }
    owner.send(write).await.unwrap();
    owner
}

on_each_database! {
    async fn what_a_step_collects_is_kept_and_told_with_its_end(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1"]).await;
        let one = owner.add_node(0, "n1").await;
        let first = step(&one, 0, StepKind::InterrogateOob);
        owner.send(owner.changes([add(&first)])).await.unwrap();
        let position = store.clock().await.unwrap().last;
        let ending = saying(end(&first, ResultStatus::Success), message("answered"));
        let ending = collecting(collecting(ending, "redfish", "{}"), "ironic", "é\n\"x\"");
        let write = owner.changes([ending]);
        let now = write.now;
        owner.send(write).await.unwrap();

        let page = store.journal(JournalScope::All, position, 100).await.unwrap();
        let [commit] = &page.commits[..] else { panic!("{page:?}") };
        let names: Vec<_> = commit.events.iter().map(|event| event.kind.name()).collect();
        assert_eq!(
            names,
            ["message_added", "build_data_added", "build_data_added", "status_changed", "task_finished"]
        );
        let kept = |generator: &str, element: Option<&str>| BuildData {
            node_name: Arc::from("n1"),
            task_id: first.task_id,
            collected_date: now,
            generator: Arc::from(generator),
            data_format: Arc::from("application/json"),
            data_element: element.map(Arc::from),
        };
        let told: Vec<_> = commit.events.iter().filter_map(|event| match &event.kind {
            EventKind::BuildDataAdded(data) => Some(data.as_ref().clone()),
            _ => None,
        }).collect();
        assert_eq!(told, [kept("redfish", None), kept("ironic", None)]);

        let all = vec![
            (position + 2, kept("redfish", Some("{}"))),
            (position + 3, kept("ironic", Some("é\n\"x\""))),
        ];
        for task_id in [owner.id(), one.task_id, first.task_id] {
            assert_eq!(listed(&store, of_task(&owner, task_id)).await.entries, all);
        }
        assert_eq!(listed(&store, of_node(Some("n1"))).await.entries, all);
        let bare = BuildDataQuery { element_bytes: None, ..of_node(Some("n1")) };
        assert_eq!(
            listed(&store, bare).await.entries,
            [(position + 2, kept("redfish", None)), (position + 3, kept("ironic", None))]
        );
        for nothing in [of_node(Some("n2")), of_task(&owner, first.task_id.child(0))] {
            assert_eq!(listed(&store, nothing).await.entries, []);
        }
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn the_latest_is_that_of_each_node_and_generator(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1", "n2"]).await;
        collected(&owner, 0, "n1", &[("redfish", "1"), ("ironic", "2"), ("redfish", "3")]).await;
        let other = collected(&owner, 1, "n2", &[("redfish", "4")]).await;
        let later = Owner::running(&store, Action::VerifyNode, &["n1"]).await;
        let again = collected(&later, 0, "n1", &[("redfish", "5")]).await;

        let of_n1 = of_node(Some("n1"));
        assert_eq!(
            shown(&store, of_n1.clone()).await,
            ["n1 redfish 1", "n1 ironic 2", "n1 redfish 3", "n1 redfish 5"]
        );
        let latest = BuildDataQuery { latest: true, ..of_n1.clone() };
        assert_eq!(shown(&store, latest.clone()).await, ["n1 ironic 2", "n1 redfish 5"]);
        let redfish = BuildDataQuery { generator: Some("redfish".to_owned()), ..of_n1 };
        assert_eq!(
            shown(&store, redfish.clone()).await,
            ["n1 redfish 1", "n1 redfish 3", "n1 redfish 5"]
        );
        let one = BuildDataQuery { latest: true, ..redfish };
        assert_eq!(shown(&store, one).await, ["n1 redfish 5"]);
        // Of a task: the latest that it and those below it collected.
        let of_root = BuildDataQuery { latest: true, ..of_task(&owner, owner.id()) };
        assert_eq!(
            shown(&store, of_root.clone()).await,
            ["n1 ironic 2", "n1 redfish 3", "n2 redfish 4"]
        );
        let of_both = BuildDataQuery { node_name: Some("n2".to_owned()), ..of_root };
        assert_eq!(shown(&store, of_both).await, ["n2 redfish 4"]);
        let of_step = BuildDataQuery { latest: true, ..of_task(&owner, other.task_id) };
        assert_eq!(shown(&store, of_step).await, ["n2 redfish 4"]);
        let of_step = BuildDataQuery { latest: true, ..of_task(&later, again.task_id) };
        assert_eq!(shown(&store, of_step).await, ["n1 redfish 5"]);
        store.close().await;
    }

    /// Names are unique within a site.
    async fn nodes_of_two_sites_are_two(database) {
        let store = database.open().await;
        let harbour = at_site(&store, "harbour").await;
        collected(&harbour, 0, "n1", &[("redfish", "1"), ("redfish", "2")]).await;
        let airport = at_site(&store, "airport").await;
        collected(&airport, 0, "n1", &[("redfish", "3")]).await;
        let latest = BuildDataQuery { latest: true, ..of_node(Some("n1")) };
        assert_eq!(shown(&store, latest).await, ["n1 redfish 2", "n1 redfish 3"]);
        store.close().await;
    }

    async fn a_page_ends_by_its_entries_or_by_their_elements(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1"]).await;
        let large = "x".repeat(1000);
        let elements: Vec<(&str, &str)> = (0..7).map(|_| ("redfish", large.as_str())).collect();
        collected(&owner, 0, "n1", &elements).await;
        for (query, sizes) in [
            (BuildDataQuery { limit: 3, ..of_node(Some("n1")) }, vec![3, 3, 1]),
            (BuildDataQuery { limit: 7, ..of_node(Some("n1")) }, vec![7]),
            (BuildDataQuery { element_bytes: Some(2999), ..of_node(Some("n1")) }, vec![2, 2, 2, 1]),
            (BuildDataQuery { element_bytes: Some(3000), ..of_node(Some("n1")) }, vec![3, 3, 1]),
            (BuildDataQuery { element_bytes: Some(0), limit: 2, ..of_node(Some("n1")) }, vec![1; 7]),
            (BuildDataQuery { element_bytes: None, ..of_node(Some("n1")) }, vec![7]),
        ] {
            let mut query = query;
            let mut seen = Vec::new();
            let mut places = Vec::new();
            loop {
                let page = listed(&store, query.clone()).await;
                seen.push(page.entries.len());
                places.extend(page.entries.iter().map(|(sequence, _)| *sequence));
                let with = page.entries.iter().all(|(_, data)| data.data_element.is_some());
                assert_eq!(with, query.element_bytes.is_some());
                if !page.more {
                    break;
                }
                query.after = *places.last().expect("a page has an entry");
            }
            assert_eq!(seen, sizes, "{query:?}");
            assert!(places.is_sorted_by(|one, next| one < next) && places.len() == 7);
        }
        store.close().await;
    }

    /// Whose answer was lost sends it again; whoever lost the tree leaves nothing behind.
    async fn it_is_kept_once_and_only_by_the_owner(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1"]).await;
        let one = owner.add_node(0, "n1").await;
        let first = step(&one, 0, StepKind::InterrogateOob);
        owner.send(owner.changes([add(&first)])).await.unwrap();
        let ending = collecting(end(&first, ResultStatus::Success), "redfish", "{}");
        let write = owner.changes([ending]);
        let fenced = TreeWrite { epoch: write.epoch - 1, ..write.clone() };
        assert!(matches!(owner.send(fenced).await, Err(WriteError::Fenced)));
        assert_eq!(database.number("SELECT count(*) FROM build_data").await, 0);
        owner.send(write.clone()).await.unwrap();
        owner.send(write).await.expect("it is known");
        assert_eq!(database.number("SELECT count(*) FROM build_data").await, 1);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn only_steps_of_nodes_collect(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifySite, &[]).await;
        let site = Task { step: Some(StepKind::ValidateOobServices), ..child(&owner.task, 0) };
        owner.send(owner.changes([add(&site)])).await.unwrap();
        let ending = collecting(end(&site, ResultStatus::Success), "redfish", "{}");
        let refused = owner.send(owner.changes([ending])).await;
        assert!(matches!(refused, Err(WriteError::Illegal(_))), "{refused:?}");
        assert_eq!(database.number("SELECT count(*) FROM build_data").await, 0);
        store.close().await;
    }

    /// PostgreSQL's text cannot hold U+0000, and no write may fail for what a device said.
    async fn elements_may_hold_anything(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1"]).await;
        let strange = "a\0b \\u0000 \u{1}\u{7f}\u{ffff}\u{1f980} \"'\u{202e}";
        let largest = "\u{1}".repeat(256 * 1024);
        let elements = [("redfish", strange), ("lshw", largest.as_str())];
        collected(&owner, 0, "n1", &elements).await;
        let page = listed(&store, of_node(Some("n1"))).await;
        let kept: Vec<_> = page.entries.iter()
            .map(|(_, data)| data.data_element.as_deref().unwrap()).collect();
        assert_eq!(kept, [&strange.replace('\0', "\u{fffd}"), &largest]);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// More of it than one transaction takes at once is written all the same, in order.
    async fn many_large_elements_at_once_are_all_kept(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::VerifyNode, &["n1"]).await;
        let large = "x".repeat(256 * 1024);
        let mut ends = Vec::new();
        for place in 0..80 {
            let one = node(&owner.task, place, &format!("n{place}"));
            let first = step(&one, 0, StepKind::InterrogateOob);
            owner.send(owner.changes([add(&one), add(&first)])).await.unwrap();
            ends.push(collecting(end(&first, ResultStatus::Success), "lshw", &large));
        }
        let sent = ends.into_iter().map(|ending| owner.send(owner.changes([ending])));
        for written in futures::future::join_all(sent).await {
            written.expect("it is written");
        }
        assert_eq!(database.number("SELECT count(*) FROM build_data").await, 80);
        let of_root = BuildDataQuery { element_bytes: None, ..of_task(&owner, owner.id()) };
        assert_eq!(listed(&store, of_root).await.entries.len(), 80);
        store.close().await;
    }
}
