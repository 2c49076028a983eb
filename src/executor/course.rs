//! The course of a root that runs: its lines of steps, as many at once as there are slots.
//!
//! Memory holds what runs and what waits for a lock; nodes that have not begun are a number.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::hints::Signals;
use super::line::{Line, LineEnd};
use super::message::About;
use super::pen::{Halt, RUNNING};
use super::pending::Pending;
use super::tree::Tree;
use super::waiting::{Waiter, Waiting};
use crate::background::Background;
use crate::clock;
use crate::domain::TaskId;
use crate::store::RootChange;

/// Everything of a root that is to run.
pub(super) struct Course {
    pub(super) tree: Arc<Tree>,
    pub(super) signals: Arc<Signals>,
    /// The replica's slots.
    pub(super) slots: Arc<Semaphore>,
    /// Where a panic is reported.
    pub(super) background: Background,
    pub(super) pending: Pending,
    pub(super) waiting: Waiting,
    pub(super) ready: VecDeque<Ready>,
}

/// How a course ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CourseEnd {
    /// Everything is through.
    Through,
    /// The root is terminating and nothing below it is open.
    Stopped,
    /// It is left for a successor.
    Left,
}

/// Something that may begin as soon as there is a slot.
pub(super) enum Ready {
    /// A line that was found begun, or the site's.
    Line(Box<Line>),
    /// A node whose lock may be free.
    Waiter(u32, Waiter),
}

type SlotWait = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// What the loop keeps beside the course itself.
struct Running {
    lines: JoinSet<(u32, LineEnd)>,
    /// Waiters whose lock is being tried.
    trying: HashMap<u32, Waiter>,
    /// One place in the queue for slots for the whole root, so that roots take turns.
    slot: Option<SlotWait>,
    left: bool,
    broken: Option<String>,
}

impl Course {
    /// Runs until nothing is open, or the tree is to be left.
    pub(super) async fn run(&mut self) -> Result<CourseEnd, Halt> {
        let tree = Arc::clone(&self.tree);
        let mut running = Running {
            lines: JoinSet::new(),
            trying: HashMap::new(),
            slot: None,
            left: false,
            broken: None,
        };
        let timeout = sleep(self.time_left());
        tokio::pin!(timeout);
        let mut overdue = false;
        // Before anything begins: a root that is taken over may have been overdue for long.
        if self.time_left().is_zero() && !tree.stop.is_cancelled() && !tree.leave.is_cancelled() {
            overdue = true;
            if let Err(halt) = self.time_out().await {
                self.halted(&mut running, halt);
            }
        }
        let mut tick = interval(tree.options.poll_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.fill(&mut running);
            // Nobody comes after a line that runs alone, unless another one was left open.
            let open = running.left || running.broken.is_some() || self.has_work();
            let last_line = running.lines.len() == 1 && !open;
            tree.last_line.store(last_line, Ordering::Release);
            self.stop_waiting(&mut running).await;
            tree.standing.waits(self.only_waits(&running));
            self.signals.waits.store(
                !self.waiting.is_empty() || !running.trying.is_empty(),
                Ordering::Release,
            );
            if running.lines.is_empty() && !self.goes_on() {
                break;
            }
            let stopping = tree.stop.is_cancelled();
            let leaving = tree.leave.is_cancelled();
            let idle_end = running.lines.is_empty();
            tokio::select! {
                biased;
                () = tree.pen.gone.cancelled(), if idle_end => return Err(Halt::Gone),
                () = tree.stop.cancelled(), if !stopping => {}
                () = tree.leave.cancelled(), if !leaving => {}
                () = &mut timeout, if !overdue && !stopping && !leaving => {
                    overdue = true;
                    if let Err(halt) = self.time_out().await {
                        self.halted(&mut running, halt);
                    }
                }
                Some(joined) = running.lines.join_next() => {
                    self.joined(&mut running, joined).await;
                }
                slot = granted(&mut running.slot) => {
                    running.slot = None;
                    match slot {
                        Ok(slot) => self.begin_next(&mut running, Some(slot)),
                        // The replica is going away.
                        Err(_) => tree.leave.cancel(),
                    }
                }
                () = self.signals.wake.notified() => {
                    let freed = self.signals.take_freed();
                    let taken = self.waiting.take_freed(&tree.targets, &freed);
                    self.make_ready(taken);
                }
                _ = tick.tick(), if !self.waiting.is_empty() => {
                    let taken = self.waiting.take_some();
                    self.make_ready(taken);
                }
            }
        }
        if tree.pen.gone.is_cancelled() {
            return Err(Halt::Gone);
        }
        if let Some(problem) = running.broken {
            return Err(Halt::Broken(problem));
        }
        if running.left || (tree.leave.is_cancelled() && self.has_begun_line()) {
            return Ok(CourseEnd::Left);
        }
        if tree.stop.is_cancelled() {
            self.return_ready();
            self.waiting.terminate(&tree).await?;
            return Ok(CourseEnd::Stopped);
        }
        if tree.leave.is_cancelled() && self.has_work() {
            return Ok(CourseEnd::Left);
        }
        Ok(CourseEnd::Through)
    }

    fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.pending.is_empty() || !self.waiting.is_empty()
    }

    /// Whether there is something to do besides what lines do, and all of it waits for locks.
    fn only_waits(&self, running: &Running) -> bool {
        let waits =
            !self.waiting.is_empty() || !running.trying.is_empty() || !self.ready.is_empty();
        let begins = !self.pending.is_empty() || self.has_begun_line();
        waits && !begins && !self.tree.stop.is_cancelled() && !self.tree.leave.is_cancelled()
    }

    /// Whether there is something to begin, now or later.
    fn goes_on(&self) -> bool {
        let tree = &self.tree;
        if tree.pen.gone.is_cancelled() || tree.leave.is_cancelled() {
            return false;
        }
        if tree.stop.is_cancelled() {
            return self.has_begun_line();
        }
        self.has_work()
    }

    /// Whether a line that was found begun must still be wound down.
    fn has_begun_line(&self) -> bool {
        self.ready.iter().any(|ready| match ready {
            Ready::Line(_) => true,
            Ready::Waiter(..) => false,
        })
    }

    fn fill(&mut self, running: &mut Running) {
        let tree = Arc::clone(&self.tree);
        if tree.pen.gone.is_cancelled() || tree.leave.is_cancelled() {
            running.slot = None;
            return;
        }
        if tree.stop.is_cancelled() {
            // A stop needs no slot: what is found running is only wound down, and P8 bounds it.
            running.slot = None;
            self.return_ready();
            while let Some(ready) = self.ready.pop_front() {
                self.begin(running, ready, None);
            }
            return;
        }
        let room = |running: &Running| running.lines.len() < tree.options.max_parallel_nodes;
        while running.slot.is_none() && room(running) && self.can_begin() {
            if !tree.root.action.is_per_node() {
                self.begin_next(running, None);
                continue;
            }
            match Arc::clone(&self.slots).try_acquire_owned() {
                Ok(slot) => self.begin_next(running, Some(slot)),
                Err(_) => {
                    running.slot = Some(Box::pin(Arc::clone(&self.slots).acquire_owned()));
                }
            }
        }
        // A place in the queue that is not polled would keep a slot from others.
        if !room(running) || !self.can_begin() {
            running.slot = None;
        }
    }

    /// Ends what waits as soon as the stop is seen: it need not wait for what runs.
    async fn stop_waiting(&mut self, running: &mut Running) {
        let tree = Arc::clone(&self.tree);
        let leaving = tree.leave.is_cancelled() || tree.pen.gone.is_cancelled();
        if !tree.stop.is_cancelled() || leaving || self.waiting.is_empty() {
            return;
        }
        if let Err(halt) = self.waiting.terminate(&tree).await {
            self.halted(running, halt);
        }
    }

    fn can_begin(&self) -> bool {
        !self.ready.is_empty() || !self.pending.is_empty()
    }

    fn begin_next(&mut self, running: &mut Running, slot: Option<OwnedSemaphorePermit>) {
        if let Some(ready) = self.ready.pop_front() {
            self.begin(running, ready, slot);
        } else if let Some(index) = self.pending.take() {
            let name = self.tree.name(index).cloned();
            let mut line = Line::new(Arc::clone(&self.tree), index, name, None);
            line.working = Some(self.tree.standing.work());
            self.spawn(running, line, slot);
        }
    }

    fn begin(&mut self, running: &mut Running, ready: Ready, slot: Option<OwnedSemaphorePermit>) {
        match ready {
            Ready::Line(mut line) => {
                line.working = Some(self.tree.standing.work());
                self.spawn(running, *line, slot);
            }
            Ready::Waiter(index, waiter) => {
                let Some(name) = self.tree.name(index) else {
                    return;
                };
                let node = waiter.subtask(&self.tree, index, name);
                running.trying.insert(index, waiter);
                let name = Some(Arc::clone(name));
                let line = Line::new(Arc::clone(&self.tree), index, name, Some(node));
                self.spawn(running, line, slot);
            }
        }
    }

    fn spawn(&self, running: &mut Running, line: Line, slot: Option<OwnedSemaphorePermit>) {
        let run = async move {
            let index = line.index;
            let end = line.run().await;
            drop(slot);
            (index, end)
        };
        running
            .lines
            .spawn(self.background.guard("line of steps", run));
    }

    /// Puts waiters that were to be tried back among those that wait.
    fn return_ready(&mut self) {
        for ready in std::mem::take(&mut self.ready) {
            match ready {
                Ready::Line(_) => self.ready.push_back(ready),
                Ready::Waiter(index, waiter) => self.waiting.insert(index, waiter),
            }
        }
    }

    fn make_ready(&mut self, taken: Vec<(u32, Waiter)>) {
        let taken = taken.into_iter();
        self.ready
            .extend(taken.map(|(index, waiter)| Ready::Waiter(index, waiter)));
    }

    async fn joined(&mut self, running: &mut Running, joined: Result<(u32, LineEnd), JoinError>) {
        let (index, end) = match joined {
            Ok(ended) => ended,
            Err(panic) => {
                let problem = format!("a line of steps did not end: {panic}");
                return self.halted(running, Halt::Broken(problem));
            }
        };
        let tried = running.trying.remove(&index);
        match end {
            LineEnd::Ended | LineEnd::Stopped | LineEnd::Gone => {}
            LineEnd::Left => running.left = true,
            LineEnd::Unbegun => {
                self.tree.stop.cancel();
                if let Some(waiter) = tried {
                    self.waiting.insert(index, waiter);
                }
            }
            LineEnd::Busy(holder) => match tried {
                Some(waiter) => self.waiting.insert(index, waiter),
                None => {
                    if let Err(halt) = self.queue(index, holder).await {
                        self.halted(running, halt);
                    }
                }
            },
            LineEnd::Broken(problem) => self.halted(running, Halt::Broken(problem)),
        }
    }

    async fn queue(&mut self, index: u32, holder: TaskId) -> Result<(), Halt> {
        let tree = Arc::clone(&self.tree);
        let Some(name) = tree.name(index) else {
            return Ok(());
        };
        self.signals.waits.store(true, Ordering::Release);
        self.waiting.queue(&tree, index, name, holder).await
    }

    fn halted(&self, running: &mut Running, halt: Halt) {
        match halt {
            Halt::Gone => {}
            Halt::Stopping => self.tree.stop.cancel(),
            Halt::Busy(holder) => {
                self.tree.leave.cancel();
                running.broken = Some(format!("a lock of {holder} where none is asked for"));
            }
            Halt::Broken(problem) => {
                tracing::error!(task_id = %self.tree.root.task_id, %problem, "root broken");
                self.tree.leave.cancel();
                running.broken.get_or_insert(problem);
            }
        }
    }

    async fn time_out(&self) -> Result<(), Halt> {
        let tree = &self.tree;
        let now = clock::now();
        let mut write = tree.pen.blank(now, RUNNING);
        write.root = RootChange::TimeOut;
        let text = format!("its time of {} s is over", tree.root.timeout.as_secs());
        write
            .root_messages
            .push(About::site(&tree.site).error(now, text));
        // Before the write: its hint may reach a line before its answer reaches us.
        tree.timed_out.store(true, Ordering::Relaxed);
        match tree.pen.write(write).await {
            Ok(_) => {}
            Err(Halt::Stopping) => tree.timed_out.store(false, Ordering::Relaxed),
            Err(halt) => return Err(halt),
        }
        tree.stop.cancel();
        Ok(())
    }

    fn time_left(&self) -> Duration {
        let root = &self.tree.root;
        let spent = root.started.map_or(Duration::ZERO, |started| {
            (clock::now() - started).to_std().unwrap_or_default()
        });
        root.timeout.saturating_sub(spent)
    }
}

/// The slot that is waited for; for ever when none is.
async fn granted(slot: &mut Option<SlotWait>) -> Result<OwnedSemaphorePermit, AcquireError> {
    match slot {
        Some(slot) => slot.await,
        None => std::future::pending().await,
    }
}
