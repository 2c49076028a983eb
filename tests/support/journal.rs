//! What the fleet's stream tells of tasks, from beginning to end: what every other watcher is held against.

use std::collections::BTreeSet;

use drydock::proto::v1::TaskEvent;
use drydock::proto::v1::task_event::Event as Arm;

use super::checker::{Beginning, Checker, Scope, assert_same_history};
use super::client::Client;
use super::stream::Next;

/// Every event since a position.
#[derive(Debug)]
pub(crate) struct Journal(pub(crate) Vec<TaskEvent>);

impl Journal {
    /// Reads on from `token`, checking the rules, until all `roots` are over.
    pub(crate) async fn read(client: &Client, token: &str, roots: &BTreeSet<String>) -> Self {
        let stream = client.watch_fleet(None, token).await;
        let mut stream = stream.expect("the fleet is watched");
        let mut checker = Checker::new(Scope::Fleet);
        checker.begin(Beginning::Resume);
        let mut open = roots.clone();
        let mut events = Vec::new();
        while !open.is_empty() {
            match stream.next().await {
                Next::Message(event, _) => {
                    let checked = checker.see(&event);
                    checked.unwrap_or_else(|broken| panic!("{broken}"));
                    if matches!(event.event, Some(Arm::TaskFinished(_))) {
                        open.remove(&event.task_id);
                    }
                    events.push(*event);
                }
                Next::End(end) => panic!("a fleet's stream ended: {end:?}"),
            }
        }
        Self(events)
    }

    /// Fails unless a watcher of `root` that began with a snapshot was `told` what is kept here.
    #[track_caller]
    pub(crate) fn assert_told(&self, root: &str, told: &[TaskEvent], who: &str) {
        let first = told.iter().find(|event| !event.resume_token.is_empty());
        let snapshot = first.expect("the end of the snapshot").sequence;
        let kept = self.0.iter();
        let kept = kept.filter(|event| event.root_task_id == root && event.sequence > snapshot);
        let kept: Vec<_> = kept.cloned().collect();
        assert_same_history(told, &kept, who);
    }
}
