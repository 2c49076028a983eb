//! Trees for tests: roots to create, and an owner that writes to one as an executor would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drydock::clock;
use drydock::domain::{
    Action, Cause, Collected, Detail, Ending, InstanceId, Message, Outcome, RequestId,
    ResultStatus, RootFacts, SERVICE_ACTOR, StepKind, Task, TaskFilter, TaskId, TaskStatus,
};
pub(crate) use drydock::store::Change;
use drydock::store::{
    AuditRecord, ChangeKind, Claimed, Created, FrozenDesign, NewMessage, NewRoot, NodeLock,
    PurgePart, PurgeQuery, RequestKey, RootChange, Start, Store, Terminated, Termination,
    TreeWrite, View, WriteError, Written,
};
use uuid::Uuid;

/// A root to create, without a key.
pub(crate) fn root(action: Action) -> NewRoot {
    let now = clock::now();
    let task_id = TaskId::new_root();
    let created_by: Arc<str> = Arc::from("ada");
    NewRoot {
        task: Task {
            task_id,
            root_task_id: task_id,
            parent_task_id: None,
            depth: 0,
            ordinal: 0,
            action,
            status: TaskStatus::Requested,
            node_name: None,
            step: None,
            created: now,
            created_by: Arc::clone(&created_by),
            updated: now,
            started: None,
            completed: None,
            heartbeat: None,
            terminated: None,
            terminated_by: None,
            termination_reason: None,
            timeout: Duration::from_secs(3600),
            revision: 1,
            retry: 0,
            retry_of_task_id: None,
            correlation_id: Some(Arc::from("correlation")),
            design_ref: Arc::from("file:///site.yaml"),
            labels: Arc::new(BTreeMap::from([("team".to_owned(), "blue".to_owned())])),
            design_digest: None,
            result: Outcome::default(),
            subtask_count: 0,
            target_node_count: 0,
            current_step: None,
            detail: Some(Box::default()),
        },
        request: None,
        audit: AuditRecord {
            ts: now,
            actor: created_by,
            rpc: "CreateTask",
            request_id: None,
            decision: "created",
        },
    }
}

/// A root to create under a caller's key, whose body is told apart by one byte.
pub(crate) fn keyed(request_id: RequestId, body: u8) -> NewRoot {
    let mut root = root(Action::DeployNode);
    root.request = Some(RequestKey {
        request_id,
        body_hash: [body; 32],
    });
    root.audit.request_id = Some(request_id);
    root
}

/// A key no other test uses.
pub(crate) fn request_id() -> RequestId {
    RequestId(Uuid::new_v4())
}

/// Creates a root and expects it to be new.
pub(crate) async fn create(store: &Store, root: NewRoot) -> Task {
    match store.create(root).await.expect("the root is created") {
        Created::New(task) => task,
        other => panic!("not new: {other:?}"),
    }
}

/// Registers a fresh instance.
pub(crate) async fn instance(store: &Store) -> InstanceId {
    let instance = InstanceId::new();
    store.register(instance).await.expect("it registers");
    instance
}

/// One who owns a root and writes to it.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) store: Store,
    pub(crate) instance: InstanceId,
    /// The root as it was claimed.
    pub(crate) task: Task,
    pub(crate) epoch: i64,
}

impl Owner {
    /// The owner of a new root.
    pub(crate) async fn of_new(store: &Store, action: Action) -> Self {
        let instance = instance(store).await;
        let task = create(store, root(action)).await;
        let claimed = store.claim(instance, 1000).await.expect("a claim");
        claimed
            .into_iter()
            .find(|claimed| claimed.task.task_id == task.task_id)
            .map(|claimed| Self::of(store, instance, claimed))
            .expect("the new root is among the claimed")
    }

    /// The owner of a new root that runs on `nodes`.
    pub(crate) async fn running(store: &Store, action: Action, nodes: &[&str]) -> Self {
        let mut owner = Self::of_new(store, action).await;
        owner.send(owner.start(nodes)).await.expect("it starts");
        owner.task = owner.now().await;
        owner
    }

    /// The owner that a claim made.
    pub(crate) fn of(store: &Store, instance: InstanceId, claimed: Claimed) -> Self {
        Self {
            store: store.clone(),
            instance,
            task: claimed.task,
            epoch: claimed.epoch,
        }
    }

