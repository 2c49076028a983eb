//! The runner of one root, from the moment it is claimed to its final status.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::Instant;

use super::claim::Shared;
use super::course::{Course, CourseEnd, Ready};
use super::freeze::{Begun, Freezer, NO_SITE, design_invalid};
use super::hints::Signals;
use super::lease::Life;
use super::line::Line;
use super::message::About;
use super::pen::{Halt, OPEN, Pen, QUEUED, RUNNING, TERMINATING};
use super::pending::Pending;
use super::recovery;
use super::standing::Standing;
use super::step::Enter;
use super::tree::{Tree, Words};
use super::waiting::Waiting;
use crate::clock;
use crate::domain::inventory::{Inventory, InventoryError};
use crate::domain::{Action, Reason, RootFacts, Task, TaskStatus, plan};
use crate::store::{Claimed, Ending, PreviousOwner, RootChange, Start, Written};

/// Runs one claimed root.
pub(super) struct Runner {
    pub(super) shared: Arc<Shared>,
    pub(super) life: Arc<Life>,
    pub(super) signals: Arc<Signals>,
    pub(super) claimed: Claimed,
    /// Earlier runs found a defect: stop everything and end the root as failed.
    pub(super) last_resort: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The root is over, or another's.
    Done,
    /// It is left as it stands, because the replica drains.
    Left,
    /// It is queued behind another that has its site, and needs nobody before that one is over.
    Waits,
    /// A defect keeps it from going on.
    Broken {
        /// Whether a step ended before that.
        progressed: bool,
    },
}

impl Runner {
    /// Runs the root to its end, or as far as this replica may.
    pub(super) async fn run(self) -> Exit {
        let task_id = self.claimed.task.task_id;
        let pen = Pen {
            store: self.shared.store.clone(),
            life: Arc::clone(&self.life),
            root_task_id: task_id,
            epoch: self.claimed.epoch,
            facts: Arc::new(RootFacts {
                action: self.claimed.task.action,
                design_ref: Arc::clone(&self.claimed.task.design_ref),
                labels: Arc::clone(&self.claimed.task.labels),
            }),
            gone: self.life.lost.child_token(),
            drain: self.shared.drain.clone(),
            unclean: self.shared.unclean.clone(),
            progressed: Arc::new(AtomicBool::new(false)),
        };
        match self.run_with(&pen).await {
            Ok(exit) => exit,
            Err(Halt::Gone) => Exit::Done,
            Err(halt @ (Halt::Stopping | Halt::Busy(_) | Halt::Broken(_))) => {
                tracing::error!(%task_id, problem = %halt, "root does not go on");
                Exit::Broken {
                    progressed: pen.progressed.load(Ordering::Relaxed),
                }
            }
        }
    }

    async fn run_with(&self, pen: &Pen) -> Result<Exit, Halt> {
        match self.claimed.task.status {
            TaskStatus::Requested | TaskStatus::Queued if self.last_resort => {
                self.fail_unstarted(pen).await
            }
            TaskStatus::Requested | TaskStatus::Queued => self.start(pen).await,
            TaskStatus::Running | TaskStatus::Terminating => {
                let taken_over = self.take_over(pen).await;
                let vanished = recovery::enter_after(self.claimed.previous) == Enter::Vanished;
                // Nobody met what the vanished owner left: the next owner must be as careful.
                if taken_over.is_err() && vanished && self.shared.drain.is_cancelled() {
                    self.shared.unclean.cancel();
                }
                taken_over
            }
            TaskStatus::Complete | TaskStatus::Terminated => Ok(Exit::Done),
        }
    }

    async fn start(&self, pen: &Pen) -> Result<Exit, Halt> {
        let freezer = Freezer {
            pen,
            task: &self.claimed.task,
            options: &self.shared.options,
            designs: self.shared.designs.as_ref(),
            drivers: &self.shared.drivers,
            signals: &self.signals,
            drain: &self.shared.drain,
        };
        let frozen = match freezer.start().await? {
            Begun::Running(frozen) => *frozen,
            Begun::Left => return Ok(Exit::Left),
            Begun::Waits => return Ok(Exit::Waits),
            Begun::Overdue => {
                let mut write = pen.blank(clock::now(), QUEUED);
                let limit = self.shared.options.max_queue_time.as_secs();
                let text = format!("waited in the queue for more than {limit} s");
                write
                    .root_messages
                    .push(About::site(NO_SITE).error(write.now, text));
                write.root = RootChange::Finish(Ending::QueueTimeout);
                pen.write(write).await?;
                return Ok(Exit::Done);
            }
        };
        let without_design = frozen.design.is_none();
        let pending = Pending::new(frozen.targets.len(), Vec::new());
        let design = match frozen.design {
            Some(design) => design,
            None => no_nodes()?,
        };
        let tree = self.tree(pen, frozen.task, frozen.site, frozen.targets, design);
        if without_design {
            let errors = tree.root.result.error_count;
            return self.finish(&tree, design_invalid(errors)).await;
        }
        self.go(tree, pending, VecDeque::new(), false).await
    }

