//! Taking over a root that has started: everything is read back from the store, nothing from the
//! design's reference, and completed steps are never repeated.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::design_source::{DesignFailure, DesignSource};
use super::freeze::NO_SITE;
use super::line::Line;
use super::pen::{FIRST_WAIT, Halt, Pen};
use super::step::Enter;
use super::subtask::Subtask;
use super::tree::Tree;
use super::waiting::Waiter;
use crate::domain::inventory::Inventory;
use crate::domain::plan::StepEnd;
use crate::domain::{ResultStatus, Task, TaskId, TaskStatus};
use crate::failpoint::failpoint;
use crate::store::{OpenTree, PreviousOwner};

/// What a takeover found.
pub(super) struct Resumed {
    pub(super) site: Arc<str>,
    pub(super) targets: Arc<[Arc<str>]>,
    /// None: the root started without one.
    pub(super) design: Option<Arc<Inventory>>,
    /// Why the frozen design cannot be read any more.
    pub(super) damage: Option<String>,
    pub(super) open: OpenTree,
    /// By place: whether the node's subtask exists. Empty: none does.
    pub(super) present: Vec<bool>,
}

/// How steps that are found running were left.
pub(super) fn enter_after(previous: PreviousOwner) -> Enter {
    match previous {
        PreviousOwner::Released => Enter::Released,
        PreviousOwner::None | PreviousOwner::Dead(_) | PreviousOwner::Expired(_) => Enter::Vanished,
    }
}

/// Reads back what a root froze and what of its tree is open.
pub(super) async fn resume(
    pen: &Pen,
    designs: &dyn DesignSource,
    task: &Task,
    site: Option<Arc<str>>,
) -> Result<Resumed, Halt> {
    let root = task.task_id;
    let (design, damage) = match &task.design_digest {
        None => (None, None),
        Some(digest) => match read_design(pen, designs, digest).await? {
            Ok(inventory) => (Some(inventory), None),
            Err(problem) => (None, Some(problem)),
        },
    };
    let site = site.unwrap_or_else(|| {
        let named = design.as_ref().and_then(|design| design.site());
        Arc::from(named.unwrap_or(NO_SITE))
    });
    let targets: Arc<[Arc<str>]> = if task.action.is_per_node() {
        let targets = pen
            .read(|store| async move { store.target_nodes(root).await })
            .await?;
        targets.into()
    } else {
        Arc::from([])
    };
    let open = pen
        .read(|store| async move { store.open_tree(root).await })
        .await?;
    let present = present(pen, task, &targets).await?;
    failpoint!(AfterRecovery);
    Ok(Resumed {
        site,
        targets,
        design,
        damage,
        open,
        present,
    })
}

/// Subtasks are created by several nodes at once, so a crash can leave holes in their order: the
/// count alone does not say which exist.
async fn present(pen: &Pen, task: &Task, targets: &[Arc<str>]) -> Result<Vec<bool>, Halt> {
    let count = usize::try_from(task.subtask_count).unwrap_or(usize::MAX);
    if count == 0 || targets.is_empty() {
        return Ok(Vec::new());
    }
    if count >= targets.len() {
        return Ok(vec![true; targets.len()]);
    }
    let root = task.task_id;
    let outcomes = pen
        .read(|store| async move { store.node_outcomes(root).await })
        .await?;
    let mut present = vec![false; targets.len()];
    for (name, _) in outcomes {
        if let Ok(place) = targets.binary_search(&name) {
            present[place] = true;
        }
    }
    Ok(present)
}

async fn read_design(
    pen: &Pen,
    designs: &dyn DesignSource,
    digest: &Arc<str>,
) -> Result<Result<Arc<Inventory>, String>, Halt> {
    let bytes = pen
        .read(|store| {
            let digest = Arc::clone(digest);
            async move { store.design(&digest).await }
        })
        .await?;
    let Some(bytes) = bytes else {
        return Ok(Err(format!("design {digest} is not in the store")));
    };
    let mut wait = FIRST_WAIT;
    loop {
        match designs.stored(digest, bytes.clone()).await {
            Ok(inventory) => return Ok(Ok(inventory)),
            Err(DesignFailure::Invalid(findings)) => {
                let findings: Vec<String> =
                    findings.into_iter().map(|found| found.message).collect();
                return Ok(Err(format!("design {digest}: {}", findings.join("; "))));
            }
            Err(failure @ DesignFailure::Unavailable(_)) => {
                tracing::warn!(%digest, %failure, "stored design not read, trying again");
            }
        }
        if !pen.wait(&mut wait).await {
            return Err(Halt::Gone);
        }
    }
}

/// What of a tree is open.
#[derive(Default)]
pub(super) struct Begun {
    /// The lines that were begun.
    pub(super) lines: Vec<Line>,
    /// The nodes that wait in the queue, by their place.
    pub(super) waiters: Vec<(u32, Waiter)>,
}

/// Puts together what a takeover goes on with.
pub(super) fn lines(tree: &Arc<Tree>, open: OpenTree, enter: Enter) -> Result<Begun, Halt> {
    let mut begun = Begun::default();
    if !tree.root.action.is_per_node() {
        let steps: Vec<Task> = open.ended_steps.into_iter().chain(open.children).collect();
        if !steps.is_empty() {
            let line = Line::new(Arc::clone(tree), 0, None, None);
            begun.lines.push(with_steps(line, steps, enter)?);
        }
        return Ok(begun);
    }
    let mut steps: HashMap<TaskId, Vec<Task>> = HashMap::new();
    for step in open.grandchildren {
        if let Some(parent) = step.parent_task_id {
            steps.entry(parent).or_default().push(step);
        }
    }
    for node in open.children {
        let index = node.ordinal;
        if node.status <= TaskStatus::Queued {
            begun.waiters.push((index, Waiter::found(&node)));
            continue;
        }
        let steps = steps.remove(&node.task_id).unwrap_or_default();
        let name = node.node_name.clone();
        let line = Line::new(Arc::clone(tree), index, name, Some(Subtask::found(node)));
        begun.lines.push(with_steps(line, steps, enter)?);
    }
    Ok(begun)
}

fn with_steps(mut line: Line, mut steps: Vec<Task>, enter: Enter) -> Result<Line, Halt> {
    steps.sort_by_key(|step| step.ordinal);
    for step in steps {
        if line.step.is_some() {
            return Err(Halt::Broken("a step follows one that is open".to_owned()));
        }
        if step.status.is_terminal() {
            line.history.push(ended(&step));
        } else {
            line.step = Some(Subtask::found(step));
            line.enter = enter;
            if enter == Enter::Vanished {
                line.unmet = true;
                line.tree.unmet.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
    Ok(line)
}

fn ended(step: &Task) -> StepEnd {
    match step.result.status {
        ResultStatus::Success => StepEnd::Succeeded,
        ResultStatus::Incomplete | ResultStatus::PartialSuccess | ResultStatus::Failure => {
            StepEnd::Failed
        }
    }
}
