//! Credentials come and go while the server runs, and are told to nobody (promises P18, P19).

use std::time::Duration;

use drydock::domain::Role;
use drydock::proto::v1::ListTasksRequest;
use drydock::proto::v1::task_event::Event as Arm;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::people::People;
use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::{Launch, drydock};
use crate::support::stream::Stream;

/// How long a change of the roster may take to be noticed, on a busy machine: it is looked at each second.
const NOTICED: Duration = Duration::from_secs(60);

/// A watch on everything, past its snapshot.
async fn watch(client: &Client) -> Stream {
    let stream = client.watch_fleet(None, "").await;
    let mut stream = stream.expect("a stream");
    stream
        .until(|event| matches!(event.event, Some(Arm::SnapshotComplete(_))))
        .await;
    stream
}

async fn end_of(stream: Stream) -> Status {
    let ended = timeout(NOTICED, stream.rest()).await;
    let (_, end) = ended.expect("the stream ends in time");
    end.expect_err("it ends before its time")
}

async fn list(client: &Client) -> Result<(), Status> {
    let request = ListTasksRequest::default();
    client.tasks.clone().list_tasks(request).await.map(drop)
}

/// Asks until the answer is `expected`.
async fn until_answered(client: &Client, expected: Code) {
    let asking = async {
        loop {
            let code = list(client)
                .await
                .map_or_else(|status| status.code(), |()| Code::Ok);
            if code == expected {
                return;
            }
            // Nobody tells when a file has been looked at.
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(NOTICED, asking)
        .await
        .expect("the change is noticed");
}

#[tokio::test]
async fn a_watch_ends_when_its_token_goes_and_no_other() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let server = people.ask(Launch::on(&database)).start().await;
    let reader = people.client(&server, Role::Read);
    let operator = people.client(&server, Role::Operate);
    let (going, mut staying) = (watch(&reader).await, watch(&operator).await);

    // A roster that is broken changes nothing, and the log has no word of it: it may hold a token.
    people.write("read read drydock_put-here-by-mistake");
    while !server.log().contains("roster not reloaded") {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!server.log().contains("by-mistake"));
    assert!(list(&reader).await.is_ok());

    // The operator becomes a reader, which is enough to go on watching.
    let operator_line = people.line(Role::Operate);
    people.write(&operator_line.replace("operate operate", "operate read"));
    let end = end_of(going).await;
    assert_eq!(end.code(), Code::Unauthenticated, "{end:?}");
    assert_eq!(reason(&end), "UNAUTHENTICATED");
    let refused = list(&reader).await.expect_err("it is not known any more");
    assert_eq!(refused.code(), Code::Unauthenticated);
    staying
        .until(|event| matches!(event.event, Some(Arm::Heartbeat(_))))
        .await;
    let denied = operator.try_purge(0, None, false).await;
    assert_eq!(denied.expect_err("a reader").code(), Code::PermissionDenied);

    people.write(&people.line(Role::Read));
    until_answered(&reader, Code::Ok).await;
    let end = end_of(staying).await;
    assert_eq!(end.code(), Code::Unauthenticated, "{end:?}");
}

#[tokio::test]
async fn a_watch_ends_when_its_token_does() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let server = people.ask(Launch::on(&database)).start().await;
    let reader = people.client(&server, Role::Read);
    let open = watch(&reader).await;
    let until = drydock::clock::now() + Duration::from_secs(4);
    people.write(&format!(
        "{} until={}",
        people.line(Role::Read),
        until.to_rfc3339()
    ));
    let end = end_of(open).await;
    assert_eq!(end.code(), Code::Unauthenticated, "{end:?}");
    assert!(drydock::clock::now() >= until, "not before its time");
    until_answered(&reader, Code::Unauthenticated).await;
}

#[tokio::test]
async fn a_token_is_in_nothing_that_the_server_writes() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let launch = people.ask(Launch::on(&database)).set("log.level", "trace");
    let mut server = launch.start().await;
    let destroyer = people.client(&server, Role::Destroy);
    let token = people.token(Role::Destroy);
    assert!(list(&destroyer).await.is_ok());
    drop(watch(&destroyer).await);
    destroyer.try_purge(0, None, true).await.expect("a purge");
    let almost = format!("{}x", &token[..token.len() - 1]);
    let wrong = Client::over(
        crate::support::client::channel(server.address()),
        Some(&almost),
    );
    assert!(list(&wrong).await.is_err());

    // A browser shows it over HTTP/1.
    let request = ListTasksRequest::default().encode_to_vec();
    let length = u32::try_from(request.len()).expect("short");
    let framed = [&[0], &length.to_be_bytes()[..], &request].concat();
    let mut answers = Vec::new();
    for shown in [token, &almost] {
        let head = format!(
            "POST /drydock.v1.TaskService/ListTasks HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n\
             authorization: Bearer {shown}\r\ncontent-length: {}\r\n\r\n",
            server.address(),
            framed.len()
        );
        let mut connection = TcpStream::connect(server.address())
            .await
            .expect("a connection");
        connection
            .write_all(head.as_bytes())
            .await
            .expect("it is sent");
        connection.write_all(&framed).await.expect("it is sent");
        let mut answer = Vec::new();
        let read = timeout(NOTICED, connection.read_to_end(&mut answer)).await;
        read.expect("the answer ends").expect("the answer is read");
        answers.push(String::from_utf8_lossy(&answer).to_lowercase());
    }
    assert!(answers[0].contains("grpc-status:0"), "{}", answers[0]);
    assert!(answers[1].contains("grpc-status: 16"), "{}", answers[1]);

    server.terminate().await;
    server.exit(NOTICED).await;
    let secret = &token["drydock_".len()..token.len() - 1];
    let log = server.log();
    assert!(log.contains("TRACE"), "the log is at its most verbose");
    assert!(!log.contains(secret), "the log has the token");
    let mut files = 0;
    for entry in std::fs::read_dir(database.directory()).expect("a directory") {
        let path = entry.expect("an entry").path();
        let contents = std::fs::read(&path).unwrap_or_default();
        let found = contents
            .windows(secret.len())
            .any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "{}", path.display());
        files += 1;
    }
    assert!(files > 1, "the database and the log");
}

#[tokio::test]
async fn the_command_makes_tokens_and_shows_them() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let mut new = drydock();
    new.args(["token", "new", "ci", "--role", "read", "--lifetime", "1h"]);
    let made = new.output().await.expect("the command runs");
    assert!(made.status.success(), "{made:?}");
    let printed = String::from_utf8(made.stdout).expect("text");
    let [token, line] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {printed}");
    };
    people.write(line);
    let file = people.directory.path().join("token");
    std::fs::write(&file, format!("{token}\n")).expect("a file");
    let server = people.ask(Launch::on(&database)).start().await;

    let list = async |token_file: Option<&std::path::Path>| {
        let mut list = drydock();
        list.args(["task", "list", "--server", &server.url()]);
        list.envs(token_file.map(|path| ("DRYDOCK_TOKEN_FILE", path)));
        let output = list.output().await.expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (listed, said) = list(Some(&file)).await;
    assert!(listed, "{said}");
    let (listed, said) = list(None).await;
    assert!(!listed);
    assert!(said.contains("UNAUTHENTICATED"), "{said}");
    assert!(said.contains("--token-file"), "{said}");
}
