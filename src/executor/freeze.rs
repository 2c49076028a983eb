//! The start of a root: its design is loaded, its nodes are selected, and both are frozen in the
//! write that makes it run.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::design_source::{DesignFailure, DesignFinding, DesignSource, LoadedDesign};
use super::gate;
use super::hints::Signals;
use super::message::About;
use super::options::ExecutorOptions;
use super::pen::{Halt, Pen, QUEUED};
use crate::clock;
use crate::domain::inventory::{Inventory, Node};
use crate::domain::node_filter::{Selection, select};
use crate::domain::{Action, Task, TaskStatus};
use crate::driver::Registry;
use crate::failpoint::failpoint;
use crate::store::{Ending, FrozenDesign, NewMessage, NodeLock, RootChange, Start};

/// Fetches of a design before the task fails: with the waits between them half a minute, longer
/// than a restart of what serves it and short for whoever waits.
const FETCHES: u32 = 5;

/// The wait after the first failed fetch; it doubles.
const FETCH_WAIT: Duration = Duration::from_secs(2);

/// Findings said of a design that does not load: enough to mend it, few enough to read.
const MAX_ERRORS: usize = 100;

/// Findings said when they are the task's whole purpose, so that the write stays small.
const MAX_FINDINGS: usize = 1000;

/// Names that matched nothing which one message lists.
const MAX_UNMATCHED: usize = 100;

/// The site's name where the design has none.
pub(super) const NO_SITE: &str = "-";

/// What a start needs.
pub(super) struct Freezer<'a> {
    pub(super) pen: &'a Pen,
    pub(super) task: &'a Task,
    pub(super) options: &'a ExecutorOptions,
    pub(super) designs: &'a dyn DesignSource,
    pub(super) drivers: &'a Registry,
    pub(super) signals: &'a Signals,
    pub(super) drain: &'a CancellationToken,
}

/// A root that runs.
pub(super) struct Frozen {
    pub(super) task: Task,
    pub(super) site: Arc<str>,
    pub(super) targets: Arc<[Arc<str>]>,
    /// None: it did not load, or the action is refused.
    pub(super) design: Option<Arc<Inventory>>,
}

/// What came of a start.
pub(super) enum Begun {
    Running(Box<Frozen>),
    /// It waited too long in the queue.
    Overdue,
    /// The replica drains; the root is still queued.
    Left,
    /// Another root has the site; this one is still queued, with a place in line.
    Waits,
}

/// The lock of a site, which is that of no node.
pub(super) fn site_lock(site: &Arc<str>) -> NodeLock {
    NodeLock {
        site: Arc::clone(site),
        node: Arc::from(""),
    }
}

