//! The executor on a store, with simulated machines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::*;
use crate::clock;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::{
    Action, Detail, Outcome, Policy, Reason, ResultStatus, StepKind, Task, TaskId, TaskStatus,
};
use crate::driver::ledger::{Line, LineEvent, LineOutcome};
use crate::driver::simulated::{Simulated, SimulatedOptions};
use crate::driver::{Driver, DriverError, ErrorKind, Mark, Progress, Registry, StepCall};
use crate::store::{
    AuditRecord, DatabaseUrl, MessageQuery, NewRoot, Store, StoreOptions, Termination, View,
};

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A design whose nodes are named in its reference, with one label for some of them.
struct Designs {
    nodes: usize,
    labels: Vec<(usize, &'static str, &'static str)>,
    /// How often a stored design cannot be read for now.
    busy: AtomicU32,
}

impl Designs {
    fn inventory(&self) -> Arc<Inventory> {
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

/// Machines that cannot be interrupted.
struct Stubborn(Simulated);

#[async_trait]
impl Driver for Stubborn {
    fn policy(&self, call: &StepCall) -> Policy {
        self.0.policy(call)
    }

    fn interruptible(&self, _step: StepKind) -> bool {
        false
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.0.start(call).await
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.0.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.0.find(call).await
    }

    async fn cancel(&self, _call: &StepCall) -> Result<(), DriverError> {
        panic!("cancelled what cannot be interrupted")
    }
}

/// Machines whose connection is bad.
struct Shaky {
    machines: Simulated,
    /// How long a start takes before it reaches the machine.
    start_delay: Duration,
    /// Starts that reach the machine and are not answered.
    lost_starts: AtomicU32,
    /// Polls that are not answered.
    lost_polls: AtomicU32,
    /// Cancels that are not answered.
    lost_cancels: AtomicU32,
}

impl Shaky {
    fn new(machines: Simulated) -> Self {
        Self {
            machines,
            start_delay: Duration::ZERO,
            lost_starts: AtomicU32::new(0),
            lost_polls: AtomicU32::new(0),
            lost_cancels: AtomicU32::new(0),
        }
    }

    fn lose(left: &AtomicU32) -> Result<(), DriverError> {
        let take = |left: u32| left.checked_sub(1);
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(DriverError {
                kind: ErrorKind::Unreachable,
                transient: true,
                not_sent: false,
                message: "no connection".to_owned(),
            }),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Driver for Shaky {
    fn policy(&self, call: &StepCall) -> Policy {
        self.machines.policy(call)
    }

    fn interruptible(&self, step: StepKind) -> bool {
        self.machines.interruptible(step)
    }

    async fn start(&self, call: &StepCall) -> Result<Progress, DriverError> {
        tokio::time::sleep(self.start_delay).await;
        let answer = self.machines.start(call).await;
        Self::lose(&self.lost_starts).and(answer)
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        Self::lose(&self.lost_polls)?;
        self.machines.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.machines.find(call).await
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        Self::lose(&self.lost_cancels)?;
        self.machines.cancel(call).await
    }
}

struct Bench {
    directory: tempfile::TempDir,
    store: Store,
    designs: Arc<Designs>,
    step_duration: Duration,
    options: ExecutorOptions,
}

impl Bench {
    async fn new(nodes: usize, labels: &[(usize, &'static str, &'static str)]) -> Self {
        Self::at(tempfile::tempdir().unwrap(), nodes, labels).await
    }

    async fn at(
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

    async fn start(&self) -> Handle {
        self.start_with(Arc::new(self.simulated())).await
    }

    fn simulated(&self) -> Simulated {
        Simulated::open(SimulatedOptions {
            step_duration: self.step_duration,
            ledger: Some(self.ledger()),
        })
        .unwrap()
    }

    async fn start_with(&self, driver: Arc<dyn Driver>) -> Handle {
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

    fn ledger(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger")
    }

    fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.ledger()).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn create(&self, action: Action) -> TaskId {
        self.create_on(action, "file:///design", Duration::from_secs(3600))
            .await
    }

    async fn create_on(&self, action: Action, design_ref: &str, limit: Duration) -> TaskId {
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

    async fn terminate(&self, task_id: TaskId) {
        let request = Termination {
            task_id,
            ts: clock::now(),
            actor: Arc::from("anonymous"),
            reason: Arc::from(""),
            expected_revision: None,
        };
        self.store.terminate(request).await.unwrap();
    }

    async fn tasks(&self, root: TaskId) -> Vec<Task> {
        let tree = self.store.tree(root, None, View::Basic, 500).await.unwrap();
        tree.unwrap().tasks
    }

    /// Waits until `seen` holds for the tree.
    async fn until(&self, root: TaskId, seen: impl Fn(&[Task]) -> bool) -> Vec<Task> {
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

    async fn ended(&self, root: TaskId) -> Vec<Task> {
        self.until(root, |tasks| tasks[0].status.is_terminal())
            .await
    }

    async fn said(&self, root: TaskId) -> Vec<String> {
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

fn runs(step: StepKind) -> impl Fn(&[Task]) -> bool {
    move |tasks| {
        tasks
            .iter()
            .any(|task| task.step == Some(step) && task.status == TaskStatus::Running)
    }
}

fn steps(tasks: &[Task]) -> Vec<(&'static str, TaskStatus, ResultStatus)> {
    let steps = tasks.iter().filter(|task| task.step.is_some());
    steps
        .map(|task| (task.step.unwrap().token(), task.status, task.result.status))
        .collect()
}

#[tokio::test]
async fn every_action_runs_its_plan() {
    let bench = Bench::new(3, &[]).await;
    let handle = bench.start().await;
    for action in Action::ALL {
        let root = bench.create(action).await;
        let tasks = bench.ended(root).await;
        assert_eq!(tasks[0].status, TaskStatus::Complete, "{action}");
        assert_eq!(tasks[0].result.status, ResultStatus::Success, "{action}");
        assert!(bench.said(root).await.len() >= 2, "{action}");
        for task in &tasks {
            assert_eq!(task.status, TaskStatus::Complete);
        }
    }
    handle.drain().await;
}

#[tokio::test]
async fn a_failed_step_fails_its_node_alone() {
    let bench = Bench::new(3, &[(1, "drydock.dev/simulate-fail", "apply_node_storage")]).await;
    let handle = bench.start().await;
    let root = bench.create(Action::DeployNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::PartialSuccess);
    let failed: Vec<_> = tasks
        .iter()
        .filter(|task| task.depth == 1 && task.result.status == ResultStatus::Failure)
        .map(|task| task.node_name.clone().unwrap())
        .collect();
    assert_eq!(failed, [Arc::from("n00001")]);
    assert!(
        bench
            .said(root)
            .await
            .iter()
            .any(|text| text.contains("apply_node_storage"))
    );
    handle.drain().await;
}

#[tokio::test]
async fn a_flaky_step_is_retried_and_an_unknown_node_is_booted() {
    let labels = [
        (0, "drydock.dev/simulate-flaky", "configure_hardware=3"),
        (0, "drydock.dev/simulate-unknown", "true"),
        (1, "drydock.dev/simulate-flaky", "configure_hardware=4"),
    ];
    let bench = Bench::new(2, &labels).await;
    let handle = bench.start().await;
    let root = bench.create(Action::PrepareNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::PartialSuccess);
    let of_first: Vec<_> = tasks
        .iter()
        .filter(|task| task.node_name.as_deref() == Some("n00000") && task.depth == 2)
        .collect();
    assert_eq!(of_first.len(), 5);
    assert_eq!(of_first[4].retry, 3);
    assert_eq!(of_first[0].result.status, ResultStatus::Failure);
    handle.drain().await;
}

#[tokio::test]
async fn terminate_cancels_what_hangs_and_creates_nothing_more() {
    let labels = [(0, "drydock.dev/simulate-hang", "apply_node_storage")];
    let bench = Bench::new(1, &labels).await;
    let handle = bench.start().await;
    let root = bench.create(Action::DeployNode).await;
    let tasks = bench.until(root, runs(StepKind::ApplyNodeStorage)).await;
    assert_eq!(tasks[1].current_step, Some(StepKind::ApplyNodeStorage));
    bench.terminate(root).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[1].current_step, None);
    assert_eq!(tasks[0].status, TaskStatus::Terminated);
    assert_eq!(tasks[1].status, TaskStatus::Terminated);
    assert_eq!(
        steps(&tasks),
        [
            (
                "apply_node_networking",
                TaskStatus::Complete,
                ResultStatus::Success
            ),
            (
                "apply_node_storage",
                TaskStatus::Terminated,
                ResultStatus::Incomplete
            ),
        ]
    );
    handle.drain().await;
}

#[tokio::test]
async fn a_step_that_cannot_be_interrupted_is_waited_for() {
    let mut bench = Bench::new(1, &[]).await;
    bench.step_duration = Duration::from_millis(600);
    let handle = bench
        .start_with(Arc::new(Stubborn(bench.simulated())))
        .await;
    let root = bench.create(Action::DeployNode).await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    bench.terminate(root).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].status, TaskStatus::Terminated);
    assert_eq!(tasks[1].status, TaskStatus::Terminated);
    assert_eq!(
        steps(&tasks),
        [(
            "apply_node_networking",
            TaskStatus::Complete,
            ResultStatus::Success
        )]
    );
    handle.drain().await;
}

#[tokio::test]
async fn the_roots_timeout_stops_it() {
    let labels = [(0, "drydock.dev/simulate-hang", "interrogate_oob")];
    let bench = Bench::new(2, &labels).await;
    let handle = bench.start().await;
    let limit = Duration::from_millis(500);
    let root = bench
        .create_on(Action::VerifyNode, "file:///design", limit)
        .await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].status, TaskStatus::Complete);
    assert_eq!(tasks[0].result.reason, Reason::Timeout);
    assert_eq!(tasks[0].result.status, ResultStatus::PartialSuccess);
    handle.drain().await;
}

#[tokio::test]
async fn a_step_that_hangs_fails_at_its_timeout() {
    let labels = [(0, "drydock.dev/simulate-hang", "interrogate_oob")];
    let mut bench = Bench::new(1, &labels).await;
    let limit = Duration::from_millis(300);
    bench
        .options
        .step_timeouts
        .insert(StepKind::InterrogateOob, limit);
    let handle = bench.start().await;
    let root = bench.create(Action::VerifyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[2].result.reason, Reason::Timeout);
    assert_eq!(tasks[0].result.status, ResultStatus::Failure);
    handle.drain().await;
}

#[tokio::test]
async fn a_drained_root_goes_on_elsewhere_and_no_step_is_started_twice() {
    let mut bench = Bench::new(20, &[]).await;
    bench.step_duration = Duration::from_millis(60);
    bench.options.max_parallel_nodes = 7;
    let root = bench.create(Action::DeployNode).await;
    for step in [
        StepKind::ApplyNodeNetworking,
        StepKind::ApplyNodeStorage,
        StepKind::DeployNode,
    ] {
        let handle = bench.start().await;
        bench.until(root, runs(step)).await;
        timeout(Duration::from_secs(1), handle.drain())
            .await
            .unwrap();
    }
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    assert_eq!(tasks[0].result.succeeded, 20);
    handle.drain().await;
    let mut started = BTreeSet::new();
    for line in bench.lines() {
        if line.event == LineEvent::Start && line.policy == "guarded" {
            assert!(started.insert(line.task_id), "{line:?}");
        }
    }
    assert_eq!(started.len(), 20);
}

#[tokio::test]
async fn one_task_at_a_time_changes_a_node() {
    let labels = [(0, "drydock.dev/simulate-hang", "destroy_node")];
    let bench = Bench::new(3, &labels).await;
    let handle = bench.start().await;
    let first = bench.create(Action::DestroyNode).await;
    bench.until(first, runs(StepKind::DestroyNode)).await;
    let second = bench.create(Action::PrepareNode).await;
    let third = bench.create(Action::DeployNode).await;
    let waits = |tasks: &[Task]| {
        let queued = |task: &Task| task.depth == 1 && task.status == TaskStatus::Queued;
        tasks.iter().any(queued) && tasks[0].result.succeeded == 2
    };
    bench.until(second, waits).await;
    bench.until(third, waits).await;
    bench.terminate(third).await;
    let tasks = bench.ended(third).await;
    assert_eq!(tasks[0].status, TaskStatus::Terminated);
    bench.terminate(first).await;
    bench.ended(first).await;
    let tasks = bench.ended(second).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    handle.drain().await;
}

#[tokio::test]
async fn those_who_wait_for_a_site_keep_nobody_else_waiting() {
    let mut bench = Bench::new(1, &[]).await;
    bench.options.max_running_roots = 2;
    bench.step_duration = Duration::from_secs(3600);
    let handle = bench.start().await;
    let running = |tasks: &[Task]| tasks[0].status == TaskStatus::Running;
    let first = bench.create(Action::PrepareSite).await;
    bench.until(first, running).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(bench.create(Action::PrepareSite).await);
    }
    let given_back =
        |tasks: &[Task]| tasks[0].result.message_count > 0 && tasks[0].heartbeat.is_none();
    for root in &waiting {
        bench.until(*root, given_back).await;
        let holds = format!("waits for the site, which task {first} holds");
        assert_eq!(bench.said(*root).await, [holds]);
    }
    let other = bench.create(Action::VerifyNode).await;
    bench.until(other, running).await;

    // The one that is stopped ends at once, and the others go on in the order in which they came.
    let stopped = waiting.remove(0);
    bench.terminate(stopped).await;
    bench.ended(stopped).await;
    let mut before = first;
    for next in waiting {
        assert_eq!(bench.tasks(next).await[0].status, TaskStatus::Queued);
        bench.terminate(before).await;
        bench.ended(before).await;
        bench.until(next, running).await;
        before = next;
    }
    handle.drain().await;
}

#[tokio::test]
async fn those_who_wait_for_nodes_keep_nobody_else_waiting() {
    let labels = [(0, "drydock.dev/simulate-hang", "deploy_node")];
    let mut bench = Bench::new(1, &labels).await;
    bench.options.max_running_roots = 2;
    let mut roots = vec![bench.create(Action::DeployNode).await];
    let handle = bench.start().await;
    bench.until(roots[0], runs(StepKind::DeployNode)).await;
    for _ in 0..4 {
        roots.push(bench.create(Action::DeployNode).await);
    }
    let waits = |tasks: &[Task]| {
        let mut nodes = tasks.iter().filter(|task| task.depth == 1);
        nodes.any(|node| node.status == TaskStatus::Queued)
    };
    for root in &roots[1..] {
        bench.until(*root, waits).await;
    }
    let other = bench.create(Action::VerifyNode).await;
    let other = bench.ended(other).await;
    assert_eq!(other[0].result.status, ResultStatus::Success);

    // Each gets the node in its turn, the oldest first, and takes a place again.
    for (place, root) in roots.iter().enumerate() {
        bench.until(*root, runs(StepKind::DeployNode)).await;
        for later in &roots[place + 1..] {
            assert!(waits(&bench.tasks(*later).await));
        }
        bench.terminate(*root).await;
        bench.ended(*root).await;
    }
    handle.drain().await;
}

#[tokio::test]
async fn one_that_waits_for_a_site_for_too_long_ends() {
    let mut bench = Bench::new(1, &[]).await;
    bench.options.max_queue_time = Duration::from_millis(500);
    bench.options.renew = Duration::from_millis(100);
    bench.step_duration = Duration::from_secs(3600);
    let handle = bench.start().await;
    let first = bench.create(Action::PrepareSite).await;
    let running = |tasks: &[Task]| tasks[0].status == TaskStatus::Running;
    bench.until(first, running).await;
    let second = bench.create(Action::PrepareSite).await;
    let tasks = bench.ended(second).await;
    assert_eq!(tasks[0].result.reason, Reason::Timeout);
    handle.drain().await;
}

#[tokio::test]
async fn a_design_that_does_not_load_fails_the_task() {
    let bench = Bench::new(1, &[]).await;
    let handle = bench.start().await;
    for action in [
        Action::ValidateDesign,
        Action::DeployNode,
        Action::PrepareSite,
    ] {
        let limit = Duration::from_secs(60);
        let root = bench.create_on(action, "file:///broken", limit).await;
        let tasks = bench.ended(root).await;
        assert_eq!(tasks.len(), 1);
        assert_eq!(tasks[0].status, TaskStatus::Complete);
        assert_eq!(tasks[0].result.reason, Reason::DesignInvalid);
        assert!(
            bench
                .said(root)
                .await
                .iter()
                .any(|text| text == "not a document")
        );
    }
    handle.drain().await;
}

#[tokio::test]
async fn a_successor_does_not_start_a_step_whose_time_is_over() {
    let labels = [(0, "drydock.dev/simulate-hang", "apply_node_networking")];
    let mut bench = Bench::new(1, &labels).await;
    let limit = Duration::from_millis(400);
    bench
        .options
        .step_timeouts
        .insert(StepKind::ApplyNodeNetworking, limit);
    let root = bench.create(Action::DeployNode).await;
    let handle = bench.start().await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    handle.drain().await;
    tokio::time::sleep(limit).await;
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[2].result.reason, Reason::Timeout);
    handle.drain().await;
    let lines = bench.lines();
    let starts = lines.iter().filter(|line| line.event == LineEvent::Start);
    assert_eq!(starts.count(), 1);
}

#[tokio::test]
async fn a_successor_begins_no_node_of_an_overdue_root() {
    let labels = [(0, "drydock.dev/simulate-hang", "interrogate_oob")];
    let mut bench = Bench::new(3, &labels).await;
    bench.options.max_parallel_nodes = 1;
    let limit = Duration::from_millis(800);
    let root = bench
        .create_on(Action::VerifyNode, "file:///design", limit)
        .await;
    let handle = bench.start().await;
    bench.until(root, runs(StepKind::InterrogateOob)).await;
    handle.drain().await;
    tokio::time::sleep(limit).await;
    bench.options.max_parallel_nodes = 3;
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.reason, Reason::Timeout);
    assert_eq!(tasks.iter().filter(|task| task.depth == 1).count(), 1);
    handle.drain().await;
}

#[tokio::test]
async fn what_a_vanished_owner_left_is_not_given_back_as_clean_before_it_was_met() {
    let labels = [(0, "drydock.dev/simulate-hang", "deploy_node")];
    let bench = Bench::new(1, &labels).await;
    let root = bench.create(Action::DeployNode).await;
    let vanished = bench.start().await;
    bench.until(root, runs(StepKind::DeployNode)).await;
    bench.store.close().await;
    vanished.drain().await;

    let Bench {
        directory, store, ..
    } = bench;
    drop(store);
    let mut bench = Bench::at(directory, 1, &labels).await;
    // Without a slot it takes the tree over and meets nothing of it.
    bench.options.max_running_nodes = 0;
    let careless = bench.start().await;
    let instance = careless.instance();
    let taken_over = async {
        while bench.store.owned(instance).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, taken_over).await.unwrap();
    careless.drain().await;
    assert_eq!(bench.store.owned(instance).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancel_that_overtook_the_start_or_was_lost_is_sent_again() {
    for lost in [0, 2] {
        let labels = [(0, "drydock.dev/simulate-hang", "apply_node_networking")];
        let bench = Bench::new(1, &labels).await;
        let mut driver = Shaky::new(bench.simulated());
        driver.start_delay = Duration::from_millis(200);
        driver.lost_cancels = AtomicU32::new(lost);
        let handle = bench.start_with(Arc::new(driver)).await;
        let root = bench.create(Action::DeployNode).await;
        bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
        bench.terminate(root).await;
        let tasks = bench.ended(root).await;
        assert_eq!(tasks[0].status, TaskStatus::Terminated);
        assert_eq!(tasks[2].status, TaskStatus::Terminated);
        assert_eq!(tasks[2].result.error_count, 0);
        handle.drain().await;
        let last = bench.lines().pop().unwrap();
        assert_eq!(last.outcome, Some(LineOutcome::Cancelled));
    }
}

#[tokio::test]
async fn what_fails_while_it_is_stopped_has_failed() {
    let labels = [(0, "drydock.dev/simulate-fail", "apply_node_networking")];
    let bench = Bench::new(1, &labels).await;
    let mut driver = Shaky::new(bench.simulated());
    driver.start_delay = Duration::from_millis(200);
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::DeployNode).await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    bench.terminate(root).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[2].result.status, ResultStatus::Failure);
    assert!(tasks[2].result.message.contains("simulated failure"));
    handle.drain().await;
}

#[tokio::test]
async fn lost_polls_take_no_attempt_from_a_step() {
    let mut bench = Bench::new(1, &[]).await;
    bench.step_duration = Duration::from_millis(30);
    let driver = Shaky::new(bench.simulated());
    driver.lost_polls.store(6, Ordering::SeqCst);
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::VerifyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    assert_eq!(tasks[2].retry, 0);
    handle.drain().await;
}

#[tokio::test]
async fn nodes_that_wait_for_a_lock_end_before_those_that_run() {
    let mut bench = Bench::new(2, &[(0, "drydock.dev/simulate-hang", "destroy_node")]).await;
    bench.step_duration = Duration::from_millis(1500);
    let handle = bench
        .start_with(Arc::new(Stubborn(bench.simulated())))
        .await;
    let first = bench.create(Action::DestroyNode).await;
    let destroyed = |tasks: &[Task]| tasks[0].result.succeeded == 1;
    bench.until(first, destroyed).await;
    let second = bench.create(Action::PrepareNode).await;
    let waits = |tasks: &[Task]| {
        let queued = |task: &Task| task.depth == 1 && task.status == TaskStatus::Queued;
        tasks.iter().any(queued) && runs(StepKind::IdentifyNode)(tasks)
    };
    bench.until(second, waits).await;
    bench.terminate(second).await;
    let seen = |tasks: &[Task]| {
        let node = |task: &Task| task.depth == 1 && task.status == TaskStatus::Terminated;
        tasks.iter().any(node)
    };
    let tasks = bench.until(second, seen).await;
    assert_eq!(tasks[0].status, TaskStatus::Terminating);
    // The hanging step cannot be interrupted: the replica leaves it.
    handle.drain().await;
}

#[tokio::test]
async fn a_stored_design_that_cannot_be_read_for_now_is_no_damage() {
    let mut bench = Bench::new(1, &[]).await;
    bench.step_duration = Duration::from_millis(100);
    let root = bench.create(Action::DeployNode).await;
    let handle = bench.start().await;
    bench.until(root, runs(StepKind::ApplyNodeNetworking)).await;
    handle.drain().await;
    bench.designs.busy.store(2, Ordering::SeqCst);
    let handle = bench.start().await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Success);
    handle.drain().await;
}

