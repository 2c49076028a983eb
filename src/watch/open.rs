//! Opening a watch: from what is asked for to a place in the journal.

use std::sync::Arc;
use std::time::Duration;

use super::cursor::{Opening, Phase};
use super::error::WatchError;
use super::finale::{Finale, read_finale};
use super::hub::Shared;
use super::scope::{Scope, Subject};
use super::spool::SpoolReader;
use super::watch::{Start, WatchRequest};
use crate::domain::Progress;
use crate::failpoint::failpoint;
use crate::random;

/// Maximum lives differ by a tenth either way, so that watches begun together end apart.
const LIFE_SPREAD: std::ops::Range<f64> = 0.9..1.1;

/// Where and how the watch begins.
pub(super) async fn open(
    shared: &Arc<Shared>,
    request: &WatchRequest,
) -> Result<Opening, WatchError> {
    let place = match request.start {
        Start::Snapshot => with_snapshot(shared, request).await?,
        Start::Now => {
            let clock = shared.source.clock().await?;
            after(shared, request, clock.last, Phase::Greeting).await?
        }
        Start::After(sequence) => {
            let clock = shared.source.clock().await?;
            if sequence > clock.last {
                return Err(WatchError::Future);
            }
            // A tree goes whole: the one of a task that is there has lost nothing.
            let spans_trees = matches!(request.scope, Scope::Fleet(_));
            if spans_trees && sequence < clock.floor {
                return Err(WatchError::Expired {
                    oldest: clock.floor,
                    current: clock.last,
                });
            }
            after(shared, request, sequence, Phase::Live).await?
        }
    };
    Ok(Opening {
        subject: place.subject,
        phase: place.phase,
        position: place.position,
        progress: place.progress,
        revision: place.revision,
        heartbeat_interval: request.heartbeat_interval,
        life: life(shared.max_life),
    })
}

struct Place {
    subject: Subject,
    phase: Phase,
    position: i64,
    progress: Option<Progress>,
    revision: i64,
}

async fn with_snapshot(shared: &Arc<Shared>, request: &WatchRequest) -> Result<Place, WatchError> {
    let filled = shared.fills.read(&request.scope).await?;
    let snapshot = filled.ok_or(WatchError::NotFound)?;
    failpoint!(AfterSnapshot => Err(WatchError::from(crate::store::Error::Closed)));
    let position = snapshot.clock.last;
    let (subject, finished, progress, revision) = match &request.scope {
        Scope::Task { task_id, max_depth } => {
            // Parents come first, so the watched task does.
            let mut first = SpoolReader::new(Arc::clone(&snapshot.spool));
            let task = first.take().await?.ok_or(WatchError::NotFound)?;
            let subject = Subject::task(
                *task_id,
                task.root_task_id,
                *max_depth,
                request.include_messages,
            );
            let progress = task.is_root().then(|| task.progress());
            let revision = task.revision;
            let finished = task.status.is_terminal().then(|| {
                let mut task = Box::new(task);
                task.detail = None;
                task
            });
            (subject, finished, progress, revision)
        }
        Scope::Fleet(filter) => {
            let subject = Subject::fleet(Arc::clone(filter), request.include_messages);
            (subject, None, None, 0)
        }
    };
    Ok(Place {
        subject,
        phase: Phase::Snapshot {
            reader: SpoolReader::new(snapshot.spool),
            finished,
        },
        position,
        progress,
        revision,
    })
}

async fn after(
    shared: &Arc<Shared>,
    request: &WatchRequest,
    position: i64,
    phase: Phase,
) -> Result<Place, WatchError> {
    let (subject, phase, revision) = match &request.scope {
        Scope::Task { task_id, max_depth } => {
            // The clock was read before: a task that is not finished now finishes after it, and
            // so after the position.
            let task = shared.source.task(*task_id).await?;
            let task = task.ok_or(WatchError::NotFound)?;
            let subject = Subject::task(
                *task_id,
                task.root_task_id,
                *max_depth,
                request.include_messages,
            );
            let mut phase = phase;
            // That of now: what changed since the position follows before any progress is told.
            let revision = task.revision;
            if task.status.is_terminal() {
                let finale = read_finale(shared, Box::new(task)).await?;
                if position >= finale.sequence(0) {
                    phase = Phase::Finale(Finale::Read(finale));
                }
            }
            (subject, phase, revision)
        }
        Scope::Fleet(filter) => (
            Subject::fleet(Arc::clone(filter), request.include_messages),
            phase,
            0,
        ),
    };
    Ok(Place {
        subject,
        phase,
        position,
        progress: None,
        revision,
    })
}

fn life(mean: Duration) -> Duration {
    mean.mul_f64(random::within(LIFE_SPREAD))
}
