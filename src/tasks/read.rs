//! Reading tasks and their messages.
//!
//! What takes a transaction for one consistent view is detached like a write: a dropped transaction
//! would leave its connection unusable. A single task does not: its caller waits for an answer of
//! the store's readers and may be dropped while it does.

use std::sync::Arc;

use super::Tasks;
use super::detached::detached;
use super::error::Error;
use super::purge::missing;
use crate::domain::{Message, Task, TaskFilter, TaskId};
use crate::store::{ListPage, ListPosition, MessageQuery, Order, Tree, View};

/// The most tasks in a tree's answer (api contract, GetTaskTree).
const TREE_LIMIT: usize = 500;

/// Which messages to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagesOf {
    /// The task.
    pub task_id: TaskId,
    /// Also those of the tasks below it.
    pub include_subtasks: bool,
    /// Only those that tell of an error.
    pub errors_only: bool,
}

impl Tasks {
    /// One task.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Store`].
    pub async fn get(&self, task_id: TaskId, view: View) -> Result<Task, Error> {
        match self.store.task(task_id, view).await? {
            Some(task) => Ok(task),
            None => Err(missing(&self.store, task_id).await),
        }
    }

    /// A task and what is below it to a number of levels (none: all), parents first: at most 500 tasks.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Store`].
    pub async fn tree(
        &self,
        task_id: TaskId,
        max_depth: Option<u32>,
        view: View,
    ) -> Result<Tree, Error> {
        let store = self.store.clone();
        detached(async move {
            match store.tree(task_id, max_depth, view, TREE_LIMIT).await? {
                Some(tree) => Ok(tree),
                None => Err(missing(&store, task_id).await),
            }
        })
        .await
    }

    /// A page of at most `limit` tasks that match, after a position.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn list(
        &self,
        filter: Arc<TaskFilter>,
        order: Order,
        after: Option<ListPosition>,
        limit: u64,
        view: View,
    ) -> Result<ListPage, Error> {
        let store = self.store.clone();
        detached(async move { Ok(store.list(&filter, order, after, limit, view).await?) }).await
    }

    /// At most `limit` messages after a sequence, oldest first, with the task each is about.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Purged`], [`Error::Store`].
    pub async fn messages(
        &self,
        of: MessagesOf,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(TaskId, Message)>, Error> {
        let store = self.store.clone();
        detached(async move {
            let Some(task) = store.task(of.task_id, View::Basic).await? else {
                return Err(missing(&store, of.task_id).await);
            };
            let query = MessageQuery {
                task_id: of.task_id,
                root_task_id: task.root_task_id,
                include_subtasks: of.include_subtasks,
                errors_only: of.errors_only,
                after,
                limit,
            };
            Ok(store.messages(query).await?)
        })
        .await
    }

    /// The task with its lists, which a write's answer may lack. The rest stays as the write left it.
    pub(super) async fn with_detail(&self, mut task: Task) -> Result<Task, Error> {
        if task.detail.is_none() {
            let full = self.store.task(task.task_id, View::Full).await?;
            let Some(full) = full else {
                return Err(missing(&self.store, task.task_id).await);
            };
            task.detail = full.detail.or_else(|| Some(Box::default()));
        }
        Ok(task)
    }
}
