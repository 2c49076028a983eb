//! Running one step: its driver calls, attempts and limits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::call::in_time;
use super::line::{Line, Slot};
use super::outcome::StepResult;
use super::pen::{Halt, RUNNING};
use super::retry::{self, Again, Asked};
use super::terminate::Settled;
use crate::clock;
use crate::domain::Policy;
use crate::driver::{Driver, DriverError, Mark, Progress, StepCall};
use crate::failpoint::failpoint;
use crate::random;
use crate::seeded::{Bug, seeded};

/// The shortest wait between two polls: a driver that asks for none must not spin.
const MIN_POLL: Duration = Duration::from_millis(10);

/// The longest wait between two polls, so that an end is seen soon after it happened.
const MAX_POLL: Duration = Duration::from_secs(30);

/// What one run of a step passes on of a driver's progress messages: a chatty device must not
/// fill the task's messages.
const MAX_PROGRESS_MESSAGES: usize = 100;

/// How a step is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enter {
    /// It was committed a moment ago by this replica; nothing was called yet.
    Fresh,
    /// It was found running; its owner stopped between two calls and gave the tree back.
    Released,
    /// It was found running; what its owner was doing when it vanished is unknown.
    Vanished,
}

/// What came of running a step.
pub(super) enum Ran {
    /// It is over; not yet written.
    Ended(StepResult),
    /// The root is terminating and the step's work is settled; not yet written.
    Stopped(Settled),
    /// It was left between calls, for a successor.
    Left,
}

