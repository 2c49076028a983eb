//! Winding down: what happens to a line of steps once its root is terminating.
//!
//! Nothing is created any more. A running step is asked to stop and gets a grace; one that cannot
//! be interrupted is waited for. Work that turns out to be done counts as done.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::line::{Line, LineEnd, Slot};
use super::outcome::StepResult;
use super::pen::{Halt, OPEN};
use super::step::Ran;
use super::subtask::Edit;
use crate::clock;
use crate::domain::plan::{self, Next};
use crate::domain::{Cause, Reason, ResultStatus, TaskStatus, Timestamp};
use crate::driver::{Driver, DriverError, ErrorKind, Progress, StepCall, StepReport};

/// How often stopping work is asked whether it has stopped.
const STOP_POLL: Duration = Duration::from_millis(250);

/// How often work that cannot be interrupted is asked whether it has ended.
const END_POLL: Duration = Duration::from_secs(2);

/// What a stop found of a step's work.
#[derive(Debug)]
pub(super) enum Settled {
    /// It stopped, or never began.
    Stopped,
    /// It did not say that it stopped while it was waited for.
    Unconfirmed(String),
    /// The replica drains: a successor settles it. Nothing is to be written.
    Left,
    /// It had ended, or could not be kept from ending.
    Ended(StepResult),
}

/// A driver call that is in flight.
pub(super) type InFlight<'a> =
    Pin<&'a mut (dyn Future<Output = Result<Progress, DriverError>> + Send)>;

impl Line {
    /// Moves node and step to terminating and settles the step's work. `begun`: it may have been
    /// started; `in_flight`: the call that the stop interrupted.
    pub(super) async fn wind_down(
        &mut self,
        driver: &Arc<dyn Driver>,
        call: &StepCall,
        begun: bool,
        in_flight: Option<InFlight<'_>>,
    ) -> Result<Ran, Halt> {
        let interruptible = driver.interruptible(call.step);
        let note = (begun && !interruptible)
            .then(|| format!("{} cannot be interrupted and is waited for", call.step));
        self.mark_terminating(note).await?;
        let settled = if !begun {
            Settled::Stopped
        } else if interruptible {
            self.interrupt(driver, call, in_flight).await?
        } else {
            self.wait_for_end(driver, call, in_flight).await?
        };
        match settled {
            Settled::Left => {}
            Settled::Stopped | Settled::Unconfirmed(_) | Settled::Ended(_) => self.meet(),
        }
        Ok(Ran::Stopped(settled))
    }

    /// Winds down a line whose step (if any) has ended by itself.
    pub(super) async fn stop(&mut self, ended: Option<StepResult>) -> Result<LineEnd, Halt> {
        self.tree.stop.cancel();
        self.mark_terminating(None).await?;
        self.settle(ended.map_or(Settled::Stopped, Settled::Ended))
            .await
    }

    /// One write that ends the step and the node, or the node alone when no step runs.
    pub(super) async fn settle(&mut self, settled: Settled) -> Result<LineEnd, Halt> {
        let tree = Arc::clone(&self.tree);
        let now = clock::now();
        let mut write = tree.pen.blank(now, OPEN);
        let mut changes = Vec::with_capacity(2);
        let mut failed = None;
        let mut reason = Reason::NodeFailures;
        match &settled {
            Settled::Stopped | Settled::Left | Settled::Unconfirmed(_) => {
                if let Some(step) = &self.step {
                    let mut edit = step.edit();
                    if let Settled::Unconfirmed(text) = &settled {
                        edit.say(self.about().error(now, text.as_str()));
                        write
                            .root_messages
                            .push(self.about().error(now, text.as_str()));
                    }
                    self.terminate(&mut edit, now);
                    changes.push((edit, Slot::Current));
                }
            }
            Settled::Ended(result) => {
                reason = result.node_reason();
                let mut history = self.history.clone();
                history.push(result.end());
                let Some((edit, failure)) = self.conclude_step(result, now) else {
                    return Err(Halt::Broken("a step ended that does not run".to_owned()));
                };
                write.root_messages.extend(failure);
                changes.push((edit, Slot::Current));
                failed = match plan::next(tree.root.action, &history) {
                    Next::Step(_) => None,
                    Next::Succeeded => Some(false),
                    Next::Failed => Some(true),
                };
                self.history = history;
            }
        }
        if let Some(node) = &self.node {
            let mut edit = node.edit();
            match failed {
                Some(failed) => {
                    self.conclude_node(&mut edit, failed, reason, now);
                }
                None => self.terminate(&mut edit, now),
            }
            changes.push((edit, Slot::Node));
            write.unlock = self.name.as_ref().and_then(|name| tree.lock(name));
        }
        if !changes.is_empty() {
            let mut fresh = None;
            self.commit(&tree, write, changes, &mut fresh).await?;
        }
        Ok(if failed.is_some() {
            LineEnd::Ended
        } else {
            LineEnd::Stopped
        })
    }