#[tokio::test]
async fn work_that_may_have_begun_is_cancelled_before_its_step_fails() {
    let labels = [
        (0, "drydock.dev/simulate-hang", "destroy_node"),
        (0, "drydock.dev/simulate-policy", "destroy_node=once"),
    ];
    let bench = Bench::new(1, &labels).await;
    let driver = Shaky::new(bench.simulated());
    driver.lost_starts.store(1, Ordering::SeqCst);
    let handle = bench.start_with(Arc::new(driver)).await;
    let root = bench.create(Action::DestroyNode).await;
    let tasks = bench.ended(root).await;
    assert_eq!(tasks[0].result.status, ResultStatus::Failure);
    handle.drain().await;
    let last = bench.lines().pop().unwrap();
    assert_eq!(last.outcome, Some(LineOutcome::Cancelled));
}

/// Machines of which one call is the end of its caller.
struct Fatal(Simulated);

#[async_trait]
impl Driver for Fatal {
    fn policy(&self, call: &StepCall) -> Policy {
        self.0.policy(call)
    }

    fn interruptible(&self, step: StepKind) -> bool {
        self.0.interruptible(step)
    }

    async fn start(&self, _call: &StepCall) -> Result<Progress, DriverError> {
        panic!("on purpose")
    }

    async fn poll(&self, call: &StepCall) -> Result<Progress, DriverError> {
        self.0.poll(call).await
    }

