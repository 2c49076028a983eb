//! Resume tokens that cannot be resumed from, each for its reason and never in silence (promise P11).

use drydock::proto::v1::{TaskAction, TaskFilter};
use tonic::{Code, Status};

use crate::support::client::{Client, labelled, reason};
use crate::support::database::Database;
use crate::support::server::{Launch, drydock};
use crate::support::site::{Machine, Site};
use crate::support::stream::{Next, Stream};

on_both_databases!(
    a_token_is_bound_to_what_was_watched,
    a_token_ahead_of_the_store_is_refused,
    a_new_epoch_makes_every_token_stale,
);

/// The error of a stream, whether it comes at once or as its first message.
async fn refusal(opened: Result<Stream, Status>) -> (Code, String) {
    let status = match opened {
        Err(status) => status,
        Ok(mut stream) => match stream.next().await {
            Next::End(Err(status)) => status,
            other => panic!("the stream says {other:?}"),
        },
    };
    (status.code(), reason(&status))
}

fn refused(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

/// A token with another sequence in its last eight bytes.
fn at_sequence(token: &str, sequence: i64) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = URL_SAFE_NO_PAD.decode(token).expect("base64");
    let place = bytes.len() - 8;
    bytes[place..].copy_from_slice(&sequence.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn a_token_is_bound_to_what_was_watched(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let one = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await
        .task_id;
    let other = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await
        .task_id;
    let of_task = client.tree(&one).await.resume_token;
    let of_all = client.position(None).await;
    let labels = labelled("a", "b");
    let of_labels = client.position(Some(labels.clone())).await;

    let mismatch = refused(Code::InvalidArgument, "RESUME_TOKEN_SCOPE_MISMATCH");
    for (what, opened) in [
        ("another task", client.try_watch(&other, &of_task).await),
        ("a task, of a fleet", client.try_watch(&one, &of_all).await),
        (
            "a fleet, of a task",
            client.watch_fleet(None, &of_task).await,
        ),
        (
            "a fleet, of another filter",
            client.watch_fleet(None, &of_labels).await,
        ),
        (
            "a filter, of a fleet",
            client.watch_fleet(Some(labels.clone()), &of_all).await,
        ),
    ] {
        assert_eq!(refusal(opened).await, mismatch, "{what}");
    }

    let invalid = refused(Code::InvalidArgument, "RESUME_TOKEN_INVALID");
    let mut cut = of_task.clone();
    cut.pop();
    for token in [
        "token",
        "\u{1F600}",
        &cut,
        &format!("{of_task}A"),
        &"A".repeat(1_000_000),
    ] {
        assert_eq!(
            refusal(client.try_watch(&one, token).await).await,
            invalid,
            "{token:.40}"
        );
        assert_eq!(
            refusal(client.watch_fleet(None, token).await).await,
            invalid,
            "{token:.40}"
        );
    }
    let negative = at_sequence(&of_task, -1);
    assert_eq!(
        refusal(client.try_watch(&one, &negative).await).await,
        invalid
    );

    // The good ones are good, and an empty filter is no filter.
    client
        .try_watch(&one, &of_task)
        .await
        .expect("a watch goes on");
    let empty = Some(TaskFilter::default());
    client
        .watch_fleet(empty, &of_all)
        .await
        .expect("a watch goes on");
}

async fn a_token_ahead_of_the_store_is_refused(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await
        .task_id;
    let future = refused(Code::OutOfRange, "RESUME_TOKEN_FUTURE");
    for sequence in [1_000_000, i64::MAX] {
        let ahead = at_sequence(&client.tree(&task).await.resume_token, sequence);
        assert_eq!(refusal(client.try_watch(&task, &ahead).await).await, future);
        let ahead = at_sequence(&client.position(None).await, sequence);
        assert_eq!(
            refusal(client.watch_fleet(None, &ahead).await).await,
            future
        );
    }
}

async fn a_new_epoch_makes_every_token_stale(database: Database) {
    let site = Site::of(&Machine::many(1));
    let launch = Launch::on(&database).designs_in(site.directory());
    let server = launch.start().await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await
        .task_id;
    let of_task = client.tree(&task).await.resume_token;
    let of_all = client.position(None).await;
    server.kill().await;

    let mut command = drydock();
    command.args(["migrate", "new-epoch", "--database-url", database.url()]);
    command.env("DRYDOCK_SERVER__DATA_DIR", database.directory());
    let output = command.output().await.expect("the command runs");
    assert!(output.status.success(), "{output:?}");

    let server = launch.start().await;
    let client = Client::of(server.address());
    let stale = refused(Code::OutOfRange, "RESUME_TOKEN_STALE_EPOCH");
    assert_eq!(
        refusal(client.try_watch(&task, &of_task).await).await,
        stale
    );
    assert_eq!(
        refusal(client.watch_fleet(None, &of_all).await).await,
        stale
    );
    let token = client.tree(&task).await.resume_token;
    client
        .try_watch(&task, &token)
        .await
        .expect("a token of this epoch is good");
}
