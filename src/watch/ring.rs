//! The ring: the newest commits of the whole journal, in memory, without a hole.
//!
//! One lock holds the commits, the head and the trees that somebody watches, so that a watcher
//! reads "everything after my position" as one fact. Watchers of a tree are woken by that tree's
//! commits alone: ten thousand of them must not run for each commit of all the others.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::published::Published;
use crate::domain::{Commit, TaskId};
use crate::store::JournalPage;

/// The most commits that one read looks at, so that the lock is never held for long.
const SCAN_LIMIT: usize = 4096;

/// The newest commits.
pub(super) struct Ring {
    inner: RwLock<Inner>,
    /// Wakes whoever watches more than one tree; holds the head.
    all: watch::Sender<i64>,
    max_events: usize,
    max_bytes: usize,
}

struct Inner {
    /// Ascending by sequence.
    entries: VecDeque<Entry>,
    /// Every commit after this sequence, up to the head, is here.
    begin: i64,
    /// The highest sequence published.
    head: i64,
    events: usize,
    bytes: usize,
    /// Trees somebody watches, each with how many do.
    trees: HashMap<TaskId, (Arc<Tree>, usize)>,
}

/// What a scan looks at lies here, so that it follows no pointer for other trees' commits.
struct Entry {
    last_sequence: i64,
    root_task_id: TaskId,
    published: Arc<Published>,
}

/// A tree that somebody watches.
struct Tree {
    root_task_id: TaskId,
    /// Every commit of this tree after this sequence is still in the ring, whatever else left
    /// it: a quiet tree's watcher does not fall behind because others are busy.
    evicted: AtomicI64,
    changed: watch::Sender<i64>,
}

/// A watcher's interest in a part of the ring.
pub(super) struct Interest {
    ring: Arc<Ring>,
    tree: Option<Arc<Tree>>,
    changed: watch::Receiver<i64>,
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The position is before the ring: the journal has what follows.
    Behind,
    /// What was put out is all there is up to `scanned`, and `head` is as far as there is more.
    Taken { scanned: i64, head: i64 },
}

impl Ring {
    /// An empty ring after `head`.
    pub(super) fn new(head: i64, max_events: usize, max_bytes: usize) -> Self {
        Self {
            inner: RwLock::new(Inner {
                entries: VecDeque::new(),
                begin: head,
                head,
                events: 0,
                bytes: 0,
                trees: HashMap::new(),
            }),
            all: watch::Sender::new(head),
            max_events,
            max_bytes,
        }
    }

    /// The highest sequence published.
    pub(super) fn head(&self) -> i64 {
        self.read_lock().head
    }

    /// Adds the commits that follow the head, which then is `scanned`: the caller knows that up
    /// to there nothing is missing. Wakes those who wait for them.
    pub(super) fn publish(&self, commits: &[Arc<Commit>], scanned: i64) {
        let published: Vec<_> = commits
            .iter()
            .map(|commit| Published::shared(Arc::clone(commit)))
            .collect();
        let (woken, head) = self.write_lock().push(published, scanned, self);
        for tree in woken {
            tree.changed.send_replace(head);
        }
        self.all.send_replace(head);
    }

    /// To be called with each page that was read after `head`, before it is published. Where
    /// something was purged before the page was read, the ring begins after that: whoever is
    /// behind it asks the store, which knows what is missing.
    pub(super) fn note_lost(&self, head: i64, page: &JournalPage) {
        let whole = page.whole_after(head);
        if whole == head {
            return;
        }
        let trees = self.write_lock().begin_after(whole);
        // Whoever lost everything would otherwise wait for what does not come.
        for tree in trees {
            tree.changed.send_replace(whole);
        }
    }

