//! Following a task to its end, whatever happens to the connection.
//!
//! A stream may break at any moment: a server restarts, a stream reaches its maximum life, a network
//! fails. [`Follow`] asks again from the last token it saw, so that its caller gets every event exactly
//! once. Only a break before the first token, or a token that the server no longer knows, begins anew with
//! a snapshot.
#![expect(
    clippy::disallowed_types,
    reason = "a client reads the status that the api layer of a server made"
)]

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use super::Error;
use super::connection::Link;
use super::error::{in_words, is_passing, reason};
use crate::config::duration;
use crate::proto::v1::task_event::Event;
use crate::proto::v1::task_service_client::TaskServiceClient;
use crate::proto::v1::{TaskEvent, WatchTaskRequest};

/// How often the server is asked to prove that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a stream may be silent before it counts as broken: three heartbeats that did not come.
const SILENCE: Duration = Duration::from_secs(45);

/// Pause before the first attempt after a break; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What to follow, and how persistently.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// The task.
    pub task_id: String,
    /// Continue after the event that had this token; empty: begin with a snapshot.
    pub resume_token: String,
    /// Also everything below the task.
    pub include_subtasks: bool,
    /// How long to try while no server answers.
    pub reconnect_for: Duration,
}

/// What comes of following.
#[derive(Debug)]
pub enum Followed {
    /// The next event.
    Event(Box<TaskEvent>),
    /// The stream broke, for this reason; the next event is being asked for.
    Interrupted(String),
    /// There is a stream again after an interruption; events may yet be some time in coming.
    Resumed,
}

/// A task being followed.
pub struct Follow {
    client: TaskServiceClient<Link>,
    options: FollowOptions,
    stream: Option<Streaming<TaskEvent>>,
    outage: Option<Outage>,
    finished: bool,
}

/// A time without a stream.
struct Outage {
    since: Instant,
    pause: Duration,
    /// Whether the caller knows.
    is_told: bool,
}

impl Follow {
    /// Follows a task. Nothing is sent before [`Self::next`] is called.
    #[must_use]
    pub fn new(client: TaskServiceClient<Link>, options: FollowOptions) -> Self {
        Self {
            client,
            options,
            stream: None,
            outage: None,
            finished: false,
        }
    }

    /// The task being followed.
    #[must_use]
    pub fn task_id(&self) -> &str {
        &self.options.task_id
    }

    /// Where following it can go on, in this process or another one; empty before the first token.
    #[must_use]
    pub fn position(&self) -> &str {
        &self.options.resume_token
    }

    /// What comes next; none after the task's end.
    ///
    /// # Errors
    ///
    /// The server refuses to show the task, or no stream could be had for `reconnect_for`.
    pub async fn next(&mut self) -> Result<Option<Followed>, Error> {
        while !self.finished {
            let Some(stream) = &mut self.stream else {
                if let Some(interrupted) = self.open().await? {
                    return Ok(Some(interrupted));
                }
                continue;
            };
            let broken = match tokio::time::timeout(SILENCE, stream.message()).await {
                Ok(Ok(Some(event))) => {
                    self.advance(&event);
                    return Ok(Some(Followed::Event(Box::new(event))));
                }
                // Only the task's end may end a stream well, and that was not it: something in between did.
                Ok(Ok(None)) => Status::unavailable("the stream ended before the task"),
                Ok(Err(status)) => status,
                Err(_) => {
                    Status::unavailable(format!("nothing came for {}", duration::format(SILENCE)))
                }
            };
            self.stream = None;
            if let Some(interrupted) = self.interrupted(broken)? {
                return Ok(Some(interrupted));
            }
        }
        Ok(None)
    }

    async fn open(&mut self) -> Result<Option<Followed>, Error> {
        if let Some(outage) = &mut self.outage {
            let jitter = outage.pause.mul_f64(rand::random_range(0.5..1.0));
            tokio::time::sleep(jitter).await;
            outage.pause = (outage.pause * 2).min(MAX_PAUSE);
        }
        let request = WatchTaskRequest {
            task_id: self.options.task_id.clone(),
            resume_token: self.options.resume_token.clone(),
            include_subtasks: Some(self.options.include_subtasks),
            heartbeat_interval: HEARTBEAT.try_into().ok(),
            ..WatchTaskRequest::default()
        };
        match self.client.watch_task(request).await {
            Ok(response) => {
                self.stream = Some(response.into_inner());
                // Until the first event the outage goes on, as the stream may break again at once.
                let was_told = self
                    .outage
                    .as_mut()
                    .is_some_and(|outage| std::mem::take(&mut outage.is_told));
                Ok(was_told.then_some(Followed::Resumed))
            }
            Err(status) => self.interrupted(status),
        }
    }

