//! An executor on a store of its own, with designs that are named by their size.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::super::{
    DesignFailure, DesignFinding, DesignSource, Executor, ExecutorOptions, Handle, LoadedDesign,
};
use crate::clock;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::{Action, Detail, Outcome, ResultStatus, StepKind, Task, TaskId, TaskStatus};
use crate::driver::ledger::Line;
use crate::driver::simulated::{Simulated, SimulatedOptions};
use crate::driver::{Driver, Registry};
use crate::store::{
    AuditRecord, DatabaseUrl, MessageQuery, NewRoot, Store, StoreOptions, Termination, View,
};

/// Longer than anything that a test waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A design whose nodes are named in its reference, with one label for some of them.
pub(super) struct Designs {
    pub(super) nodes: usize,
    pub(super) labels: Vec<(usize, &'static str, &'static str)>,
    /// How often a stored design cannot be read for now.
    pub(super) busy: AtomicU32,
}

impl Designs {
    pub(super) fn inventory(&self) -> Arc<Inventory> {
        let node = |index: usize| Node {
            name: format!("n{index:05}"),
            rack: None,
            tags: BTreeSet::new(),
            labels: self
                .labels
                .iter()
                .filter(|(of, ..)| *of == index)
                .map(|(_, key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            oob_type: Some("simulated".to_owned()),
            ..Node::default()
        };
        let nodes = (0..self.nodes).map(node).collect();
        Arc::new(Inventory::new(Some("site1".to_owned()), nodes, BTreeMap::new()).unwrap())
    }
}

#[async_trait]
impl DesignSource for Designs {
    async fn load(&self, design_ref: &str) -> Result<LoadedDesign, DesignFailure> {
        if design_ref == "file:///broken" {
            return Err(DesignFailure::Invalid(vec![DesignFinding {
                error: true,
                message: "not a document".to_owned(),
                document: "a.yaml".to_owned(),
                extra: serde_json::Map::new(),
            }]));
        }
        Ok(LoadedDesign {
            digest: Arc::from("d1"),
            bytes: Arc::from(*b"design"),
            inventory: self.inventory(),
            findings: Vec::new(),
            faults: Vec::new(),
        })
    }

    async fn validate(&self, design_ref: &str) -> Result<LoadedDesign, DesignFailure> {
        self.load(design_ref).await
    }

    async fn stored(&self, _: &str, _: Vec<u8>) -> Result<Arc<Inventory>, DesignFailure> {
        let take = |left: u32| left.checked_sub(1);
        if self
            .busy
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
        {
            return Err(DesignFailure::Unavailable("no thread".to_owned()));
        }
        Ok(self.inventory())
    }
}

pub(super) struct Bench {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) designs: Arc<Designs>,
    pub(super) step_duration: Duration,
    pub(super) options: ExecutorOptions,
}

impl Bench {
    pub(super) async fn new(nodes: usize, labels: &[(usize, &'static str, &'static str)]) -> Self {
        Self::at(tempfile::tempdir().unwrap(), nodes, labels).await
    }

    pub(super) async fn at(
        directory: tempfile::TempDir,
        nodes: usize,
        labels: &[(usize, &'static str, &'static str)],
    ) -> Self {
        let store = Store::open(StoreOptions {
            url: DatabaseUrl::Sqlite(directory.path().join("db")),
            migrate: true,
            lease: Duration::from_secs(30),
        })
        .await
        .unwrap();
        Self {
            directory,
            store,
            designs: Arc::new(Designs {
                nodes,
                labels: labels.to_vec(),
                busy: AtomicU32::new(0),
            }),
            step_duration: Duration::ZERO,
            options: ExecutorOptions {
                retry_backoff: Duration::from_millis(5),
                terminate_grace: Duration::from_secs(1),
                ..ExecutorOptions::default()
            },
        }
    }

    pub(super) async fn start(&self) -> Handle {
        self.start_with(Arc::new(self.simulated())).await
    }

