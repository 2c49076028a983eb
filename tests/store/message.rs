//! Messages: kept in order, bounded in number and size, whatever a device says.

use std::sync::Arc;

use drydock::domain::{Action, Ending, ResultStatus, Task, TaskId};
use drydock::store::{ChangeKind, MessageQuery, NewMessage, Store, TreeWrite};

use super::fold::assert_tells_the_state;
use super::tree::{self, Change, Owner, add, end, full, message, saying};

fn update(task: &Task) -> Change {
    Change {
        kind: ChangeKind::Update,
        ..add(task)
    }
}

fn about(root: TaskId, task_id: TaskId) -> MessageQuery {
    MessageQuery {
        task_id,
        root_task_id: root,
        include_subtasks: false,
        errors_only: false,
        after: 0,
        limit: 100_000,
    }
}

async fn texts(store: &Store, query: MessageQuery) -> Vec<String> {
    let messages = store.messages(query).await.expect("messages are read");
    messages
        .into_iter()
        .map(|(_, message)| message.message)
        .collect()
}

on_each_database! {
    async fn messages_are_listed_in_the_order_of_the_journal(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = owner.add_node(0, "n1").await;
        let step = tree::step(&task, 0, drydock::domain::StepKind::DestroyNode);
        let failed = NewMessage { error: true, ..message("three") };
        let mut write = owner.changes([
            saying(update(&task), message("one")),
            saying(add(&step), message("two")),
        ]);
        write.root_messages = vec![failed, message("four")];
        let sequences = owner.send(write).await.unwrap().message_sequences;
        assert_eq!(sequences.len(), 2, "of the changes");
        let root = owner.id();
        let all = MessageQuery { include_subtasks: true, ..about(root, root) };
        assert_eq!(texts(&store, all.clone()).await, ["one", "two", "three", "four"]);
        let listed = store.messages(all.clone()).await.unwrap();
        assert_eq!(listed[0].0, task.task_id);
        assert_eq!(listed[1].0, step.task_id);
        assert_eq!([listed[0].1.sequence, listed[1].1.sequence], sequences[..]);
        let rest = MessageQuery { after: sequences[1], limit: 1, ..all.clone() };
        assert_eq!(texts(&store, rest).await, ["three"]);
        let errors = MessageQuery { errors_only: true, ..all };
        assert_eq!(texts(&store, errors).await, ["three"]);
        assert_eq!(texts(&store, about(root, root)).await, ["three", "four"]);
        let below = MessageQuery { include_subtasks: true, ..about(root, task.task_id) };
        assert_eq!(texts(&store, below).await, ["one", "two"]);
        assert!(texts(&store, about(root, TaskId::new_root())).await.is_empty());
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn long_text_is_cut_at_a_character_and_marked(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let fits = "x".repeat(8192);
        let cut = format!("x{}", "é".repeat(4096));
        let write = TreeWrite {
            root_messages: vec![message(&fits), message(&cut)],
            ..owner.write()
        };
        owner.send(write).await.unwrap();
        let listed = store.messages(about(owner.id(), owner.id())).await.unwrap();
        assert_eq!(listed[0].1.message, fits);
        assert!(!listed[0].1.extra.contains_key("truncated_bytes"));
        assert_eq!(listed[1].1.message, cut[..8191]);
        assert_eq!(listed[1].1.extra["truncated_bytes"], 2);
        assert_eq!(listed[1].1.extra["attempt"], 2);
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    /// The last event of a subtask carries its newest messages as they are kept.
    async fn a_finished_subtask_shows_its_messages_as_kept(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let mut task = owner.add_node(0, "n1").await;
        let before = saying(update(&task), message("before"));
        task = before.task.as_ref().clone();
        owner.send(owner.changes([before])).await.unwrap();
        task.detail = full(&store, task.task_id).await.detail;
        let messages = task.detail.take().unwrap().messages;
        let mut ending = end(&task, ResultStatus::Failure);
        ending.task.detail.as_mut().unwrap().messages = messages;
        for number in 0..150 {
            let text = if number == 149 { "y".repeat(9000) } else { number.to_string() };
            ending = saying(ending, message(&text));
        }
        owner.send(owner.changes([ending])).await.unwrap();
        assert_tells_the_state(&store).await;
        store.close().await;
    }

    async fn a_task_keeps_ten_thousand_messages_and_one_that_says_so(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        for _ in 0..5 {
            let write = TreeWrite {
                root_messages: (0..2001).map(|_| message("chatty")).collect(),
                ..owner.write()
            };
            owner.send(write).await.unwrap();
        }
        let root = owner.now().await;
        assert_eq!(root.result.message_count, 10_005);
        let kept = texts(&store, about(owner.id(), owner.id())).await;
        assert_eq!(kept.len(), 10_001);
        assert_eq!(kept[9_999], "chatty");
        assert!(kept[10_000].contains("not kept"), "{}", kept[10_000]);
        assert_eq!(root.detail.unwrap().messages.len(), 100);
        let before = store.clock().await.unwrap().last;
        let write = TreeWrite { root_messages: vec![message("more")], ..owner.write() };
        owner.send(write).await.unwrap();
        assert_eq!(owner.now().await.result.message_count, 10_006);
        assert_eq!(store.clock().await.unwrap().last, before, "no event for what is not kept");
        store.close().await;
    }

    /// Devices say anything. PostgreSQL's text cannot hold U+0000, and no write may fail for it.
    async fn text_from_devices_may_hold_anything(database) {
        let store = database.open().await;
        let owner = Owner::running(&store, Action::DestroyNode, &["n1"]).await;
        let task = owner.add_node(0, "n1").await;
        let strange = "a\0b \\u0000 \\\0 \u{1}\u{7f}\u{ffff}\u{1f980} \"'\u{202e}";
        let mut said = message(strange);
        said.context = strange.to_owned();
        said.extra.insert(strange.to_owned(), serde_json::json!({ "deep": [strange, 1.5, -0.0] }));
        let mut ending = saying(end(&task, ResultStatus::Failure), said.clone());
        ending.task.result.message = Arc::from(strange);
        let mut write = owner.changes([ending]);
        write.root_messages = vec![said];
        owner.send(write).await.expect("it is kept");
        let listed = store.messages(about(owner.id(), owner.id())).await.unwrap();
        let kept = strange.replace('\0', "\u{fffd}");
        assert_eq!(listed[0].1.message, kept);
        assert_eq!(listed[0].1.context, kept);
        assert_eq!(listed[0].1.extra[&kept]["deep"][0], kept);
        let failed = Ending::Failed(drydock::domain::Reason::Internal, strange.to_owned());
        owner.send(owner.finish(failed)).await.expect("it ends");
        assert_eq!(*owner.now().await.result.message, kept);
        assert_tells_the_state(&store).await;
        store.close().await;
    }
}