    /// Decides what a broken stream means. An outage is told when it begins, and again after a stream that
    /// came to nothing.
    fn interrupted(&mut self, status: Status) -> Result<Option<Followed>, Error> {
        if is_forgotten(&status) && !self.options.resume_token.is_empty() {
            self.options.resume_token.clear();
        } else if !may_resume(&status) {
            return Err(status.into());
        }
        let told = in_words(&status);
        let Some(outage) = &mut self.outage else {
            self.outage = Some(Outage {
                since: Instant::now(),
                pause: FIRST_PAUSE.max(requested_pause(&status)),
                is_told: true,
            });
            return Ok(Some(Followed::Interrupted(told)));
        };
        if outage.since.elapsed() >= self.options.reconnect_for {
            return Err(Error::Lost {
                waited: duration::format(self.options.reconnect_for),
                last: told,
            });
        }
        outage.pause = outage.pause.max(requested_pause(&status));
        let is_news = !std::mem::replace(&mut outage.is_told, true);
        Ok(is_news.then_some(Followed::Interrupted(told)))
    }

    fn advance(&mut self, event: &TaskEvent) {
        self.outage = None;
        if !event.resume_token.is_empty() {
            self.options.resume_token.clone_from(&event.resume_token);
        }
        self.finished = matches!(event.event, Some(Event::TaskFinished(_)))
            && event.task_id.eq_ignore_ascii_case(&self.options.task_id);
    }
}

/// Whether the position is no longer, or not here, one to resume from.
fn is_forgotten(status: &Status) -> bool {
    status.code() == Code::OutOfRange
}

fn may_resume(status: &Status) -> bool {
    let told_to = matches!(
        reason(status).as_deref(),
        Some("WATCH_QUOTA" | "WATCH_CONSUMER_STALLED")
    );
    told_to || is_passing(status)
}

fn requested_pause(status: &Status) -> Duration {
    let details = status.get_error_details();
    details
        .retry_info()
        .and_then(|retry| retry.retry_delay)
        .unwrap_or_default()
        .min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;
    use crate::cli::connection::link;
    use crate::cli::credentials::CredentialArgs;
    use crate::proto::v1::{Heartbeat, Task};

    fn follow() -> Follow {
        Follow::new(
            TaskServiceClient::new(link("http://127.0.0.1:9", &CredentialArgs::default()).unwrap()),
            FollowOptions {
                task_id: "t".to_owned(),
                resume_token: "old".to_owned(),
                include_subtasks: true,
                reconnect_for: Duration::from_secs(60),
            },
        )
    }

    fn refused(code: Code, reason: &str) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, "drydock.dev", HashMap::new());
        Status::with_error_details(code, "no", details)
    }

    fn event(task_id: &str, token: &str, event: Event) -> TaskEvent {
        TaskEvent {
            task_id: task_id.to_owned(),
            resume_token: token.to_owned(),
            event: Some(event),
            ..TaskEvent::default()
        }
    }

    #[tokio::test]
    async fn the_last_token_counts_and_only_the_own_end_ends() {
        let mut follow = follow();
        follow.advance(&event("t", "1", Event::Heartbeat(Heartbeat {})));
        follow.advance(&event("t", "", Event::Snapshot(Task::default())));
        assert_eq!(follow.options.resume_token, "1");
        follow.advance(&event("child", "2", Event::TaskFinished(Task::default())));
        assert!(!follow.finished);
        follow.advance(&event("t", "3", Event::TaskFinished(Task::default())));
        assert!(follow.finished);
        assert_eq!(follow.options.resume_token, "3");
    }

    #[tokio::test]
    async fn an_outage_is_told_once_and_does_not_last_for_ever() {
        let mut follow = follow();
        let draining = || refused(Code::Unavailable, "SERVER_DRAINING");
        assert!(matches!(
            follow.interrupted(draining()),
            Ok(Some(Followed::Interrupted(_)))
        ));
        assert!(matches!(follow.interrupted(draining()), Ok(None)));
        follow.options.reconnect_for = Duration::ZERO;
        assert!(matches!(
            follow.interrupted(draining()),
            Err(Error::Lost { .. })
        ));
        assert_eq!(follow.options.resume_token, "old");
    }

    #[tokio::test]
    async fn a_stream_that_comes_to_nothing_is_another_interruption() {
        let mut follow = follow();
        let draining = || refused(Code::Unavailable, "SERVER_DRAINING");
        assert!(follow.interrupted(draining()).is_ok());
        follow.outage.as_mut().unwrap().is_told = false;
        assert!(matches!(
            follow.interrupted(draining()),
            Ok(Some(Followed::Interrupted(_)))
        ));
    }

    #[tokio::test]
    async fn a_forgotten_position_begins_anew() {
        let mut follow = follow();
        let expired = || refused(Code::OutOfRange, "RESUME_TOKEN_EXPIRED");
        assert!(follow.interrupted(expired()).is_ok());
        assert_eq!(follow.options.resume_token, "");
        assert!(follow.interrupted(expired()).is_err());
    }

    #[tokio::test]
    async fn a_refusal_ends_following() {
        for (status, ends) in [
            (refused(Code::NotFound, "TASK_NOT_FOUND"), true),
            (refused(Code::ResourceExhausted, "WATCH_QUOTA"), false),
            (
                refused(Code::ResourceExhausted, "WATCH_CONSUMER_STALLED"),
                false,
            ),
            (refused(Code::Unavailable, "WATCH_ROTATED"), false),
            (refused(Code::Internal, "INTERNAL"), true),
            (Status::unknown("h2 protocol error"), false),
        ] {
            assert_eq!(
                follow().interrupted(status.clone()).is_err(),
                ends,
                "{status}"
            );
        }
    }
}