impl Freezer<'_> {
    /// Loads, selects and starts.
    pub(super) async fn start(&self) -> Result<Begun, Halt> {
        if self.is_overdue() {
            return Ok(Begun::Overdue);
        }
        let Some(loaded) = self.load().await? else {
            return Ok(Begun::Left);
        };
        let (start, messages, inventory) = match loaded {
            Ok(design) => self.loaded(&design),
            Err(failure) => self.not_loaded(failure),
        };
        let site = Arc::clone(&start.site);
        let targets = Arc::clone(&start.target_nodes);
        let errors = messages.iter().filter(|message| message.error).count();
        let digest = start
            .design
            .as_ref()
            .map(|design| Arc::clone(&design.digest));
        failpoint!(BeforeFreeze);
        if !self.take(start, messages).await? {
            return Ok(Begun::Waits);
        }
        let mut task = self.task.clone();
        task.status = TaskStatus::Running;
        task.started = Some(clock::now());
        task.design_digest = digest;
        task.result.error_count = u32::try_from(errors).unwrap_or(u32::MAX);
        task.target_node_count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        Ok(Begun::Running(Box::new(Frozen {
            task,
            site,
            targets,
            design: inventory,
        })))
    }

    fn is_overdue(&self) -> bool {
        (clock::now() - self.task.created)
            .to_std()
            .is_ok_and(|age| age > self.options.max_queue_time)
    }

    /// Loads the design, and validates it if something depends on that.
    async fn fetch(&self) -> Result<LoadedDesign, DesignFailure> {
        let design_ref = &self.task.design_ref;
        if self.task.action == Action::ValidateDesign {
            return self.designs.validate(design_ref).await;
        }
        let design = self.designs.load(design_ref).await?;
        let nodes = self.nodes(&design.inventory).1;
        let site = design.inventory.site().unwrap_or(NO_SITE);
        let action = self.task.action;
        if gate::is_needed(self.options.gate, action, site, &nodes, self.drivers) {
            // It may have changed meanwhile: what is validated is what is frozen.
            return self.designs.validate(design_ref).await;
        }
        Ok(design)
    }

    /// What the node filter selects, and the nodes that the action is about: for an action on the
    /// site, all of them.
    fn nodes<'i>(&self, inventory: &'i Inventory) -> (Option<Selection>, Vec<&'i Node>) {
        if !self.task.action.is_per_node() {
            return (None, inventory.nodes().iter().collect());
        }
        let detail = self.task.detail.as_ref();
        let selection = select(
            inventory,
            detail.and_then(|detail| detail.node_filter.as_ref()),
        );
        let positions = selection.nodes.iter();
        let nodes = positions.filter_map(|position| inventory.nodes().get(*position));
        let nodes = nodes.collect();
        (Some(selection), nodes)
    }

    /// None: the replica drains.
    async fn load(&self) -> Result<Option<Result<LoadedDesign, DesignFailure>>, Halt> {
        let mut wait = FETCH_WAIT;
        for fetch in 1.. {
            let loaded = tokio::select! {
                biased;
                () = self.pen.gone.cancelled() => return Err(Halt::Gone),
                () = self.signals.stop.cancelled() => return Err(Halt::Gone),
                () = self.drain.cancelled() => return Ok(None),
                loaded = self.fetch() => loaded,
            };
            match loaded {
                Err(DesignFailure::Unavailable(problem)) if fetch < FETCHES => {
                    tracing::warn!(task_id = %self.task.task_id, %problem, fetch, "design not fetched");
                }
                loaded @ (Ok(_)
                | Err(DesignFailure::Unavailable(_) | DesignFailure::Invalid(_))) => {
                    return Ok(Some(loaded));
                }
            }
            tokio::select! {
                biased;
                () = self.pen.gone.cancelled() => return Err(Halt::Gone),
                () = self.signals.stop.cancelled() => return Err(Halt::Gone),
                () = self.drain.cancelled() => return Ok(None),
                () = sleep(wait) => {}
            }
            wait *= 2;
        }
        Ok(None)
    }

    fn loaded(&self, design: &LoadedDesign) -> (Start, Vec<NewMessage>, Option<Arc<Inventory>>) {
        let action = self.task.action;
        let inventory = &design.inventory;
        let site: Arc<str> = Arc::from(inventory.site().unwrap_or(NO_SITE));
        let about = About::site(&site);
        let now = clock::now();
        let mut messages = Vec::new();
        let (selection, nodes) = self.nodes(inventory);
        let targets: Arc<[Arc<str>]> = if let Some(selection) = &selection {
            let targets: Arc<[Arc<str>]> = selection.names(inventory).map(Arc::from).collect();
            messages.push(about.note(
                now,
                format!(
                    "{action} on {} of {} nodes, design {}",
                    targets.len(),
                    inventory.nodes().len(),
                    design.digest
                ),
            ));
            messages.extend(unmatched(selection).map(|text| about.note(now, text)));
            targets
        } else {
            let nodes = inventory.nodes().len();
            let text = format!(
                "{action} on a site of {nodes} nodes, design {}",
                design.digest
            );
            messages.push(about.note(now, text));
            Arc::from([])
        };
        if action == Action::ValidateDesign {
            messages.extend(said(&design.findings, MAX_FINDINGS, false));
        }
        let gate = self.options.gate;
        let refusals = gate::refusals(gate, action, &site, &nodes, design, self.drivers);
        // Without a frozen design nobody goes on with it, not even after a crash.
        let accepted = refusals.is_empty();
        messages.extend(refusals);
        let start = Start {
            target_nodes: targets,
            design: accepted.then(|| FrozenDesign {
                digest: Arc::clone(&design.digest),
                bytes: Arc::clone(&design.bytes),
            }),
            site,
        };
        (start, messages, accepted.then(|| Arc::clone(inventory)))
    }

    fn not_loaded(
        &self,
        failure: DesignFailure,
    ) -> (Start, Vec<NewMessage>, Option<Arc<Inventory>>) {
        let now = clock::now();
        let site: Arc<str> = Arc::from(NO_SITE);
        let mut messages = vec![About::site(&site).note(now, "no nodes: the design does not load")];
        match failure {
            DesignFailure::Unavailable(problem) => {
                let text = format!("the design cannot be fetched: {problem}");
                // A query may hold a secret.
                let named = self.task.design_ref.split('?').next().unwrap_or_default();
                messages.push(About::document(named).error(now, text));
            }
            DesignFailure::Invalid(findings) => {
                let all = self.task.action == Action::ValidateDesign;
                let limit = if all { MAX_FINDINGS } else { MAX_ERRORS };
                messages.extend(said(&findings, limit, !all));
            }
        }
        let start = Start {
            target_nodes: Arc::from([]),
            design: None,
            site,
        };
        (start, messages, None)
    }

    /// Writes the start, if the site of an action on the site is free. False: it is not; the root has a
    /// place in line, and whoever has the site is named.
    async fn take(&self, start: Start, messages: Vec<NewMessage>) -> Result<bool, Halt> {
        let locks = self.task.action == Action::PrepareSite && start.design.is_some();
        let site = Arc::clone(&start.site);
        let lock = locks.then(|| site_lock(&site));
        let now = clock::now();
        let mut write = self.pen.blank(now, QUEUED);
        write.root = RootChange::Start(Box::new(start));
        write.root_messages = messages;
        write.lock.clone_from(&lock);
        let holder = match self.pen.write(write).await {
            Ok(_) => return Ok(true),
            Err(Halt::Busy(holder)) => holder,
            Err(halt) => return Err(halt),
        };
        let mut write = self.pen.blank(now, QUEUED);
        let text = format!("waits for the site, which task {holder} holds");
        write.root_messages.push(About::site(&site).note(now, text));
        write.wait_for = lock;
        self.pen.write(write).await?;
        Ok(false)
    }
}

