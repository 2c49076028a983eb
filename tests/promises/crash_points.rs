//! Every policy of a step at every point at which its owner can crash: how often it acts, whether its work is
//! found again, and what is said of it (promises P5, P6).
//!
//! The points are reached from outside. A commit is held back by who has the journal's clock; a call is held
//! back by who keeps the lease from being renewed, as none begins with too little of it left.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{ResultStatus, Task, TaskAction, TaskEvent, TaskStatus};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::sleep;

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::postgres;
use crate::support::server::{Launch, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

/// Where the owner crashes, as seen from the step that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The step before it is over; that it runs is not committed.
    BeforeRunning,
    /// That it runs is committed; its driver was not called.
    BeforeCall,
    /// It was begun and goes on.
    DuringWork,
    /// Its work is over; what came of it is not committed.
    BeforeOutcome,
    /// What came of it is committed.
    AfterOutcome,
}

/// What a step does, all owners together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deeds {
    starts: usize,
    adoptions: usize,
    /// Whether it succeeds; otherwise nobody can know.
    succeeds: bool,
}

const fn deeds(starts: usize, adoptions: usize, succeeds: bool) -> Deeds {
    Deeds {
        starts,
        adoptions,
        succeeds,
    }
}

const ONCE: Deeds = deeds(1, 0, true);
const TWICE: Deeds = deeds(2, 0, true);
const ADOPTED: Deeds = deeds(1, 1, true);

/// The steps that are looked at, with their policies. Each is the second of its task: what comes before it is
/// then under way when the trap is laid.
const STEPS: [(&str, &str); 4] = [
    ("validate_oob_services", "observe"),
    ("apply_node_storage", "converge"),
    ("configure_hardware", "guarded"),
    ("configure_hardware", "once"),
];

/// What is expected, in the order of [`STEPS`].
#[rustfmt::skip]
const fn expected(point: Point) -> [Deeds; 4] {
    match point {
        //                       observe  converge  guarded  once
        Point::BeforeRunning => [ONCE,    ONCE,     ONCE,    ONCE],
        Point::BeforeCall    => [ONCE,    ONCE,     ONCE,    deeds(0, 0, false)],
        Point::DuringWork    => [TWICE,   TWICE,    ADOPTED, deeds(1, 0, false)],
        Point::BeforeOutcome => [TWICE,   TWICE,    ADOPTED, deeds(1, 0, false)],
        Point::AfterOutcome  => [ONCE,    ONCE,     ONCE,    ONCE],
    }
}

/// How long a step takes: four tasks begin within it, also on a busy machine, or the attempt is repeated.
const STEP_DURATION: &str = "1500ms";
const ATTEMPTS: usize = 5;

/// How much of a lease goes by until no call is begun any more: the lease less what a call needs.
const UNTIL_NO_CALL: Duration = Duration::from_millis(2200);