    fn terminate(&self, edit: &mut Edit, now: Timestamp) {
        let tree = &self.tree;
        edit.move_to(
            TaskStatus::Terminated,
            Cause::Executor,
            &tree.words.empty,
            now,
        );
        edit.conclude(
            ResultStatus::Incomplete,
            tree.stop_reason(),
            Arc::clone(&tree.words.stopped),
        );
    }

    /// Moves what runs of the line to terminating, in one write.
    async fn mark_terminating(&mut self, note: Option<String>) -> Result<(), Halt> {
        let tree = Arc::clone(&self.tree);
        let now = clock::now();
        let mut changes = Vec::with_capacity(2);
        // Top down, so that nobody sees a stopping step below a node that still runs.
        for (slot, subtask) in [(Slot::Node, &self.node), (Slot::Current, &self.step)] {
            let Some(subtask) = subtask else { continue };
            if subtask.task.status != TaskStatus::Running {
                continue;
            }
            let mut edit = subtask.edit();
            edit.move_to(
                TaskStatus::Terminating,
                Cause::Parent,
                &tree.words.empty,
                now,
            );
            if slot == Slot::Current
                && let Some(note) = &note
            {
                edit.say(self.about().note(now, note.as_str()));
            }
            changes.push((edit, slot));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let write = tree.pen.blank(now, OPEN);
        let mut fresh = None;
        self.commit(&tree, write, changes, &mut fresh).await
    }

    /// Cancels the work and waits, up to the grace, until it says what came of it. A cancel may
    /// overtake a start in flight, so it is sent again once that has returned; one that failed is
    /// sent again too.
    async fn interrupt(
        &self,
        driver: &Arc<dyn Driver>,
        call: &StepCall,
        mut in_flight: Option<InFlight<'_>>,
    ) -> Result<Settled, Halt> {
        let tree = &self.tree;
        let grace = tree.options.terminate_grace;
        let end = Instant::now() + grace;
        let mut cancel = Some(Box::pin(self.cancel(driver, call)));
        // When another cancel is due; none: the last one counts.
        let mut again: Option<Instant> = None;
        let mut failure: Option<String> = None;
        loop {
            if cancel.is_none() && again.is_some_and(|due| due <= Instant::now()) {
                again = None;
                cancel = Some(Box::pin(self.cancel(driver, call)));
            }
            if cancel.is_none() && in_flight.is_none() {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                if tree.leave.is_cancelled() {
                    return Ok(Settled::Left);
                }
                if !tree.pen.life.wait_for(tree.options.call_needs()).await {
                    return Err(Halt::Gone);
                }
                match self.bounded(driver.poll(call)).await? {
                    Ok(Progress::Done(report)) => return Ok(self.done(report)),
                    Err(error) if is_over(&error) => return Ok(stopped(failure)),
                    Err(error) if !error.transient => return Ok(stopped(Some(error.message))),
                    Ok(Progress::Running { .. }) | Err(_) => {}
                }
                tokio::select! {
                    biased;
                    () = tree.pen.gone.cancelled() => return Err(Halt::Gone),
                    () = sleep(STOP_POLL.min(left)) => {}
                }
                continue;
            }
            let due = again.filter(|_| cancel.is_none());
            tokio::select! {
                biased;
                () = tree.pen.gone.cancelled() => return Err(Halt::Gone),
                answer = returned(&mut in_flight), if in_flight.is_some() => {
                    in_flight = None;
                    again = Some(Instant::now());
                    match answer {
                        Ok(Progress::Done(report)) => return Ok(self.done(report)),
                        Err(error) if !error.transient && !is_over(&error) => {
                            failure = Some(error.message);
                        }
                        Ok(Progress::Running { .. }) | Err(_) => {}
                    }
                }
                cancelled = answered(&mut cancel), if cancel.is_some() => {
                    cancel = None;
                    if let Err(error) = cancelled? {
                        tracing::warn!(task_id = %call.task_id, %error, "step not cancelled");
                        again.get_or_insert(Instant::now() + STOP_POLL);
                    }
                }
                () = until(due), if due.is_some() => {}
                () = sleep(end.saturating_duration_since(Instant::now())) => break,
            }
        }
        drop(cancel);
        if in_flight.take().is_some() {
            // The call is dropped here, and what it had begun by now no cancel has seen.
            if let Err(error) = self.cancel(driver, call).await? {
                tracing::warn!(task_id = %call.task_id, %error, "step not cancelled");
            }
        }
        if failure.is_some() {
            return Ok(stopped(failure));
        }
        Ok(Settled::Unconfirmed(format!(
            "{} did not confirm within {} s that it stopped",
            call.step,
            grace.as_secs()
        )))
    }

    async fn cancel(
        &self,
        driver: &Arc<dyn Driver>,
        call: &StepCall,
    ) -> Result<Result<(), DriverError>, Halt> {
        let tree = &self.tree;
        if !tree.pen.life.wait_for(tree.options.call_needs()).await {
            return Err(Halt::Gone);
        }
        self.bounded(driver.cancel(call)).await
    }

    /// What a stop makes of work that is done.
    fn done(&self, report: StepReport) -> Settled {
        if report.found {
            return Settled::Ended(StepResult::Succeeded(report));
        }
        // It would have asked again: that it had not found it yet is no failure.
        if self.planned().is_some_and(|step| step.polled) {
            return Settled::Stopped;
        }
        Settled::Ended(StepResult::not_found(report))
    }

    /// Waits for work that cannot be interrupted, up to the step's timeout.
    async fn wait_for_end(
        &self,
        driver: &Arc<dyn Driver>,
        call: &StepCall,
        mut in_flight: Option<InFlight<'_>>,
    ) -> Result<Settled, Halt> {
        let tree = &self.tree;
        let deadline = self.step_deadline();
        loop {
            let answer = match in_flight.take() {
                Some(in_flight) => self.bounded(in_flight).await?,
                None if tree.leave.is_cancelled() => return Ok(Settled::Left),
                None => {
                    if !tree.pen.life.wait_for(tree.options.call_needs()).await {
                        return Err(Halt::Gone);
                    }
                    self.bounded(driver.poll(call)).await?
                }
            };
            match answer {
                Ok(Progress::Done(report)) => return Ok(self.done(report)),
                Err(error) if is_over(&error) => return Ok(Settled::Stopped),
                Err(error) if !error.transient => {
                    return Ok(Settled::Ended(StepResult::failed(error.message)));
                }
                Ok(Progress::Running { .. }) | Err(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Settled::Unconfirmed(format!(
                    "{} did not end within its time after the task was stopped",
                    call.step
                )));
            }
            tokio::select! {
                biased;
                () = tree.pen.gone.cancelled() => return Err(Halt::Gone),
                () = tree.leave.cancelled() => {}
                () = sleep(END_POLL.min(left)) => {}
            }
        }
    }
}

/// Whether a poll says that nothing goes on and nothing failed.
fn is_over(error: &DriverError) -> bool {
    !error.transient && matches!(error.kind, ErrorKind::Cancelled | ErrorKind::NotStarted)
}

/// Work that goes on no more: stopped, unless it had failed.
fn stopped(failure: Option<String>) -> Settled {
    failure.map_or(Settled::Stopped, |text| {
        Settled::Ended(StepResult::failed(text))
    })
}

/// The answer of the cancel; for ever without one.
async fn answered<T>(cancel: &mut Option<Pin<Box<impl Future<Output = T>>>>) -> T {
    match cancel {
        Some(cancel) => cancel.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Waits until then; for ever without it.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep(due.saturating_duration_since(Instant::now())).await,
        None => std::future::pending().await,
    }
}

/// The answer of the call in flight; for ever without one.
async fn returned(in_flight: &mut Option<InFlight<'_>>) -> Result<Progress, DriverError> {
    match in_flight {
        Some(call) => call.as_mut().await,
        None => std::future::pending().await,
    }
}
