//! Two servers on one database: what one leaves behind when it dies, the other finishes (promises P3, P4).

use std::time::{Duration, Instant};

use drydock::domain::Timestamp;
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    ResultStatus, RetryTaskRequest, StatusMessage, Task, TaskAction, TaskEvent, TaskStatus,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::postgres;
use crate::support::server::{Launch, SHORT_QUARANTINE, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

/// Lease, quarantine, and the work that is left, with room for a busy machine.
const TAKEOVER_BOUND: Duration = Duration::from_secs(30);

/// How long a call may come after its step began to run, and how often the ledger is looked at meanwhile.
const CALL_BOUND: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_leaves_behind_the_other_finishes() {
    finish_after_death_at("apply_node_networking").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_step_of_a_dead_server_is_adopted() {
    finish_after_death_at("deploy_node").await;
}

/// The owner of a deployment sleeps past its lease in the middle of its work, wakes when another has
/// finished it, and leaves it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_slept_past_its_lease_touches_nothing() {
    let two = TwoServers::start().await;
    let follower = two.follower();
    two.await_step("deploy_node").await;
    two.owner.pause().await;
    let watched = follower.await.expect("the watcher sees the end");
    let before = two.ledger().0.len();
    two.owner.wake().await;

    // It serves again, and works again: under another name, as its lease is gone.
    let client = Client::of(two.owner.address());
    let small = two.site.add("small", &Machine::many(1));
    let next = client.create(TaskAction::VerifyNode, &small).await;
    Follower::of(&client, &next.task_id).finish(None).await;
    let ledger = two.ledger();
    // A look that was on its way when it fell asleep may still write down what it sees.
    let late = ledger.0[before..].iter().filter(|line| line.event != "end");
    let late: Vec<_> = late.filter(|line| line.step == "deploy_node").collect();
    assert!(late.is_empty(), "{late:?}");
    ledger
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
    let afterwards = Follower::of(&client, &two.task_id).finish(None).await;
    assert_eq!(
        afterwards.events.last().map(|event| &event.event),
        watched.events.last().map(|event| &event.event),
        "the end stays as it was told"
    );
}

/// The owner of a deployment whose lease is taken from it without its knowing: its clock says that it has
/// half a minute left, and only the database knows better. The database refuses its next write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_of_an_owner_that_does_not_know_better_is_refused() {
    let two = TwoServers::start_with(|launch| {
        launch
            .set("executor.lease", "30s")
            .set("executor.renew", "10s")
    })
    .await;
    let follower = two.follower();
    two.await_step("apply_node_networking").await;
    let mut database = postgres::connect(two.database.url()).await;
    let instance = two.owner.instances().pop().expect("its id");
    let expire = format!(
        "UPDATE active_instances SET expires = clock_timestamp() WHERE instance_id = '{instance}'"
    );
    let expired = sqlx::raw_sql(sqlx::AssertSqlSafe(expire)).execute(&mut database);
    assert_eq!(expired.await.expect("it runs").rows_affected(), 1);
    let watched = follower.await.expect("the watcher sees the end");
    let log = two.owner.log();
    let fenced = log.lines().find(|line| line.contains("fenced"));
    let fenced = fenced.expect("a refused write");
    assert!(fenced.contains("epoch=1"), "{fenced}");
    let took_over = |event: &TaskEvent| match &event.event {
        Some(Arm::MessageAdded(message)) => message.message.contains(&instance),
        _ => false,
    };
    assert!(watched.events.iter().any(took_over));
    let ledger = two.ledger();
    ledger
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
    let task = Client::of(two.other.address()).get(&two.task_id).await;
    let result = task.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::Success, "{result:?}");
}

/// The owner of a step that must not be repeated falls asleep in the middle of it, and is taken for dead. Nobody repeats it, those who look
/// at the task are told what nobody knows, and whoever decides to do it again can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_repeated_is_an_operators_decision() {
    let machines = [
        Machine::named("once").once_at("deploy_node"),
        Machine::named("other"),
    ];
    let two = TwoServers::start_on(&machines, |launch| launch).await;
    let follower = two.follower();
    let starts = |two: &TwoServers| {
        let lines = two.ledger().0.into_iter();
        let lines = lines.filter(|line| line.node == "once" && line.step == "deploy_node");
        lines.filter(|line| line.event == "start").count()
    };
    two.await_step("deploy_node").await;
    while starts(&two) == 0 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    two.owner.pause().await;
    let watched = follower.await.expect("the watcher sees the end");
    let client = Client::of(two.other.address());

    let root = client.get(&two.task_id).await;
    let result = root.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::PartialSuccess);
    assert_eq!(
        (result.successes, result.failures),
        (vec!["other".to_owned()], vec!["once".to_owned()])
    );
    let tree = client.tree(&two.task_id).await;
    let of_node = |step: &str| {
        let mut tasks = tree.tasks.values();
        let task = tasks.find(|task| task.node_name == "once" && task.step == step);
        task.expect("the task").result.clone().expect("a result")
    };
    for result in [of_node(""), of_node("deploy_node")] {
        assert_eq!(result.status(), ResultStatus::Failure);
        assert_eq!(result.reason, "ExecutorLost");
    }
    // On the root and on the step, for whoever looks and for whoever watches.
    let unknown = |message: &StatusMessage| {
        message.error == Some(true)
            && message.context == "once"
            && message
                .message
                .contains("whether it took effect is unknown")
    };
    let told = watched.events.iter().filter(|event| match &event.event {
        Some(Arm::MessageAdded(message)) => unknown(message),
        _ => false,
    });
    assert_eq!(told.count(), 2);
    let details = result.details.expect("details");
    assert!(details.message_list.iter().any(unknown));
    assert_eq!(starts(&two), 1, "nobody repeats it");

    let retry = RetryTaskRequest {
        task_id: two.task_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        ..RetryTaskRequest::default()
    };
    let retried = client.tasks.clone().retry_task(retry).await;
    let retried = retried.expect("a retry").into_inner();
    assert_eq!(retried.retry_of_task_id.as_ref(), Some(&two.task_id));
    Follower::of(&client, &retried.task_id).finish(None).await;
    let retried = client.get(&retried.task_id).await;
    assert_eq!(retried.target_nodes, ["once"]);
    let result = retried.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::Success, "{result:?}");
    assert_eq!(starts(&two), 2, "it is done again because it was asked for");
}

