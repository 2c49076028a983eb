//! A request of any method, so that one table can hold all of them.

use drydock::proto::v1::{
    CreateTaskRequest, GetNodeRequest, GetTaskRequest, GetTaskTreeRequest, ListBuildDataRequest,
    ListTaskMessagesRequest, ListTasksRequest, PurgeTasksRequest, ResolveNodeFilterRequest,
    RetryTaskRequest, TerminateTaskRequest, ValidateDesignRequest, WaitTaskRequest,
    WatchTaskRequest, WatchTasksRequest,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::support::client::Client;

/// A UUID that no task has.
pub(crate) const NO_TASK: &str = "0198f3a0-0000-7000-8000-000000000001";

/// A request.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Create(CreateTaskRequest),
    Get(GetTaskRequest),
    Tree(GetTaskTreeRequest),
    List(ListTasksRequest),
    Messages(ListTaskMessagesRequest),
    Watch(WatchTaskRequest),
    WatchAll(WatchTasksRequest),
    Wait(WaitTaskRequest),
    Terminate(TerminateTaskRequest),
    Retry(RetryTaskRequest),
    Purge(PurgeTasksRequest),
    Resolve(ResolveNodeFilterRequest),
    Validate(ValidateDesignRequest),
    Node(GetNodeRequest),
    BuildData(ListBuildDataRequest),
}

/// A request that breaks rules: what it is, itself, and the paths of the fields that are wrong.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) call: Call,
    pub(crate) fields: Vec<String>,
}

impl Case {
    pub(crate) fn new(what: &'static str, call: Call, fields: &[&str]) -> Self {
        Self {
            what,
            call,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        }
    }
}

impl Call {
    /// The method's name in its service.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::Create(_) => "CreateTask",
            Self::Get(_) => "GetTask",
            Self::Tree(_) => "GetTaskTree",
            Self::List(_) => "ListTasks",
            Self::Messages(_) => "ListTaskMessages",
            Self::Watch(_) => "WatchTask",
            Self::WatchAll(_) => "WatchTasks",
            Self::Wait(_) => "WaitTask",
            Self::Terminate(_) => "TerminateTask",
            Self::Retry(_) => "RetryTask",
            Self::Purge(_) => "PurgeTasks",
            Self::Resolve(_) => "ResolveNodeFilter",
            Self::Validate(_) => "ValidateDesign",
            Self::Node(_) => "GetNode",
            Self::BuildData(_) => "ListBuildData",
        }
    }

    /// Makes the call and answers with its error, of a stream the first. Answers are not looked at.
    pub(crate) async fn send(self, client: &Client) -> Result<(), Status> {
        let mut tasks = client.tasks.clone();
        match self {
            Self::Create(request) => tasks.create_task(request).await.map(drop),
            Self::Get(request) => tasks.get_task(request).await.map(drop),
            Self::Tree(request) => tasks.get_task_tree(request).await.map(drop),
            Self::List(request) => tasks.list_tasks(request).await.map(drop),
            Self::Messages(request) => tasks.list_task_messages(request).await.map(drop),
            Self::Watch(request) => {
                let mut stream = tasks.watch_task(request).await?.into_inner();
                stream.message().await.map(drop)
            }
            Self::WatchAll(request) => {
                let mut stream = tasks.watch_tasks(request).await?.into_inner();
                stream.message().await.map(drop)
            }
            Self::Wait(request) => tasks.wait_task(request).await.map(drop),
            Self::Terminate(request) => tasks.terminate_task(request).await.map(drop),
            Self::Retry(request) => tasks.retry_task(request).await.map(drop),
            Self::Purge(request) => tasks.purge_tasks(request).await.map(drop),
            Self::Resolve(request) => {
                let mut designs = client.designs.clone();
                designs.resolve_node_filter(request).await.map(drop)
            }
            Self::Validate(request) => {
                let mut designs = client.designs.clone();
                designs.validate_design(request).await.map(drop)
            }
            Self::Node(request) => {
                let mut designs = client.designs.clone();
                designs.get_node(request).await.map(drop)
            }
            Self::BuildData(request) => {
                let mut build_data = client.build_data.clone();
                build_data.list_build_data(request).await.map(drop)
            }
        }
    }
}

/// The paths of the fields that a status says are wrong.
pub(crate) fn fields_of(status: &Status) -> Vec<String> {
    let violations = status
        .get_details_bad_request()
        .map_or_else(Vec::new, |details| details.field_violations);
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}
