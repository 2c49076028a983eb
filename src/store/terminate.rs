//! Recording a request to stop a root, in a transaction of its own.
//!
//! It waits for the root's row lock instead of skipping: a busy owner's row is locked nearly
//! always, and a termination must come through. The status read under the lock decides.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::apply::{MessageRow, append_messages, event};
use super::audit;
use super::codec::relative;
use super::connect::Connections;
use super::detail;
use super::error::Error;
use super::journal::{Publisher, Turn};
use super::lock;
use super::query::top;
use super::record::{Recorded, RootEvents, RowSet, record};
use super::row::UpdateRow;
use super::sql::{IdRow, corrupt};
use super::write::{AuditRecord, Terminated, Termination};
use crate::domain::ending::{Ending, Tally, conclude};
use crate::domain::event::{EventKind, RootFacts};
use crate::domain::{Cause, Commit, Detail, Message, Task, TaskStatus};

/// What a transaction decided.
enum Decision {
    Accepted(Vec<Arc<Commit>>, Turn),
    Answer(Box<Terminated>),
}

/// Records the request; the answer's task is read afterwards by the caller.
pub(super) async fn terminate(
    connections: &Connections,
    publisher: &Publisher,
    request: &Termination,
) -> Result<Option<Terminated>, Error> {
    let transaction = connections.begin_write().await?;
    match decide(connections, &transaction, publisher, request).await {
        Ok(Decision::Accepted(commits, turn)) => {
            transaction.commit().await?;
            turn.publish(commits);
            Ok(None)
        }
        Ok(Decision::Answer(answer)) => {
            transaction.rollback().await?;
            Ok(Some(*answer))
        }
        Err(error) => {
            // The first error counts; the connection goes with its transaction if this fails too.
            transaction.rollback().await.ok();
            Err(error)
        }
    }
}

async fn decide(
    connections: &Connections,
    transaction: &DatabaseTransaction,
    publisher: &Publisher,
    request: &Termination,
) -> Result<Decision, Error> {
    let dialect = connections.dialect;
    // The lock first and the task then: a statement that waited for the lock would see what its
    // transaction froze beside the row as it was before.
    let lock = format!(
        "SELECT t.task_id FROM tasks t WHERE t.task_id = $1{}",
        dialect.for_update("t", false)
    );
    transaction
        .query_one_raw(dialect.statement(&lock, [request.task_id.0.into()]))
        .await?;
    let Some(task) = top(dialect, transaction, request.task_id).await? else {
        return Ok(Decision::Answer(Box::new(Terminated::NotFound)));
    };
    let answer = |answer| Ok(Decision::Answer(Box::new(answer)));
    if !task.is_root() {
        return answer(Terminated::Refused(task));
    }
    match task.status {
        // Before the revision: a request that is repeated because its answer was lost has raised it.
        TaskStatus::Terminating | TaskStatus::Terminated => answer(Terminated::Unchanged(task)),
        TaskStatus::Complete => answer(Terminated::Refused(task)),
        TaskStatus::Requested | TaskStatus::Queued | TaskStatus::Running
            if request
                .expected_revision
                .is_some_and(|expected| expected != task.revision) =>
        {
            answer(Terminated::RevisionConflict {
                revision: task.revision,
            })
        }
        TaskStatus::Requested | TaskStatus::Queued | TaskStatus::Running => {
            let (row, events) = stop(connections, transaction, request, task).await?;
            let rows = RowSet {
                updates: &[row],
                ..RowSet::default()
            };
            let turn = publisher.turn().await;
            match record(dialect, transaction, &rows, vec![events]).await? {
                Recorded::Commits(commits) => Ok(Decision::Accepted(commits, turn)),
                Recorded::Mismatch => Err(corrupt("task", "change of a locked row")),
            }
        }
    }
}