    /// The root's id.
    pub(crate) fn id(&self) -> TaskId {
        self.task.task_id
    }

    /// A write to the running root that changes nothing yet.
    pub(crate) fn write(&self) -> TreeWrite {
        TreeWrite {
            root_task_id: self.id(),
            epoch: self.epoch,
            facts: Arc::new(RootFacts {
                action: self.task.action,
                design_ref: Arc::clone(&self.task.design_ref),
                labels: Arc::clone(&self.task.labels),
            }),
            now: clock::now(),
            allowed: &[TaskStatus::Running],
            root: RootChange::None,
            changes: Vec::new(),
            root_messages: Vec::new(),
            lock: None,
            wait_for: None,
            unlock: None,
        }
    }

    /// The write that starts the root on `nodes`.
    pub(crate) fn start(&self, nodes: &[&str]) -> TreeWrite {
        TreeWrite {
            allowed: &[TaskStatus::Queued],
            root: RootChange::Start(Box::new(Start {
                target_nodes: nodes.iter().map(|name| Arc::from(*name)).collect(),
                design: Some(FrozenDesign {
                    digest: Arc::from("00d1"),
                    bytes: Arc::from(&b"a design"[..]),
                }),
                site: Arc::from("sitename"),
            })),
            ..self.write()
        }
    }

    /// A write with these changes, for a root that runs or terminates.
    pub(crate) fn changes(&self, changes: impl IntoIterator<Item = Change>) -> TreeWrite {
        TreeWrite {
            allowed: &[TaskStatus::Running, TaskStatus::Terminating],
            changes: changes.into_iter().collect(),
            ..self.write()
        }
    }

    /// The write that ends the root.
    pub(crate) fn finish(&self, ending: Ending) -> TreeWrite {
        TreeWrite {
            root: RootChange::Finish(ending),
            ..self.changes([])
        }
    }

    /// Sends a write.
    pub(crate) async fn send(&self, write: TreeWrite) -> Result<Written, WriteError> {
        self.store.write(write).await
    }

    /// Adds the node `name` at `ordinal`, running.
    pub(crate) async fn add_node(&self, ordinal: u32, name: &str) -> Task {
        let task = node(&self.task, ordinal, name);
        self.send(self.changes([add(&task)])).await.expect("added");
        task
    }

    /// The root as it is now.
    pub(crate) async fn now(&self) -> Task {
        full(&self.store, self.id()).await
    }
}

/// A task with its lists.
pub(crate) async fn full(store: &Store, task_id: TaskId) -> Task {
    store
        .task(task_id, View::Full)
        .await
        .expect("the store answers")
        .expect("the task exists")
}

/// A subtask below `parent`, running.
pub(crate) fn child(parent: &Task, ordinal: u32) -> Task {
    let now = clock::now();
    Task {
        task_id: parent.task_id.child(ordinal),
        parent_task_id: Some(parent.task_id),
        depth: parent.depth + 1,
        ordinal,
        status: TaskStatus::Running,
        created: now,
        created_by: Arc::from(SERVICE_ACTOR),
        updated: now,
        started: Some(now),
        completed: None,
        heartbeat: None,
        terminated: None,
        terminated_by: None,
        termination_reason: None,
        timeout: Duration::from_secs(300),
        // Requested 1, queued 2, running 3.
        revision: 3,
        correlation_id: None,
        result: Outcome::default(),
        subtask_count: 0,
        target_node_count: 0,
        current_step: None,
        detail: None,
        ..parent.clone()
    }
}

/// The subtask of a node, running.
pub(crate) fn node(root: &Task, ordinal: u32, name: &str) -> Task {
    Task {
        node_name: Some(Arc::from(name)),
        target_node_count: 1,
        ..child(root, ordinal)
    }
}

/// The subtask of a step, running.
pub(crate) fn step(parent: &Task, ordinal: u32, kind: StepKind) -> Task {
    Task {
        step: Some(kind),
        target_node_count: 0,
        ..child(parent, ordinal)
    }
}

/// `task` as it would be created without being run at once.
pub(crate) fn queued(task: &Task) -> Task {
    Task {
        status: TaskStatus::Queued,
        started: None,
        revision: 2,
        ..task.clone()
    }
}

/// The change that creates `task`.
pub(crate) fn add(task: &Task) -> Change {
    Change {
        kind: ChangeKind::Add,
        task: Box::new(task.clone()),
        messages: Vec::new(),
        build_data: Vec::new(),
    }
}

