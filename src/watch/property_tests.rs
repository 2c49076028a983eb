//! Random histories, random watchers: each sees exactly what the journal has for it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use proptest::prelude::*;

use super::hub::{Hub, HubOptions};
use super::model::{By, Happening, Model, distance};
use super::testing::options;
use super::watch::{Item, Start, Watch, WatchRequest};
use super::{Scope, WatchError};
use crate::domain::{EventKind, ResultStatus, TaskFilter, TaskId, TaskStatus};

/// Trees that exist from the start, each of a root, two nodes and two steps for each of them.
const TREES: usize = 3;
const TASKS: usize = 7;

/// How long a client waits for an item before it does something else: often too short.
const PATIENCE: Duration = Duration::from_millis(2);

const HEARTBEAT: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
enum Step {
    Commit {
        tree: usize,
        happenings: Vec<(usize, u8)>,
        ours: bool,
    },
    Doorbell,
    Outage(bool),
    Pause(u16),
    Open {
        scope: ScopeChoice,
        start: u8,
        messages: bool,
    },
    Poll {
        watcher: usize,
        items: usize,
    },
}

#[derive(Clone, Debug)]
enum ScopeChoice {
    Task {
        tree: usize,
        task: usize,
        max_depth: Option<u32>,
    },
    Running,
    Roots,
    Tree {
        tree: usize,
    },
    All,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = (
        0..TREES,
        prop::collection::vec((0..TASKS, any::<u8>()), 1..6),
        any::<bool>(),
    )
        .prop_map(|(tree, happenings, ours)| Step::Commit {
            tree,
            happenings,
            ours,
        });
    let scope = prop_oneof![
        6 => (0..TREES, 0..TASKS, prop::option::of(0u32..3))
            .prop_map(|(tree, task, max_depth)| ScopeChoice::Task { tree, task, max_depth }),
        1 => Just(ScopeChoice::Running),
        1 => Just(ScopeChoice::Roots),
        1 => (0..TREES).prop_map(|tree| ScopeChoice::Tree { tree }),
        1 => Just(ScopeChoice::All),
    ];
    let step = prop_oneof![
        12 => commit,
        2 => Just(Step::Doorbell),
        1 => any::<bool>().prop_map(Step::Outage),
        2 => (0u16..4).prop_map(Step::Pause),
        4 => (scope, any::<u8>(), any::<bool>())
            .prop_map(|(scope, start, messages)| Step::Open { scope, start, messages }),
        8 => (any::<usize>(), 1usize..8)
            .prop_map(|(watcher, items)| Step::Poll { watcher, items }),
    ];
    prop::collection::vec(step, 1..80)
}

/// A client: it keeps what it saw and resumes when its stream breaks.
struct Client {
    request: WatchRequest,
    watch: Option<Watch>,
    /// Events after this sequence are due.
    begin: Option<i64>,
    /// The last position it could resume from.
    token: Option<i64>,
    seen: Vec<i64>,
    snapshot: Vec<TaskId>,
    has_ended: bool,
}

impl Client {
    fn new(request: WatchRequest) -> Self {
        let (begin, token) = match request.start {
            Start::After(sequence) => (Some(sequence), Some(sequence)),
            Start::Snapshot | Start::Now => (None, None),
        };
        Self {
            request,
            watch: None,
            begin,
            token,
            seen: Vec::new(),
            snapshot: Vec::new(),
            has_ended: false,
        }
    }

