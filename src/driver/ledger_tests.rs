use super::*;

fn line(event: LineEvent, task_id: TaskId, policy: Policy, attempt: u32) -> Line {
    Line {
        ts: crate::clock::now(),
        event,
        instance: Uuid::nil(),
        epoch: 1,
        task_id: task_id.0,
        node: "n1".to_owned(),
        step: "deploy_node".to_owned(),
        policy: policy.token().to_owned(),
        attempt,
        outcome: (event == LineEvent::End).then_some(LineOutcome::Done),
    }
}

#[tokio::test]
async fn marks_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let (open, ended, observed) = (TaskId::new_root(), TaskId::new_root(), TaskId::new_root());
    let ledger = Ledger::open(&path).unwrap();
    ledger
        .record(line(LineEvent::Start, open, Policy::Guarded, 1))
        .await
        .unwrap();
    ledger
        .record(line(LineEvent::Start, ended, Policy::Guarded, 1))
        .await
        .unwrap();
    ledger
        .record(line(LineEvent::End, ended, Policy::Guarded, 1))
        .await
        .unwrap();
    ledger
        .record(line(LineEvent::Start, observed, Policy::Observe, 1))
        .await
        .unwrap();
    ledger
        .record(line(LineEvent::End, observed, Policy::Observe, 1))
        .await
        .unwrap();
    drop(ledger);

    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.mark(open).unwrap().ended, None);
    assert_eq!(ledger.mark(ended).unwrap().ended, Some(LineOutcome::Done));
    assert_eq!(ledger.mark(observed), None);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let (first, second) = (TaskId::new_root(), TaskId::new_root());
    let ledger = Ledger::open(&path).unwrap();
    ledger
        .record(line(LineEvent::Start, first, Policy::Guarded, 1))
        .await
        .unwrap();
    drop(ledger);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"ts\":\"2026-").unwrap();
    drop(file);

    let ledger = Ledger::open(&path).unwrap();
    ledger
        .record(line(LineEvent::Start, second, Policy::Guarded, 1))
        .await
        .unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert!(ledger.mark(first).is_some());
    assert!(ledger.mark(second).is_some());
}

#[test]
fn damage_before_the_last_line_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    std::fs::write(&path, "nonsense\n").unwrap();
    assert!(matches!(
        Ledger::open(&path),
        Err(LedgerError::Damaged { line: 1, .. })
    ));
}

#[tokio::test]
async fn concurrent_calls_are_all_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let ledger = Ledger::open(&path).unwrap();
    let ids: Vec<TaskId> = (0..300).map(|_| TaskId::new_root()).collect();
    futures::future::join_all(
        ids.iter()
            .map(|task_id| ledger.record(line(LineEvent::Start, *task_id, Policy::Once, 1))),
    )
    .await
    .into_iter()
    .collect::<Result<(), _>>()
    .unwrap();
    drop(ledger);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 300);
}

#[tokio::test]
async fn what_another_process_did_is_remembered_once_caught_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let ours = Ledger::open(&path).unwrap();
    let theirs = Ledger::open(&path).unwrap();
    let (open, over, own) = (TaskId::new_root(), TaskId::new_root(), TaskId::new_root());
    let foreign = |event, task_id| Line {
        instance: Uuid::from_u128(1),
        ..line(event, task_id, Policy::Guarded, 1)
    };
    ours.record(line(LineEvent::Start, own, Policy::Guarded, 1))
        .await
        .unwrap();
    for line in [
        foreign(LineEvent::Start, over),
        foreign(LineEvent::End, over),
        foreign(LineEvent::Start, open),
    ] {
        theirs.record(line).await.unwrap();
    }
    assert_eq!(ours.mark(open), None);
    for _ in 0..2 {
        ours.catch_up().unwrap();
        assert_eq!(ours.mark(open).unwrap().ended, None);
        assert_eq!(ours.mark(over).unwrap().ended, Some(LineOutcome::Done));
        assert_eq!(ours.mark(own).unwrap().starts, 1);
    }
}

#[tokio::test]
async fn a_line_torn_by_another_process_is_cut_off_by_the_next_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let ledger = Ledger::open(&path).unwrap();
    let mut other = OpenOptions::new().append(true).open(&path).unwrap();
    other.write_all(b"{\"ts\":\"2026-").unwrap();
    let task_id = TaskId::new_root();
    ledger
        .record(line(LineEvent::Start, task_id, Policy::Guarded, 1))
        .await
        .unwrap();
    drop(ledger);
    assert!(Ledger::open(&path).unwrap().mark(task_id).is_some());
}

#[tokio::test]
async fn nobody_cuts_or_writes_while_another_process_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let other = File::create(&path).unwrap();
    other.lock().unwrap();
    let opening = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || Ledger::open(&path).map(drop))
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!opening.is_finished());
    other.unlock().unwrap();
    opening.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let ledger = Ledger::open(&path).unwrap();
    let task_id = TaskId::new_root();
    let held = File::open(&path).unwrap();
    held.lock().unwrap();
    let start = ledger.record(line(LineEvent::Start, task_id, Policy::Guarded, 1));
    let limit = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(limit, start).await.is_err());
    held.unlock().unwrap();
    assert!(ledger.mark(task_id).is_some());
    drop(ledger);
    assert!(Ledger::open(&path).unwrap().mark(task_id).is_some());
}

/// The successor of a dead process begins its step again, and only then reads what that one had done.
#[tokio::test]
async fn what_an_earlier_owner_did_does_not_end_what_a_later_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let (ours, theirs) = (Ledger::open(&path).unwrap(), Ledger::open(&path).unwrap());
    let task_id = TaskId::new_root();
    for event in [LineEvent::Start, LineEvent::End] {
        let theirs_alone = Line {
            instance: Uuid::from_u128(1),
            ..line(event, task_id, Policy::Converge, 1)
        };
        theirs.record(theirs_alone).await.unwrap();
    }
    // Its writer is joined: every line is in the file.
    drop(theirs);
    let again = Line {
        epoch: 2,
        ..line(LineEvent::Start, task_id, Policy::Converge, 1)
    };
    ours.record(again).await.unwrap();
    ours.catch_up().unwrap();
    let mark = ours.mark(task_id).expect("it goes on");
    assert_eq!((mark.ended, mark.starts, mark.epoch), (None, 2, 2));
}
