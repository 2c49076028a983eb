//! Streams of events as a client reads them, and a follower that does not lose its place.

use std::time::Duration;

use drydock::domain::Timestamp;
use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{Task, TaskEvent};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

use super::checker::{Beginning, Checker, End, Scope};
use super::client::Client;

/// The bound of the wait for one message. Heartbeats come every five seconds, so a stream that is silent
/// for so long is stuck.
const MESSAGE_BOUND: Duration = Duration::from_secs(60);

/// The pause before a follower tries a server again that is away, and how often it does: half a minute,
/// longer than a restart on a busy machine and a lease together.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const MAX_RETRIES: usize = 600;

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    inner: Streaming<TaskEvent>,
}

/// What a stream had to say.
#[derive(Debug)]
pub(crate) enum Next {
    /// A message, and when it was received.
    Message(Box<TaskEvent>, Timestamp),
    /// It ended.
    End(Result<(), Status>),
}

impl Stream {
    pub(crate) fn of(inner: Streaming<TaskEvent>) -> Self {
        Self { inner }
    }

    /// The next message, or the end.
    pub(crate) async fn next(&mut self) -> Next {
        let message = timeout(MESSAGE_BOUND, self.inner.message()).await;
        match message.expect("a stream says something within its bound") {
            Ok(Some(event)) => Next::Message(Box::new(event), drydock::clock::now()),
            Ok(None) => Next::End(Ok(())),
            Err(status) => Next::End(Err(status)),
        }
    }

    /// The next message for which `wanted` holds; those before it are passed over.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&TaskEvent) -> bool) -> TaskEvent {
        loop {
            match self.next().await {
                Next::Message(event, _) if wanted(&event) => return *event,
                Next::Message(..) => {}
                Next::End(end) => panic!("the stream ended before what was waited for: {end:?}"),
            }
        }
    }

    /// Everything to the end, and the end.
    pub(crate) async fn rest(mut self) -> (Vec<TaskEvent>, Result<(), Status>) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Next::Message(event, _) => events.push(*event),
                Next::End(end) => return (events, end),
            }
        }
    }
}

/// A client that follows a task to its end, whatever happens to its streams on the way, and holds what it
/// is sent against the rules.
pub(crate) struct Follower {
    /// Whom it asks, one after the other: a position is good on any replica.
    clients: Vec<Client>,
    asked: usize,
    task_id: String,
    token: String,
    checker: Checker,
    /// Everything it was sent.
    pub(crate) events: Vec<TaskEvent>,
    /// How many streams it needed.
    pub(crate) streams: usize,
}

impl Follower {
    /// Follows a task from a snapshot on.
    pub(crate) fn of(client: &Client, task_id: &str) -> Self {
        Self::among(vec![client.clone()], task_id)
    }

    /// Follows a task from a snapshot on, each stream at the next of the replicas.
    pub(crate) fn among(clients: Vec<Client>, task_id: &str) -> Self {
        Self {
            clients,
            asked: 0,
            task_id: task_id.to_owned(),
            token: String::new(),
            checker: Checker::new(Scope::Task(task_id.to_owned())),
            events: Vec::new(),
            streams: 0,
        }
    }

    /// Follows a task on from `token`, as of which `tasks` are known.
    pub(crate) fn resuming<'a>(
        client: &Client,
        task_id: &str,
        token: &str,
        tasks: impl IntoIterator<Item = &'a Task>,
    ) -> Self {
        Self {
            token: token.to_owned(),
            checker: Checker::knowing(Scope::Task(task_id.to_owned()), tasks),
            ..Self::of(client, task_id)
        }
    }

    /// Follows the task to its end. Every stream is cut by the client after `cut_after` messages that can
    /// be resumed from; none: only by what happens to it.
    pub(crate) async fn finish(mut self, cut_after: Option<usize>) -> Self {
        let mut retries = 0;
        loop {
            match self.one_stream(cut_after).await {
                Ok(()) if self.checker.is_over() => return self,
                Ok(()) => retries = 0,
                Err(status) => {
                    let passes = matches!(status.code(), Code::Unavailable | Code::Unknown)
                        || is_transport(&status);
                    assert!(passes, "task {}: {status:?}", self.task_id);
                    retries += 1;
                    assert!(retries < MAX_RETRIES, "task {}: {status:?}", self.task_id);
                    // As clients do: a server that is away is asked again a little later.
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Reads one stream: to its end, or until it is cut.
    async fn one_stream(&mut self, cut_after: Option<usize>) -> Result<(), Status> {
        let client = &self.clients[self.asked % self.clients.len()];
        self.asked += 1;
        let mut stream = client.try_watch(&self.task_id, &self.token).await?;
        let beginning = if self.token.is_empty() {
            Beginning::Snapshot
        } else {
            Beginning::Resume
        };
        self.checker.begin(beginning);
        self.streams += 1;
        let mut resumable = 0;
        loop {
            match stream.next().await {
                Next::Message(event, _) => {
                    let checked = self.checker.see(&event);
                    checked.unwrap_or_else(|broken| panic!("task {}: {broken}", self.task_id));
                    if !event.resume_token.is_empty() {
                        self.token.clone_from(&event.resume_token);
                        resumable += 1;
                    }
                    let is_heartbeat = matches!(event.event, Some(Arm::Heartbeat(_)));
                    if !is_heartbeat {
                        self.events.push(*event);
                    }
                    if cut_after.is_some_and(|most| resumable >= most) {
                        let cut = self.checker.end(End::Cut);
                        cut.unwrap_or_else(|broken| panic!("task {}: {broken}", self.task_id));
                        return Ok(());
                    }
                }
                Next::End(Ok(())) => {
                    let end = self.checker.end(End::Ok);
                    end.unwrap_or_else(|broken| panic!("task {}: {broken}", self.task_id));
                    return Ok(());
                }
                Next::End(Err(status)) => return Err(status),
            }
        }
    }
}

/// Whether the connection, and not the server, made this error.
fn is_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}
