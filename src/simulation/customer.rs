//! A client: creates a task, follows it to its end on whichever replica answers, and stops some.

#![expect(clippy::disallowed_types, reason = "a client speaks gRPC")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rand::RngExt as _;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use turmoil::net::TcpStream;

use super::checker::{Beginning, Checker, End, Scope};
use super::replica::PORT;
use crate::proto::v1::task_service_client::TaskServiceClient;
use crate::proto::v1::{
    CreateTaskRequest, GetTaskRequest, Task, TaskAction, TaskEvent, TaskStatus,
    TerminateTaskRequest, WatchTaskRequest,
};
use crate::random::{self, simulated::draw};

/// How long a connection may be silent, and a stream: heartbeats come every five seconds.
const CONNECTION_BOUND: Duration = Duration::from_secs(2);
const SILENCE_BOUND: Duration = Duration::from_secs(12);

/// The pause before another replica is asked.
const PAUSE: Duration = Duration::from_millis(100);

/// What one task was, as its client saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) task_id: String,
    pub(super) events: Vec<TaskEvent>,
    pub(super) streams: usize,
    /// The task at its end.
    pub(super) end: Option<Task>,
}

/// What clients tell of, by the order in which they are through.
pub(super) type Stories = Rc<RefCell<Vec<Story>>>;

/// What a client wants.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) action: TaskAction,
    pub(super) design_ref: String,
    /// When it is wished.
    pub(super) after: Duration,
    /// When the task is to be stopped, counted from its creation.
    pub(super) stop_after: Option<Duration>,
    /// How many messages of a stream its client reads at the most before it leaves and comes back.
    pub(super) patience: usize,
}

/// A client of several replicas.
pub(super) struct Customer {
    replicas: Vec<TaskServiceClient<Channel>>,
    asked: usize,
}

impl Customer {
    /// A client of the replicas on these hosts.
    pub(super) fn of(hosts: &[String]) -> Self {
        let connect = |host: &String| {
            let host = host.clone();
            let endpoint = Endpoint::from_shared(format!("http://{host}:{PORT}"));
            // Without a bound of their own: calls end when the database is given up, or the connection. For
            // how long a call that was given up is remembered is measured on the real clock by h2.
            let endpoint = endpoint.expect("a host makes a URL");
            let connector = tower::service_fn(move |_| {
                let host = host.clone();
                async move {
                    Ok::<_, std::io::Error>(TokioIo::new(TcpStream::connect((host, PORT)).await?))
                }
            });
            let channel = endpoint
                .connect_timeout(CONNECTION_BOUND)
                .http2_keep_alive_interval(CONNECTION_BOUND)
                .keep_alive_timeout(CONNECTION_BOUND)
                .connect_with_connector_lazy(connector);
            TaskServiceClient::new(channel)
        };
        Self {
            replicas: hosts.iter().map(connect).collect(),
            asked: 0,
        }
    }

    /// Has one wish fulfilled.
    ///
    /// # Errors
    ///
    /// A rule that was broken on the way.
    pub(super) async fn fulfil(mut self, wish: Wish, stories: Stories) -> Result<(), String> {
        sleep(wish.after).await;
        let request = CreateTaskRequest {
            action: wish.action.into(),
            design_ref: wish.design_ref.clone(),
            request_id: random::id().to_string(),
            ..CreateTaskRequest::default()
        };
        let created = self
            .insist(|mut client| {
                let request = request.clone();
                async move { client.create_task(request).await }
            })
            .await?;
        let task_id = created.into_inner().task_id;
        let mut story = Story {
            task_id: task_id.clone(),
            ..Story::default()
        };
        if let Some(after) = wish.stop_after {
            let (stopping, following) = (self.stop(&task_id, after), self.follow_elsewhere());
            let (stopped, followed) =
                tokio::join!(stopping, following.follow(&mut story, wish.patience));
            stopped?;
            followed?;
        } else {
            self.follow_elsewhere()
                .follow(&mut story, wish.patience)
                .await?;
        }
        story.end = Some(self.get(&task_id).await?);
        let end = story.end.as_ref().map(Task::status);
        if end.is_none_or(|end| end < TaskStatus::Complete) {
            return Err(format!("task {task_id} is {end:?} after its end was told"));
        }
        stories.borrow_mut().push(story);
        Ok(())
    }

    /// The same connections, asked in an order of their own.
    fn follow_elsewhere(&self) -> Self {
        Self {
            replicas: self.replicas.clone(),
            asked: self.asked + 1,
        }
    }

