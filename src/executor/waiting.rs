//! Nodes that wait for a lock which another root holds: a queued subtask each, and here no more
//! than it takes to go on with it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::hints::Freed;
use super::message::About;
use super::pen::{Halt, OPEN, RUNNING};
use super::subtask::{Edit, Subtask};
use super::tree::Tree;
use crate::clock;
use crate::domain::{Cause, Message, ResultStatus, Task, TaskId, TaskStatus, Timestamp};
use crate::store::NewMessage;

/// Waiters that one tick tries again. Hints wake those whose lock is known to be free; this is for
/// hints that were lost, and must not become a load of its own.
const TRIES_PER_TICK: usize = 64;

/// Waiters that one write terminates.
const TERMINATE_BATCH: usize = 256;

/// A node that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    created: Timestamp,
    message_count: u32,
    /// The message that it waits: its sequence and who holds the lock.
    said: Option<(i64, TaskId)>,
}

impl Waiter {
    /// A waiter that an earlier owner queued.
    pub(super) fn found(task: &Task) -> Self {
        Self {
            created: task.created,
            message_count: task.result.message_count,
            said: None,
        }
    }

    /// Its queued subtask.
    pub(super) fn subtask(&self, tree: &Tree, index: u32, name: &Arc<str>) -> Subtask {
        let mut task = Edit::new_node(tree, index, name, TaskStatus::Queued, self.created).task;
        task.result.message_count = self.message_count;
        let said = self.said.map(|(sequence, holder)| {
            let message = waits(name, holder, self.created);
            Message {
                sequence,
                ts: message.ts,
                message: message.message,
                error: message.error,
                context_type: message.context_type.to_owned(),
                context: message.context,
                extra: message.extra,
            }
        });
        Subtask {
            task,
            said: said.into_iter().collect(),
        }
    }
}

/// The nodes of one root that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    nodes: BTreeMap<u32, Waiter>,
    /// Where the last tick stopped trying.
    tried: u32,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn insert(&mut self, index: u32, waiter: Waiter) {
        self.nodes.insert(index, waiter);
    }

    /// Takes out those whose lock was given back.
    pub(super) fn take_freed(&mut self, targets: &[Arc<str>], freed: &Freed) -> Vec<(u32, Waiter)> {
        if freed.all {
            return self.take_some();
        }
        let places = freed.names.iter().filter_map(|name| {
            let place = targets.binary_search(name).ok()?;
            u32::try_from(place).ok()
        });
        places
            .filter_map(|index| Some((index, self.nodes.remove(&index)?)))
            .collect()
    }

    /// Takes out some, each in its turn, to be tried again.
    pub(super) fn take_some(&mut self) -> Vec<(u32, Waiter)> {
        let after = self
            .nodes
            .range((Bound::Excluded(self.tried), Bound::Unbounded));
        let before = self.nodes.range(..=self.tried);
        let taken: Vec<(u32, Waiter)> = after
            .chain(before)
            .take(TRIES_PER_TICK)
            .map(|(index, waiter)| (*index, *waiter))
            .collect();
        for (index, _) in &taken {
            self.nodes.remove(index);
        }
        if let Some((last, _)) = taken.last() {
            self.tried = *last;
        }
        taken
    }

    /// Queues a node whose lock `holder` has.
    pub(super) async fn queue(
        &mut self,
        tree: &Tree,
        index: u32,
        name: &Arc<str>,
        holder: TaskId,
    ) -> Result<(), Halt> {
        let now = clock::now();
        let mut edit = Edit::new_node(tree, index, name, TaskStatus::Queued, now);
        edit.say(waits(name, holder, now));
        let mut write = tree.pen.blank(now, RUNNING);
        write.wait_for = tree.lock(name);
        let mut queued = None;
        tree.commit(write, vec![(&mut queued, edit)]).await?;
        let said = queued.as_ref().and_then(|queued| queued.said.first());
        let waiter = Waiter {
            created: now,
            message_count: 1,
            said: said.map(|message| (message.sequence, holder)),
        };
        self.insert(index, waiter);
        Ok(())
    }

    /// Ends all that wait, because the root is terminating.
    pub(super) async fn terminate(&mut self, tree: &Tree) -> Result<(), Halt> {
        while !self.nodes.is_empty() {
            let batch: Vec<(u32, Waiter)> = self
                .nodes
                .iter()
                .take(TERMINATE_BATCH)
                .map(|(index, waiter)| (*index, *waiter))
                .collect();
            let now = clock::now();
            let mut nodes: Vec<Option<Subtask>> = batch
                .iter()
                .filter_map(|(index, waiter)| {
                    let name = tree.name(*index)?;
                    Some(Some(waiter.subtask(tree, *index, name)))
                })
                .collect();
            let edits = nodes
                .iter_mut()
                .filter_map(|node| {
                    let mut edit = node.as_ref()?.edit();
                    edit.move_to(
                        TaskStatus::Terminated,
                        Cause::Parent,
                        &tree.words.empty,
                        now,
                    );
                    edit.conclude(
                        ResultStatus::Incomplete,
                        tree.stop_reason(),
                        Arc::clone(&tree.words.stopped),
                    );
                    Some((node, edit))
                })
                .collect();
            tree.commit(tree.pen.blank(now, OPEN), edits).await?;
            for (index, _) in batch {
                self.nodes.remove(&index);
            }
        }
        Ok(())
    }
}

fn waits(name: &Arc<str>, holder: TaskId, ts: Timestamp) -> NewMessage {
    About::node(name).note(ts, format!("waits for the node, which task {holder} holds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(count: u32) -> Waiting {
        let mut waiting = Waiting::default();
        for index in 0..count {
            let waiter = Waiter {
                created: clock::now(),
                message_count: 0,
                said: None,
            };
            waiting.insert(index, waiter);
        }
        waiting
    }

    #[test]
    fn every_waiter_gets_its_turn() {
        let mut waiting = waiting(100);
        let mut tried = std::collections::HashSet::new();
        for _ in 0..2 {
            for (index, waiter) in waiting.take_some() {
                tried.insert(index);
                waiting.insert(index, waiter);
            }
        }
        assert_eq!(tried.len(), 100);
    }

    #[test]
    fn a_freed_lock_wakes_its_node_alone() {
        let targets: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
        let mut waiting = waiting(3);
        let freed = Freed {
            names: vec![Arc::from("b"), Arc::from("x")],
            all: false,
        };
        let taken = waiting.take_freed(&targets, &freed);
        assert_eq!(
            taken.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            [1]
        );
    }
}
