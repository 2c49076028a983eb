//! Reads: each of one moment, as a transaction has it.

use std::ops::Bound;
use std::sync::Arc;

use super::super::read::{
    BuildDataPage, BuildDataQuery, JournalPage, JournalScope, ListPage, ListPosition, MessageQuery,
    Order, SnapshotScope, Tree, View,
};
use super::tables::Tables;
use crate::domain::event::EventKind;
use crate::domain::{
    BuildData, Commit, Message, ResultStatus, Task, TaskFilter, TaskId, TaskStatus,
};

/// The most commits of a page of the journal.
const MAX_PAGE_COMMITS: usize = 512;

impl Tables {
    pub(super) fn subtree(
        &self,
        task_id: TaskId,
        max_depth: Option<u32>,
        view: View,
        limit: usize,
    ) -> Option<Tree> {
        self.task(task_id, View::Basic)?;
        let ids = self.tree(task_id, max_depth);
        let truncated = ids.len() > limit;
        let tasks = ids.into_iter().take(limit);
        Some(Tree {
            tasks: tasks.filter_map(|id| self.task(id, view)).collect(),
            truncated,
            clock: self.clock,
        })
    }

    pub(super) fn list(
        &self,
        filter: &TaskFilter,
        order: Order,
        after: Option<ListPosition>,
        limit: u64,
        view: View,
    ) -> ListPage {
        let place = |task: &Task| match order {
            Order::CreatedDescending | Order::CreatedAscending => (task.created, task.task_id),
            Order::UpdatedDescending => (task.updated, task.task_id),
        };
        let all = self
            .tasks
            .keys()
            .filter_map(|id| self.task(*id, View::Basic));
        let mut found: Vec<_> = all
            .filter(|task| filter.matches(task))
            .map(|task| place(&task))
            .collect();
        found.sort_unstable();
        if !matches!(order, Order::CreatedAscending) {
            found.reverse();
        }
        if let Some(after) = after {
            let after = (after.time, after.task_id);
            found.retain(|place| match order {
                Order::CreatedAscending => *place > after,
                Order::CreatedDescending | Order::UpdatedDescending => *place < after,
            });
        }
        let more = found.len() as u64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let tasks = found.into_iter().filter_map(|(_, id)| self.task(id, view));
        ListPage {
            tasks: tasks.collect(),
            more,
            clock: self.clock,
        }
    }

    pub(super) fn list_messages(&self, query: &MessageQuery) -> Vec<(TaskId, Message)> {
        let among = if query.include_subtasks {
            self.tree(query.task_id, None)
        } else {
            vec![query.task_id]
        };
        let later = self
            .messages
            .range((Bound::Excluded(query.after), Bound::Unbounded));
        later
            .map(|(_, said)| said)
            .filter(|(about, _)| among.contains(about))
            .filter(|(_, message)| message.error || !query.errors_only)
            .take(usize::try_from(query.limit).unwrap_or(usize::MAX))
            .cloned()
            .collect()
    }

