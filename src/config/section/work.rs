//! Sections of the work: how tasks are run, watched and simulated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{MAX_COUNT, SECOND, TICK};
use crate::config::duration;
use crate::config::reader::Reader;
use crate::domain::StepKind;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest timeout of a task (api contract, "Limits").
const MAX_TASK_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How tasks are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executor {
    /// How long a replica owns its tasks without renewing.
    pub lease: Duration,
    /// How often it renews.
    pub renew: Duration,
    /// How long one call of a driver may take.
    pub call_timeout: Duration,
    /// What must be left of the lease, beyond that, to begin a call.
    pub margin: Duration,
    /// How long a successor stays away from a node whose step was found running.
    pub quarantine: Duration,
    /// How long a cancelled step may take to end.
    pub terminate_grace: Duration,
    /// Pause before the first retry of a step.
    pub retry_backoff: Duration,
    /// Most roots that one replica runs at a time.
    pub max_running_roots: u32,
    /// Most nodes of one task that are worked on at a time.
    pub max_parallel_nodes: u32,
    /// How long each kind of step may take.
    pub timeout: StepTimeouts,
}

impl Executor {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let lease = reader.duration(
            "executor.lease",
            30 * SECOND,
            TICK,
            "How long a replica owns its tasks without renewing.",
        );
        let renew = reader.duration(
            "executor.renew",
            10 * SECOND,
            TICK,
            "How often a replica renews its lease.",
        );
        let call_timeout = reader.duration(
            "executor.call_timeout",
            10 * SECOND,
            TICK,
            "How long one call of a driver may take.",
        );
        let margin = reader.duration(
            "executor.margin",
            5 * SECOND,
            Duration::ZERO,
            "What must be left of the lease, beyond the call timeout, for a call to begin.",
        );
        reader.check(
            "executor.renew",
            &["executor.lease"],
            renew < lease,
            format!(
                "{} must be shorter than executor.lease, {}",
                duration::format(renew),
                duration::format(lease)
            ),
        );
        reader.check(
            "executor.call_timeout",
            &["executor.margin", "executor.lease"],
            call_timeout.saturating_add(margin) < lease,
            format!(
                "{} with executor.margin, {}, must be shorter than executor.lease, {}",
                duration::format(call_timeout),
                duration::format(margin),
                duration::format(lease)
            ),
        );
        Self {
            lease,
            renew,
            call_timeout,
            margin,
            quarantine: reader.duration(
                "executor.quarantine",
                15 * SECOND,
                Duration::ZERO,
                "How long the successor of a lost replica stays away from a node with a step found running.",
            ),
            terminate_grace: reader.duration(
                "executor.terminate_grace",
                10 * SECOND,
                Duration::ZERO,
                "How long a cancelled step may take to end.",
            ),
            retry_backoff: reader.duration(
                "executor.retry_backoff",
                Duration::from_millis(500),
                Duration::ZERO,
                "Pause before the first retry of a step.",
            ),
            max_running_roots: reader.count(
                "executor.max_running_roots",
                64,
                1..=MAX_COUNT,
                "Most tasks that one replica runs at a time.",
            ),
            max_parallel_nodes: reader.count(
                "executor.max_parallel_nodes",
                256,
                1..=MAX_COUNT,
                "Most nodes of one task that are worked on at a time; a replica works on four times as many at most.",
            ),
            timeout: StepTimeouts::read(reader),
        }
    }
}

/// How long each kind of step may take, all attempts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTimeouts(BTreeMap<StepKind, Duration>);

impl StepTimeouts {
    /// How long a subtask of `step` may take.
    #[must_use]
    pub fn of(&self, step: StepKind) -> Duration {
        self.0
            .get(&step)
            .copied()
            .unwrap_or_else(|| step.default_timeout())
    }

    fn read(reader: &mut Reader) -> Self {
        let timeouts = StepKind::ALL.map(|step| {
            let timeout = reader.duration(
                &format!("executor.timeout.{step}"),
                step.default_timeout(),
                TICK,
                &format!("How long a `{step}` step may take, all attempts together."),
            );
            (step, timeout)
        });
        Self(timeouts.into())
    }
}

