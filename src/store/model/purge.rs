//! Deleting finished trees: at once, so that nothing but what told of it is left to sweep.

use std::ops::RangeInclusive;

use super::super::purge::{
    PurgePart, PurgePreview, PurgeQuery, PurgedPart, SAMPLE, TREES_AT_ONCE, births, purge_event,
};
use super::super::read::{ListPosition, View};
use super::commit::Commits;
use super::tables::Tables;
use crate::domain::event::EventKind;
use crate::domain::{Task, TaskId};

impl Tables {
    pub(super) fn preview_purge(&self, query: &PurgeQuery) -> PurgePreview {
        let found = self.purgeable(query);
        PurgePreview {
            count: found.len() as u64,
            sample: found.iter().take(SAMPLE).map(|root| root.task_id).collect(),
        }
    }

    pub(super) fn purge(&mut self, part: &PurgePart) -> (PurgedPart, Commits) {
        let mut found = self.purgeable(&part.query);
        if let Some(after) = part.after {
            found.retain(|root| (root.completed, root.task_id) > (Some(after.time), after.task_id));
        }
        found.truncate(TREES_AT_ONCE);
        let next = found.last().filter(|_| found.len() == TREES_AT_ONCE);
        let purged = PurgedPart {
            roots: found.iter().map(|root| root.task_id).collect(),
            next: next.and_then(|root| {
                Some(ListPosition {
                    time: root.completed?,
                    task_id: root.task_id,
                })
            }),
        };
        for root in &found {
            self.take_away(root.task_id);
        }
        found.sort_unstable_by_key(|root| root.task_id);
        let events = found.iter().map(|root| purge_event(root, part.audit.ts));
        let commits = events.map(|events| self.append(events)).collect();
        (purged, commits)
    }

    /// Forgets that trees were purged where no position is left that it follows. False: nothing to
    /// forget.
    pub(super) fn sweep(&mut self) -> bool {
        let (before, floor) = (self.journal.len(), self.clock.floor);
        self.journal.retain(|last, commit| {
            let event = commit.events.first().map(|event| &event.kind);
            *last > floor || !matches!(event, Some(EventKind::TaskPurged(_)))
        });
        self.journal.len() < before
    }

    pub(super) fn is_purged(&self, task_id: TaskId) -> bool {
        let range: RangeInclusive<TaskId> = births(task_id);
        self.tombstones.range(range).next().is_some()
    }

    /// The roots that may go, those that ended first first.
    fn purgeable(&self, query: &PurgeQuery) -> Vec<Task> {
        let roots = self
            .roots
            .keys()
            .filter_map(|id| self.task(*id, View::Basic));
        let mut found: Vec<Task> = roots
            .filter(|root| root.status.is_terminal() && query.filter.matches(root))
            .filter(|root| {
                root.completed
                    .is_some_and(|ended| ended <= query.ended_until)
            })
            .collect();
        found.sort_unstable_by_key(|root| (root.completed, root.task_id));
        found
    }

    fn take_away(&mut self, root: TaskId) {
        self.forget_locks(root);
        self.roots.remove(&root);
        let tree = self.tree(root, None);
        self.messages.retain(|_, (about, _)| !tree.contains(about));
        self.build_data
            .retain(|_, data| !tree.contains(&data.task_id));
        for id in tree {
            self.tasks.remove(&id);
            self.children.remove(&id);
        }
        let mut highest = 0;
        self.journal.retain(|last, commit| {
            let purged = commit.root_task_id == root;
            highest = if purged { highest.max(*last) } else { highest };
            !purged
        });
        self.clock.floor = self.clock.floor.max(highest);
        self.tombstones.insert(root);
        let used: Vec<_> = self
            .roots
            .keys()
            .filter_map(|id| self.tasks[id].design_digest.clone())
            .collect();
        self.designs.retain(|digest, _| used.contains(digest));
    }
}
