//! What everything that runs for one root shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::freeze::site_lock;
use super::options::ExecutorOptions;
use super::pen::{Halt, Pen};
use super::standing::Standing;
use super::subtask::{Edit, Subtask};
use crate::domain::inventory::Inventory;
use crate::domain::task::MESSAGE_LIST_LIMIT;
use crate::domain::{Action, Reason, SERVICE_ACTOR, Task};
use crate::driver::Registry;
use crate::store::{Ending, MessageQuery, NodeLock, RootChange, TreeWrite};

/// A root that has started, as its owner holds it.
pub(super) struct Tree {
    pub(super) pen: Pen,
    pub(super) options: Arc<ExecutorOptions>,
    pub(super) drivers: Arc<Registry>,
    /// The root when it started or was taken over: what its subtasks have in common.
    pub(super) root: Task,
    /// The site's name, `-` where the design has none.
    pub(super) site: Arc<str>,
    /// The frozen design.
    pub(super) design: Arc<Inventory>,
    /// The frozen target nodes, sorted. A node's place is its subtask's ordinal.
    pub(super) targets: Arc<[Arc<str>]>,
    /// Cancelled when the root is terminating: create nothing more, wind down.
    pub(super) stop: CancellationToken,
    /// Cancelled when the replica drains, or the runner gives up: leave everything as it is.
    pub(super) leave: CancellationToken,
    /// Until when the nodes of steps that were found running are left alone.
    pub(super) quarantine: Option<Instant>,
    /// Steps of a vanished owner that this one has not yet met with a call after the quarantine.
    pub(super) unmet: AtomicUsize,
    /// Whether the stop is the root's timeout.
    pub(super) timed_out: AtomicBool,
    /// Whether only one line is left: its last write may end the root as well.
    pub(super) last_line: AtomicBool,
    /// Whether the root has ended with its last line.
    pub(super) ended: AtomicBool,
    /// Whether it works or only waits.
    pub(super) standing: Arc<Standing>,
    pub(super) words: Words,
}

/// Texts that every subtask has; shared, because there are many subtasks.
pub(super) struct Words {
    pub(super) service: Arc<str>,
    pub(super) empty: Arc<str>,
    pub(super) done: Arc<str>,
    pub(super) stopped: Arc<str>,
}

impl Words {
    pub(super) fn new() -> Self {
        Self {
            service: Arc::from(SERVICE_ACTOR),
            empty: Arc::from(""),
            done: Arc::from("done"),
            stopped: Arc::from("stopped before its end"),
        }
    }
}

impl Tree {
    /// The lock of one of the nodes, for actions that change nodes.
    pub(super) fn lock(&self, node: &Arc<str>) -> Option<NodeLock> {
        self.root.action.is_mutating().then(|| NodeLock {
            site: Arc::clone(&self.site),
            node: Arc::clone(node),
        })
    }

    /// Makes `write` end the root, too. The store says the last words about its subtasks.
    pub(super) fn end(&self, write: &mut TreeWrite, ending: Ending) {
        // Without a design it did not even know which site to lock.
        if self.root.action == Action::PrepareSite && self.root.design_digest.is_some() {
            write.unlock = Some(site_lock(&self.site));
        }
        write.root = RootChange::Finish(ending);
    }

    /// As [`Self::end`], if the line that writes this is the last: one commit less to wait for.
    pub(super) fn end_if_last(&self, write: &mut TreeWrite) -> bool {
        let last = self.last_line.load(Ordering::Acquire);
        if last {
            self.end(write, Ending::Done);
        }
        last
    }

    /// The name of the target node at `index`.
    pub(super) fn name(&self, index: u32) -> Option<&Arc<str>> {
        self.targets.get(index as usize)
    }

    /// Why subtasks are stopped.
    pub(super) fn stop_reason(&self) -> Reason {
        if self.timed_out.load(Ordering::Relaxed) {
            Reason::Timeout
        } else {
            Reason::Terminated
        }
    }

    /// Adds `edits` to `write`, in order, commits it and takes the edits over.
    pub(super) async fn commit(
        &self,
        mut write: TreeWrite,
        edits: Vec<(&mut Option<Subtask>, Edit)>,
    ) -> Result<(), Halt> {
        let mut edits = edits;
        for (subtask, edit) in &mut edits {
            if edit.task.status.is_terminal()
                && let Some(subtask) = subtask
                && !subtask.remembers()
            {
                self.recall(subtask).await?;
            }
            let said = subtask.as_ref().map_or(&[][..], |subtask| &subtask.said);
            write.changes.push(edit.change(said));
        }
        let written = self.pen.write(write).await?;
        // A write that turned out to be committed before brings no sequences: the messages are
        // read back when they are needed.
        let mut sequences = written.message_sequences.into_iter();
        for (subtask, edit) in edits {
            match subtask {
                Some(subtask) => subtask.commit(edit, &mut sequences),
                None => *subtask = Some(Subtask::created(edit, &mut sequences)),
            }
        }
        Ok(())
    }

    /// Reads a subtask's newest messages back.
    async fn recall(&self, subtask: &mut Subtask) -> Result<(), Halt> {
        let task = &subtask.task;
        let count = u64::from(task.result.message_count);
        let mut messages = Vec::new();
        let mut after = 0;
        // Messages are read oldest first, so a task with many is read through in pages; there are
        // at most `MESSAGE_LIMIT`.
        loop {
            let query = MessageQuery {
                task_id: task.task_id,
                root_task_id: task.root_task_id,
                include_subtasks: false,
                errors_only: false,
                after,
                limit: count.max(1),
            };
            let page = self
                .pen
                .read(|store| {
                    let query = query.clone();
                    async move { store.messages(query).await }
                })
                .await?;
            let Some((_, last)) = page.last() else { break };
            after = last.sequence;
            messages.extend(page.into_iter().map(|(_, message)| message));
            if messages.len() as u64 >= count {
                break;
            }
        }
        let surplus = messages.len().saturating_sub(MESSAGE_LIST_LIMIT);
        messages.drain(..surplus);
        subtask.said = messages;
        Ok(())
    }
}