/// The ending of a root whose design does not load, or is not good enough for its action.
pub(super) fn design_invalid(errors: u32) -> Ending {
    let plural = if errors == 1 { "" } else { "s" };
    let text = format!("the design cannot be used: {errors} error{plural}");
    Ending::Failed(crate::domain::Reason::DesignInvalid, text)
}

/// Findings as messages, at most `limit`, with a last one that counts the rest.
fn said(findings: &[DesignFinding], limit: usize, errors_only: bool) -> Vec<NewMessage> {
    let now = clock::now();
    let wanted = || {
        findings
            .iter()
            .filter(|finding| finding.error || !errors_only)
    };
    let mut messages: Vec<NewMessage> = wanted()
        .take(limit)
        .map(|finding| {
            About::document(&finding.document).say(
                now,
                finding.message.clone(),
                finding.error,
                finding.extra.clone(),
            )
        })
        .collect();
    let rest = wanted().count().saturating_sub(limit);
    if rest > 0 {
        // It must not hide an error among the rest: the task's error count decides its outcome.
        let error = wanted().skip(limit).any(|finding| finding.error);
        let text = format!("and {rest} more findings");
        messages.push(About::site(NO_SITE).say(now, text, error, serde_json::Map::new()));
    }
    messages
}

/// A line for each filter with names that no node has.
fn unmatched(selection: &Selection) -> impl Iterator<Item = String> {
    selection
        .matches
        .iter()
        .filter(|filter| !filter.unmatched_names.is_empty())
        .map(|filter| {
            let names = &filter.unmatched_names;
            let shown = &names[..names.len().min(MAX_UNMATCHED)];
            let more = match names.len() - shown.len() {
                0 => String::new(),
                rest => format!(" and {rest} more"),
            };
            format!(
                "filter {} names what the design does not have: {}{more}",
                filter.filter_index,
                shown.join(", ")
            )
        })
}
