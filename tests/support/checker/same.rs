//! Whether two watchers were told the same.

use drydock::proto::v1::TaskEvent;
use drydock::proto::v1::task_event::Event as Arm;

/// The committed events of a history, without what differs from stream to stream: tokens, progress and
/// heartbeats, snapshots, and an end told once more (a stream cut after `task_finished` and before its OK tells
/// the end again).
pub(crate) fn committed(events: &[TaskEvent]) -> Vec<TaskEvent> {
    let once = events.iter().filter(|event| !event.replay);
    let events = once.filter(|event| match &event.event {
        Some(
            Arm::Snapshot(_)
            | Arm::SnapshotComplete(_)
            | Arm::ProgressChanged(_)
            | Arm::Heartbeat(_),
        ) => false,
        Some(_) | None => true,
    });
    events
        .map(|event| TaskEvent {
            resume_token: String::new(),
            ..event.clone()
        })
        .collect()
}

/// Where two histories first differ; none: they are the same.
pub(crate) fn difference(one: &[TaskEvent], other: &[TaskEvent]) -> Option<String> {
    let (one, other) = (committed(one), committed(other));
    let place = one.iter().zip(&other).position(|(one, other)| one != other);
    let place = place.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))?;
    Some(format!(
        "event {place} differs ({} and {} events):\n{:?}\n{:?}",
        one.len(),
        other.len(),
        one.get(place),
        other.get(place)
    ))
}

/// Fails unless two histories have the same events.
#[track_caller]
pub(crate) fn assert_same_history(one: &[TaskEvent], other: &[TaskEvent], who: &str) {
    if let Some(difference) = difference(one, other) {
        panic!("{who}: {difference}");
    }
}