/// What the request makes of the root: its row and events, to be recorded.
async fn stop(
    connections: &Connections,
    transaction: &DatabaseTransaction,
    request: &Termination,
    before: Task,
) -> Result<(UpdateRow, RootEvents), Error> {
    let dialect = connections.dialect;
    let mut tasks = [before.clone()];
    if before.status != TaskStatus::Running {
        detail::load(dialect, transaction, &mut tasks).await?;
    }
    let [task] = tasks;
    let (status, said) = (before.status, before.result.message_count);
    let (task, root) = stopped(request, before, task.detail);
    if task.status.is_terminal() {
        lock::forget_roots(dialect, transaction, &[IdRow::from(task.task_id)]).await?;
    }
    let row = UpdateRow::new(&task, status, task.result.message_count - said);
    let audit = AuditRecord {
        ts: request.ts,
        actor: Arc::clone(&request.actor),
        rpc: "TerminateTask",
        request_id: None,
        decision: "accepted",
    };
    audit::insert(dialect, transaction, &[(&audit, task.task_id)]).await?;
    Ok((row, root))
}

/// The root after the request, and what is told of it. `detail` is its FULL view before, of which
/// only one that never ran has need.
pub(super) fn stopped(
    request: &Termination,
    before: Task,
    detail: Option<Box<Detail>>,
) -> (Task, RootEvents) {
    let mut task = Task {
        detail: None,
        ..before.clone()
    };
    task.terminated = Some(request.ts);
    task.terminated_by = Some(Arc::clone(&request.actor));
    task.termination_reason = Some(Arc::clone(&request.reason));
    task.updated = request.ts.max(task.updated);
    task.revision += 1;
    let mut root = RootEvents {
        root_task_id: task.task_id,
        facts: Arc::new(RootFacts {
            action: task.action,
            design_ref: Arc::clone(&task.design_ref),
            labels: Arc::clone(&task.labels),
        }),
        progress: task.progress(),
        events: Vec::new(),
        messages: Vec::new(),
        build_data: Vec::new(),
        payload: None,
    };
    let state = (before.status, before.result.status);
    if before.status == TaskStatus::Running {
        task.status = TaskStatus::Terminating;
        root.events.push(moved(&task, &before, request));
    } else {
        // It never ran: nothing below it has to end first.
        let tally = Tally {
            targets: task.target_node_count,
            ..Tally::default()
        };
        let end = conclude(task.action, &Ending::Stopped, tally);
        let said = Message {
            sequence: relative(0),
            ts: request.ts,
            message: "terminated before it ran".to_owned(),
            error: false,
            context_type: "task".to_owned(),
            context: task.task_id.to_string(),
            extra: serde_json::Map::new(),
        };
        task.result.message_count += 1;
        root.messages.push(MessageRow {
            root_task_id: task.task_id,
            task_id: task.task_id,
            event: 0,
            message: said.clone(),
        });
        root.events.push(event(
            &before,
            before.revision,
            Some(state),
            EventKind::MessageAdded(Box::new(said.clone())),
        ));
        task.status = TaskStatus::Terminated;
        task.completed = Some(task.updated);
        task.result.status = end.status;
        task.result.reason = end.reason;
        task.result.message = Arc::from("terminated before it ran");
        root.events.push(moved(&task, &before, request));
        let mut finished = task.clone();
        finished.detail = detail;
        if let Some(detail) = finished.detail.as_mut() {
            append_messages(&mut detail.messages, vec![said]);
        }
        root.events.push(event(
            &task,
            task.revision,
            Some((task.status, task.result.status)),
            EventKind::TaskFinished(Box::new(finished)),
        ));
    }
    (task, root)
}

fn moved(task: &Task, before: &Task, request: &Termination) -> crate::domain::Event {
    event(
        task,
        task.revision,
        Some((before.status, before.result.status)),
        EventKind::StatusChanged {
            previous: before.status,
            cause: Cause::Client,
            actor: Arc::clone(&request.actor),
            reason: Arc::clone(&request.reason),
            task: Box::new(task.clone()),
        },
    )
}
