//! A replica's store on a shared memory: the calls of [`super::Store`], each over the replica's link.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use sea_orm::{DbErr, RuntimeErr};
use tokio::sync::{Mutex, broadcast, watch};

use super::super::claim::Wanted;
use super::super::error::{Error, WriteError};
use super::super::purge::{PurgePart, PurgePreview, PurgeQuery, PurgedPart};
use super::super::read::{
    BuildDataPage, BuildDataQuery, Clock, JournalPage, JournalScope, ListPage, ListPosition,
    MessageQuery, Order, SnapshotScope, Tree, View,
};
use super::super::snapshot::Sink;
use super::super::write::{
    Claimed, Created, NewRoot, OpenTree, RequestKey, Terminated, Termination, TreeWrite, Written,
};
use super::super::{Renewal, detached};
use super::Memory;
use super::commit::Commits;
use super::link::{Link, Passage};
use super::tables::Tables;
use crate::domain::{
    Commit, InstanceId, Message, ResultStatus, Task, TaskFilter, TaskId, TaskStatus,
};
use crate::failpoint::failpoint;

/// As many as a replica's real store publishes ahead.
const PUBLISHED_COMMITS: usize = 1024;

/// The store of one replica. Every clone is the same.
#[derive(Clone)]
pub(crate) struct Replica {
    memory: Memory,
    lease: Duration,
    link: Arc<dyn Link>,
    commits: broadcast::Sender<Arc<Commit>>,
    doorbell: Arc<watch::Sender<u64>>,
    /// Held from before a commit until it is published: this replica publishes in order.
    turn: Arc<Mutex<()>>,
    open: Arc<AtomicBool>,
}

impl Replica {
    pub(super) fn new(memory: Memory, lease: Duration, link: Arc<dyn Link>) -> Self {
        let doorbell = Arc::new(watch::Sender::new(0));
        memory.lock().bells.push(Arc::downgrade(&doorbell));
        Self {
            memory,
            lease,
            link,
            commits: broadcast::channel(PUBLISHED_COMMITS).0,
            doorbell,
            turn: Arc::default(),
            open: Arc::new(AtomicBool::new(true)),
        }
    }

    pub(crate) async fn close(&self) {
        self.open.store(false, Ordering::Release);
        // What has begun is committed and published.
        drop(self.turn.lock().await);
    }