    pub(super) fn list_build_data(&self, query: &BuildDataQuery) -> BuildDataPage {
        let below = query.task.map(|task| self.tree(task.task_id, None));
        let within = |data: &BuildData| {
            below
                .as_ref()
                .is_none_or(|tree| tree.contains(&data.task_id))
        };
        let site = |data: &BuildData| {
            let root = self.tasks.get(&data.task_id)?.root_task_id;
            self.roots.get(&root)?.site.clone()
        };
        let is_latest = |sequence: i64, data: &BuildData| {
            let mut later = self
                .build_data
                .range((Bound::Excluded(sequence), Bound::Unbounded));
            !later.any(|(_, other)| {
                (&other.node_name, &other.generator) == (&data.node_name, &data.generator)
                    && within(other)
                    && (below.is_some() || site(other) == site(data))
            })
        };
        let of = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == text)
        };
        let found: Vec<(i64, BuildData)> = self
            .build_data
            .range((Bound::Excluded(query.after), Bound::Unbounded))
            .filter(|(_, data)| within(data))
            .filter(|(_, data)| of(&query.node_name, &data.node_name))
            .filter(|(_, data)| of(&query.generator, &data.generator))
            .filter(|(sequence, data)| !query.latest || is_latest(**sequence, data))
            .map(|(sequence, data)| (*sequence, data.clone()))
            .collect();
        let mut page = BuildDataPage {
            entries: Vec::new(),
            more: false,
        };
        let mut left = query.element_bytes.unwrap_or(usize::MAX);
        for (sequence, mut data) in found {
            let bytes = data.data_element.as_deref().map_or(0, str::len);
            let fits = query.element_bytes.is_none() || bytes <= left || page.entries.is_empty();
            if page.entries.len() as u64 == query.limit || !fits {
                page.more = true;
                break;
            }
            left = left.saturating_sub(bytes);
            data.data_element = data.data_element.filter(|_| query.element_bytes.is_some());
            page.entries.push((sequence, data));
        }
        page
    }

    pub(super) fn queued_roots(&self) -> u64 {
        let roots = self.roots.keys().filter_map(|id| self.tasks.get(id));
        roots
            .filter(|task| task.status == TaskStatus::Queued)
            .count() as u64
    }

    pub(super) fn node_outcomes(&self, root: TaskId) -> Vec<(Arc<str>, ResultStatus)> {
        let children = self.below(root).filter_map(|id| self.tasks.get(&id));
        let mut outcomes: Vec<_> = children
            .filter_map(|child| Some((child.node_name.clone()?, child.result.status)))
            .collect();
        outcomes.sort_by(|(a, _), (b, _)| a.cmp(b));
        outcomes
    }

    pub(super) fn page(&self, scope: JournalScope, after: i64, limit: usize) -> JournalPage {
        let limit = limit.max(1);
        let later = self
            .journal
            .range((Bound::Excluded(after), Bound::Unbounded));
        let of_scope = later
            .map(|(_, commit)| commit)
            .filter(|commit| match scope {
                JournalScope::All => true,
                JournalScope::Tree(root) => commit.root_task_id == root,
            });
        let mut commits: Vec<Arc<Commit>> = Vec::new();
        let mut events = 0;
        let mut exhausted = true;
        for commit in of_scope {
            if events >= limit || commits.len() == limit.min(MAX_PAGE_COMMITS) {
                exhausted = false;
                break;
            }
            events += commit.events.len();
            commits.push(Arc::clone(commit));
        }
        let last = commits
            .last()
            .map_or(after, |commit| commit.last_sequence());
        JournalPage {
            commits,
            scanned: if exhausted {
                last.max(self.clock.last)
            } else {
                last
            },
            clock: self.clock,
        }
    }

    pub(super) fn finishing_commit(&self, task: &Task) -> Option<Arc<Commit>> {
        let finishes = |commit: &&Arc<Commit>| {
            commit.events.iter().any(|event| {
                event.task_id == task.task_id && matches!(event.kind, EventKind::TaskFinished(_))
            })
        };
        self.journal.values().find(finishes).cloned()
    }

    /// Every task of a scope, parents first.
    pub(super) fn snapshot(&self, scope: &SnapshotScope) -> Option<Vec<Task>> {
        let full = |id| self.task(id, View::Full);
        match scope {
            SnapshotScope::Tree { task_id, max_depth } => {
                self.task(*task_id, View::Basic)?;
                Some(
                    self.tree(*task_id, *max_depth)
                        .into_iter()
                        .filter_map(full)
                        .collect(),
                )
            }
            SnapshotScope::Filter(filter) => {
                let all = self.tasks.keys().copied().filter_map(full);
                let mut tasks: Vec<Task> = all.filter(|task| filter.matches(task)).collect();
                tasks.sort_by_key(|task| (task.depth, task.created, task.task_id));
                Some(tasks)
            }
        }
    }
}