    pub(super) fn simulated(&self) -> Simulated {
        Simulated::open(SimulatedOptions {
            step_duration: self.step_duration,
            ledger: Some(self.ledger()),
        })
        .unwrap()
    }

    pub(super) async fn start_with(&self, driver: Arc<dyn Driver>) -> Handle {
        Executor::start(
            self.store.clone(),
            self.options.clone(),
            self.store.commits(),
            self.designs.clone(),
            Arc::new(Registry::simulated(driver)),
        )
        .await
        .unwrap()
    }

    pub(super) fn ledger(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger")
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.ledger()).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(super) async fn create(&self, action: Action) -> TaskId {
        self.create_on(action, "file:///design", Duration::from_secs(3600))
            .await
    }

    pub(super) async fn create_on(
        &self,
        action: Action,
        design_ref: &str,
        limit: Duration,
    ) -> TaskId {
        let task_id = TaskId::new_root();
        let now = clock::now();
        let task = Task {
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
            created_by: Arc::from("anonymous"),
            updated: now,
            started: None,
            completed: None,
            heartbeat: None,
            terminated: None,
            terminated_by: None,
            termination_reason: None,
            timeout: limit,
            revision: 1,
            retry: 0,
            retry_of_task_id: None,
            correlation_id: None,
            design_ref: Arc::from(design_ref),
            labels: Arc::default(),
            design_digest: None,
            result: Outcome::default(),
            subtask_count: 0,
            target_node_count: 0,
            current_step: None,
            detail: Some(Box::new(Detail::default())),
        };
        let audit = AuditRecord {
            ts: now,
            actor: Arc::from("anonymous"),
            rpc: "CreateTask",
            request_id: None,
            decision: "created",
        };
        let root = NewRoot {
            task,
            request: None,
            audit,
        };
        self.store.create(root).await.unwrap();
        task_id
    }

    pub(super) async fn terminate(&self, task_id: TaskId) {
        let request = Termination {
            task_id,
            ts: clock::now(),
            actor: Arc::from("anonymous"),
            reason: Arc::from(""),
            expected_revision: None,
        };
        self.store.terminate(request).await.unwrap();
    }

    pub(super) async fn tasks(&self, root: TaskId) -> Vec<Task> {
        let tree = self.store.tree(root, None, View::Basic, 500).await.unwrap();
        tree.unwrap().tasks
    }

    /// Waits until `seen` holds for the tree.
    pub(super) async fn until(&self, root: TaskId, seen: impl Fn(&[Task]) -> bool) -> Vec<Task> {
        let mut commits = self.store.commits();
        let waiting = async {
            loop {
                let tasks = self.tasks(root).await;
                if seen(&tasks) {
                    return tasks;
                }
                // A hint alone: lagging is as good as a commit.
                timeout(Duration::from_millis(100), commits.recv())
                    .await
                    .ok();
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .expect("it never came to that")
    }

    pub(super) async fn ended(&self, root: TaskId) -> Vec<Task> {
        self.until(root, |tasks| tasks[0].status.is_terminal())
            .await
    }

    pub(super) async fn said(&self, root: TaskId) -> Vec<String> {
        let query = MessageQuery {
            task_id: root,
            root_task_id: root,
            include_subtasks: false,
            errors_only: false,
            after: 0,
            limit: 1000,
        };
        let messages = self.store.messages(query).await.unwrap();
        messages
            .into_iter()
            .map(|(_, message)| message.message)
            .collect()
    }
}

pub(super) fn runs(step: StepKind) -> impl Fn(&[Task]) -> bool {
    move |tasks| {
        tasks
            .iter()
            .any(|task| task.step == Some(step) && task.status == TaskStatus::Running)
    }
}

pub(super) fn steps(tasks: &[Task]) -> Vec<(&'static str, TaskStatus, ResultStatus)> {
    let steps = tasks.iter().filter(|task| task.step.is_some());
    steps
        .map(|task| (task.step.unwrap().token(), task.status, task.result.status))
        .collect()
}