    /// Polls once, opening or resuming the stream first; the sequence of what came.
    async fn poll(&mut self, hub: &Hub, model: &Model) -> Option<i64> {
        if self.has_ended {
            return None;
        }
        let Some(watch) = &mut self.watch else {
            let start = self.token.map_or(self.request.start, Start::After);
            self.snapshot.clear();
            match hub
                .watch(WatchRequest {
                    start,
                    ..self.request.clone()
                })
                .await
            {
                Ok(watch) => self.watch = Some(watch),
                Err(WatchError::Store(_)) => {}
                Err(error) => panic!("{start:?}: {error}"),
            }
            return None;
        };
        let waited = tokio::time::timeout(PATIENCE, watch.next()).await;
        let Ok(item) = waited else { return None };
        match item {
            None => {
                self.has_ended = true;
                None
            }
            Some(Err(WatchError::Store(_))) => {
                self.watch = None;
                None
            }
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(item)) => Some(self.take(&item, model)),
        }
    }

    fn take(&mut self, item: &Item, model: &Model) -> i64 {
        let sequence = item.sequence();
        match item {
            Item::Snapshot { task, .. } => {
                assert!(sequence <= model.last());
                if let Some(parent) = task.parent_task_id
                    && matches!(self.request.scope, Scope::Task { task_id, .. } if task_id != task.task_id)
                {
                    assert!(self.snapshot.contains(&parent), "parents come first");
                }
                self.snapshot.push(task.task_id);
            }
            Item::SnapshotComplete { task_count, .. } => {
                assert_eq!(*task_count as usize, self.snapshot.len());
                self.begin = Some(sequence);
                self.token = Some(sequence);
            }
            Item::Event {
                published,
                index,
                replay,
            } => {
                if *replay {
                    let event = published.event(*index);
                    assert!(matches!(event.kind, EventKind::TaskFinished(_)));
                    assert!(
                        matches!(self.request.scope, Scope::Task { task_id, .. } if task_id == event.task_id)
                    );
                    if self.seen.last() != Some(&sequence) {
                        assert!(self.begin.is_none_or(|begin| sequence <= begin));
                    }
                } else {
                    assert!(Some(sequence) > self.token);
                    self.seen.push(sequence);
                    self.token = Some(sequence);
                }
            }
            Item::Progress { .. } => assert!(self.token.is_none_or(|token| token == sequence)),
            Item::Heartbeat { .. } => {
                assert!(self.token.is_none_or(|token| token <= sequence));
                self.begin.get_or_insert(sequence);
                self.token = Some(sequence);
            }
        }
        sequence
    }

    /// What the journal has for it, by a reading of the contract of its own.
    fn expected(&self, model: &Model) -> Vec<i64> {
        let tasks = model.tasks();
        let begin = self.begin.unwrap();
        let mut expected = Vec::new();
        for (sequence, commit, event) in model.history() {
            if sequence <= begin {
                continue;
            }
            if matches!(event.kind, EventKind::MessageAdded(_)) && !self.request.include_messages {
                continue;
            }
            let task = model.task(event.task_id).unwrap();
            let wanted = match &self.request.scope {
                Scope::Task { task_id, max_depth } => distance(&tasks, &task, *task_id)
                    .is_some_and(|levels| max_depth.is_none_or(|max| levels <= max)),
                Scope::Fleet(filter) => {
                    let (status, _) = event.subject.after;
                    let before = event.subject.before.map(|(status, _)| status);
                    let by_status = filter.status.is_empty()
                        || filter.status.contains(&status)
                        || before.is_some_and(|before| filter.status.contains(&before));
                    by_status
                        && (!filter.roots_only || task.is_root())
                        && filter
                            .root_task_id
                            .is_none_or(|root| root == commit.root_task_id)
                }
            };
            if wanted {
                expected.push(sequence);
            }
        }
        expected
    }
}

fn tree_tasks(root: TaskId) -> Vec<TaskId> {
    let nodes = (0..2).map(|ordinal| root.child(ordinal));
    let below = nodes.flat_map(|node| [node, node.child(0), node.child(1)]);
    std::iter::once(root).chain(below).collect()
}

fn happening(
    task: TaskId,
    choice: u8,
    model: &Model,
    planned: &mut Vec<TaskId>,
) -> Option<Happening> {
    // Nothing happens to what is finished, nor to what finishes in the same commit.
    if model.task(task)?.status.is_terminal() || planned.contains(&task) {
        return None;
    }
    Some(match choice % 16 {
        0..5 => Happening::Said,
        5..8 => Happening::Moved(TaskStatus::Running),
        8..10 => Happening::Moved(TaskStatus::Terminating),
        10..12 => Happening::Result(ResultStatus::Success),
        12..15 => Happening::Moved(TaskStatus::Queued),
        _ => {
            let open = model.tasks().iter().any(|other| {
                other.parent_task_id == Some(task)
                    && !other.status.is_terminal()
                    && !planned.contains(&other.task_id)
            });
            if open {
                Happening::Said
            } else {
                planned.push(task);
                Happening::Finished
            }
        }
    })
}

