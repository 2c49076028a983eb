//! What callers ask the store to write, as data: the store decides nothing but whether it may.

use std::sync::Arc;

pub use crate::domain::Ending;
use crate::domain::{
    Cause, Collected, InstanceId, RequestId, RootFacts, Task, TaskId, TaskStatus, Timestamp,
};

/// A root to create.
#[derive(Clone, Debug)]
pub struct NewRoot {
    /// The task, in status requested, with its [`crate::domain::Detail`] (the node filter).
    pub task: Task,
    /// The caller's idempotency key, if it gave one.
    pub request: Option<RequestKey>,
    /// The record of who asked.
    pub audit: AuditRecord,
}

/// An idempotency key with the fingerprint of what it was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's id.
    pub request_id: RequestId,
    /// SHA-256 of the RPC's name and the validated request.
    pub body_hash: [u8; 32],
}

/// What came of a create.
#[derive(Clone, Debug)]
pub enum Created {
    /// The task exists since this call (status queued).
    New(Task),
    /// The same request had created it before; this is the task as it is now.
    Replayed(Task),
    /// The key was used before with another body, for this task.
    Reused(TaskId),
}

/// Who asked for a change, kept beside it.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// When.
    pub ts: Timestamp,
    /// Who.
    pub actor: Arc<str>,
    /// Which RPC, for example `CreateTask`.
    pub rpc: &'static str,
    /// The caller's idempotency key.
    pub request_id: Option<RequestId>,
    /// What was decided, for example `created`.
    pub decision: &'static str,
}

/// A request to stop a root.
#[derive(Clone, Debug)]
pub struct Termination {
    /// The task.
    pub task_id: TaskId,
    /// When it was asked.
    pub ts: Timestamp,
    /// Who asked.
    pub actor: Arc<str>,
    /// Why; may be empty.
    pub reason: Arc<str>,
    /// Refuse unless the task is at this revision.
    pub expected_revision: Option<i64>,
}

/// What came of a termination.
#[derive(Clone, Debug)]
pub enum Terminated {
    /// The request is recorded; the task as it is since.
    Accepted(Task),
    /// It was asked before, or the task is terminated: nothing changed.
    Unchanged(Task),
    /// No such task.
    NotFound,
    /// It is a subtask, or complete: it cannot be terminated.
    Refused(Task),
    /// It is at another revision than expected.
    RevisionConflict {
        /// The revision it is at.
        revision: i64,
    },
}

/// One atomic write of an owner to its tree. All of it is committed, with its events, or nothing.
///
/// Sending the same write again after [`super::Error::Unavailable`] is safe: one that was
/// committed after all is recognised by its subtask and root changes.
#[derive(Clone, Debug)]
pub struct TreeWrite {
    /// The tree.
    pub root_task_id: TaskId,
    /// The owner's fencing token: a root with another one refuses the write.
    pub epoch: i64,
    /// What the tree has in common.
    pub facts: Arc<RootFacts>,
    /// When the changes happened, on the owner's clock.
    pub now: Timestamp,
    /// The root statuses the write is for; any other is a conflict.
    pub allowed: &'static [TaskStatus],
    /// What happens to the root.
    pub root: RootChange,
    /// What happens below it, in order.
    pub changes: Vec<Change>,
    /// What is said about the root.
    pub root_messages: Vec<NewMessage>,
    /// A lock to take; where another root holds it the write is refused as busy.
    pub lock: Option<NodeLock>,
    /// A lock to wait for: keeps the root's place in the queue of waiters.
    pub wait_for: Option<NodeLock>,
    /// A lock to give back.
    pub unlock: Option<NodeLock>,
}

/// The right to change one node of one site; the empty node is the site itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeLock {
    /// The site's name.
    pub site: Arc<str>,
    /// The node's name.
    pub node: Arc<str>,
}

/// What a write does to the root.
#[derive(Clone, Debug, Default)]
pub enum RootChange {
    /// Nothing of its own (its counts follow from the changes below it).
    #[default]
    None,
    /// queued -> running: the target nodes and the design are frozen.
    Start(Box<Start>),
    /// running -> terminating, because its timeout passed.
    TimeOut,
    /// To its final status. Every subtask must be terminal by then.
    Finish(Ending),
}

/// What is frozen when a root starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// Names of the nodes it acts on, sorted.
    pub target_nodes: Arc<[Arc<str>]>,
    /// The design it acts on; none where it did not load.
    pub design: Option<FrozenDesign>,
    /// The site's name, `-` where the design has none.
    pub site: Arc<str>,
}

/// A design's stored bytes by their digest.
#[derive(Clone, Debug)]
pub struct FrozenDesign {
    /// SHA-256 of the uncompressed stored form, hex.
    pub digest: Arc<str>,
    /// The stored form, compressed, without credentials.
    pub bytes: Arc<[u8]>,
}

/// What happens to one subtask.
#[derive(Clone, Debug)]
pub struct Change {
    /// What kind of change.
    pub kind: ChangeKind,
    /// The subtask after it, message counts included; with its detail when it becomes terminal,
    /// where messages of this change may be missing or have sequence 0.
    pub task: Box<Task>,
    /// What is said about it with this change.
    pub messages: Vec<NewMessage>,
    /// What was found out about its node; a subtask without one has none.
    pub build_data: Vec<Collected>,
}

/// The kinds of change of a subtask.
#[derive(Clone, Debug)]
pub enum ChangeKind {
    /// It is created; queued, or at once running.
    Add,
    /// It moves from this status to that of the task.
    Move {
        /// The status left.
        from: TaskStatus,
        /// What made it move.
        cause: Cause,
        /// Why, in words; may be empty.
        reason: Arc<str>,
    },
    /// Its counts change, its status does not.
    Update,
}

/// Something said about a task, not yet in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// When it was said.
    pub ts: Timestamp,
    /// What was said.
    pub message: String,
    /// Whether it tells of an error.
    pub error: bool,
    /// What kind of thing it is about.
    pub context_type: &'static str,
    /// The name of that thing.
    pub context: String,
    /// Whatever else a program may want to read.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// What a write left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The root's status after it.
    pub root_status: TaskStatus,
    /// The journal's sequence of each message of the changes, in order. Empty where the write
    /// turned out to have been committed before.
    pub message_sequences: Vec<i64>,
}

/// A root that this replica now owns.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The root, with its detail (filter, and target nodes once frozen - all of them).
    pub task: Task,
    /// The fencing token for every write to it.
    pub epoch: i64,
    /// The frozen site name; none before it started.
    pub site: Option<Arc<str>>,
    /// What became of the owner before.
    pub previous: PreviousOwner,
}

/// What became of the owner of a claimed root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviousOwner {
    /// There was none.
    None,
    /// It gave the tree back; nothing of its is still going on.
    Released,
    /// The store proves its process dead (one process per SQLite file).
    Dead(InstanceId),
    /// Its lease ran out; it may still be finishing a call. Wait out the quarantine.
    Expired(InstanceId),
}

/// What of a tree is not through: enough for a successor to go on.
#[derive(Clone, Debug, Default)]
pub struct OpenTree {
    /// Direct children of the root that are not terminal.
    pub children: Vec<Task>,
    /// Every child of those, in order, with messages: the history of each plan.
    pub grandchildren: Vec<Task>,
    /// For a site action: its terminal steps, in order.
    pub ended_steps: Vec<Task>,
}
