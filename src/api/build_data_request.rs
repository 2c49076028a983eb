//! ListBuildData as its use case wants it.

use super::fields;
use super::filters::{id, text};
use super::violations::{Check, Violations};
use crate::domain::build_data::MAX_NAME_BYTES;
use crate::proto::v1;
use crate::tasks::BuildDataOf;

/// Entries on a page where the request does not say, and at most. With their elements a page ends
/// sooner, as these have kilobytes.
const PAGE: (usize, usize) = (50, 500);

/// What ListBuildData is to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListBuildData {
    /// Which entries.
    pub(super) of: BuildDataOf,
    /// Whether with their elements.
    pub(super) include_elements: bool,
    /// How many.
    pub(super) page_size: usize,
}

/// Reads ListBuildData, but for its page token.
pub(super) fn read(request: v1::ListBuildDataRequest) -> Result<ListBuildData, Violations> {
    let mut check = Check::default();
    if request.task_id.is_empty() && request.node_name.is_empty() {
        for field in ["task_id", "node_name"] {
            check.refuse(field, "task_id or node_name must be set");
        }
    }
    let task_id = id(&mut check, "task_id", &request.task_id);
    let node_name = text(&mut check, "node_name", request.node_name, fields::MAX_NAME);
    let generator = text(&mut check, "generator", request.generator, MAX_NAME_BYTES);
    let (unset, most) = PAGE;
    let page_size = fields::page_size(&mut check, request.page_size, unset, most);
    let read = || {
        Some(ListBuildData {
            of: BuildDataOf {
                task_id: task_id?,
                node_name: node_name?,
                generator: generator?,
                latest: request.latest,
            },
            include_elements: request.include_elements.unwrap_or(true),
            page_size: page_size?,
        })
    };
    let read = read();
    check.finish(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TaskId;

    const TASK: &str = "0198f3a0-0000-7000-8000-000000000001";

    fn fields(request: v1::ListBuildDataRequest) -> Vec<String> {
        let found = read(request).expect_err("it is wrong");
        found.listed.into_iter().map(|each| each.field).collect()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let request = v1::ListBuildDataRequest {
            task_id: TASK.to_owned(),
            ..Default::default()
        };
        let expected = ListBuildData {
            of: BuildDataOf {
                task_id: Some(TaskId(TASK.parse().expect("a UUID"))),
                ..BuildDataOf::default()
            },
            include_elements: true,
            page_size: 50,
        };
        assert_eq!(read(request), Ok(expected));
    }

    #[test]
    fn a_node_alone_will_do_and_large_pages_are_lowered() {
        let request = v1::ListBuildDataRequest {
            node_name: "n1".to_owned(),
            generator: "redfish".to_owned(),
            latest: true,
            include_elements: Some(false),
            page_size: i32::MAX,
            ..Default::default()
        };
        let read = read(request).expect("it is right");
        assert_eq!(read.of.node_name.as_deref(), Some("n1"));
        assert_eq!(read.of.generator.as_deref(), Some("redfish"));
        assert!(read.of.latest && !read.include_elements);
        assert_eq!(read.page_size, 500);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let nothing = v1::ListBuildDataRequest::default();
        assert_eq!(fields(nothing), ["task_id", "node_name"]);
        let wrong = v1::ListBuildDataRequest {
            task_id: "7".to_owned(),
            node_name: "n".repeat(254),
            generator: "g".repeat(128),
            page_size: -1,
            ..Default::default()
        };
        assert_eq!(
            fields(wrong),
            ["task_id", "node_name", "generator", "page_size"]
        );
        let control = v1::ListBuildDataRequest {
            node_name: "a\0".to_owned(),
            ..Default::default()
        };
        assert_eq!(fields(control), ["node_name"]);
    }
}
