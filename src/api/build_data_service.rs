//! BuildDataService: what steps found out about nodes.

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::call::CallId;
use super::page_token::Arguments;
use super::size::{Budget, ENTRY_OVERHEAD, TASK_BYTES};
use super::status::Failure;
use super::{build_data_request, convert};
use crate::proto::v1;
use crate::proto::v1::build_data_service_server::BuildDataService;
use crate::tasks::canonical::Canonical;
use crate::tasks::{BuildDataPart, Tasks};

/// BuildDataService over the use cases.
pub(super) struct BuildDataApi {
    tasks: Tasks,
}

impl BuildDataApi {
    /// The service over `tasks`.
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks }
    }

    async fn list(
        &self,
        request: Request<v1::ListBuildDataRequest>,
    ) -> Result<Response<v1::ListBuildDataResponse>, Failure> {
        let mut request = request.into_inner();
        let page_token = std::mem::take(&mut request.page_token);
        let list = build_data_request::read(request)?;
        let of = &list.of;
        let task_id = of.task_id.map(|id| id.to_string());
        let arguments = Arguments::new(
            Canonical::new("ListBuildData")
                .optional(task_id.as_deref(), Canonical::text)
                .optional(of.node_name.as_deref(), Canonical::text)
                .optional(of.generator.as_deref(), Canonical::text)
                .number(i64::from(of.latest))
                .number(i64::from(list.include_elements)),
        );
        let after = arguments.read_after_sequence(&page_token)?;
        let part = BuildDataPart {
            after: after.unwrap_or(0),
            // At most 500.
            limit: list.page_size as u64,
            element_bytes: list.include_elements.then_some(TASK_BYTES),
        };
        let page = self.tasks.build_data(list.of, part).await?;

        let mut budget = Budget::message();
        let build_data: Vec<v1::BuildData> = page
            .entries
            .iter()
            .map(|(_, data)| convert::build_data(data))
            .take_while(|data| budget.take_or_first(data.encoded_len() + ENTRY_OVERHEAD))
            .collect();
        let more = page.more || build_data.len() < page.entries.len();
        let last = build_data.len().checked_sub(1);
        let next_page_token = match last.map(|last| page.entries[last].0) {
            Some(last) if more => arguments.after_sequence(last),
            Some(_) | None => String::new(),
        };
        Ok(Response::new(v1::ListBuildDataResponse {
            build_data,
            next_page_token,
        }))
    }
}

#[tonic::async_trait]
impl BuildDataService for BuildDataApi {
    async fn list_build_data(
        &self,
        request: Request<v1::ListBuildDataRequest>,
    ) -> Result<Response<v1::ListBuildDataResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.list(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }
}