/// The first call of a step; none: it must not be called again (promise P5).
pub(super) fn first_call(enter: Enter, policy: Policy) -> Option<Asked> {
    if seeded(Bug::RepeatOnRecovery) {
        return Some(Asked::Start);
    }
    match (enter, policy) {
        (Enter::Fresh, _)
        | (Enter::Released | Enter::Vanished, Policy::Observe | Policy::Converge) => {
            Some(Asked::Start)
        }
        (Enter::Released | Enter::Vanished, Policy::Guarded) => Some(Asked::Find),
        // Whoever gives a tree back has started every step that runs, and asking changes nothing.
        (Enter::Released, Policy::Once) => Some(Asked::Poll),
        (Enter::Vanished, Policy::Once) => None,
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// By itself.
    Elapsed,
    /// The root is to stop, or the replica drains.
    Called,
}

impl Line {
    /// Runs the step that is committed as running.
    pub(super) async fn run_step(&mut self) -> Result<Ran, Halt> {
        let tree = Arc::clone(&self.tree);
        let mut call = self.step_call()?;
        let driver = Arc::clone(tree.drivers.driver(&call));
        let policy = driver.policy(&call);
        let mut begun = self.enter != Enter::Fresh;
        if begun {
            // Also where nothing is called: what ends here frees the node for others.
            if !self.wait_out_quarantine().await? {
                return Ok(Ran::Left);
            }
            failpoint!(AfterQuarantine);
        }
        let Some(mut asked) = first_call(self.enter, policy) else {
            self.meet();
            return Ok(Ran::Ended(StepResult::lost()));
        };
        let deadline = self.step_deadline();
        // Whether anyone may have called it before: only then can its time be over already.
        let mut called = begun;
        let mut retrying = false;
        let mut unanswered = 0;
        let mut told = 0;
        let mut last_told = None;

        loop {
            if tree.stop.is_cancelled() {
                return self.wind_down(&driver, &call, begun, None).await;
            }
            // A step that was never called is called once even while the replica drains: what is
            // given back has been started. The same goes for one that only we can try again.
            let only_here =
                asked == Asked::Start && (!begun || (retrying && policy == Policy::Once));
            if tree.leave.is_cancelled() && !only_here {
                return Ok(Ran::Left);
            }
            if !tree.pen.life.wait_for(tree.options.call_needs()).await {
                return Err(Halt::Gone);
            }
            // Also for a guarded step that was found absent: what has no time left is not begun.
            if asked == Asked::Start && called && Instant::now() >= deadline {
                if begun {
                    self.give_up(&driver, &call).await?;
                }
                self.meet();
                return Ok(Ran::Ended(self.overdue()));
            }
            called = true;
            let answer = match asked {
                // Reads only and is bounded: a stop waits for it.
                Asked::Find => match self.bounded(driver.find(&call)).await? {
                    Ok(Mark::Absent) => {
                        self.meet();
                        asked = Asked::Start;
                        begun = false;
                        continue;
                    }
                    Ok(Mark::Present) => {
                        self.meet();
                        asked = Asked::Poll;
                        begun = true;
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Asked::Start | Asked::Poll => {
                    begun = true;
                    let held = call.clone();
                    let limit = tree.options.call_timeout;
                    let life = Arc::clone(&tree.pen.life);
                    let mut in_flight = Box::pin(in_time(limit, life, async {
                        match asked {
                            Asked::Start => driver.start(&held).await,
                            Asked::Poll | Asked::Find => driver.poll(&held).await,
                        }
                    }));
                    tokio::select! {
                        biased;
                        () = tree.pen.gone.cancelled() => return Err(Halt::Gone),
                        answer = in_flight.as_mut() => answer,
                        () = tree.stop.cancelled() => {
                            return self
                                .wind_down(&driver, &held, true, Some(in_flight.as_mut()))
                                .await;
                        }
                    }
                }
            };

            self.meet();
            retrying = answer.is_err();
            if answer.is_ok() {
                unanswered = 0;
            }
            let wait = match answer {
                Ok(Progress::Done(report)) if report.found => {
                    return Ok(Ran::Ended(StepResult::Succeeded(report)));
                }
                Ok(Progress::Done(_)) if self.planned().is_some_and(|step| step.polled) => {
                    asked = Asked::Start;
                    tree.options.ask_again_interval
                }
                Ok(Progress::Done(report)) => {
                    return Ok(Ran::Ended(StepResult::not_found(report)));
                }
                Ok(Progress::Running {
                    poll_after,
                    message,
                }) => {
                    if let Some(text) = message
                        && told < MAX_PROGRESS_MESSAGES
                        && last_told.as_ref() != Some(&text)
                    {
                        told += 1;
                        self.tell(text.clone(), 0).await?;
                        last_told = Some(text);
                    }
                    asked = Asked::Poll;
                    poll_after.clamp(MIN_POLL, MAX_POLL)
                }
                Err(error) => {
                    // Says nothing about the work and takes no attempt from it: it is asked after
                    // until its time is over.
                    if asked == Asked::Poll && error.transient {
                        unanswered += 1;
                        let text = error.message.clone();
                        if unanswered == 1 && told < MAX_PROGRESS_MESSAGES {
                            told += 1;
                            self.tell(format!("not answered, asking again: {text}"), 0)
                                .await?;
                        }
                        let base = tree.options.retry_backoff;
                        let wait = retry::backoff(base, unanswered, random::fraction());
                        if self.out_of_time(deadline, wait).await? {
                            self.give_up(&driver, &call).await?;
                            return Ok(Ran::Ended(self.overdue()));
                        }
                        continue;
                    }
                    let Some(again) = retry::decide(policy, asked, &error, call.attempt - 1) else {
                        // A poll tells that the work is over; after anything else it may go on.
                        if asked != Asked::Poll {
                            self.give_up(&driver, &call).await?;
                        }
                        return Ok(Ran::Ended(StepResult::failed(error.message)));
                    };
                    let text = format!("attempt {} failed: {error}", call.attempt);
                    self.tell(text, 1).await?;
                    let wait = retry::backoff(
                        tree.options.retry_backoff,
                        call.attempt,
                        random::fraction(),
                    );
                    call.attempt += 1;
                    asked = match again {
                        Again::Find => Asked::Find,
                        Again::Start => Asked::Start,
                    };
                    wait
                }
            };
            // A step that a successor could not try again is not left waiting.
            let hurry = retrying && policy == Policy::Once && tree.leave.is_cancelled();
            if hurry && Instant::now() < deadline {
                continue;
            }
            if self.out_of_time(deadline, wait).await? {
                self.give_up(&driver, &call).await?;
                return Ok(Ran::Ended(self.overdue()));
            }
        }
    }

    /// Says something about the step and counts `retries`, in one write.
    pub(super) async fn tell(&mut self, text: String, retries: u32) -> Result<(), Halt> {
        let tree = Arc::clone(&self.tree);
        let Some(step) = &self.step else {
            return Ok(());
        };
        let now = clock::now();
        let mut edit = step.edit();
        edit.task.retry += retries;
        edit.say(self.about().note(now, text));
        let write = tree.pen.blank(now, RUNNING);
        let mut fresh = None;
        match self
            .commit(&tree, write, vec![(edit, Slot::Current)], &mut fresh)
            .await
        {
            // What was to be said is worth less than the stop, which the caller looks for next.
            Err(Halt::Stopping) => {
                tree.stop.cancel();
                Ok(())
            }
            told => told,
        }
    }

    /// Bounds a driver call; the outer error is the loss of the tree.
    pub(super) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<Result<T, DriverError>, Halt> {
        let limit = self.tree.options.call_timeout;
        tokio::select! {
            biased;
            () = self.tree.pen.gone.cancelled() => Err(Halt::Gone),
            answer = in_time(limit, Arc::clone(&self.tree.pen.life), call) => Ok(answer),
        }
    }

    /// When the step must have ended, all attempts together, whoever began it.
    pub(super) fn step_deadline(&self) -> Instant {
        let started = self.step.as_ref().and_then(|step| step.task.started);
        let spent = started.map_or(Duration::ZERO, |started| {
            (clock::now() - started).to_std().unwrap_or_default()
        });
        Instant::now() + self.step_timeout().saturating_sub(spent)
    }

    fn overdue(&self) -> StepResult {
        let limit = self.step_timeout();
        StepResult::timed_out(format!("did not end within {} s", limit.as_secs()))
    }

    fn step_timeout(&self) -> Duration {
        let step = self.step.as_ref();
        step.map_or(Duration::ZERO, |step| step.task.timeout)
    }

    fn step_call(&self) -> Result<StepCall, Halt> {
        let tree = &self.tree;
        let (Some(step), Some(planned)) = (&self.step, self.planned()) else {
            return Err(Halt::Broken("a step runs that is not planned".to_owned()));
        };
        if step.task.step != Some(planned.kind) {
            return Err(Halt::Broken(format!(
                "{:?} runs where {} is planned",
                step.task.step, planned.kind
            )));
        }
        Ok(StepCall {
            task_id: step.task.task_id,
            root_task_id: step.task.root_task_id,
            instance: tree.pen.life.instance,
            epoch: tree.pen.epoch,
            attempt: step.task.retry + 1,
            step: planned.kind,
            policy: planned.policy,
            advisory: planned.advisory,
            action: tree.root.action,
            site: Arc::clone(&tree.site),
            node_name: self.name.clone(),
            design: Arc::clone(&tree.design),
        })
    }

    /// Leaves a node alone for as long as a vanished owner may still be calling it; false: leave.
    async fn wait_out_quarantine(&self) -> Result<bool, Halt> {
        let Some(end) = self.tree.quarantine else {
            return Ok(true);
        };
        let left = end.saturating_duration_since(Instant::now());
        if self.enter != Enter::Vanished || left.is_zero() || seeded(Bug::SkippedQuarantine) {
            return Ok(true);
        }
        tokio::select! {
            biased;
            () = self.tree.pen.gone.cancelled() => Err(Halt::Gone),
            () = self.tree.leave.cancelled() => Ok(false),
            () = sleep(left) => Ok(true),
        }
    }

    /// Waits, at the most until `deadline`; true: that has come.
    async fn out_of_time(&self, deadline: Instant, wait: Duration) -> Result<bool, Halt> {
        let left = deadline.saturating_duration_since(Instant::now());
        Ok(self.pause(wait.min(left)).await? == Woken::Elapsed && wait >= left)
    }

    async fn pause(&self, wait: Duration) -> Result<Woken, Halt> {
        let tree = &self.tree;
        tokio::select! {
            biased;
            () = tree.pen.gone.cancelled() => Err(Halt::Gone),
            () = tree.stop.cancelled() => Ok(Woken::Called),
            () = tree.leave.cancelled() => Ok(Woken::Called),
            () = sleep(wait) => Ok(Woken::Elapsed),
        }
    }

    /// Asks work to stop before its step ends as failed: the node is free afterwards. It failed
    /// whatever comes of that, so an error is only logged.
    async fn give_up(&self, driver: &Arc<dyn Driver>, call: &StepCall) -> Result<(), Halt> {
        if !driver.interruptible(call.step) {
            return Ok(());
        }
        if !self
            .tree
            .pen
            .life
            .wait_for(self.tree.options.call_needs())
            .await
        {
            return Err(Halt::Gone);
        }
        if let Err(error) = self.bounded(driver.cancel(call)).await? {
            tracing::warn!(task_id = %call.task_id, %error, "given up step not cancelled");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_that_may_have_begun_and_must_not_be_repeated_is_given_up() {
        let all = [
            Policy::Observe,
            Policy::Converge,
            Policy::Guarded,
            Policy::Once,
        ];
        for policy in all {
            assert_eq!(first_call(Enter::Fresh, policy), Some(Asked::Start));
        }
        assert_eq!(
            all.map(|policy| first_call(Enter::Vanished, policy)),
            [
                Some(Asked::Start),
                Some(Asked::Start),
                Some(Asked::Find),
                None
            ]
        );
        assert_eq!(first_call(Enter::Released, Policy::Once), Some(Asked::Poll));
    }
}