    async fn take_over(&self, pen: &Pen) -> Result<Exit, Halt> {
        let task = &self.claimed.task;
        let resumed = recovery::resume(
            pen,
            self.shared.designs.as_ref(),
            task,
            self.claimed.site.clone(),
        )
        .await?;
        let announced = self.announce(pen, &resumed.site).await?;
        if announced.root_status >= TaskStatus::Terminating && task.status == TaskStatus::Running {
            // It was asked to stop after it was claimed, maybe before this runner could be told.
            // Only its owner times a root out, so this is no timeout.
            self.signals.stop.cancel();
        }

        let pending = Pending::new(resumed.targets.len(), resumed.present);
        let without_design = resumed.design.is_none() && resumed.damage.is_none();
        let design = match resumed.design {
            Some(design) => design,
            None => no_nodes()?,
        };
        if let Some(problem) = &resumed.damage {
            tracing::error!(task_id = %task.task_id, %problem, "frozen design lost");
        }
        let tree = self.tree(pen, task.clone(), resumed.site, resumed.targets, design);
        let running = task.status == TaskStatus::Running;
        let defect = running && (self.last_resort || resumed.damage.is_some());
        if defect || !running {
            tree.stop.cancel();
        } else if without_design {
            let errors = tree.root.result.error_count;
            return self.finish(&tree, design_invalid(errors)).await;
        }
        // A request to stop is recorded with its time; without one it was the timeout.
        let timed_out = !running && task.terminated.is_none();
        tree.timed_out.store(timed_out, Ordering::Relaxed);
        let enter = recovery::enter_after(self.claimed.previous);
        let begun = recovery::lines(&tree, resumed.open, enter)?;
        let lines = begun
            .lines
            .into_iter()
            .map(|line| Ready::Line(Box::new(line)));
        let waiters = begun
            .waiters
            .into_iter()
            .map(|(index, waiter)| Ready::Waiter(index, waiter));
        let ready = lines.chain(waiters).collect();
        self.go(tree, pending, ready, defect).await
    }

    /// Runs what is below the root, then ends it. With a `defect` it is only wound down.
    async fn go(
        &self,
        tree: Arc<Tree>,
        pending: Pending,
        mut ready: VecDeque<Ready>,
        defect: bool,
    ) -> Result<Exit, Halt> {
        let action = tree.root.action;
        if action == Action::ValidateDesign && !tree.stop.is_cancelled() {
            let ending = if tree.root.result.error_count > 0 {
                Ending::Failed(
                    Reason::DesignInvalid,
                    format!("the design has {} errors", tree.root.result.error_count),
                )
            } else {
                Ending::Done
            };
            return self.finish(&tree, ending).await;
        }
        if !action.is_per_node() && !plan::steps(action).is_empty() && ready.is_empty() {
            let line = Line::new(Arc::clone(&tree), 0, None, None);
            ready.push_back(Ready::Line(Box::new(line)));
        }
        let mut course = Course {
            tree: Arc::clone(&tree),
            signals: Arc::clone(&self.signals),
            slots: Arc::clone(&self.shared.slots),
            background: self.shared.background.clone(),
            pending,
            waiting: Waiting::default(),
            ready,
        };
        let end = course.run().await?;
        if tree.ended.load(Ordering::Acquire) {
            return Ok(Exit::Done);
        }
        let ending = match end {
            CourseEnd::Left => {
                if tree.unmet.load(Ordering::Acquire) > 0 {
                    self.shared.unclean.cancel();
                }
                return Ok(Exit::Left);
            }
            CourseEnd::Through => Ending::Done,
            CourseEnd::Stopped if defect => Ending::Failed(
                Reason::Internal,
                "a defect of the service kept it from going on".to_owned(),
            ),
            CourseEnd::Stopped if tree.timed_out.load(Ordering::Relaxed) => Ending::TimedOut,
            CourseEnd::Stopped => Ending::Stopped,
        };
        self.finish(&tree, ending).await
    }

