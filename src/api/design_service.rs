//! DesignService: questions about a design, answered without a task.

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::call::CallId;
use super::effective_node::effective_node;
use super::page_token::Arguments;
use super::size::{Budget, ENTRY_OVERHEAD, FILTER_MATCH_BYTES, NAME_OVERHEAD};
use super::status::Failure;
use super::validate;
use super::validation;
use crate::clock;
use crate::domain::inventory::Node;
use crate::domain::node_filter::FilterMatch;
use crate::proto::v1;
use crate::proto::v1::design_service_server::DesignService;
use crate::tasks::Tasks;
use crate::tasks::canonical::Canonical;

/// DesignService over the use cases.
pub(super) struct DesignApi {
    tasks: Tasks,
}

impl DesignApi {
    /// The service over `tasks`.
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks }
    }

    async fn resolve(
        &self,
        request: Request<v1::ResolveNodeFilterRequest>,
    ) -> Result<Response<v1::ResolveNodeFilterResponse>, Failure> {
        let mut request = request.into_inner();
        let page_token = std::mem::take(&mut request.page_token);
        let resolve = validate::resolve_node_filter(request, &|design_ref| {
            self.tasks.check_design_ref(design_ref)
        })?;
        let arguments = Arguments::new(
            Canonical::new("ResolveNodeFilter")
                .text(&resolve.design_ref)
                .node_filter(resolve.node_filter.as_ref()),
        );
        let after = arguments.read_after_name(&page_token)?;
        let selected = self
            .tasks
            .select(&resolve.design_ref, resolve.node_filter.as_ref())
            .await?;

        let match_counts = match_counts(&selected.selection.matches);
        let taken: usize = match_counts
            .iter()
            .map(|each| each.encoded_len() + ENTRY_OVERHEAD)
            .sum();
        let mut budget = Budget::message().without(taken);
        let all = selected.inventory.nodes();
        let positions = &selected.selection.nodes;
        // After a name and not after a number of nodes, as the design may change between two pages.
        let first = after.map_or(0, |after| {
            positions.partition_point(|position| all[*position].name <= after)
        });
        let nodes: Vec<v1::Node> = positions[first..]
            .iter()
            .take(resolve.page_size)
            .map(|position| node(&all[*position]))
            .take_while(|node| budget.take_or_first(node.encoded_len() + ENTRY_OVERHEAD))
            .collect();
        let next_page_token = match nodes.last() {
            Some(last) if first + nodes.len() < positions.len() => arguments.after_name(&last.name),
            Some(_) | None => String::new(),
        };
        Ok(Response::new(v1::ResolveNodeFilterResponse {
            nodes,
            total: Some(count(positions.len())),
            match_counts,
            next_page_token,
        }))
    }

    async fn node(
        &self,
        request: Request<v1::GetNodeRequest>,
    ) -> Result<Response<v1::EffectiveNode>, Failure> {
        let (design_ref, name) = validate::get_node(request.into_inner(), &|design_ref| {
            self.tasks.check_design_ref(design_ref)
        })?;
        let (inventory, position) = self.tasks.node(&design_ref, &name).await?;
        Ok(Response::new(effective_node(&inventory.nodes()[position])))
    }

    async fn validate(
        &self,
        request: Request<v1::ValidateDesignRequest>,
    ) -> Result<Response<v1::Status>, Failure> {
        let design_ref = validate::validate_design(request.into_inner(), &|design_ref| {
            self.tasks.check_design_ref(design_ref)
        })?;
        let findings = self.tasks.validate_design(&design_ref).await?;
        Ok(Response::new(validation::status(&findings, clock::now())))
    }
}

#[tonic::async_trait]
impl DesignService for DesignApi {
    async fn resolve_node_filter(
        &self,
        request: Request<v1::ResolveNodeFilterRequest>,
    ) -> Result<Response<v1::ResolveNodeFilterResponse>, Status> {
        let call = CallId::of(&request);
        let answer = self.resolve(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn get_node(
        &self,
        request: Request<v1::GetNodeRequest>,
    ) -> Result<Response<v1::EffectiveNode>, Status> {
        let call = CallId::of(&request);
        let answer = self.node(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }

    async fn validate_design(
        &self,
        request: Request<v1::ValidateDesignRequest>,
    ) -> Result<Response<v1::Status>, Status> {
        let call = CallId::of(&request);
        let answer = self.validate(request).await;
        answer.map_err(|failure| failure.into_status(call))
    }
}

fn node(node: &Node) -> v1::Node {
    v1::Node {
        name: node.name.clone(),
        rack: node.rack.clone().unwrap_or_default(),
        tags: node.tags.iter().cloned().collect(),
        labels: node.labels.clone(),
        oob_type: node.oob_type.clone().unwrap_or_default(),
    }
}

/// The matches, with as many of the unmatched names as fit beside the nodes.
fn match_counts(matches: &[FilterMatch]) -> Vec<v1::FilterMatch> {
    let mut budget = Budget::of(FILTER_MATCH_BYTES);
    matches
        .iter()
        .map(|each| v1::FilterMatch {
            filter_index: Some(count(each.filter_index)),
            node_count: Some(count(each.node_count)),
            unmatched_names: each
                .unmatched_names
                .iter()
                .take_while(|name| budget.take(name.len() + NAME_OVERHEAD))
                .cloned()
                .collect(),
        })
        .collect()
}

/// A count of nodes or filters, of which there are at most 200,000.
fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