    async fn find(&self, call: &StepCall) -> Result<Mark, DriverError> {
        self.0.find(call).await
    }

    async fn cancel(&self, call: &StepCall) -> Result<(), DriverError> {
        self.0.cancel(call).await
    }
}

#[tokio::test]
async fn a_call_that_panics_is_reported_and_its_root_is_not_given_back_as_clean() {
    let bench = Bench::new(1, &[]).await;
    let handle = bench.start_with(Arc::new(Fatal(bench.simulated()))).await;
    let panicked = bench.store.background().panicked();
    bench.create(Action::DeployNode).await;
    let panicked = timeout(PATIENCE, panicked).await.unwrap();
    assert_eq!(panicked.part, "line of steps");
    let instance = handle.instance();
    handle.drain().await;
    assert_eq!(bench.store.owned(instance).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_runner_that_panics_is_reported() {
    let bench = Bench::new(1, &[]).await;
    let background = bench.store.background();
    background.poison("runner of a root");
    let handle = bench.start().await;
    bench.create(Action::VerifyNode).await;
    let panicked = timeout(PATIENCE, background.panicked()).await.unwrap();
    assert_eq!(panicked.part, "runner of a root");
    let instance = handle.instance();
    handle.drain().await;
    assert_eq!(bench.store.owned(instance).await.unwrap().len(), 1);
}
