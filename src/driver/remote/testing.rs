//! A plug-in of a test's own, which plays what the test wants: what no decent plug-in would do.
#![expect(
    clippy::disallowed_types,
    reason = "a plug-in speaks gRPC, and some answer with an error"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::Remote;
use super::options::{Address, Options, Place};
use super::wire::server::driver_service_server::{DriverService, DriverServiceServer};
use super::wire::v1::execute_request::Intent;
use super::wire::v1::execute_response::Update;
use super::wire::v1::inspect_response::State;
use super::wire::{self, v1};
use crate::domain::inventory::{Inventory, Node};
use crate::domain::site::Oob;
use crate::domain::{Action, InstanceId, Policy, StepKind, TaskId};
use crate::driver::StepCall;
use crate::secret::SecretSource;

/// What the configuration calls the plug-in.
pub(super) const NAME: &str = "maas";

/// The password of the node's management controller.
pub(super) const PASSWORD: &str = "hunter2";

/// One thing that a stream does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Tells something.
    Tell(Update),
    /// Says nothing more, and does not end.
    Hang,
    /// Ends with an error.
    Fail(Status),
    /// Never stops telling.
    Flood,
}

/// What a test wants, and what was called.
#[derive(Debug, Default)]
pub(super) struct Play {
    pub(super) described: Option<v1::DescribeResponse>,
    pub(super) refused: Option<Status>,
    pub(super) executes: VecDeque<Vec<Act>>,
    pub(super) states: VecDeque<(State, u64)>,
    pub(super) calls: Vec<String>,
    pub(super) requests: Vec<v1::ExecuteRequest>,
}

/// A plug-in that serves until it is dropped.
#[derive(Debug)]
pub(super) struct Plugin {
    play: Arc<Mutex<Play>>,
    place: Place,
    server: tokio::task::JoinHandle<()>,
}

impl Plugin {
    /// One that does every step as planned, and is to play `executes` one after the other.
    pub(super) async fn playing(executes: impl IntoIterator<Item = Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let play = Arc::new(Mutex::new(Play {
            described: Some(described(Policy::Observe)),
            executes: executes.into_iter().collect(),
            ..Play::default()
        }));
        let service = DriverServiceServer::new(Service(Arc::clone(&play)));
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        Self {
            play,
            place: Place {
                host: "127.0.0.1".to_owned(),
                port,
            },
            server: tokio::spawn(async move { serving.await.unwrap() }),
        }
    }

    /// What is to be played, and what was called.
    pub(super) fn play(&self) -> std::sync::MutexGuard<'_, Play> {
        self.play.lock().unwrap()
    }

    /// The next answers of Inspect.
    pub(super) fn will_say(self, states: impl IntoIterator<Item = (State, u64)>) -> Self {
        self.play().states.extend(states);
        self
    }

    /// The calls that came, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.play().calls.clone()
    }

    /// A driver for it, with what `change` changes.
    pub(super) fn driver_with(&self, change: impl FnOnce(&mut Options)) -> Remote {
        driver_at(Address::Loopback(self.place.clone()), change)
    }

    /// A driver for it.
    pub(super) fn driver(&self) -> Remote {
        self.driver_with(|_| {})
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A driver for a plug-in that is at `address`, or not.
pub(super) fn driver_at(address: Address, change: impl FnOnce(&mut Options)) -> Remote {
    let mut options = Options {
        name: NAME.to_owned(),
        address,
        token: None,
        send_credentials: false,
        design: None,
        guarded: BTreeSet::new(),
        once: BTreeSet::new(),
        call_timeout: Duration::from_secs(2),
    };
    change(&mut options);
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("bmc"), PASSWORD).unwrap();
    std::fs::write(secrets.path().join("token"), "to-be-shown").unwrap();
    // Kept for as long as the test runs.
    let source = SecretSource::new(Some(secrets.keep()));
    Remote::new(options, source).unwrap()
}

/// A description that promises the same for every step.
pub(super) fn described(policy: Policy) -> v1::DescribeResponse {
    v1::DescribeResponse {
        protocol_version: 1,
        name: "played".to_owned(),
        version: "0".to_owned(),
        steps: StepKind::ALL
            .map(|step| v1::StepSupport {
                step: wire::step(step).into(),
                policy: wire::policy(policy).into(),
                interruptible: step == StepKind::DeployNode,
            })
            .to_vec(),
    }
}