    /// Puts what `interest` finds after `after` into `out`, up to `budget` bytes but one commit
    /// at least.
    pub(super) fn read(
        &self,
        interest: &Interest,
        after: i64,
        budget: usize,
        out: &mut VecDeque<Arc<Published>>,
    ) -> Read {
        let inner = self.read_lock();
        let tree = interest.tree.as_deref();
        if after < inner.begin
            && tree.is_none_or(|tree| tree.evicted.load(Ordering::Relaxed) > after)
        {
            return Read::Behind;
        }
        let start = inner
            .entries
            .partition_point(|entry| entry.last_sequence <= after);
        let mut bytes = 0;
        let mut scanned = after.max(inner.begin);
        for (looked_at, entry) in inner.entries.range(start..).enumerate() {
            let taken = Read::Taken {
                scanned,
                head: inner.head,
            };
            if looked_at == SCAN_LIMIT {
                return taken;
            }
            if tree.is_none_or(|tree| tree.root_task_id == entry.root_task_id) {
                let weight = entry.published.weight();
                if !out.is_empty() && bytes + weight > budget {
                    return taken;
                }
                bytes += weight;
                out.push_back(Arc::clone(&entry.published));
            }
            scanned = entry.last_sequence;
        }
        Read::Taken {
            scanned: scanned.max(inner.head),
            head: inner.head,
        }
    }

    /// Interest in one tree, or in all.
    pub(super) fn interest(self: &Arc<Self>, root_task_id: Option<TaskId>) -> Interest {
        let Some(root_task_id) = root_task_id else {
            return Interest {
                ring: Arc::clone(self),
                tree: None,
                changed: self.all.subscribe(),
            };
        };
        let mut inner = self.write_lock();
        let (begin, head) = (inner.begin, inner.head);
        let (tree, watchers) = inner.trees.entry(root_task_id).or_insert_with(|| {
            let tree = Tree {
                root_task_id,
                evicted: AtomicI64::new(begin),
                changed: watch::Sender::new(head),
            };
            (Arc::new(tree), 0)
        });
        *watchers += 1;
        Interest {
            ring: Arc::clone(self),
            tree: Some(Arc::clone(tree)),
            changed: tree.changed.subscribe(),
        }
    }

    // A panic while the lock is held ends the process soon; what it guards is whole at every
    // step, so nobody else needs to fall over it.
    fn read_lock(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(
        &mut self,
        published: Vec<Arc<Published>>,
        scanned: i64,
        limits: &Ring,
    ) -> (Vec<Arc<Tree>>, i64) {
        let mut woken: Vec<Arc<Tree>> = Vec::new();
        for published in published {
            let last_sequence = published.commit.last_sequence();
            if last_sequence <= self.head {
                continue;
            }
            let root_task_id = published.commit.root_task_id;
            if let Some((tree, _)) = self.trees.get(&root_task_id)
                && !woken.iter().any(|other| Arc::ptr_eq(other, tree))
            {
                woken.push(Arc::clone(tree));
            }
            self.head = last_sequence;
            self.events += published.commit.events.len();
            self.bytes += published.weight();
            self.entries.push_back(Entry {
                last_sequence,
                root_task_id,
                published,
            });
        }
        self.head = self.head.max(scanned);
        while self.events > limits.max_events || self.bytes > limits.max_bytes {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.begin = self.begin.max(entry.last_sequence);
            self.events -= entry.published.commit.events.len();
            self.bytes -= entry.published.weight();
            if let Some((tree, _)) = self.trees.get(&entry.root_task_id) {
                tree.evicted
                    .fetch_max(entry.last_sequence, Ordering::Relaxed);
            }
        }
        (woken, self.head)
    }

    fn begin_after(&mut self, sequence: i64) -> Vec<Arc<Tree>> {
        self.begin = self.begin.max(sequence);
        for (tree, _) in self.trees.values() {
            tree.evicted.fetch_max(sequence, Ordering::Relaxed);
        }
        self.trees
            .values()
            .map(|(tree, _)| Arc::clone(tree))
            .collect()
    }
}

impl Interest {
    /// Marks everything published so far as seen: call it before reading the ring.
    pub(super) fn mark_seen(&mut self) {
        self.changed.mark_unchanged();
    }

    /// Returns when something was published since it was last marked as seen.
    pub(super) async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The sender lives in the ring that this interest holds.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let Some(tree) = &self.tree else { return };
        let mut inner = self.ring.write_lock();
        if let Some((_, watchers)) = inner.trees.get_mut(&tree.root_task_id) {
            *watchers -= 1;
            if *watchers == 0 {
                inner.trees.remove(&tree.root_task_id);
            }
        }
    }
}
