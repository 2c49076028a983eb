//! What can be set about the executor.

use std::collections::BTreeMap;
use std::time::Duration;

use super::gate::Gate;
use crate::domain::StepKind;

/// The options of the executor; the defaults are those of the api contract, section 7.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// How long an instance lives without a renewal. The store must be opened with the same.
    pub lease: Duration,
    /// How often the lease is renewed.
    pub renew: Duration,
    /// The longest a driver call may take.
    pub call_timeout: Duration,
    /// What must be left of the lease beyond `call_timeout` when a driver call starts.
    pub margin: Duration,
    /// How long a successor of an expired owner leaves alone the nodes that it found busy.
    pub quarantine: Duration,
    /// How long a cancelled step may take to stop.
    pub terminate_grace: Duration,
    /// The wait before the first retry of a step; it doubles with each.
    pub retry_backoff: Duration,
    /// Roots that one replica runs at once.
    pub max_running_roots: usize,
    /// Nodes of one root that run at once.
    pub max_parallel_nodes: usize,
    /// Nodes that run at once on one replica, all roots together. Above `max_parallel_nodes`, so
    /// that one task on nodes that hang does not keep the others waiting.
    pub max_running_nodes: usize,
    /// What of a design has to be right before an action touches machines.
    pub gate: Gate,
    /// How often to look for work that no hint told of.
    pub poll_interval: Duration,
    /// How long a root may wait in the queue.
    pub max_queue_time: Duration,
    /// How often a polled step asks again.
    pub ask_again_interval: Duration,
    /// Timeouts of steps that differ from [`StepKind::default_timeout`].
    pub step_timeouts: BTreeMap<StepKind, Duration>,
}

impl ExecutorOptions {
    /// How long a step may take, all attempts together.
    pub fn step_timeout(&self, step: StepKind) -> Duration {
        self.step_timeouts
            .get(&step)
            .copied()
            .unwrap_or_else(|| step.default_timeout())
    }

    /// What must be left of the lease when a driver call starts.
    pub fn call_needs(&self) -> Duration {
        self.call_timeout + self.margin
    }
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            lease: Duration::from_secs(30),
            renew: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            margin: Duration::from_secs(5),
            quarantine: Duration::from_secs(15),
            terminate_grace: Duration::from_secs(10),
            retry_backoff: Duration::from_millis(500),
            max_running_roots: 64,
            max_parallel_nodes: 256,
            max_running_nodes: 1024,
            gate: Gate::Action,
            poll_interval: Duration::from_secs(1),
            max_queue_time: Duration::from_secs(7 * DAY),
            ask_again_interval: Duration::from_secs(5),
            step_timeouts: BTreeMap::new(),
        }
    }
}