/// Kills the owner of a deployment while `step` runs on one of its nodes.
async fn finish_after_death_at(step: &str) {
    let two = TwoServers::start().await;
    let follower = two.follower();
    two.await_step(step).await;
    let TwoServers {
        database,
        owner,
        other,
        task_id,
        ..
    } = two;
    owner.kill().await;
    let killed = Instant::now();
    let at_kill = Ledger::read(&database.ledger());
    assert!(!at_kill.open().is_empty(), "the kill came between steps");
    let follower = follower.await.expect("the watcher sees the end");
    let took = killed.elapsed();
    println!("death at {step}: finished {took:?} later");
    assert!(took < TAKEOVER_BOUND, "the takeover took {took:?}");
    assert_eq!(
        follower.streams, 1,
        "the survivor's streams are not touched"
    );

    let task = Client::of(other.address()).get(&task_id).await;
    assert_eq!(task.status(), TaskStatus::Complete);
    let result = task.result.expect("a result");
    assert_eq!(result.status(), ResultStatus::Success, "{result:?}");
    let ledger = Ledger::read(&database.ledger());
    ledger
        .check_nothing_acted_twice()
        .expect("nothing destructive is done twice");
    check_left_alone(&at_kill, &ledger, &follower.events);
}

/// What a vanished owner may still be calling is left alone for as long as that may take. All clocks are
/// this machine's.
fn check_left_alone(at_kill: &Ledger, ledger: &Ledger, events: &[TaskEvent]) {
    let taken_over = events.iter().find_map(|event| match &event.event {
        Some(Arm::MessageAdded(message)) if message.message.contains("lost its lease") => event.ts,
        _ => None,
    });
    let ts = taken_over.expect("the takeover is told");
    let taken_over = Timestamp::from_timestamp(ts.seconds, ts.nanos.unsigned_abs());
    let free = taken_over.expect("a time") + SHORT_QUARANTINE;
    let open = at_kill.open();
    let later = ledger.0[at_kill.0.len()..].iter();
    let mut met: Vec<_> = later
        .filter(|line| open.contains(line.task_id.as_str()))
        .collect();
    assert!(!met.is_empty(), "nobody looked after {open:?}");
    met.retain(|line| line.ts < free);
    assert!(met.is_empty(), "called before {free}: {met:?}");
}

/// Two servers on one database, and a deployment of which it is known who runs it.
struct TwoServers {
    database: Database,
    site: Site,
    owner: Server,
    other: Server,
    task_id: String,
    /// The position before the deployment.
    before: String,
}

impl TwoServers {
    async fn start() -> Self {
        Self::start_with(|launch| launch).await
    }

    async fn start_with(set: impl Fn(Launch) -> Launch) -> Self {
        Self::start_on(&Machine::many(4), set).await
    }

    async fn start_on(machines: &[Machine], set: impl Fn(Launch) -> Launch) -> Self {
        let database = Database::postgres().await;
        let site = Site::of(machines);
        let launch = Launch::on(&database)
            .designs_in(site.directory())
            .with_short_leases()
            .set("simulated.step_duration", "1s");
        let launch = set(launch);
        let owner = launch.start().await;
        let other = launch.start().await;
        let client = Client::of(owner.address());
        let before = client.position(None).await;
        // Asleep, it claims nothing.
        other.pause().await;
        let task = client
            .create(TaskAction::DeployNode, &site.reference())
            .await;
        let mut stream = client.watch(&task.task_id).await;
        stream
            .until(|event| task_of(event).is_some_and(|task| task.started.is_some()))
            .await;
        other.wake().await;
        Self {
            database,
            site,
            owner,
            other,
            task_id: task.task_id,
            before,
        }
    }

    /// Follows the deployment at the server that does not run it.
    fn follower(&self) -> JoinHandle<Follower> {
        let survivor = Client::of(self.other.address());
        tokio::spawn(Follower::of(&survivor, &self.task_id).finish(None))
    }

    /// Returns once `step` runs on one of the nodes, also where that was a moment ago.
    async fn await_step(&self, step: &str) {
        let client = Client::of(self.owner.address());
        let stream = client.watch_fleet(None, &self.before).await;
        let mut stream = stream.expect("the fleet is watched");
        let runs = |task: &Task| task.step == step && task.status() == TaskStatus::Running;
        stream.until(|event| task_of(event).is_some_and(runs)).await;
        // It runs before its driver is called, and nothing tells of the call but the ledger.
        let begun = Instant::now();
        while self.ledger().nodes_with(step).is_empty() {
            assert!(begun.elapsed() < CALL_BOUND, "{step} is never called");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn ledger(&self) -> Ledger {
        Ledger::read(&self.database.ledger())
    }
}

/// The task that an event holds, if it tells of a status.
fn task_of(event: &TaskEvent) -> Option<&Task> {
    match event.event.as_ref()? {
        Arm::Snapshot(task) => Some(task),
        Arm::StatusChanged(change) => change.task.as_ref(),
        _ => None,
    }
}
