//! Three replicas on one PostgreSQL, each killed now and then: to a client that asks any of them it is one
//! service that loses nothing and repeats nothing (promises P1 to P6, P8, P10 to P12).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use drydock::domain::Timestamp;
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{CreateTaskRequest, Task, TaskAction, TaskEvent, TaskStatus};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::client::{Client, create_request};
use crate::support::database::Database;
use crate::support::journal::Journal;
use crate::support::ledger::Ledger;
use crate::support::scale::scaled;
use crate::support::server::{Launch, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;
use crate::support::work::check_deployments;

const REPLICAS: usize = 3;

/// Kills, at the scale of CI, and the tasks that are created for each.
const KILLS: u32 = 3;
const TASKS_PER_KILL: usize = 10;

/// Lease, quarantine, and the wait of a busy machine.
const TAKEOVER_BOUND: Duration = Duration::from_secs(30);

/// How long something may take to show, and how often it is looked for where nothing tells of it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Steps take a little longer: 200 ms.
const MOST_OF_A_STEP: Duration = Duration::from_millis(120);

/// The node of each site on which a deployment must not be repeated.
const ONCE: &str = "n00003";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_replicas_lose_nothing_and_repeat_nothing() {
    let mut random = StdRng::seed_from_u64(7);
    let mut machines = Machine::many(3);
    machines[2] = machines[2].clone().once_at("deploy_node");
    let site = Site::of(&machines);
    // Few sites: deployments wait for each other's nodes.
    let designs = [
        site.reference(),
        site.add("quay", &machines),
        site.add("dock", &machines),
    ];
    let mut fleet = Fleet::start(&site, |launch| {
        launch.set("simulated.step_duration", "200ms")
    })
    .await;
    let before = fleet.clients[0].position(None).await;

    let mut customers = JoinSet::new();
    let mut killed = BTreeMap::new();
    for kill in 0..scaled(KILLS) {
        for number in 0..TASKS_PER_KILL {
            let mut clients = fleet.clients.clone();
            clients.shuffle(&mut random);
            let action = [TaskAction::DeployNode, TaskAction::VerifyNode][number % 2];
            let design = designs.choose(&mut random).expect("a design");
            customers.spawn(one_task(clients, action, design.clone()));
        }
        // What must not be repeated is a small part of the work, and needs a kill of its own.
        let steps = ["deploy_node", ""][kill as usize % 2];
        let (instance, at) = fleet.kill_one_at_work(steps, &mut random).await;
        killed.insert(instance, at);
    }
    let told = customers.join_all().await;

    let roots: BTreeSet<String> = told.iter().map(|one| one.task_id.clone()).collect();
    assert_eq!(roots.len(), told.len(), "one request, one task");
    let client = fleet.clients.choose(&mut random).expect("a client");
    let listed = client.list().await.into_iter();
    let listed = listed.filter(|task| task.parent_task_id.is_none());
    let listed: BTreeSet<String> = listed.map(|task| task.task_id).collect();
    assert_eq!(
        listed, roots,
        "nothing more and nothing less than asked for"
    );
    let journal = Journal::read(client, &before, &roots).await;
    for one in &told {
        journal.assert_told(&one.task_id, &one.events, "a watcher and the journal");
    }
    let ledger = Ledger::read(&fleet.database.ledger());
    let roots = roots.iter().map(String::as_str);
    check_deployments(client, &ledger, roots, &[ONCE], "replicas").await;

    let takeovers = takeovers(&journal, &killed);
    let streams: usize = told.iter().map(|one| one.streams).sum();
    println!(
        "{} tasks, {} kills, {streams} streams, {} takeovers: p50 {:?} max {:?}",
        told.len(),
        killed.len(),
        takeovers.len(),
        takeovers[takeovers.len() / 2],
        takeovers[takeovers.len() - 1],
    );
    assert!(takeovers[takeovers.len() - 1] < TAKEOVER_BOUND);
    let worked: BTreeSet<&str> = ledger.0.iter().map(|line| line.instance.as_str()).collect();
    for (place, instances) in fleet.instances().iter().enumerate() {
        let idle = instances.iter().all(|id| !worked.contains(id.as_str()));
        assert!(!idle, "replica {place} did nothing");
    }
}

/// What is created here can be watched there and stopped anywhere, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_was_told_every_other_knows() {
    let machine = Machine::named("hung").hangs_at("interrogate_oob");
    let site = Site::of(&[machine]);
    let fleet = Fleet::start(&site, |launch| launch).await;
    let mut combinations = JoinSet::new();
    for number in 0..REPLICAS * REPLICAS * REPLICAS {
        let [here, there, anywhere] = [
            number % REPLICAS,
            number / REPLICAS % REPLICAS,
            number / REPLICAS / REPLICAS,
        ]
        .map(|place| fleet.clients[place].clone());
        let design = site.reference();
        combinations.spawn(async move {
            let task = here.create(TaskAction::VerifyNode, &design).await;
            let follower = Follower::of(&there, &task.task_id);
            let follower = tokio::spawn(follower.finish(None));
            // Before it runs, while it is claimed, when it hangs: whatever it is doing by now.
            let stopped = anywhere.terminate(&task.task_id, "enough").await;
            assert!(stopped.status() >= TaskStatus::Terminating, "{stopped:?}");
            for client in [&here, &there] {
                let seen = client.get(&task.task_id).await;
                assert!(seen.revision >= stopped.revision, "{seen:?}");
                assert_eq!(seen.termination_reason, "enough");
            }
            follower.await.expect("the watcher sees the end");
            assert_eq!(
                here.get(&task.task_id).await.status(),
                TaskStatus::Terminated
            );
        });
    }
    combinations.join_all().await;
}