/// How long something may take to show, and how often the ledger is looked at for it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_a_step_is_committed_as_running() {
    crash(Point::BeforeRunning).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_commit_and_the_call() {
    crash(Point::BeforeCall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_a_step_works() {
    crash(Point::DuringWork).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_work_and_its_commit() {
    crash(Point::BeforeOutcome).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_the_outcome_is_committed() {
    crash(Point::AfterOutcome).await;
}

async fn crash(point: Point) {
    for attempt in 1..=ATTEMPTS {
        let scene = Scene::set().await;
        match scene.crash_at(point).await {
            Some(aftermath) => return aftermath.check(point).await,
            None => println!("attempt {attempt}: the tasks began too far apart"),
        }
    }
    panic!("the machine is too busy");
}

/// Four tasks that began together, one for each policy.
struct Scene {
    server: Server,
    launch: Launch,
    database: Database,
    /// The designs: read again by nobody, but gone with this.
    _site: Site,
    tasks: Vec<String>,
    /// The position before all of them.
    before: String,
}

impl Scene {
    async fn set() -> Self {
        let database = Database::postgres().await;
        let site = Site::of(&[Machine::named("seen")]);
        let converged = site.add("converged", &[Machine::named("converged")]);
        let guarded = site.add("guarded", &[Machine::named("guarded")]);
        let once = [Machine::named("once").once_at("configure_hardware")];
        let once = site.add("once", &once);
        let launch = Launch::on(&database)
            .designs_in(site.directory())
            .set("executor.lease", "6s")
            .set("executor.renew", "500ms")
            .set("executor.call_timeout", "3s")
            .set("executor.margin", "1s")
            .set("executor.quarantine", "1s")
            .set("simulated.step_duration", STEP_DURATION);
        let server = launch.start().await;
        let launch = launch.at(server.address());
        let client = Client::of(server.address());
        let before = client.position(None).await;
        let reference = site.reference();
        let (seen, converged, guarded, once) = tokio::join!(
            client.create(TaskAction::VerifySite, &reference),
            client.create(TaskAction::DeployNode, &converged),
            client.create(TaskAction::PrepareNode, &guarded),
            client.create(TaskAction::PrepareNode, &once),
        );
        let tasks = [seen, converged, guarded, once].map(|task| task.task_id);
        Self {
            server,
            launch,
            database,
            _site: site,
            tasks: tasks.to_vec(),
            before,
        }
    }

    /// Kills the owner at `point`; none: the tasks began too far apart for it.
    async fn crash_at(self, point: Point) -> Option<Aftermath> {
        let mut trap = None;
        match point {
            Point::BeforeRunning => {
                self.until(|seen| seen.begun == 4).await;
                trap = Some(self.hold_commits().await);
                self.until(|seen| seen.over == 4).await;
            }
            Point::BeforeCall => {
                self.until(|seen| seen.begun == 4).await;
                let commits = self.hold_commits().await;
                self.until(|seen| seen.over == 4).await;
                trap = Some(self.hold_lease().await);
                // The passing of this time is what keeps the call back.
                sleep(UNTIL_NO_CALL).await;
                release(commits).await;
                self.until_steps(TaskStatus::Running).await;
            }
            Point::DuringWork => self.until(|seen| seen.targets_begun == 4).await,
            Point::BeforeOutcome => {
                self.until(|seen| seen.targets_begun == 4).await;
                trap = Some(self.hold_commits().await);
                self.until(|seen| seen.targets_over == 4).await;
            }
            Point::AfterOutcome => self.until_steps(TaskStatus::Complete).await,
        }
        let seen = self.look();
        self.server.kill().await;
        if let Some(trap) = trap {
            release(trap).await;
        }
        // Otherwise some were past the trap before it was laid.
        let met = match point {
            Point::BeforeRunning | Point::BeforeCall => seen.targets_begun == 0,
            Point::DuringWork => seen.targets_over == 0,
            Point::BeforeOutcome | Point::AfterOutcome => true,
        };
        let server = self.launch.start().await;
        let aftermath = Aftermath {
            server,
            database: self.database,
            _site: self._site,
            tasks: self.tasks,
        };
        let caught = match point {
            // What was committed before the clock was held shows only now.
            Point::BeforeRunning | Point::BeforeOutcome => !aftermath.is_past(point).await,
            Point::BeforeCall | Point::DuringWork | Point::AfterOutcome => true,
        };
        (met && caught).then_some(aftermath)
    }

    /// Keeps every write from its commit.
    async fn hold_commits(&self) -> PgConnection {
        self.hold("SELECT last FROM event_clock FOR UPDATE".to_owned())
            .await
    }

    /// Keeps the owner's lease from being renewed.
    async fn hold_lease(&self) -> PgConnection {
        let instance = self.server.instances().pop().expect("its id");
        self.hold(format!(
            "SELECT 1 FROM active_instances WHERE instance_id = '{instance}' FOR UPDATE"
        ))
        .await
    }

    async fn hold(&self, lock: String) -> PgConnection {
        let mut session = postgres::connect(self.database.url()).await;
        for sql in ["BEGIN".to_owned(), lock] {
            let held = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session);
            held.await.expect("the lock is free in a moment");
        }
        session
    }

    async fn until(&self, reached: impl Fn(&Seen) -> bool) {
        let begun = Instant::now();
        loop {
            let seen = self.look();
            if reached(&seen) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{seen:?}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Returns once all four steps are, or were, in `status`.
    async fn until_steps(&self, status: TaskStatus) {
        let client = Client::of(self.server.address());
        let stream = client.watch_fleet(None, &self.before).await;
        let mut stream = stream.expect("the fleet is watched");
        let mut there = BTreeSet::new();
        while there.len() < STEPS.len() {
            let event = stream
                .until(|event| target(event).is_some_and(|task| task.status() == status))
                .await;
            there.insert(event.task_id);
        }
    }

    fn look(&self) -> Seen {
        let ledger = Ledger::read(&self.database.ledger());
        let mut seen = Seen::default();
        for line in &ledger.0 {
            let is_target = STEPS.iter().any(|(step, _)| *step == line.step);
            let count = match (is_target, line.event == "end") {
                (false, false) => &mut seen.begun,
                (false, true) => &mut seen.over,
                (true, false) => &mut seen.targets_begun,
                (true, true) => &mut seen.targets_over,
            };
            *count += 1;
        }
        seen
    }
}

async fn release(session: PgConnection) {
    let closed = sqlx::Connection::close(session).await;
    closed.expect("the session ends, and with it its lock");
}

/// What the ledger shows: of the steps that are looked at, and of the others.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    begun: usize,
    over: usize,
    targets_begun: usize,
    targets_over: usize,
}

/// After the crash, with a new owner on its way.
struct Aftermath {
    server: Server,
    database: Database,
    _site: Site,
    tasks: Vec<String>,
}

impl Aftermath {
    /// Whether any of the steps is committed further than the point allows. Asked before the lease of the
    /// dead owner ends, so that nobody else can have moved it.
    async fn is_past(&self, point: Point) -> bool {
        let tasks = Client::of(self.server.address()).list().await;
        let mut targets = tasks.iter().filter(|task| is_target(task));
        match point {
            Point::BeforeRunning => targets.next().is_some(),
            Point::BeforeCall | Point::DuringWork | Point::BeforeOutcome | Point::AfterOutcome => {
                targets.any(|task| task.status() != TaskStatus::Running)
            }
        }
    }

    async fn check(self, point: Point) {
        let client = Client::of(self.server.address());
        for task_id in &self.tasks {
            Follower::of(&client, task_id).finish(None).await;
        }
        let ledger = Ledger::read(&self.database.ledger());
        let tasks = client.list().await;
        for ((step, policy), wanted) in STEPS.into_iter().zip(expected(point)) {
            let count = |event| {
                let lines = ledger.0.iter().filter(|line| line.step == step);
                let lines = lines.filter(|line| line.policy == policy);
                lines.filter(|line| line.event == event).count()
            };
            let node = if policy == "once" { "once" } else { "" };
            let mut of_step = tasks.iter().filter(|task| task.step == step);
            let task = of_step.find(|task| (task.node_name == "once") == (node == "once"));
            let task = task.expect("the step's task");
            let result = task.result.as_ref().expect("a result");
            let found = deeds(
                count("start"),
                count("adopt"),
                result.status() == ResultStatus::Success,
            );
            assert_eq!(found, wanted, "{point:?} {policy}: {task:?}");
            assert_eq!(task.status(), TaskStatus::Complete, "{point:?} {policy}");
            let reason = if wanted.succeeds { "" } else { "ExecutorLost" };
            assert_eq!(result.reason, reason, "{point:?} {policy}");
        }
        println!("{point:?}: as expected");
    }
}

fn is_target(task: &Task) -> bool {
    STEPS.iter().any(|(step, _)| *step == task.step)
}

/// The step that is looked at, if the event tells of its status.
fn target(event: &TaskEvent) -> Option<&Task> {
    match event.event.as_ref()? {
        Arm::StatusChanged(change) => change.task.as_ref().filter(|task| is_target(task)),
        _ => None,
    }
}