async fn run(steps: Vec<Step>) {
    let model = Model::new();
    let roots: Vec<_> = (0..TREES).map(|_| model.create_tree(2, By::Us)).collect();
    let small = HubOptions {
        ring_events: 12,
        poll_interval: Duration::from_millis(3),
        ..options()
    };
    let (hub, handle) = model.hub(small).await;
    let mut clients: Vec<Client> = Vec::new();
    for step in steps {
        match step {
            Step::Commit {
                tree,
                happenings,
                ours,
            } => {
                let root = roots[tree];
                let tasks = tree_tasks(root);
                let mut finishing = Vec::new();
                let happenings: Vec<_> = happenings
                    .into_iter()
                    .filter_map(|(task, choice)| {
                        let happening = happening(tasks[task], choice, &model, &mut finishing)?;
                        Some((tasks[task], happening))
                    })
                    .collect();
                if !happenings.is_empty() {
                    model.commit(root, &happenings, if ours { By::Us } else { By::Them });
                }
            }
            Step::Doorbell => model.ring_doorbell(),
            Step::Outage(failing) => model.fail(failing),
            Step::Pause(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
            Step::Open {
                scope,
                start,
                messages,
            } => {
                let fleet = |filter| Scope::Fleet(Arc::new(filter));
                let scope = match scope {
                    ScopeChoice::Task {
                        tree,
                        task,
                        max_depth,
                    } => Scope::Task {
                        task_id: tree_tasks(roots[tree])[task],
                        max_depth,
                    },
                    ScopeChoice::Running => fleet(TaskFilter {
                        status: vec![TaskStatus::Running],
                        ..TaskFilter::default()
                    }),
                    ScopeChoice::Roots => fleet(TaskFilter {
                        roots_only: true,
                        ..TaskFilter::default()
                    }),
                    ScopeChoice::Tree { tree } => fleet(TaskFilter {
                        root_task_id: Some(roots[tree]),
                        ..TaskFilter::default()
                    }),
                    ScopeChoice::All => fleet(TaskFilter::default()),
                };
                let start = match start % 3 {
                    0 => Start::Snapshot,
                    1 => Start::Now,
                    _ => Start::After(model.last() * i64::from(start) / 255),
                };
                clients.push(Client::new(WatchRequest {
                    scope,
                    start,
                    include_messages: messages,
                    heartbeat_interval: HEARTBEAT,
                    connection_kill: None,
                }));
            }
            Step::Poll { watcher, items } => {
                if !clients.is_empty() {
                    let index = watcher % clients.len();
                    for _ in 0..items {
                        clients[index].poll(&hub, &model).await;
                    }
                }
            }
        }
    }
    model.fail(false);
    let last = model.last();
    for client in &mut clients {
        while !client.has_ended && client.token.is_none_or(|token| token < last) {
            client.poll(&hub, &model).await;
        }
    }
    for client in &clients {
        if let Some(begin) = client.begin {
            assert!(begin <= last);
            assert_eq!(
                client.seen,
                client.expected(&model),
                "{:?}",
                client.request.scope
            );
        }
    }
    handle.stop().await.unwrap();
}

/// Cases that are quick; `DRYDOCK_TEST_SCALE` asks for that many times more.
const CASES: f64 = 48.0;

fn cases() -> u32 {
    let scale = std::env::var("DRYDOCK_TEST_SCALE").map_or(1.0, |scale| {
        scale
            .parse::<f64>()
            .expect("DRYDOCK_TEST_SCALE is a number")
    });
    (CASES * scale).max(1.0) as u32
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_watcher_sees_exactly_what_is_in_its_scope(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(run(steps));
    }
}