/// What is kept of tasks that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long the events of a tree, and so the tree, are kept after its end at least.
    pub events: Duration,
    /// How long a tree is kept after its end; none: until somebody purges it.
    pub tasks: Option<Duration>,
    /// How often trees that are older are looked for.
    pub interval: Duration,
}

impl Retention {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        const FOREVER: &str = "never";
        let events = reader.duration(
            "retention.events",
            DAY,
            Duration::ZERO,
            "How long a finished task and its events are kept at least, whatever a purge asks for.",
        );
        let tasks = reader
            .text(
                "retention.tasks",
                FOREVER,
                "How long after its end a task is purged by itself, or `never`; at least `retention.events`.",
                |text| match text {
                    FOREVER => Ok(None),
                    text => duration::parse(text)
                        .map(Some)
                        .map_err(|error| format!("{error}, or `{FOREVER}`")),
                },
            )
            .flatten();
        reader.check(
            "retention.tasks",
            &["retention.events"],
            tasks.is_none_or(|tasks| tasks >= events),
            format!(
                "must be at least retention.events, {}",
                duration::format(events)
            ),
        );
        Self {
            events,
            tasks,
            interval: reader.duration(
                "retention.interval",
                HOUR,
                SECOND,
                "How often tasks to purge by itself are looked for.",
            ),
        }
    }
}

/// Limits of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// Most tasks that wait; more are refused.
    pub max_queued: u32,
    /// How long a task may wait before it fails.
    pub max_queue_time: Duration,
    /// How long a task may run that names no timeout of its own.
    pub timeout: Duration,
}

impl Tasks {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let timeout = reader.duration(
            "tasks.timeout",
            DAY,
            SECOND,
            "How long a task may run that names no timeout of its own, at most 7d.",
        );
        reader.check(
            "tasks.timeout",
            &[],
            timeout <= MAX_TASK_TIMEOUT,
            "must be at most 7d".to_owned(),
        );
        Self {
            max_queued: reader.count(
                "tasks.max_queued",
                100_000,
                1..=MAX_COUNT,
                "Most tasks that wait in the queue; more are refused.",
            ),
            max_queue_time: reader.duration(
                "tasks.max_queue_time",
                7 * DAY,
                SECOND,
                "How long a task may wait in the queue before it fails.",
            ),
            timeout,
        }
    }
}

/// Streams of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Most streams of one replica.
    pub max_per_replica: u32,
    /// How long a stream may accept nothing before it is released.
    pub stall_timeout: Duration,
    /// How long a stream lives, more or less a tenth.
    pub max_life: Duration,
}

impl Watch {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        Self {
            max_per_replica: reader.count(
                "watch.max_per_replica",
                20_000,
                1..=MAX_COUNT,
                "Most streams that one replica serves at a time.",
            ),
            stall_timeout: reader.duration(
                "watch.stall_timeout",
                MINUTE,
                TICK,
                "How long a reader may accept nothing before its stream is released.",
            ),
            max_life: reader.duration(
                "watch.max_life",
                HOUR,
                TICK,
                "How long a stream lives, more or less a tenth, before its reader is sent to resume.",
            ),
        }
    }
}

/// The simulated driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// How long each step takes.
    pub step_duration: Duration,
    /// Where every call is written down, which is also the machines' memory.
    pub ledger: PathBuf,
    /// Simulate every node, whatever its design says: a rehearsal.
    pub all: bool,
}

impl Simulated {
    pub(in crate::config) fn read(reader: &mut Reader, data_dir: &Path) -> Self {
        Self {
            step_duration: reader.duration(
                "simulated.step_duration",
                Duration::from_millis(200),
                Duration::ZERO,
                "How long each simulated step takes.",
            ),
            ledger: reader
                .path(
                    "simulated.ledger",
                    "DATA_DIR/simulated-ledger.jsonl",
                    "File of every simulated call, one JSON line each; the simulated machines' memory.",
                )
                .unwrap_or_else(|| data_dir.join("simulated-ledger.jsonl")),
            all: reader.boolean(
                "simulated.all",
                false,
                "Whether every node is simulated, whatever the design says: a rehearsal of a real site.",
            ),
        }
    }
}