    pub(crate) fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits.subscribe()
    }

    pub(crate) fn doorbell(&self) -> watch::Receiver<u64> {
        self.doorbell.subscribe()
    }

    pub(crate) async fn create(&self, root: NewRoot) -> Result<Created, Error> {
        self.commit(move |tables| tables.create(root)).await?
    }

    pub(crate) async fn find_created(
        &self,
        created_by: &str,
        key: &RequestKey,
    ) -> Result<Option<Created>, Error> {
        let (created_by, key) = (created_by.to_owned(), key.clone());
        self.read(move |tables| tables.find_created(&created_by, &key))
            .await
    }

    pub(crate) async fn terminate(&self, request: Termination) -> Result<Terminated, Error> {
        self.commit(move |tables| tables.terminate(&request)).await
    }

    pub(crate) async fn write(&self, write: TreeWrite) -> Result<Written, WriteError> {
        self.commit(move |tables| tables.write(&write)).await?
    }

    pub(crate) async fn purge(&self, part: PurgePart) -> Result<PurgedPart, Error> {
        self.commit(move |tables| tables.purge(&part)).await
    }

    pub(crate) async fn sweep(&self) -> Result<bool, Error> {
        self.change(Tables::sweep).await
    }

    pub(crate) async fn register(&self, instance: InstanceId) -> Result<(), Error> {
        let lease = self.lease;
        self.change(move |tables| tables.register(instance, lease))
            .await
    }

    pub(crate) async fn renew(&self, instance: InstanceId) -> Result<Renewal, Error> {
        let lease = self.lease;
        self.change(move |tables| tables.renew(instance, lease))
            .await
    }

    pub(in super::super) async fn claim(
        &self,
        instance: InstanceId,
        wanted: Wanted,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        self.change(move |tables| tables.claim(instance, wanted, limit))
            .await
    }

    pub(crate) async fn claim_free(
        &self,
        instance: InstanceId,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        self.change(move |tables| tables.claim_free(instance, limit))
            .await
    }

    pub(crate) async fn release(&self, instance: InstanceId) -> Result<(), Error> {
        self.change(move |tables| tables.release(instance)).await
    }

    pub(crate) async fn give_back(&self, instance: InstanceId, root: TaskId) -> Result<(), Error> {
        self.change(move |tables| tables.give_back(instance, root))
            .await
    }

    pub(crate) async fn owned(
        &self,
        instance: InstanceId,
    ) -> Result<Vec<(TaskId, i64, TaskStatus)>, Error> {
        self.read(move |tables| tables.owned(instance)).await
    }

    pub(crate) async fn open_tree(&self, root: TaskId) -> Result<OpenTree, Error> {
        self.read(move |tables| tables.open_tree(root)).await
    }

    pub(crate) async fn target_nodes(&self, root: TaskId) -> Result<Vec<Arc<str>>, Error> {
        let targets = move |tables: &Tables| {
            let targets = tables
                .roots
                .get(&root)
                .and_then(|root| root.target_nodes.clone());
            targets.map_or_else(Vec::new, |targets| targets.to_vec())
        };
        self.read(targets).await
    }

    pub(crate) async fn design(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let digest = digest.to_owned();
        self.read(move |tables| {
            tables
                .designs
                .get(digest.as_str())
                .map(|bytes| bytes.to_vec())
        })
        .await
    }

    pub(crate) async fn queued_roots(&self) -> Result<u64, Error> {
        self.read(Tables::queued_roots).await
    }

    pub(crate) async fn node_outcomes(
        &self,
        root: TaskId,
    ) -> Result<Vec<(Arc<str>, ResultStatus)>, Error> {
        self.read(move |tables| tables.node_outcomes(root)).await
    }

    pub(crate) async fn task(&self, id: TaskId, view: View) -> Result<Option<Task>, Error> {
        self.read(move |tables| tables.task(id, view)).await
    }

    pub(crate) async fn tree(
        &self,
        task_id: TaskId,
        max_depth: Option<u32>,
        view: View,
        limit: usize,
    ) -> Result<Option<Tree>, Error> {
        self.read(move |tables| tables.subtree(task_id, max_depth, view, limit))
            .await
    }

    pub(crate) async fn list(
        &self,
        filter: &TaskFilter,
        order: Order,
        after: Option<ListPosition>,
        limit: u64,
        view: View,
    ) -> Result<ListPage, Error> {
        let filter = filter.clone();
        self.read(move |tables| tables.list(&filter, order, after, limit, view))
            .await
    }

    pub(crate) async fn messages(
        &self,
        query: MessageQuery,
    ) -> Result<Vec<(TaskId, Message)>, Error> {
        self.read(move |tables| tables.list_messages(&query)).await
    }

    pub(crate) async fn build_data(&self, query: BuildDataQuery) -> Result<BuildDataPage, Error> {
        self.read(move |tables| tables.list_build_data(&query))
            .await
    }

    pub(crate) async fn preview_purge(&self, query: PurgeQuery) -> Result<PurgePreview, Error> {
        self.read(move |tables| tables.preview_purge(&query)).await
    }

    pub(crate) async fn is_purged(&self, task_id: TaskId) -> Result<bool, Error> {
        self.read(move |tables| tables.is_purged(task_id)).await
    }

    pub(crate) async fn clock(&self) -> Result<Clock, Error> {
        self.read(|tables| tables.clock).await
    }

    pub(crate) async fn journal(
        &self,
        scope: JournalScope,
        after: i64,
        limit: usize,
    ) -> Result<JournalPage, Error> {
        self.read(move |tables| tables.page(scope, after, limit))
            .await
    }

    pub(crate) async fn finishing_commit(&self, task: &Task) -> Result<Option<Arc<Commit>>, Error> {
        let task = task.clone();
        self.read(move |tables| tables.finishing_commit(&task))
            .await
    }

    pub(crate) async fn snapshot(
        &self,
        scope: SnapshotScope,
        sink: Sink<'_>,
    ) -> Result<Option<Clock>, Error> {
        let read = move |tables: &Tables| Some((tables.snapshot(&scope)?, tables.clock));
        let Some((tasks, clock)) = self.read(read).await? else {
            return Ok(None);
        };
        for task in tasks {
            sink(task).map_err(|error| Error::Sink {
                problem: error.to_string(),
            })?;
        }
        Ok(Some(clock))
    }

    /// A write with events: they are published after its answer, in the order of commits.
    async fn commit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables) -> (T, Commits) + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        // Queued here and now: writes are made in the order in which they were asked for, whichever
        // thread takes up its own first.
        let mut turn = Box::pin(Arc::clone(&this.turn).lock_owned());
        let at_once = poll!(&mut turn);
        detached(async move {
            let _turn = match at_once {
                Poll::Ready(turn) => turn,
                Poll::Pending => turn.await,
            };
            failpoint!(BeforeCommit => Err(unanswered()));
            let (answer, commits) = this.ask(work).await?;
            failpoint!(AfterCommit => Err(unanswered()));
            let news = !commits.is_empty();
            for commit in commits {
                // Nobody listening is no error: the journal has it.
                this.commits.send(commit).ok();
            }
            failpoint!(BeforeDoorbell => Ok(answer));
            if news && this.link.rings() {
                this.memory.ring(&this.doorbell);
            }
            Ok(answer)
        })
        .await
    }

    /// A write that tells nobody.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        detached(async move { this.ask(work).await }).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tables) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(move |tables| work(tables)).await
    }

    /// Sends a request over the link and waits for what comes back.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if !self.open.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        match self.link.passage() {
            Passage::Whole(there, back) => {
                let mut answer = self.memory.send(there, work);
                pause(there).await;
                self.memory.arrive();
                pause(back).await;
                answer.try_recv().map_err(|_| unanswered())
            }
            Passage::Refused(after) => {
                pause(after).await;
                Err(unanswered())
            }
            Passage::Unanswered(there, after) => {
                drop(self.memory.send(there, work));
                pause(after).await;
                Err(unanswered())
            }
        }
    }
}

/// A pause of no length is none: it is for callers without a network between.
async fn pause(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}

fn unanswered() -> Error {
    let problem = "no answer from the model".to_owned();
    Error::Unavailable(DbErr::Conn(RuntimeErr::Internal(problem)))
}
