//! The checker of one watcher, across all the streams that the watcher needed.
//!
//! It is told when a stream begins, shown every message, and told how the stream ended. It names the first
//! rule that is broken, and where.

use std::collections::HashMap;
use std::fmt;

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{Task, TaskEvent, TaskPurged};

use super::known::Known;
use super::message::{check_envelope, check_token, describe};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One task and everything below it, as WatchTask delivers it.
    Task(String),
    /// Every task, messages included, as WatchTasks delivers it. Nothing ends it.
    Fleet,
}

/// How a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With a snapshot.
    Snapshot,
    /// After a resume token.
    Resume,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With OK.
    Ok,
    /// With an error, or because the client left.
    Cut,
}

/// A rule that a history breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) type Check = Result<(), String>;

/// Checks what one watcher is sent.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    pub(super) scope: Scope,
    pub(super) tasks: HashMap<String, Known>,
    /// The highest sequence that everything committed must exceed from now on.
    last: i64,
    last_ts: (i64, i32),
    pub(super) phase: Phase,
    seen: usize,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Snapshots are being sent, all with one sequence.
    Snapshot { sequence: Option<i64>, count: i32 },
    /// Events are being sent.
    Live,
    /// The watched task's end was sent.
    Ended,
}

impl Checker {
    /// A checker that knows of no task.
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            tasks: HashMap::new(),
            last: 0,
            last_ts: (i64::MIN, 0),
            phase: Phase::Live,
            seen: 0,
        }
    }

    /// A checker for a stream that continues a read: of GetTaskTree, or of nothing.
    pub(crate) fn knowing<'a>(scope: Scope, tasks: impl IntoIterator<Item = &'a Task>) -> Self {
        let mut checker = Self::new(scope);
        let mut tasks: Vec<_> = tasks.into_iter().collect();
        // Parents first, however they were read: root, node, step.
        tasks.sort_by_key(|task| (task.parent_task_id.is_some(), !task.step.is_empty()));
        for task in tasks {
            let known = Known::of(task).expect("a task as a read returns it");
            checker.insert(&task.task_id, known);
        }
        checker
    }

    /// A stream begins.
    pub(crate) fn begin(&mut self, beginning: Beginning) {
        self.phase = match beginning {
            Beginning::Resume => Phase::Live,
            Beginning::Snapshot => {
                self.tasks.clear();
                Phase::Snapshot {
                    sequence: None,
                    count: 0,
                }
            }
        };
    }

    /// A message was received.
    pub(crate) fn see(&mut self, event: &TaskEvent) -> Result<(), Broken> {
        self.seen += 1;
        self.check(event).map_err(|rule| {
            Broken(format!(
                "message {}, {}: {rule}",
                self.seen,
                describe(event)
            ))
        })
    }

    /// The stream ended.
    pub(crate) fn end(&mut self, end: End) -> Result<(), Broken> {
        match (end, self.phase) {
            (End::Cut, _) | (End::Ok, Phase::Ended) => Ok(()),
            (End::Ok, Phase::Snapshot { .. } | Phase::Live) => Err(Broken(format!(
                "after message {}: OK came before the end of the watched task",
                self.seen
            ))),
        }
    }

    /// Whether the watched task's end was seen.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn check(&mut self, event: &TaskEvent) -> Check {
        let arm = event.event.as_ref().ok_or("it holds no event")?;
        if self.phase == Phase::Ended {
            return Err("it comes after the end of the watched task".to_owned());
        }
        check_token(event, arm)?;
        match arm {
            Arm::Snapshot(task) => return self.snapshot(event, task),
            Arm::SnapshotComplete(complete) => {
                return self.snapshot_complete(event, complete.task_count);
            }
            _ if self.phase != Phase::Live => {
                return Err("it comes before snapshot_complete".to_owned());
            }
            Arm::Heartbeat(_) => return self.heartbeat(event),
            Arm::ProgressChanged(_) => return self.progress(event),
            _ => {}
        }
        if event.replay {
            return self.replayed(event, arm);
        }
        self.follow(event)?;
        match arm {
            Arm::TaskCreated(task) => self.task_created(event, task),
            Arm::SubtaskAdded(task) => self.subtask_added(event, task),
            Arm::StatusChanged(change) => self.status_changed(event, change),
            Arm::ResultChanged(change) => self.result_changed(event, change),
            Arm::MessageAdded(message) => self.message_added(event, message),
            Arm::BuildDataAdded(added) => self.build_data_added(event, added),
            Arm::TaskFinished(task) => self.task_finished(event, task),
            Arm::TaskPurged(purged) => self.task_purged(event, purged),
            Arm::Snapshot(_)
            | Arm::SnapshotComplete(_)
            | Arm::ProgressChanged(_)
            | Arm::Heartbeat(_) => Ok(()),
        }
    }

    fn snapshot(&mut self, event: &TaskEvent, task: &Task) -> Check {
        let Phase::Snapshot { sequence, count } = self.phase else {
            return Err("a snapshot comes after the snapshots were complete".to_owned());
        };
        if sequence.is_some_and(|first| first != event.sequence) {
            return Err("the snapshots do not have one sequence".to_owned());
        }
        check_envelope(event, task)?;
        if self.tasks.contains_key(&task.task_id) {
            return Err("the task has a snapshot already".to_owned());
        }
        let is_top = matches!(&self.scope, Scope::Task(watched) if *watched == task.task_id);
        let parent = task.parent_task_id.as_ref().filter(|_| !is_top);
        if parent.is_some_and(|parent| !self.tasks.contains_key(parent)) {
            return Err("it comes before the snapshot of its parent".to_owned());
        }
        if matches!(self.scope, Scope::Task(_)) && parent.is_none() && !is_top {
            return Err("the task is not below the watched one".to_owned());
        }
        if !self.insert(&task.task_id, Known::of(task)?) {
            return Err("its parent has a subtask in its place already".to_owned());
        }
        self.phase = Phase::Snapshot {
            sequence: Some(event.sequence),
            count: count + 1,
        };
        Ok(())
    }

    fn snapshot_complete(&mut self, event: &TaskEvent, task_count: Option<i32>) -> Check {
        let Phase::Snapshot { sequence, count } = self.phase else {
            return Err("there were no snapshots to complete".to_owned());
        };
        if task_count != Some(count) {
            return Err(format!(
                "it counts {task_count:?} snapshots, {count} were sent"
            ));
        }
        if sequence.is_some_and(|first| first != event.sequence) {
            return Err("it does not have the sequence of the snapshots".to_owned());
        }
        if let Scope::Task(watched) = &self.scope
            && !self.tasks.contains_key(watched)
        {
            return Err("the watched task has no snapshot".to_owned());
        }
        for (task_id, known) in &self.tasks {
            if known.finished.is_some() && known.below.open > 0 {
                return Err(format!("task {task_id} is over and one below it is not"));
            }
        }
        self.phase = Phase::Live;
        self.last = event.sequence;
        Ok(())
    }

    fn heartbeat(&mut self, event: &TaskEvent) -> Check {
        if event.sequence < self.last {
            return Err(format!("it is behind sequence {}", self.last));
        }
        self.last = event.sequence;
        Ok(())
    }

    fn progress(&self, event: &TaskEvent) -> Check {
        if event.sequence < self.last {
            return Err(format!("it is behind sequence {}", self.last));
        }
        let known = self.known(event)?;
        if known.finished.is_some() {
            return Err("the task is over".to_owned());
        }
        if event.revision < known.revision {
            return Err("its revision is behind".to_owned());
        }
        Ok(())
    }

    /// The end of a whole tree, of which nothing is told any more.
    fn task_purged(&mut self, event: &TaskEvent, purged: &TaskPurged) -> Check {
        let known = self.known(event)?;
        if known.parent.is_some() || event.root_task_id != event.task_id {
            return Err("a subtask is purged without its tree".to_owned());
        }
        // Its end was only accepted after all below it were over.
        if known.finished.is_none() {
            return Err("the task is purged before its end".to_owned());
        }
        if known.revision != event.revision {
            return Err("the purge changed the task's revision".to_owned());
        }
        if purged.purged.is_none() {
            return Err("it does not say when the task was purged".to_owned());
        }
        if self.scope != Scope::Fleet {
            return Err("it comes instead of the end of the watched task".to_owned());
        }
        self.tasks.retain(|_, task| task.root != event.root_task_id);
        Ok(())
    }

    /// The end of a task that was over when the stream began, told once more.
    fn replayed(&mut self, event: &TaskEvent, arm: &Arm) -> Check {
        let Arm::TaskFinished(task) = arm else {
            return Err("only task_finished may be replayed".to_owned());
        };
        if self.scope != Scope::Task(event.task_id.clone()) {
            return Err("only the watched task's end may be replayed".to_owned());
        }
        check_envelope(event, task)?;
        let finished = self.known(event)?.finished;
        match finished {
            None => return Err("the end is replayed of a task that was not over".to_owned()),
            Some(sequence) if sequence != 0 && sequence != event.sequence => {
                return Err(format!("its sequence was {sequence} before"));
            }
            Some(_) if event.sequence > self.last => {
                return Err("its sequence is not the original one".to_owned());
            }
            Some(_) => {}
        }
        self.phase = Phase::Ended;
        Ok(())
    }

    /// Rule 1: what is committed strictly follows.
    fn follow(&mut self, event: &TaskEvent) -> Check {
        if event.sequence <= self.last {
            return Err(format!(
                "sequence {} does not follow {}",
                event.sequence, self.last
            ));
        }
        let ts = event.ts.ok_or("it has no ts")?;
        if (ts.seconds, ts.nanos) < self.last_ts {
            return Err("its ts falls".to_owned());
        }
        self.last = event.sequence;
        self.last_ts = (ts.seconds, ts.nanos);
        Ok(())
    }

    /// Takes in a task; false: another one is in its place below its parent.
    pub(super) fn insert(&mut self, task_id: &str, known: Known) -> bool {
        let parent = known.parent.as_ref();
        let parent = parent.and_then(|parent| self.tasks.get_mut(parent));
        let placed = parent.is_none_or(|parent| parent.below.add(&known));
        self.tasks.insert(task_id.to_owned(), known);
        placed
    }

    pub(super) fn known(&self, event: &TaskEvent) -> Result<&Known, String> {
        let known = self
            .tasks
            .get(&event.task_id)
            .ok_or("the task was not added before")?;
        if known.parent != event.parent_task_id || known.root != event.root_task_id {
            return Err("the task has another parent or root".to_owned());
        }
        Ok(known)
    }

    pub(super) fn known_mut(&mut self, event: &TaskEvent) -> Result<&mut Known, String> {
        self.known(event)?;
        self.tasks
            .get_mut(&event.task_id)
            .ok_or_else(|| "the task was not added before".to_owned())
    }
}
