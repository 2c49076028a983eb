//! One world: replicas, clients, faults, from the beginning to the end of every task, and what must hold
//! then.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::customer::{Customer, Stories, Story, Wish};
use super::designs;
use super::faults::{Fault, Faults};
use super::machines::{Bears, Machines};
use super::replica::{Life, Replica};
use super::weather::Weather;
use crate::executor::ExecutorOptions;
use crate::failpoint::Trap;
use crate::proto::v1::task_event::Event as Arm;
use crate::random::simulated::Dice;
use crate::store::model::conformance::fold::assert_tells_the_state;
use crate::store::model::{Direct, Memory};

/// What time goes on by. Within it each host runs alone.
const TICK: Duration = Duration::from_millis(20);

/// When a world that has not come to its end is stuck: many times longer than any does.
const STUCK: Duration = Duration::from_secs(240);

/// When every world begins.
const EPOCH: u64 = 1_800_000_000;

/// What a world is made of.
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) replicas: usize,
    /// Nodes of each site.
    pub(super) nodes: usize,
    pub(super) wishes: Vec<Wish>,
    pub(super) faults: Faults,
    pub(super) bears: Bears,
    /// How long the work of each step takes.
    pub(super) work: Duration,
    pub(super) trap: Arc<Trap>,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) stories: Vec<Story>,
    pub(super) machines: Machines,
    /// Everything that happened, to be compared.
    pub(super) trace: String,
    pub(super) elapsed: Duration,
}

/// Leases and waits of seconds: the relations between them are those of the defaults.
pub(super) fn options() -> ExecutorOptions {
    ExecutorOptions {
        lease: Duration::from_secs(6),
        renew: Duration::from_secs(3),
        call_timeout: Duration::from_secs(1),
        margin: Duration::from_secs(1),
        quarantine: Duration::from_secs(4),
        terminate_grace: Duration::from_secs(2),
        retry_backoff: Duration::from_millis(200),
        ask_again_interval: Duration::from_secs(1),
        max_running_roots: 8,
        max_parallel_nodes: 4,
        ..ExecutorOptions::default()
    }
}

/// How late a command of a dead replica arrives at the latest, from its replica's death on: what began
/// with a call's time and the margin left of the lease is over when lease and quarantine are.
fn latest() -> Duration {
    let options = options();
    options.margin + options.quarantine + options.call_timeout / 2
}

impl Scenario {
    /// Runs the world to its end.
    ///
    /// # Errors
    ///
    /// What did not hold.
    pub(super) fn run(self) -> Result<Outcome, String> {
        let _dice = Dice::of(self.seed);
        let memory = Memory::default();
        let machines = Machines::new(self.bears, self.work, latest());
        let mut sim = turmoil::Builder::new()
            .rng_seed(self.seed)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(40))
            .simulation_duration(STUCK)
            .epoch(SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH))
            .tcp_capacity(4096)
            .build();
        let mut hosts = Vec::new();
        for number in 0..self.replicas {
            let host = Host {
                name: format!("replica-{number}"),
                weather: Weather::default(),
                life: Rc::new(RefCell::new(Life::default())),
                back: None,
            };
            let replica = Replica {
                memory: memory.clone(),
                weather: host.weather.clone(),
                machines: machines.clone(),
                designs: designs::Memory { nodes: self.nodes },
                options: options(),
                trap: Arc::clone(&self.trap),
                life: Rc::clone(&host.life),
            };
            sim.host(host.name.as_str(), move || replica.clone().run());
            hosts.push(host);
        }
        let stories = Stories::default();
        let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
        let expected = self.wishes.len();
        sim.client(
            "customers",
            customers(names, self.wishes, Rc::clone(&stories)),
        );

        let mut faults = self.faults.into_iter().peekable();
        let mut healed: Vec<(Duration, String)> = Vec::new();
        loop {
            let now = sim.elapsed();
            while let Some((_, number, fault)) = faults.next_if(|(at, ..)| *at <= now) {
                hosts[number].suffer(&mut sim, fault, &mut healed);
            }
            healed.retain(|(until, name)| {
                let over = *until <= now;
                if over {
                    sim.repair("customers", name.as_str());
                }
                !over
            });
            for host in &mut hosts {
                host.live_on(&mut sim);
            }
            match sim.step() {
                Ok(true) => break,
                Ok(false) => {}
                Err(problem) => return Err(problem.to_string()),
            }
        }
        let elapsed = sim.elapsed();
        drop(sim);
        let stories = stories.take();
        if stories.len() != expected {
            return Err(format!(
                "{} of {expected} tasks came to an end",
                stories.len()
            ));
        }
        let outcome = Outcome {
            trace: trace(&memory, &machines, &stories),
            stories,
            machines,
            elapsed,
        };
        outcome.check(&memory)?;
        Ok(outcome)
    }
}