    async fn stop(&self, task_id: &str, after: Duration) -> Result<(), String> {
        sleep(after).await;
        let request = TerminateTaskRequest {
            task_id: task_id.to_owned(),
            reason: "enough".to_owned(),
            ..TerminateTaskRequest::default()
        };
        let mut again = self.follow_elsewhere();
        let stopped = again
            .insist_unless(Some(Code::FailedPrecondition), |mut client| {
                let request = request.clone();
                async move { client.terminate_task(request).await }
            })
            .await?;
        // Read your writes: whoever is asked now knows that it is to stop, or was over before.
        let seen = again.get(task_id).await?.status();
        if stopped.is_some() && seen < TaskStatus::Terminating {
            return Err(format!(
                "task {task_id} is {seen:?} after it was told to stop"
            ));
        }
        Ok(())
    }

    async fn get(&mut self, task_id: &str) -> Result<Task, String> {
        let request = GetTaskRequest {
            task_id: task_id.to_owned(),
            ..GetTaskRequest::default()
        };
        let read = self
            .insist(|mut client| {
                let request = request.clone();
                async move { client.get_task(request).await }
            })
            .await?;
        Ok(read.into_inner())
    }

    /// Follows a task to its end, whatever happens to its streams.
    async fn follow(mut self, story: &mut Story, patience: usize) -> Result<(), String> {
        let mut checker = Checker::new(Scope::Task(story.task_id.clone()));
        let mut token = String::new();
        while !checker.is_over() {
            // Some leave in the middle and come back.
            let leave =
                draw(|dice| dice.random_range(patience / 60..=patience)).expect("a simulation");
            match self
                .one_stream(story, &mut checker, &mut token, leave)
                .await
            {
                Ok(()) => {}
                Err(status) if passes(&status) => sleep(PAUSE).await,
                Err(status) => return Err(format!("task {}: {status:?}", story.task_id)),
            }
        }
        Ok(())
    }

    async fn one_stream(
        &mut self,
        story: &mut Story,
        checker: &mut Checker,
        token: &mut String,
        leave: usize,
    ) -> Result<(), Status> {
        let request = WatchTaskRequest {
            task_id: story.task_id.clone(),
            resume_token: token.clone(),
            heartbeat_interval: Some(prost_types::Duration {
                seconds: 5,
                nanos: 0,
            }),
            ..WatchTaskRequest::default()
        };
        let mut stream = self.next().watch_task(request).await?.into_inner();
        checker.begin(if token.is_empty() {
            Beginning::Snapshot
        } else {
            Beginning::Resume
        });
        story.streams += 1;
        let broken = |rule: String| Status::internal(format!("a rule is broken: {rule}"));
        for _ in 0..leave {
            let message = tokio::time::timeout(SILENCE_BOUND, stream.message()).await;
            let message = message.map_err(|_| Status::unavailable("a stream is silent"))??;
            let Some(event) = message else {
                return checker
                    .end(End::Ok)
                    .map_err(|rule| broken(rule.to_string()));
            };
            checker
                .see(&event)
                .map_err(|rule| broken(rule.to_string()))?;
            if !event.resume_token.is_empty() {
                token.clone_from(&event.resume_token);
            }
            story.events.push(event);
        }
        // What came before the first token is not known to whoever comes back without one.
        checker
            .end(End::Cut)
            .map_err(|rule| broken(rule.to_string()))
    }

    fn next(&mut self) -> TaskServiceClient<Channel> {
        self.asked += 1;
        self.replicas[self.asked % self.replicas.len()].clone()
    }

    /// Asks one replica after the other until one answers.
    async fn insist<T, F>(
        &mut self,
        call: impl Fn(TaskServiceClient<Channel>) -> F,
    ) -> Result<T, String>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let answer = self.insist_unless(None, call).await?;
        answer.ok_or_else(|| "no answer".to_owned())
    }

    /// As [`Self::insist`]; none: the answer was the error that is `fine`.
    async fn insist_unless<T, F>(
        &mut self,
        fine: Option<Code>,
        call: impl Fn(TaskServiceClient<Channel>) -> F,
    ) -> Result<Option<T>, String>
    where
        F: Future<Output = Result<T, Status>>,
    {
        loop {
            match call(self.next()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(status) if Some(status.code()) == fine => return Ok(None),
                Err(status) if passes(&status) => sleep(PAUSE).await,
                Err(status) => return Err(format!("{status:?}")),
            }
        }
    }
}

/// Whether it may be well at another replica, or a little later.
fn passes(status: &Status) -> bool {
    let code = status.code();
    matches!(
        code,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded
    ) || std::error::Error::source(status).is_some()
}
