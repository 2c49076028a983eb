//! TaskService: reads each request, asks the use case, and answers.

use prost::Message as _;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::call::{CallId, Peer, caller};
use super::page_token::{Arguments, TaskPage};
use super::requests::Delivery;
use super::size::{Budget, ENTRY_OVERHEAD};
use super::status::Failure;
use super::validate;
use super::violations::Check;
use super::watch_stream::WatchStream;
use super::{convert, enums};
use crate::domain::TaskId;
use crate::proto::v1;
use crate::proto::v1::task_service_server::TaskService;
use crate::store::{ListPosition, Order, View};
use crate::tasks::canonical::Canonical;
use crate::tasks::{Submitted, Tasks, WatchQuery};
use crate::watch::{Scope, TokenMint};

/// Response metadata that says that an earlier call had created the task.
const REPLAYED: &str = "drydock-replayed";

/// TaskService over the use cases.
pub(super) struct TaskApi {
    tasks: Tasks,
}

impl TaskApi {
    /// The service over `tasks`.
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks }
    }

    async fn create(&self, request: Request<v1::CreateTaskRequest>) -> Answer<v1::Task> {
        let mut check = Check::default();
        let caller = caller(&mut check, &request)?;
        // Before the rest is looked at: what is wrong with it is nothing to a caller who may not ask.
        if let Some(action) = enums::action(request.get_ref().action()) {
            caller.may_run(action)?;
        }
        let create = validate::create_task(check, request.into_inner(), &|design_ref| {
            self.tasks.check_design_ref(design_ref)
        })?;
        if create.validate_only {
            let task = self.tasks.rehearse(caller, create.submission).await?;
            return Ok(Response::new(convert::rehearsed_task(&task)));
        }
        let submitted = self.tasks.submit(caller, create.submission).await?;
        Ok(submitted_task(&submitted))
    }

    async fn get(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::Task> {
        let (task_id, view) = validate::get_task(request.get_ref())?;
        let task = self.tasks.get(task_id, view).await?;
        Ok(Response::new(convert::task(&task, view)))
    }

    async fn tree(
        &self,
        request: Request<v1::GetTaskTreeRequest>,
    ) -> Answer<v1::GetTaskTreeResponse> {
        let get = validate::get_task_tree(request.get_ref())?;
        let tree = self
            .tasks
            .tree(get.task_id, get.max_depth, get.view)
            .await?;
        let tokens = TokenMint::new(
            &Scope::Task {
                task_id: get.task_id,
                max_depth: get.max_depth,
            },
            tree.clock.epoch,
        );

        let count = tree.tasks.len();
        let mut budget = Budget::message();
        // Parents come first, so that what is cut off leaves no child without its parent.
        let tasks: std::collections::BTreeMap<String, v1::Task> = tree
            .tasks
            .iter()
            .map(|task| convert::task(task, get.view))
            .take_while(|task| budget.take_or_first(task.encoded_len() + ENTRY_OVERHEAD))
            .map(|task| (task.task_id.clone(), task))
            .collect();
        Ok(Response::new(v1::GetTaskTreeResponse {
            init_task_id: get.task_id.to_string(),
            truncated: tree.truncated || tasks.len() < count,
            tasks,
            resume_token: tokens.token(tree.clock.last),
        }))
    }

    async fn list(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        let mut request = request.into_inner();
        let page_token = std::mem::take(&mut request.page_token);
        let list = validate::list_tasks(request)?;
        let arguments = Arguments::new(
            Canonical::new("ListTasks")
                .task_filter(&list.filter)
                .text(order_name(list.order))
                .text(view_name(list.view)),
        );
        let before = arguments.read_task_page(&page_token)?;

        let page = self
            .tasks
            .list(
                list.filter.clone(),
                list.order,
                before.map(|page| page.after),
                // At most 500.
                list.page_size as u64,
                list.view,
            )
            .await?;
        // Every page tells where the journal stood before the first was read.
        let (sequence, epoch) = before.map_or((page.clock.last, page.clock.epoch), |page| {
            (page.sequence, page.epoch)
        });

        let mut budget = Budget::message();
        let tasks: Vec<v1::Task> = page
            .tasks
            .iter()
            .map(|task| convert::task(task, list.view))
            .take_while(|task| budget.take_or_first(task.encoded_len() + ENTRY_OVERHEAD))
            .collect();
        let more = page.more || tasks.len() < page.tasks.len();
        let last = tasks.len().checked_sub(1).map(|last| &page.tasks[last]);
        let next_page_token = match last {
            Some(last) if more => arguments.task_page(TaskPage {
                after: ListPosition {
                    time: match list.order {
                        Order::CreatedDescending | Order::CreatedAscending => last.created,
                        Order::UpdatedDescending => last.updated,
                    },
                    task_id: last.task_id,
                },
                sequence,
                epoch,
            }),
            Some(_) | None => String::new(),
        };
        let tokens = TokenMint::new(&Scope::Fleet(list.filter), epoch);
        Ok(Response::new(v1::ListTasksResponse {
            tasks,
            next_page_token,
            resume_token: tokens.token(sequence),
        }))
    }

    async fn messages(
        &self,
        request: Request<v1::ListTaskMessagesRequest>,
    ) -> Answer<v1::ListTaskMessagesResponse> {
        let list = validate::list_task_messages(request.get_ref())?;
        let arguments = Arguments::new(
            Canonical::new("ListTaskMessages")
                .text(&list.of.task_id.to_string())
                .number(i64::from(list.of.include_subtasks))
                .number(i64::from(list.of.errors_only)),
        );
        let after = arguments.read_after_sequence(&request.get_ref().page_token)?;
        // One more than the page holds tells whether there is another. At most 1,000.
        let limit = list.page_size as u64 + 1;
        let found = self
            .tasks
            .messages(list.of, after.unwrap_or(0), limit)
            .await?;

        let mut budget = Budget::message();
        let messages: Vec<v1::TaskMessage> = found
            .iter()
            .take(list.page_size)
            .map(|(task_id, message)| v1::TaskMessage {
                task_id: task_id.to_string(),
                message: Some(convert::message(message)),
            })
            .take_while(|message| budget.take_or_first(message.encoded_len() + ENTRY_OVERHEAD))
            .collect();
        let last = messages.len().checked_sub(1).map(|last| &found[last].1);
        let next_page_token = match last {
            Some(last) if messages.len() < found.len() => arguments.after_sequence(last.sequence),
            Some(_) | None => String::new(),
        };
        Ok(Response::new(v1::ListTaskMessagesResponse {
            messages,
            next_page_token,
        }))
    }

    async fn watch_one(&self, request: Request<v1::WatchTaskRequest>) -> Answer<WatchStream> {
        let peer = request.extensions().get().cloned();
        let call = CallId::of(&request);
        let watch = validate::watch_task(request.into_inner())?;
        let scope = Scope::Task {
            task_id: watch.task_id,
            max_depth: watch.max_depth,
        };
        self.open(scope, watch.delivery, Some(watch.task_id), peer, call)
            .await
    }

    async fn watch_many(&self, request: Request<v1::WatchTasksRequest>) -> Answer<WatchStream> {
        let peer = request.extensions().get().cloned();
        let call = CallId::of(&request);
        let watch = validate::watch_tasks(request.into_inner())?;
        self.open(Scope::Fleet(watch.filter), watch.delivery, None, peer, call)
            .await
    }

    async fn open(
        &self,
        scope: Scope,
        delivery: Delivery,
        watched: Option<TaskId>,
        peer: Option<Peer>,
        call: CallId,
    ) -> Answer<WatchStream> {
        let watching = self
            .tasks
            .watch(WatchQuery {
                scope,
                start: delivery.start,
                include_messages: delivery.include_messages,
                heartbeat_interval: delivery.heartbeat_interval,
                on_dead: peer.map(|peer| peer.close),
            })
            .await?;
        Ok(Response::new(WatchStream::new(watching, watched, call)))
    }

    async fn wait(&self, request: Request<v1::WaitTaskRequest>) -> Answer<v1::WaitTaskResponse> {
        let (task_id, timeout) = validate::wait_task(request.get_ref())?;
        let waited = self.tasks.wait(task_id, timeout).await?;
        Ok(Response::new(v1::WaitTaskResponse {
            task: Some(convert::task(&waited.task, View::Full)),
            done: Some(waited.done),
        }))
    }

    async fn terminate(&self, request: Request<v1::TerminateTaskRequest>) -> Answer<v1::Task> {
        let mut check = Check::default();
        let caller = caller(&mut check, &request)?;
        let terminate = validate::terminate_task(check, request.into_inner())?;
        let task = self
            .tasks
            .terminate(
                caller,
                terminate.task_id,
                terminate.reason,
                terminate.expected_revision,
            )
            .await?;
        Ok(Response::new(convert::task(&task, View::Full)))
    }

    async fn retry(&self, request: Request<v1::RetryTaskRequest>) -> Answer<v1::Task> {
        let mut check = Check::default();
        let caller = caller(&mut check, &request)?;
        let retry = validate::retry_task(check, request.get_ref())?;
        let submitted = self.tasks.retry(caller, retry).await?;
        Ok(submitted_task(&submitted))
    }

    async fn purge(
        &self,
        request: Request<v1::PurgeTasksRequest>,
    ) -> Answer<v1::PurgeTasksResponse> {
        let mut check = Check::default();
        let caller = caller(&mut check, &request)?;
        let purge = validate::purge_tasks(check, request.into_inner())?;
        let purged = self.tasks.purge(caller, purge).await?;
        Ok(Response::new(v1::PurgeTasksResponse {
            purge_count: Some(i32::try_from(purged.count).unwrap_or(i32::MAX)),
            purge_sample: purged.sample.iter().map(ToString::to_string).collect(),
        }))
    }
}

