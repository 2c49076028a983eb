//! A connected client, and the calls that many tests make.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use drydock::proto::v1::build_data_service_client::BuildDataServiceClient;
use drydock::proto::v1::design_service_client::DesignServiceClient;
use drydock::proto::v1::task_service_client::TaskServiceClient;
use drydock::proto::v1::{
    BuildData, CreateTaskRequest, GetTaskRequest, GetTaskTreeRequest, GetTaskTreeResponse,
    ListBuildDataRequest, ListTasksRequest, PurgeTasksRequest, PurgeTasksResponse, Task,
    TaskAction, TaskFilter, TerminateTaskRequest, WatchTaskRequest, WatchTasksRequest,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use super::stream::Stream;

/// The bound of every call that is not a stream.
const ANSWER_BOUND: Duration = Duration::from_secs(90);

/// The largest answer: the contract's 1 MiB and room for a bug to show itself elsewhere.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A connection on which a token may be shown.
pub(crate) type Link = InterceptedService<Channel, Bearer>;

/// Shows a token, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A client with a connection of its own, which it opens again when it is lost.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) tasks: TaskServiceClient<Link>,
    pub(crate) designs: DesignServiceClient<Link>,
    pub(crate) build_data: BuildDataServiceClient<Link>,
}

impl Client {
    /// A client of the server at `address`, which need not be there yet.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self::over(channel(address), None)
    }

    /// A client that shows a token, if it has one.
    pub(crate) fn over(channel: Channel, token: Option<&str>) -> Self {
        let bearer = token.map(|token| {
            let value = MetadataValue::try_from(format!("Bearer {token}"));
            value.expect("a token is visible ASCII")
        });
        let link = InterceptedService::new(channel, Bearer(bearer));
        Self {
            tasks: TaskServiceClient::new(link.clone()).max_decoding_message_size(MAX_ANSWER),
            designs: DesignServiceClient::new(link.clone()),
            build_data: BuildDataServiceClient::new(link).max_decoding_message_size(MAX_ANSWER),
        }
    }

    /// Creates a task on all nodes of a design.
    pub(crate) async fn create(&self, action: TaskAction, design_ref: &str) -> Task {
        let request = create_request(action, design_ref);
        self.try_create(request).await.expect("the task is created")
    }

    pub(crate) async fn try_create(&self, request: CreateTaskRequest) -> Result<Task, Status> {
        let answer = self.tasks.clone().create_task(request).await?;
        Ok(answer.into_inner())
    }

    pub(crate) async fn get(&self, task_id: &str) -> Task {
        let request = GetTaskRequest {
            task_id: task_id.to_owned(),
            ..GetTaskRequest::default()
        };
        let answer = self.tasks.clone().get_task(request).await;
        answer.expect("the task is read").into_inner()
    }

    pub(crate) async fn tree(&self, task_id: &str) -> GetTaskTreeResponse {
        let request = GetTaskTreeRequest {
            task_id: task_id.to_owned(),
            ..GetTaskTreeRequest::default()
        };
        let answer = self.tasks.clone().get_task_tree(request).await;
        answer.expect("the tree is read").into_inner()
    }

    pub(crate) async fn terminate(&self, task_id: &str, reason: &str) -> Task {
        let request = TerminateTaskRequest {
            task_id: task_id.to_owned(),
            reason: reason.to_owned(),
            ..TerminateTaskRequest::default()
        };
        let answer = self.tasks.clone().terminate_task(request).await;
        answer.expect("the task is told to stop").into_inner()
    }

    /// Purges what ended `older_than` seconds ago, or says what would be purged.
    pub(crate) async fn try_purge(
        &self,
        older_than: i64,
        filter: Option<TaskFilter>,
        force: bool,
    ) -> Result<PurgeTasksResponse, Status> {
        let request = PurgeTasksRequest {
            older_than: Some(prost_types::Duration {
                seconds: older_than,
                nanos: 0,
            }),
            filter,
            force,
        };
        let answer = self.tasks.clone().purge_tasks(request).await?;
        Ok(answer.into_inner())
    }

    /// Build data that matches, in one page.
    pub(crate) async fn build_data(&self, request: ListBuildDataRequest) -> Vec<BuildData> {
        let answer = self.build_data.clone().list_build_data(request).await;
        let page = answer.expect("build data is listed").into_inner();
        assert_eq!(page.next_page_token, "", "it fits into a page");
        page.build_data
    }

    /// Every task there is, roots and subtasks, oldest first.
    pub(crate) async fn list(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListTasksRequest {
                page_size: 500,
                page_token,
                order_by: "created".to_owned(),
                ..ListTasksRequest::default()
            };
            let answer = self.tasks.clone().list_tasks(request).await;
            let page = answer.expect("a page of tasks").into_inner();
            tasks.extend(page.tasks);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return tasks;
            }
        }
    }

    /// The position before everything that happens from now on to tasks with `labels`.
    pub(crate) async fn position(&self, filter: Option<TaskFilter>) -> String {
        let request = ListTasksRequest {
            page_size: 1,
            filter,
            ..ListTasksRequest::default()
        };
        let answer = self.tasks.clone().list_tasks(request).await;
        answer.expect("a page of tasks").into_inner().resume_token
    }

    /// Watches a task from a snapshot on.
    pub(crate) async fn watch(&self, task_id: &str) -> Stream {
        self.try_watch(task_id, "")
            .await
            .expect("the task is watched")
    }

    /// Watches a task from `resume_token` on; empty: from a snapshot on.
    pub(crate) async fn try_watch(
        &self,
        task_id: &str,
        resume_token: &str,
    ) -> Result<Stream, Status> {
        let request = WatchTaskRequest {
            task_id: task_id.to_owned(),
            resume_token: resume_token.to_owned(),
            heartbeat_interval: Some(heartbeat()),
            ..WatchTaskRequest::default()
        };
        let answer = self.tasks.clone().watch_task(request).await?;
        Ok(Stream::of(answer.into_inner()))
    }

    /// Watches every task that matches `filter`, messages included, from `resume_token` on.
    pub(crate) async fn watch_fleet(
        &self,
        filter: Option<TaskFilter>,
        resume_token: &str,
    ) -> Result<Stream, Status> {
        let request = WatchTasksRequest {
            filter,
            resume_token: resume_token.to_owned(),
            include_messages: Some(true),
            heartbeat_interval: Some(heartbeat()),
            ..WatchTasksRequest::default()
        };
        let answer = self.tasks.clone().watch_tasks(request).await?;
        Ok(Stream::of(answer.into_inner()))
    }
}

/// A connection to the server at `address`, opened with the first call.
pub(crate) fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.expect("an address makes a URL");
    endpoint.timeout(ANSWER_BOUND).connect_lazy()
}

/// A request for a task on all nodes of a design.
pub(crate) fn create_request(action: TaskAction, design_ref: &str) -> CreateTaskRequest {
    CreateTaskRequest {
        action: action.into(),
        design_ref: design_ref.to_owned(),
        ..CreateTaskRequest::default()
    }
}

/// A filter for tasks with one label.
pub(crate) fn labelled(key: &str, value: &str) -> TaskFilter {
    TaskFilter {
        labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..TaskFilter::default()
    }
}

/// The reason of an error, as `ErrorReason` spells it.
pub(crate) fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(|| format!("no reason in {status:?}"), |info| info.reason)
}

/// The shortest there is, so that a stream that is stuck looks different from one that waits.
fn heartbeat() -> prost_types::Duration {
    prost_types::Duration {
        seconds: 5,
        nanos: 0,
    }
}
