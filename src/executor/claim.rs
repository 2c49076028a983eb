//! The claim loop: takes roots while there are slots, and sees that every root this replica owns
//! has a runner.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::design_source::DesignSource;
use super::hints::Trees;
use super::lease::{Life, error_chain};
use super::options::ExecutorOptions;
use super::root::{Exit, Runner};
use super::standing::Resting;
use crate::background::Background;
use crate::clock;
use crate::domain::{TaskId, TaskStatus};
use crate::driver::Registry;
use crate::failpoint::failpoint;
use crate::store::{Claimed, Error, PreviousOwner, Store, View};

/// Roots taken by one claim, so that replicas that start together share what there is.
const CLAIM_BATCH: u32 = 16;

/// Roots beyond `max_running_roots` that one replica keeps while they only wait for nodes: a few kilobytes
/// each, besides their designs, which those of one site share. With more, as many take places of those that
/// run.
const MAX_RESTING: usize = 1024;

/// Runs of one root that may break in a row, none of which got a step further. What breaks a run
/// is often a single answer of the database; after this many the next run only ends the root.
const MAX_BREAKS: u32 = 3;

/// What every part of the executor shares.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) options: Arc<ExecutorOptions>,
    pub(super) designs: Arc<dyn DesignSource>,
    pub(super) drivers: Arc<Registry>,
    pub(super) trees: Arc<Trees>,
    /// Roots that only wait for nodes.
    pub(super) resting: Arc<Resting>,
    /// Slots for nodes.
    pub(super) slots: Arc<Semaphore>,
    /// Notified when there may be a root to claim.
    pub(super) claim: Arc<Notify>,
    /// Notified when commits were missed.
    pub(super) look: Arc<Notify>,
    /// Cancelled when the replica drains.
    pub(super) drain: CancellationToken,
    /// Cancelled when a write was given up with its outcome unknown.
    pub(super) unclean: CancellationToken,
    /// Where a panic is reported.
    pub(super) background: Background,
}