/// What a method answers before its failure becomes a status.
type Answer<T> = Result<Response<T>, Failure>;

fn submitted_task(submitted: &Submitted) -> Response<v1::Task> {
    let mut response = Response::new(convert::task(&submitted.task, View::Full));
    if submitted.replayed {
        response
            .metadata_mut()
            .insert(REPLAYED, MetadataValue::from_static("true"));
    }
    response
}

/// Names that page tokens are bound to; they must stay as they are.
fn order_name(order: Order) -> &'static str {
    match order {
        Order::CreatedDescending => "created desc",
        Order::CreatedAscending => "created",
        Order::UpdatedDescending => "updated desc",
    }
}

fn view_name(view: View) -> &'static str {
    match view {
        View::Basic => "basic",
        View::Full => "full",
    }
}

#[tonic::async_trait]
impl TaskService for TaskApi {
    type WatchTaskStream = WatchStream;
    type WatchTasksStream = WatchStream;

    async fn create_task(
        &self,
        request: Request<v1::CreateTaskRequest>,
    ) -> Result<Response<v1::Task>, Status> {
        let call = CallId::of(&request);
        let answer = self.create(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::Task>, Status> {
        let call = CallId::of(&request);
        let answer = self.get(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn get_task_tree(
        &self,
        request: Request<v1::GetTaskTreeRequest>,
    ) -> Result<Response<v1::GetTaskTreeResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.tree(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.list(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn list_task_messages(
        &self,
        request: Request<v1::ListTaskMessagesRequest>,
    ) -> Result<Response<v1::ListTaskMessagesResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.messages(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn watch_task(
        &self,
        request: Request<v1::WatchTaskRequest>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        let call = CallId::of(&request);
        let answer = self.watch_one(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn watch_tasks(
        &self,
        request: Request<v1::WatchTasksRequest>,
    ) -> Result<Response<Self::WatchTasksStream>, Status> {
        let call = CallId::of(&request);
        let answer = self.watch_many(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn wait_task(
        &self,
        request: Request<v1::WaitTaskRequest>,
    ) -> Result<Response<v1::WaitTaskResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.wait(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn terminate_task(
        &self,
        request: Request<v1::TerminateTaskRequest>,
    ) -> Result<Response<v1::Task>, Status> {
        let call = CallId::of(&request);
        let answer = self.terminate(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn retry_task(
        &self,
        request: Request<v1::RetryTaskRequest>,
    ) -> Result<Response<v1::Task>, Status> {
        let call = CallId::of(&request);
        let answer = self.retry(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }
    async fn purge_tasks(
        &self,
        request: Request<v1::PurgeTasksRequest>,
    ) -> Result<Response<v1::PurgeTasksResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.purge(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }
}