    /// Writes the end. A stop that comes at the last moment ends it as stopped.
    async fn finish(&self, tree: &Tree, ending: Ending) -> Result<Exit, Halt> {
        match self.write_end(tree, ending.clone()).await {
            Ok(()) => Ok(Exit::Done),
            Err(Halt::Stopping) => {
                self.write_end(tree, Ending::Stopped).await?;
                Ok(Exit::Done)
            }
            Err(halt) => Err(halt),
        }
    }

    async fn write_end(&self, tree: &Tree, ending: Ending) -> Result<(), Halt> {
        let allowed = match &ending {
            Ending::Done => RUNNING,
            Ending::Stopped | Ending::TimedOut => TERMINATING,
            Ending::Failed(..) => OPEN,
            Ending::QueueTimeout => QUEUED,
        };
        let mut write = tree.pen.blank(clock::now(), allowed);
        tree.end(&mut write, ending);
        tree.pen.write(write).await.map(|_| ())
    }

    /// Ends a root that could not even be started.
    async fn fail_unstarted(&self, pen: &Pen) -> Result<Exit, Halt> {
        let site: Arc<str> = Arc::from(NO_SITE);
        let mut write = pen.blank(clock::now(), QUEUED);
        write.root = RootChange::Start(Box::new(Start {
            target_nodes: Arc::from([]),
            design: None,
            site: Arc::clone(&site),
        }));
        let text = "no nodes: a defect of the service keeps it from starting";
        write
            .root_messages
            .push(About::site(&site).error(write.now, text));
        pen.write(write).await?;
        let task = self.claimed.task.clone();
        let tree = self.tree(pen, task, site, Arc::from([]), no_nodes()?);
        let ending = Ending::Failed(Reason::Internal, text.to_owned());
        self.finish(&tree, ending).await
    }

    /// Tells those who watch that the tree has a new owner.
    async fn announce(&self, pen: &Pen, site: &str) -> Result<Written, Halt> {
        let before = match self.claimed.previous {
            PreviousOwner::None => "which had no owner".to_owned(),
            PreviousOwner::Released => "which its owner gave back".to_owned(),
            PreviousOwner::Dead(instance) => format!("whose owner {instance} is dead"),
            PreviousOwner::Expired(instance) => format!("whose owner {instance} lost its lease"),
        };
        let mut write = pen.blank(clock::now(), OPEN);
        let (instance, epoch) = (pen.life.instance, pen.epoch);
        let text = format!("instance {instance} continues the task, {before}; epoch {epoch}");
        write
            .root_messages
            .push(About::site(site).note(write.now, text));
        pen.write(write).await
    }

    fn tree(
        &self,
        pen: &Pen,
        mut root: Task,
        site: Arc<str>,
        targets: Arc<[Arc<str>]>,
        design: Arc<Inventory>,
    ) -> Arc<Tree> {
        root.detail = None;
        let quarantine = match self.claimed.previous {
            PreviousOwner::Expired(_) => Some(Instant::now() + self.shared.options.quarantine),
            PreviousOwner::None | PreviousOwner::Released | PreviousOwner::Dead(_) => None,
        };
        Arc::new(Tree {
            pen: pen.clone(),
            options: Arc::clone(&self.shared.options),
            drivers: Arc::clone(&self.shared.drivers),
            root,
            site,
            design,
            targets,
            stop: self.signals.stop.clone(),
            leave: self.shared.drain.child_token(),
            quarantine,
            unmet: AtomicUsize::new(0),
            timed_out: AtomicBool::new(false),
            last_line: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            standing: Standing::new(Arc::clone(&self.shared.resting)),
            words: Words::new(),
        })
    }
}

/// A design without nodes, for a root whose own cannot be had.
fn no_nodes() -> Result<Arc<Inventory>, Halt> {
    Inventory::new(None, Vec::new(), std::collections::BTreeMap::new())
        .map(Arc::new)
        .map_err(|error: InventoryError| Halt::Broken(error.to_string()))
}
