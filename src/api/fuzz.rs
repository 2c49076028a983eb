//! Hostile requests, for [`crate::fuzzing`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use prost::Message as _;

use super::call::CallId;
use super::page_token::Arguments;
use super::status::Failure;
use super::violations::{Check, Violations};
use super::{filters, validate};
use crate::design::{Reference, ReferencePolicy};
use crate::domain::inventory::{Inventory, Node};
use crate::domain::node_filter::{NodeFilterSet, select};
use crate::domain::{TaskFilter, TaskId, Timestamp};
use crate::proto::v1;
use crate::store::Clock;
use crate::tasks::canonical::Canonical;
use crate::watch::{ResumeToken, Scope, TokenMint};

/// The most bytes of a refusal's details. They travel in base64, in headers of which common clients
/// accept 8 KiB, beside the status message.
const MAX_REFUSAL: usize = 5 * 1024;

/// A node filter as a document has it, and as a request has it.
pub(crate) fn node_filter(bytes: &[u8]) {
    if let Ok(filter) = serde_json::from_slice::<NodeFilterSet>(bytes) {
        applied(&filter);
    }
    if let Ok(message) = v1::NodeFilterSet::decode(bytes) {
        let mut check = Check::default();
        let read = filters::node_filter(&mut check, Some(message));
        match check.finish(read) {
            Ok(Some(filter)) => applied(&filter),
            Ok(None) => {}
            Err(violations) => refused(violations),
        }
    }
}

/// A request to create a task.
pub(crate) fn create_task(bytes: &[u8]) {
    if let Ok(message) = v1::CreateTaskRequest::decode(bytes) {
        created(message);
    }
}

/// Validates a request that arrived.
pub(crate) fn created(message: v1::CreateTaskRequest) {
    let policy = ReferencePolicy {
        file_roots: vec![PathBuf::from("/designs")],
        ..ReferencePolicy::default()
    };
    let allowed = |uri: &str| match Reference::parse(uri, &policy) {
        Ok(_) => Ok(()),
        Err(broken) => Err(broken.to_string()),
    };
    match validate::create_task(Check::default(), message, &allowed) {
        Ok(create) => {
            let submission = create.submission;
            assert!(submission.design_ref.starts_with("file:///designs"));
            assert!(submission.labels.len() <= validate::MAX_TASK_LABELS);
            if let Some(filter) = &submission.node_filter {
                applied(filter);
            }
        }
        Err(violations) => refused(violations),
    }
}

/// A token of any kind, as text.
pub(crate) fn token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let list = Arguments::new(Canonical::new("fuzz"));
    // As it comes, and as a position that is bound to the right arguments.
    for token in [text.as_ref(), &list.after_name(&text)] {
        if let Ok(Some(page)) = list.read_task_page(token) {
            assert_eq!(list.task_page(page), token);
        }
        if let Ok(Some(sequence)) = list.read_after_sequence(token) {
            assert_eq!(list.after_sequence(sequence), token);
        }
        if let Ok(Some(name)) = list.read_after_name(token) {
            assert_eq!(list.after_name(&name), token);
        }
    }
    let clock = Clock {
        last: 1_000,
        floor: 10,
        epoch: 7,
        ts: Timestamp::UNIX_EPOCH,
    };
    let task = Scope::Task {
        task_id: TaskId(uuid::Uuid::nil()),
        max_depth: None,
    };
    for scope in [task, Scope::Fleet(Arc::new(TaskFilter::default()))] {
        if let Ok(resumed) = ResumeToken::decode(&text, &scope, &clock) {
            // A tree that is there has lost nothing, however much of others was purged.
            let oldest = match scope {
                Scope::Task { .. } => 0,
                Scope::Fleet(_) => clock.floor,
            };
            assert!((oldest..=clock.last).contains(&resumed.sequence));
            assert_eq!(
                TokenMint::new(&scope, clock.epoch).token(resumed.sequence),
                text
            );
        }
    }
}

/// A set selects what is there, in order, and no more than its filters do together.
fn applied(filter: &NodeFilterSet) {
    let Some(inventory) = inventory() else { return };
    let selection = select(&inventory, Some(filter));
    assert!(selection.nodes.is_sorted_by(|one, next| one < next));
    assert_eq!(selection.matches.len(), filter.filter_set.len());
    let most = selection.matches.iter().map(|each| each.node_count).sum();
    assert!(
        selection.nodes.len() <= most,
        "more nodes than any filter selects"
    );
}

/// A refusal says why, and fits into what clients accept.
fn refused(violations: Violations) {
    assert!(violations.count > 0 && !violations.listed.is_empty());
    let status = Failure::from(violations).into_status(CallId::new());
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let size = status.details().len();
    assert!(size <= MAX_REFUSAL, "a refusal of {size} bytes");
}

/// Three nodes in two racks.
fn inventory() -> Option<Inventory> {
    let node = |name: &str, rack: &str, color: &str| Node {
        name: name.to_owned(),
        rack: Some(rack.to_owned()),
        tags: BTreeSet::from(["t".to_owned()]),
        labels: BTreeMap::from([("color".to_owned(), color.to_owned())]),
        oob_type: None,
        ..Node::default()
    };
    let racks = BTreeMap::from([(
        "r1".to_owned(),
        BTreeMap::from([("row".to_owned(), "1".to_owned())]),
    )]);
    let nodes = vec![
        node("a", "r1", "blue"),
        node("b", "r1", "yellow"),
        node("c", "r2", "yellow"),
    ];
    Inventory::new(None, nodes, racks).ok()
}