/// Tasks that one replica was told of are run by all, each by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_full_leaves_work_to_the_others() {
    const EACH: usize = 5;
    let machine = Machine::named("hung").hangs_at("interrogate_oob");
    let site = Site::of(&[machine]);
    let fleet = Fleet::start(&site, |launch| {
        launch.set("executor.max_running_roots", EACH)
    })
    .await;
    let client = &fleet.clients[0];
    let mut tasks = Vec::new();
    for _ in 0..EACH * REPLICAS {
        let design = site.reference();
        let task = client.create(TaskAction::VerifyNode, &design).await;
        tasks.push(task.task_id);
    }
    let begun = Instant::now();
    let open = loop {
        let ledger = Ledger::read(&fleet.database.ledger());
        if ledger.open().len() == tasks.len() {
            break ledger;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{:?}",
            ledger.open_by_instance()
        );
        sleep(LOOK_AGAIN).await;
    };
    let shares: Vec<usize> = open.open_by_instance().into_values().collect();
    assert_eq!(shares, [EACH; REPLICAS]);
    for task_id in &tasks {
        fleet.clients[1].terminate(task_id, "the end").await;
    }
    for task_id in &tasks {
        Follower::of(&fleet.clients[2], task_id).finish(None).await;
    }
}

/// Several servers on one database.
struct Fleet {
    /// Before the database, so that a failed test finds their logs.
    servers: Vec<Server>,
    database: Database,
    launches: Vec<Launch>,
    clients: Vec<Client>,
    /// The ids of the servers that were killed, by their place.
    dead: Vec<Vec<String>>,
}

impl Fleet {
    async fn start(site: &Site, set: impl Fn(Launch) -> Launch) -> Self {
        let database = Database::postgres().await;
        let launch = Launch::on(&database).designs_in(site.directory());
        let launch = set(launch.with_short_leases());
        let mut fleet = Self {
            database,
            launches: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            dead: vec![Vec::new(); REPLICAS],
        };
        for _ in 0..REPLICAS {
            let server = launch.start().await;
            fleet.launches.push(launch.clone().at(server.address()));
            fleet.clients.push(Client::of(server.address()));
            fleet.servers.push(server);
        }
        fleet
    }

    /// Kills a replica in the middle of `step` (empty: of any) and starts it again: the id that it had, and
    /// when it died.
    async fn kill_one_at_work(&mut self, step: &str, random: &mut StdRng) -> (String, Timestamp) {
        let begun = Instant::now();
        let (place, instance) = loop {
            let mut ledger = Ledger::read(&self.database.ledger());
            ledger.0.retain(|line| line.step.contains(step));
            let open = ledger.open_by_instance();
            let present = self.servers.iter().enumerate();
            let present = present.filter_map(|(place, server)| {
                let instance = server.instances().pop()?;
                open.contains_key(instance.as_str())
                    .then_some((place, instance))
            });
            let present: Vec<(usize, String)> = present.collect();
            if let Some(victim) = present.choose(random) {
                break victim.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "nobody works");
            sleep(LOOK_AGAIN).await;
        };
        // Not to wait for anything: the kill must not always come right after a call.
        sleep(random.random_range(Duration::ZERO..MOST_OF_A_STEP)).await;
        let victim = self.servers.remove(place);
        self.dead[place].extend(victim.instances());
        victim.kill().await;
        let at = drydock::clock::now();
        self.servers
            .insert(place, self.launches[place].start().await);
        (instance, at)
    }

    /// The ids that each replica had.
    fn instances(&self) -> Vec<Vec<String>> {
        let alive = self.servers.iter().map(Server::instances);
        let all = self.dead.iter().zip(alive);
        all.map(|(dead, alive)| [&dead[..], &alive].concat())
            .collect()
    }
}

/// What a customer was told of a task.
struct Told {
    task_id: String,
    events: Vec<TaskEvent>,
    streams: usize,
}

/// Creates a task and watches it to its end, asking the replicas in turn.
async fn one_task(clients: Vec<Client>, action: TaskAction, design: String) -> Told {
    let request = CreateTaskRequest {
        request_id: Uuid::new_v4().to_string(),
        ..create_request(action, &design)
    };
    let task = acknowledged(&clients, &request).await;
    let follower = Follower::among(clients, &task.task_id).finish(None).await;
    Told {
        task_id: task.task_id,
        events: follower.events,
        streams: follower.streams,
    }
}

/// Makes the request of one replica after the other until one answers.
async fn acknowledged(clients: &[Client], request: &CreateTaskRequest) -> Task {
    let begun = Instant::now();
    for client in clients.iter().cycle() {
        match client.try_create(request.clone()).await {
            Ok(task) => return task,
            Err(status) => assert!(begun.elapsed() < PATIENCE, "{status:?}"),
        }
        sleep(LOOK_AGAIN).await;
    }
    unreachable!("there are clients")
}

/// How long after the deaths of their owners tasks went on, sorted.
fn takeovers(journal: &Journal, killed: &BTreeMap<String, Timestamp>) -> Vec<Duration> {
    let mut takeovers = Vec::new();
    for event in &journal.0 {
        let Some(Arm::MessageAdded(message)) = &event.event else {
            continue;
        };
        let lost = killed.iter().find(|(instance, _)| {
            let tells = format!("whose owner {instance} lost its lease");
            message.message.contains(&tells)
        });
        let (Some((_, died)), Some(ts)) = (lost, event.ts) else {
            continue;
        };
        let micros = ts.seconds * 1_000_000 + i64::from(ts.nanos) / 1000;
        let late = u64::try_from(micros - died.timestamp_micros()).unwrap_or(0);
        takeovers.push(Duration::from_micros(late));
    }
    assert!(!takeovers.is_empty(), "no kill left a task behind");
    takeovers.sort_unstable();
    takeovers
}