async fn customers(hosts: Vec<String>, wishes: Vec<Wish>, stories: Stories) -> turmoil::Result {
    let mut customers = Vec::new();
    for wish in wishes {
        let customer = Customer::of(&hosts).fulfil(wish, Rc::clone(&stories));
        customers.push(tokio::task::spawn_local(customer));
    }
    for customer in customers {
        customer.await??;
    }
    Ok(())
}

/// A replica's host.
struct Host {
    name: String,
    weather: Weather,
    life: Rc<RefCell<Life>>,
    /// When a process that is gone is started again, if one is.
    back: Option<Duration>,
}

impl Host {
    fn suffer(
        &mut self,
        sim: &mut turmoil::Sim<'_>,
        fault: Fault,
        healed: &mut Vec<(Duration, String)>,
    ) {
        let now = sim.elapsed();
        if self.back.is_some() {
            return;
        }
        match fault {
            Fault::Crash(back) => {
                self.life.borrow().dead.store(true, Ordering::Release);
                self.crash(sim, back);
            }
            Fault::Drain(back) => {
                self.life.borrow().drain.cancel();
                self.back = Some(now + back);
            }
            Fault::Partition(length) => {
                sim.partition("customers", self.name.as_str());
                healed.push((now + length, self.name.clone()));
            }
            Fault::Weather(storm, length) => {
                let end = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH) + now + length;
                self.weather.begin(storm, end.into());
            }
        }
    }

    /// Takes away a process that crashed by itself, and starts one again whose time has come.
    fn live_on(&mut self, sim: &mut turmoil::Sim<'_>) {
        let dead = self.life.borrow().dead.load(Ordering::Acquire);
        if dead && self.back.is_none() {
            self.crash(sim, Duration::from_secs(1));
        }
        if self.back.is_some_and(|back| back <= sim.elapsed())
            && !sim.is_host_running(self.name.as_str())
        {
            self.back = None;
            sim.bounce(self.name.as_str());
        }
    }

    fn crash(&mut self, sim: &mut turmoil::Sim<'_>, back: Duration) {
        self.back = Some(sim.elapsed() + back);
        sim.crash(self.name.as_str());
    }
}

impl Outcome {
    fn check(&self, memory: &Memory) -> Result<(), String> {
        if let Some(wrong) = self.machines.wrongs().first() {
            return Err(wrong.clone());
        }
        self.machines.ledger().check_nothing_acted_twice()?;
        let mut tasks = BTreeMap::new();
        for story in &self.stories {
            if tasks.insert(&story.task_id, story).is_some() {
                return Err(format!("two requests made task {}", story.task_id));
            }
        }
        // The journal tells what the tables hold, and every watcher what the journal does.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let store = memory.store(options().lease, Arc::new(Direct));
        runtime
            .expect("a runtime")
            .block_on(assert_tells_the_state(&store));
        if memory.count("node_locks") + memory.count("node_lock_waiters") > 0 {
            return Err("a lock is left".to_owned());
        }
        self.check_successes()
    }

    /// What succeeded was done.
    fn check_successes(&self) -> Result<(), String> {
        let ledger = self.machines.ledger();
        for story in &self.stories {
            for event in &story.events {
                let Some(Arm::TaskFinished(task)) = &event.event else {
                    continue;
                };
                let result = task.result.as_ref().map(|result| result.status());
                let success = result == Some(crate::proto::v1::ResultStatus::Success);
                let begun = ledger.0.iter().any(|line| line.task_id == task.task_id);
                if success && !task.step.is_empty() && !begun {
                    return Err(format!("{} {} was never begun", task.step, task.task_id));
                }
            }
        }
        Ok(())
    }
}

fn trace(memory: &Memory, machines: &Machines, stories: &[Story]) -> String {
    let mut trace = String::new();
    for line in machines.ledger().0 {
        writeln!(trace, "{line:?}").expect("text is written");
    }
    for commit in memory.commits() {
        writeln!(trace, "{commit:?}").expect("text is written");
    }
    for story in stories {
        for event in &story.events {
            writeln!(trace, "{event:?}").expect("text is written");
        }
    }
    trace
}

/// What a seed makes of the dice that a world is drawn from.
pub(super) fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
