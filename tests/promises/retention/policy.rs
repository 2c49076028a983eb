//! Who purges: the service by itself, or an operator who was asked.

use drydock::proto::v1::TaskAction;
use drydock::proto::v1::task_event::Event as Arm;

use super::purging::{done, forgetful, refusal};
use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::drydock;
use crate::support::site::{Machine, Site};

on_both_databases!(
    old_tasks_are_purged_by_themselves,
    the_command_asks_before_it_deletes,
);

async fn old_tasks_are_purged_by_themselves(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = forgetful(&database, &site)
        .set("retention.tasks", "1s")
        .set("retention.interval", "1s")
        .start()
        .await;
    let client = Client::of(server.address());
    let stream = client.watch_fleet(None, "").await;
    let mut stream = stream.expect("the fleet is watched");
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let purged = stream
        .until(|event| matches!(event.event, Some(Arm::TaskPurged(_))))
        .await;
    assert_eq!(purged.task_id, task.task_id);
    let history = client.try_watch(&task.task_id, "").await;
    assert_eq!(reason(&refusal(history).await), "TASK_PURGED");
    let Some(Arm::TaskPurged(told)) = purged.event else {
        panic!("{purged:?}");
    };
    // It ran after it was created, and then it was kept for a second.
    let created = task.created.expect("when it was created");
    let purged = told.purged.expect("when it was purged");
    let kept_for_us = micros(&purged) - micros(&created);
    assert!(kept_for_us >= 1_000_000, "{created:?} to {purged:?}");
}

fn micros(time: &prost_types::Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos / 1_000)
}

async fn the_command_asks_before_it_deletes(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = forgetful(&database, &site).start().await;
    let client = Client::of(server.address());
    let task = done(&client, &site).await;
    let run = async |arguments: &[&str]| {
        let mut command = drydock();
        command.args([
            "task",
            "purge",
            "--older-than",
            "0s",
            "--server",
            &server.url(),
        ]);
        let output = command.args(arguments).stdin(std::process::Stdio::null());
        let output = output.output().await.expect("the command runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, _) = run(&["--dry-run"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "1 task would be deleted\n"));
    let (code, _, error) = run(&[]).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains(&task.task_id),
        "it names what it would delete: {error}"
    );
    assert!(error.contains("nothing was done"), "{error}");
    client.get(&task.task_id).await;
    let (code, out, _) = run(&["--label", "no=such", "--yes"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "0 tasks deleted\n"));
    let (code, out, error) = run(&["--yes", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains(&task.task_id), "{out}");
    assert_eq!(client.list().await, []);
}