/// The change that brings `task` from `from` to where it is.
pub(crate) fn moved(task: &Task, from: TaskStatus, cause: Cause) -> Change {
    Change {
        kind: ChangeKind::Move {
            from,
            cause,
            reason: Arc::from(""),
        },
        task: Box::new(task.clone()),
        messages: Vec::new(),
        build_data: Vec::new(),
    }
}

/// `task` in the status that follows.
pub(crate) fn in_status(task: &Task, status: TaskStatus) -> Task {
    let now = clock::now();
    Task {
        status,
        updated: now,
        started: task
            .started
            .or((status == TaskStatus::Running).then_some(now)),
        completed: status.is_terminal().then_some(now),
        revision: task.revision + 1,
        ..task.clone()
    }
}

/// `task` complete with `result`, with its detail as the executor would fill it.
pub(crate) fn ended(task: &Task, result: ResultStatus) -> Task {
    let mut task = in_status(task, TaskStatus::Complete);
    task.result.status = result;
    task.result.succeeded = u32::from(task.depth == 1 && result == ResultStatus::Success);
    task.result.failed = u32::from(task.depth == 1 && result == ResultStatus::Failure);
    let names: Vec<Arc<str>> = task.node_name.iter().cloned().collect();
    task.detail = Some(Box::new(Detail {
        subtask_ids: (0..task.subtask_count)
            .map(|place| task.task_id.child(place))
            .collect(),
        successes: match result {
            ResultStatus::Success => names.clone(),
            _ => Vec::new(),
        },
        failures: match result {
            ResultStatus::Failure => names.clone(),
            _ => Vec::new(),
        },
        target_nodes: names,
        ..Detail::default()
    }));
    task
}

/// The change that ends a running `task` with `result`.
pub(crate) fn end(task: &Task, result: ResultStatus) -> Change {
    moved(&ended(task, result), task.status, Cause::Executor)
}

/// `change` with something said about its task, counted and in the detail of one that ends.
pub(crate) fn saying(mut change: Change, said: NewMessage) -> Change {
    let task = &mut change.task;
    task.result.message_count += 1;
    task.result.error_count += u32::from(said.error);
    if let Some(detail) = task.detail.as_mut() {
        detail.messages.push(Message {
            sequence: 0,
            ts: said.ts,
            message: said.message.clone(),
            error: said.error,
            context_type: said.context_type.to_owned(),
            context: said.context.clone(),
            extra: said.extra.clone(),
        });
    }
    change.messages.push(said);
    change
}

/// `change` with something found out about its node.
pub(crate) fn collecting(mut change: Change, generator: &str, element: &str) -> Change {
    change.build_data.push(Collected {
        generator: generator.to_owned(),
        data_format: "application/json".to_owned(),
        data_element: element.to_owned(),
    });
    change
}

/// Something said.
pub(crate) fn message(text: &str) -> NewMessage {
    NewMessage {
        ts: clock::now(),
        message: text.to_owned(),
        error: false,
        context_type: "node",
        context: "n1".to_owned(),
        extra: serde_json::Map::from_iter([("attempt".to_owned(), 2.into())]),
    }
}

/// The lock of a node of the site.
pub(crate) fn lock(node: &str) -> NodeLock {
    NodeLock {
        site: Arc::from("sitename"),
        node: Arc::from(node),
    }
}

/// Asks to stop `task_id`.
pub(crate) async fn terminate(store: &Store, task_id: TaskId) -> Terminated {
    store
        .terminate(termination(task_id))
        .await
        .expect("the store answers")
}

/// A request to stop `task_id`.
pub(crate) fn termination(task_id: TaskId) -> Termination {
    Termination {
        task_id,
        ts: clock::now(),
        actor: Arc::from("grace"),
        reason: Arc::from("wrong rack"),
        expected_revision: None,
    }
}

/// The first part of a purge of everything that ended and matches.
pub(crate) fn purge_part(filter: TaskFilter) -> PurgePart {
    let now = clock::now();
    PurgePart {
        query: PurgeQuery {
            ended_until: now,
            filter: Arc::new(filter),
        },
        after: None,
        audit: AuditRecord {
            ts: now,
            actor: Arc::from("grace"),
            rpc: "PurgeTasks",
            request_id: None,
            decision: "purged",
        },
    }
}