/// A call for the node `n1`, or for its site.
pub(super) fn call(step: StepKind, policy: Policy, epoch: i64) -> StepCall {
    let node = Node {
        name: "n1".to_owned(),
        oob_type: Some(NAME.to_owned()),
        oob: Arc::new(Oob {
            address: Some("10.0.0.1".to_owned()),
            credential: Some("secret://bmc".parse().unwrap()),
            parameters: BTreeMap::from([("chassis".to_owned(), "7".to_owned())]),
            ..Oob::default()
        }),
        ..Node::default()
    };
    let on_node = step != StepKind::ValidateOobServices;
    let design = Inventory::new(Some("harbour".to_owned()), vec![node], BTreeMap::new());
    StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch,
        attempt: 1,
        step,
        policy,
        advisory: false,
        action: Action::DeployNode,
        site: Arc::from("harbour"),
        node_name: on_node.then(|| Arc::from("n1")),
        design: Arc::new(design.unwrap()),
    }
}

/// The step begins to act.
pub(super) fn begun() -> Act {
    Act::Tell(Update::Begun(v1::Begun {}))
}

/// Something for those who watch.
pub(super) fn message(text: &str) -> Act {
    Act::Tell(Update::Message(v1::Message {
        text: text.to_owned(),
    }))
}

/// It did what was asked.
pub(super) fn success(message: &str) -> v1::Outcome {
    v1::Outcome {
        result: Some(v1::outcome::Result::Success(v1::Success {
            message: message.to_owned(),
            ..v1::Success::default()
        })),
    }
}

/// It did not, for now or for good.
pub(super) fn failure(transient: bool, message: &str) -> v1::Outcome {
    v1::Outcome {
        result: Some(v1::outcome::Result::Failure(v1::Failure {
            kind: v1::ErrorKind::Failed.into(),
            transient,
            not_sent: false,
            message: message.to_owned(),
        })),
    }
}

/// The end.
pub(super) fn end(outcome: v1::Outcome) -> Act {
    Act::Tell(Update::Outcome(outcome))
}

struct Service(Arc<Mutex<Play>>);

impl Service {
    fn note(&self, call: String) {
        self.0.lock().unwrap().calls.push(call);
    }
}

#[tonic::async_trait]
impl DriverService for Service {
    async fn describe(
        &self,
        request: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeResponse>, Status> {
        let shown = request.metadata().get("authorization");
        let shown = shown.map_or_else(String::new, |shown| format!(" {}", shown.to_str().unwrap()));
        self.note(format!("describe{shown}"));
        let play = self.0.lock().unwrap();
        match &play.refused {
            Some(status) => Err(status.clone()),
            None => Ok(Response::new(play.described.clone().unwrap())),
        }
    }

    type ExecuteStream = BoxStream<'static, Result<v1::ExecuteResponse, Status>>;

    async fn execute(
        &self,
        request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let request = request.into_inner();
        self.note(match &request.intent {
            Some(Intent::Begin(_)) => {
                let attempt = request.attempt.as_ref().unwrap();
                format!("begin {}", attempt.number)
            }
            Some(Intent::Follow(follow)) => format!("follow {}", follow.after),
            None => "neither".to_owned(),
        });
        let mut play = self.0.lock().unwrap();
        play.requests.push(request);
        let acts = play.executes.pop_front().unwrap_or_default();
        let numbered = acts.into_iter().zip(1..);
        let streams = numbered.map(|(act, number)| {
            let tell = move |update| {
                Ok(v1::ExecuteResponse {
                    number,
                    update: Some(update),
                })
            };
            match act {
                Act::Tell(update) => stream::iter([tell(update)]).boxed(),
                Act::Hang => stream::pending().boxed(),
                Act::Fail(status) => stream::iter([Err(status)]).boxed(),
                Act::Flood => stream::iter(number..)
                    .map(|number| {
                        Ok(v1::ExecuteResponse {
                            number,
                            update: Some(Update::Message(v1::Message {
                                text: format!("again {number}"),
                            })),
                        })
                    })
                    .boxed(),
            }
        });
        let all: Vec<_> = streams.collect();
        Ok(Response::new(stream::iter(all).flatten().boxed()))
    }

    async fn inspect(
        &self,
        request: Request<v1::InspectRequest>,
    ) -> Result<Response<v1::InspectResponse>, Status> {
        let epoch = request.into_inner().attempt.unwrap().epoch;
        self.note(format!("inspect in {epoch}"));
        let mut play = self.0.lock().unwrap();
        let not_begun = (State::NotBegun(v1::NotBegun {}), 0);
        let (state, last_update) = play.states.pop_front().unwrap_or(not_begun);
        Ok(Response::new(v1::InspectResponse {
            state: Some(state),
            last_update,
        }))
    }

    async fn cancel(
        &self,
        _: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        self.note("cancel".to_owned());
        Ok(Response::new(v1::CancelResponse { fenced: None }))
    }
}
