//! Reading build data: what steps found out about nodes.

use super::Tasks;
use super::detached::detached;
use super::error::Error;
use super::purge::missing;
use crate::domain::TaskId;
use crate::store::{BuildDataPage, BuildDataQuery, InTree, View};

/// Which build data to read: that of a task, of a node, or of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildDataOf {
    /// Only what this task and those below it collected.
    pub task_id: Option<TaskId>,
    /// Only what is about this node.
    pub node_name: Option<String>,
    /// Only what this generator made.
    pub generator: Option<String>,
    /// Only the latest of each generator and node.
    pub latest: bool,
}

/// Which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildDataPart {
    /// Only what comes after this sequence.
    pub after: i64,
    /// How many entries at the most.
    pub limit: u64,
    /// How many bytes of elements at the most, but at least one element; none: without them.
    pub element_bytes: Option<usize>,
}

impl Tasks {
    /// A part of what matches, oldest first. Nobody keeps a list of nodes: one that is not known has
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Store`].
    pub async fn build_data(
        &self,
        of: BuildDataOf,
        part: BuildDataPart,
    ) -> Result<BuildDataPage, Error> {
        let store = self.store.clone();
        detached(async move {
            let task = match of.task_id {
                Some(task_id) => match store.task(task_id, View::Basic).await? {
                    Some(task) => Some(InTree {
                        task_id,
                        root_task_id: task.root_task_id,
                    }),
                    None => return Err(missing(&store, task_id).await),
                },
                None => None,
            };
            let query = BuildDataQuery {
                task,
                node_name: of.node_name,
                generator: of.generator,
                latest: of.latest,
                element_bytes: part.element_bytes,
                after: part.after,
                limit: part.limit,
            };
            let page = store.build_data(query).await?;
            if let Some(task_id) = of.task_id
                && page.entries.is_empty()
                && store.task(task_id, View::Basic).await?.is_none()
            {
                return Err(missing(&store, task_id).await);
            }
            Ok(page)
        })
        .await
    }
}