/// Claims roots and owns their runners.
pub(super) struct Claimer {
    pub(super) shared: Arc<Shared>,
    pub(super) life: watch::Receiver<Arc<Life>>,
    pub(super) renewals: watch::Receiver<u64>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Claim {
    /// Roots that nobody owns: what a hint is about.
    Free,
    /// Those of dead replicas, too.
    Any,
}

/// The runners of one life.
struct Crew {
    life: Arc<Life>,
    runners: JoinSet<(TaskId, Exit)>,
    /// Roots whose last runs found a defect and got no step further, and how many there were.
    broken: HashMap<TaskId, u32>,
    /// Whether there may be roots of ours without a runner: a claim's answer was lost.
    doubt: bool,
    /// The ids of runners, to know which one panicked.
    ids: HashMap<tokio::task::Id, TaskId>,
}

impl Claimer {
    /// Claims until the replica drains, then waits for every runner to leave its root.
    pub(super) async fn run(mut self) {
        while !self.shared.drain.is_cancelled() {
            let life = Arc::clone(&self.life.borrow_and_update());
            let mut crew = Crew {
                life,
                runners: JoinSet::new(),
                broken: HashMap::new(),
                doubt: false,
                ids: HashMap::new(),
            };
            self.work(&mut crew).await;
            // Runners of a lost life end by themselves, and those of a draining one between two
            // calls. No root is claimed again before its last runner is gone.
            while let Some(joined) = crew.runners.join_next_with_id().await {
                // What waits is given back with all that is left.
                self.joined(&mut crew, joined);
            }
            // A root that nobody runs was not left between two calls by anyone.
            if self.shared.drain.is_cancelled() && (crew.doubt || !crew.broken.is_empty()) {
                self.shared.unclean.cancel();
            }
            if crew.life.lost.is_cancelled() && !self.shared.drain.is_cancelled() {
                tokio::select! {
                    biased;
                    () = self.shared.drain.cancelled() => {}
                    changed = self.life.wait_for(|life| !life.lost.is_cancelled()) => {
                        if changed.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Claims with one life until it is lost or the replica drains.
    async fn work(&mut self, crew: &mut Crew) {
        let shared = Arc::clone(&self.shared);
        let life = Arc::clone(&crew.life);
        let mut tick = interval(shared.options.poll_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.renewals.mark_unchanged();
        loop {
            tokio::select! {
                biased;
                () = shared.drain.cancelled() => return,
                () = life.lost.cancelled() => return,
                Some(joined) = crew.runners.join_next_with_id() => {
                    if let Some(root) = self.joined(crew, joined) {
                        self.give_back(crew, root).await;
                    }
                    // Only a replica that was full may have left something unclaimed.
                    if self.room(crew) <= 1 {
                        shared.claim.notify_one();
                    }
                }
                changed = self.renewals.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.look(crew).await;
                    self.claim_overdue(crew).await;
                }
                () = shared.look.notified() => self.look(crew).await,
                () = shared.claim.notified() => self.claim(crew, Claim::Free).await,
                _ = tick.tick() => {
                    self.claim(crew, Claim::Any).await;
                    if self.room(crew) == 0 {
                        self.claim_abandoned(crew).await;
                        self.claim_overdue(crew).await;
                    }
                }
            }
        }
    }

    /// How many roots more may run.
    fn room(&self, crew: &Crew) -> usize {
        let places = self.shared.options.max_running_roots;
        room(places, crew.runners.len(), self.shared.resting.count())
    }

    /// Claims as much as there are slots for.
    async fn claim(&self, crew: &mut Crew, which: Claim) {
        loop {
            let limit = self.room(crew).min(CLAIM_BATCH as usize);
            if limit == 0 || self.takes_no_more(crew) {
                return;
            }
            let (store, instance) = (self.shared.store.clone(), crew.life.instance);
            let count = u32::try_from(limit).unwrap_or(u32::MAX);
            let claim = async move {
                match which {
                    Claim::Free => store.claim_free(instance, count).await,
                    Claim::Any => store.claim(instance, count).await,
                }
            };
            let Some(claimed) = self.claimed(crew, claim).await else {
                return;
            };
            let full = claimed.len() == limit;
            for claimed in claimed {
                self.begin(crew, claimed, false);
            }
            if !full {
                return;
            }
        }
    }

    /// Claims roots without their owner, even with every slot taken: they hold locks that those in the
    /// slots may wait for.
    async fn claim_abandoned(&self, crew: &mut Crew) {
        if self.takes_no_more(crew) {
            return;
        }
        let (store, instance) = (self.shared.store.clone(), crew.life.instance);
        let claim = async move { store.claim_abandoned(instance, CLAIM_BATCH).await };
        for claimed in self.claimed(crew, claim).await.unwrap_or_default() {
            self.begin(crew, claimed, false);
        }
    }

    /// Claims roots that waited too long, for a slot or for their site: they only end, and need neither.
    async fn claim_overdue(&self, crew: &mut Crew) {
        // Longer ago than the clocks of this service go back: nothing is overdue.
        let Ok(limit) = chrono::Duration::from_std(self.shared.options.max_queue_time) else {
            return;
        };
        let Some(before) = clock::now().checked_sub_signed(limit) else {
            return;
        };
        if self.takes_no_more(crew) {
            return;
        }
        let (store, instance) = (self.shared.store.clone(), crew.life.instance);
        let claim = async move { store.claim_overdue(instance, before, CLAIM_BATCH).await };
        for claimed in self.claimed(crew, claim).await.unwrap_or_default() {
            self.begin(crew, claimed, false);
        }
    }

    /// Whether the life is about to end, or the replica drains.
    fn takes_no_more(&self, crew: &Crew) -> bool {
        crew.life.time_left() < self.shared.options.margin || self.shared.drain.is_cancelled()
    }

    /// Gives back a root that waits for its site: its place in line is kept in the database, and a slot
    /// is for those that work. Only when its runner is gone, because it may be claimed at once.
    async fn give_back(&self, crew: &Crew, root: TaskId) {
        match self.shared.store.give_back(crew.life.instance, root).await {
            // The site may have come free before there was anything to claim.
            Ok(()) => self.shared.claim.notify_one(),
            Err(error) => {
                // The next look finds it without a runner.
                tracing::warn!(task_id = %root, error = %error_chain(&error), "root not given back");
            }
        }
    }

    /// What a claim gave; none: it failed. Detached, so that it is never dropped between its
    /// commit and its answer.
    async fn claimed(
        &self,
        crew: &mut Crew,
        claim: impl Future<Output = Result<Vec<Claimed>, Error>> + Send + 'static,
    ) -> Option<Vec<Claimed>> {
        let claim = self.shared.background.spawn("claim", claim);
        let claimed = tokio::select! {
            biased;
            // What it takes for a life that is over, others take back.
            () = crew.life.lost.cancelled() => return None,
            claimed = claim => claimed,
        };
        match claimed {
            Ok(Ok(claimed)) => {
                failpoint!(AfterClaim => {
                    crew.doubt = true;
                    None
                });
                Some(claimed)
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error_chain(&error), "claim failed");
                crew.doubt = true;
                None
            }
            // Reported where it panicked; the process ends.
            Err(_) => None,
        }
    }

    /// Compares what the store says this replica owns with what it runs: finds stops whose hint
    /// was lost, and roots without a runner (their claim's answer was lost, or a run broke).
    async fn look(&self, crew: &mut Crew) {
        let mut doubt = false;
        let owned = match self.shared.store.owned(crew.life.instance).await {
            Ok(owned) => owned,
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "look at owned roots failed");
                return;
            }
        };
        for (root, epoch, status) in owned {
            match self.shared.trees.get(root) {
                Some(signals) if status >= TaskStatus::Terminating => signals.stop.cancel(),
                Some(_) => {}
                None if status.is_terminal() => {}
                None => {
                    if let Err(error) = self.adopt(crew, root, epoch).await {
                        tracing::warn!(task_id = %root, error = %error_chain(&error), "root not adopted");
                        doubt = true;
                    }
                }
            }
        }
        crew.doubt = doubt;
    }

    /// Gives a runner to a root that this replica owns and does not run.
    async fn adopt(&self, crew: &mut Crew, root: TaskId, epoch: i64) -> Result<(), Error> {
        let Some(task) = self.shared.store.task(root, View::Full).await? else {
            return Ok(());
        };
        tracing::warn!(task_id = %root, epoch, "owned root without a runner");
        let breaks = crew.broken.get(&root).copied().unwrap_or(0);
        let last_resort = breaks >= MAX_BREAKS;
        let claimed = Claimed {
            task,
            epoch,
            site: None,
            // Who owned it before is forgotten, so the worst is assumed.
            previous: PreviousOwner::Expired(crew.life.instance),
        };
        self.begin(crew, claimed, last_resort);
        Ok(())
    }

    fn begin(&self, crew: &mut Crew, claimed: Claimed, last_resort: bool) {
        let root = claimed.task.task_id;
        if self.shared.trees.contains(root) {
            tracing::error!(task_id = %root, "claimed a root that runs here");
            return;
        }
        tracing::debug!(task_id = %root, epoch = claimed.epoch, status = %claimed.task.status, "root claimed");
        let runner = Runner {
            shared: Arc::clone(&self.shared),
            life: Arc::clone(&crew.life),
            signals: self.shared.trees.add(root),
            claimed,
            last_resort,
        };
        let run = async move { (root, runner.run().await) };
        let handle = crew
            .runners
            .spawn(self.shared.background.guard("runner of a root", run));
        crew.ids.insert(handle.id(), root);
    }

    /// Notes what came of a run; the root, if it waits for its site.
    fn joined(
        &self,
        crew: &mut Crew,
        joined: Result<(tokio::task::Id, (TaskId, Exit)), JoinError>,
    ) -> Option<TaskId> {
        match joined {
            Ok((id, (root, exit))) => {
                crew.ids.remove(&id);
                self.shared.trees.remove(root);
                match exit {
                    Exit::Done | Exit::Left => {
                        crew.broken.remove(&root);
                    }
                    Exit::Waits => {
                        crew.broken.remove(&root);
                        return Some(root);
                    }
                    // Its rows are still ours: the next look gives it another runner.
                    Exit::Broken { progressed } => {
                        let breaks = crew.broken.entry(root).or_insert(0);
                        *breaks = if progressed { 1 } else { *breaks + 1 };
                    }
                }
            }
            Err(panic) => {
                if let Some(root) = crew.ids.remove(&panic.id()) {
                    self.shared.trees.remove(root);
                }
            }
        }
        None
    }
}

/// How many roots more may run in `places` where `running` do, of which `resting` only wait.
fn room(places: usize, running: usize, resting: usize) -> usize {
    let working = running.saturating_sub(resting);
    let in_memory = places.saturating_add(MAX_RESTING);
    let room = places.saturating_sub(working);
    room.min(in_memory.saturating_sub(running))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_only_wait_take_no_place_up_to_a_bound() {
        assert_eq!(room(64, 10, 0), 54);
        assert_eq!(room(64, 64, 0), 0);
        assert_eq!(room(64, 64, 64), 64);
        assert_eq!(room(64, 64 + MAX_RESTING - 1, 64 + MAX_RESTING - 1), 1);
        assert_eq!(room(64, 64 + MAX_RESTING, 64 + MAX_RESTING), 0);
        // Those that waited and work now are not held up: until they end there is room for nobody.
        assert_eq!(room(64, 100, 2), 0);
    }
}
