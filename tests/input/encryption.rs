//! TLS: what is encrypted, with which certificates, and who they say is there (promise P18).

use std::path::Path;
use std::time::Duration;

use drydock::domain::Role;
use drydock::proto::v1::ListTasksRequest;
use drydock::proto::v1::task_event::Event as Arm;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::people::{Authority, Pair, People, encrypt};
use crate::support::client::{Client, channel};
use crate::support::database::Database;
use crate::support::server::{Launch, Server, drydock};

/// How long a change of a file may take to be noticed, on a busy machine: they are looked at each second.
const NOTICED: Duration = Duration::from_secs(60);

/// A server that is encrypted with a certificate of `authority`, for `people`.
fn launch(database: &Database, people: &People, authority: &Authority) -> Launch {
    let directory = people.directory.path();
    authority.server().put(directory);
    encrypt(people.ask(Launch::on(database)), directory)
}

async fn list(client: &Client) -> Result<(), Status> {
    let request = ListTasksRequest::default();
    client.tasks.clone().list_tasks(request).await.map(drop)
}

fn code(answer: Result<(), Status>) -> Code {
    answer.map_or_else(|status| status.code(), |()| Code::Ok)
}

#[tokio::test]
async fn certificates_are_replaced_while_a_watch_goes_on() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let (old, new) = (Authority::new(), Authority::new());
    let server = launch(&database, &people, &old).start().await;
    let token = Some(people.token(Role::Read));
    let early = Client::over(old.channel(server.address(), None), token);
    let mut watch = early.watch_fleet(None, "").await.expect("a stream");
    watch
        .until(|event| matches!(event.event, Some(Arm::SnapshotComplete(_))))
        .await;

    // One of two files is another state of affairs, in which nothing changes.
    let pair = new.server();
    let directory = people.directory.path();
    std::fs::write(directory.join("tls.key"), &pair.key).expect("a file");
    while !server.log().contains("certificates not reloaded") {
        sleep(Duration::from_millis(50)).await;
    }
    let meanwhile = Client::over(old.channel(server.address(), None), token);
    assert_eq!(code(list(&meanwhile).await), Code::Ok);

    pair.put(directory);
    let replaced = async {
        loop {
            let client = Client::over(new.channel(server.address(), None), token);
            if list(&client).await.is_ok() {
                return;
            }
            // Nobody tells when a file has been looked at.
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(NOTICED, replaced)
        .await
        .expect("the new one is used");
    let late = Client::over(old.channel(server.address(), None), token);
    assert_ne!(code(list(&late).await), Code::Ok, "of another authority");
    watch
        .until(|event| matches!(event.event, Some(Arm::Heartbeat(_))))
        .await;
    assert_eq!(code(list(&early).await), Code::Ok, "on its old connection");
}

#[tokio::test]
async fn a_client_certificate_is_an_identity() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = people.directory.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    people.write(&format!(
        "{}\nprometheus read cn:metrics\nagent operate uri:spiffe://site.example/agent",
        people.line(Role::Destroy)
    ));
    let launch = launch(&database, &people, &authority).set("tls.client_ca", ca.display());
    let server = launch.start().await;
    let ask = async |pair: Option<&Pair>, token: Option<&str>| {
        let client = Client::over(authority.channel(server.address(), pair), token);
        let answer = client.try_purge(0, None, false).await.map(drop);
        (code(list(&client).await), code(answer))
    };
    let metrics = authority.client("metrics");
    let agent = authority.client_at("spiffe://site.example/agent");
    let read_only = (Code::Ok, Code::PermissionDenied);
    let nobody = (Code::Unauthenticated, Code::Unauthenticated);
    assert_eq!(ask(Some(&metrics), None).await, read_only);
    assert_eq!(ask(Some(&agent), None).await, read_only);
    assert_eq!(ask(None, None).await, nobody);
    assert_eq!(ask(Some(&authority.client("other")), None).await, nobody);
    // A token decides, in both directions.
    let destroyer = Some(people.token(Role::Destroy));
    assert_eq!(ask(Some(&metrics), destroyer).await, (Code::Ok, Code::Ok));
    assert_eq!(ask(Some(&metrics), Some("nonsense")).await, nobody);

    // The certificate of somebody else's authority is refused in the handshake, whatever its name.
    let forged = stranger.client("metrics");
    let (listed, _) = ask(Some(&forged), destroyer).await;
    assert!(
        !matches!(listed, Code::Ok | Code::Unauthenticated),
        "{listed:?}"
    );
    let mut health = HealthClient::new(authority.channel(server.address(), None));
    assert!(health.check(HealthCheckRequest::default()).await.is_ok());

    let task = Client::over(authority.channel(server.address(), Some(&agent)), None);
    let refused = task
        .try_create(crate::support::client::create_request(
            drydock::proto::v1::TaskAction::DestroyNode,
            "file:///x",
        ))
        .await;
    assert_eq!(
        refused.expect_err("it wipes").code(),
        Code::PermissionDenied
    );
    let log = server.log();
    assert!(log.contains("actor=\"agent\""), "{log}");
}

#[tokio::test]
async fn a_watch_ends_when_its_certificate_does() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let authority = Authority::new();
    let ca = people.directory.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    people.write("prometheus read cn:metrics");
    let launch = launch(&database, &people, &authority).set("tls.client_ca", ca.display());
    let server = launch.start().await;
    let pair = authority.client_for("metrics", Duration::from_secs(10));
    let client = Client::over(authority.channel(server.address(), Some(&pair)), None);
    let watch = client.watch_fleet(None, "").await.expect("a stream");
    let (_, end) = timeout(NOTICED, watch.rest()).await.expect("it ends");
    assert_eq!(
        end.expect_err("not by itself").code(),
        Code::Unauthenticated
    );
    assert_eq!(
        code(list(&client).await),
        Code::Unauthenticated,
        "on the connection that it has"
    );
}

#[tokio::test]
async fn plaintext_and_tls_tell_each_other_what_is_wrong() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let authority = Authority::new();
    let directory = people.directory.path();
    let encrypted = launch(&database, &people, &authority).start().await;
    let other_database = Database::sqlite();
    let plain = people.ask(Launch::on(&other_database)).start().await;

    let refused = list(&Client::of(encrypted.address())).await;
    let refused = format!("{:?}", refused.expect_err("it is encrypted"));
    assert!(refused.contains("TLS only"), "{refused}");
    let mut browser = TcpStream::connect(encrypted.address())
        .await
        .expect("a connection");
    browser
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("it is sent");
    browser.shutdown().await.expect("nothing more is sent");
    let mut answer = String::new();
    browser
        .read_to_string(&mut answer)
        .await
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("use https here.\n"), "{answer}");

    let token = directory.join("token");
    std::fs::write(&token, people.token(Role::Read)).expect("a file");
    let ca = directory.join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");
    let ask = async |url: String, ca: Option<&Path>| {
        let mut list = drydock();
        list.args(["task", "list", "--server", &url, "--token-file"]);
        list.arg(&token);
        if let Some(ca) = ca {
            list.arg("--ca-file").arg(ca);
        }
        let output = list.output().await.expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let https = |server: &Server| format!("https://{}", server.address());
    let (listed, said) = ask(https(&encrypted), Some(&ca)).await;
    assert!(listed, "{said}");
    let (listed, said) = ask(encrypted.url(), None).await;
    assert!(!listed && said.contains("TLS only"), "{said}");
    let (listed, said) = ask(https(&plain), Some(&ca)).await;
    assert!(!listed && said.contains("does not speak TLS"), "{said}");
    let foreign = directory.join("foreign.pem");
    std::fs::write(&foreign, Authority::new().pem()).expect("a file");
    let (listed, said) = ask(https(&encrypted), Some(&foreign)).await;
    assert!(!listed && said.contains("not believed"), "{said}");
}

#[tokio::test]
async fn who_does_not_go_on_with_the_handshake_keeps_nobody_waiting() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let authority = Authority::new();
    let server = launch(&database, &people, &authority).start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        let connection = TcpStream::connect(server.address()).await;
        let mut connection = connection.expect("a connection");
        connection
            .write_all(&[0x16, 3, 1])
            .await
            .expect("it is sent");
        silent.push(connection);
    }
    let client = Client::over(
        authority.channel(server.address(), None),
        Some(people.token(Role::Read)),
    );
    assert_eq!(code(list(&client).await), Code::Ok);
    // After its time the server lets go of each.
    let mut answer = Vec::new();
    let last = silent.last_mut().expect("fifty");
    let read = timeout(NOTICED, last.read_to_end(&mut answer)).await;
    // Closed or reset, but not left open.
    read.expect("the server lets go").ok();
}

#[tokio::test]
async fn what_would_not_be_safe_is_refused_at_the_start() {
    let database = Database::sqlite();
    let people = People::of_each_role();
    let authority = Authority::new();
    let directory = people.directory.path();
    authority.server().put(directory);
    let anywhere = || Launch::on(&database).at(([0, 0, 0, 0], 0).into());
    let ca = directory.join("clients.pem");
    std::fs::write(&ca, authority.pem()).expect("a file");

    let said = async |launch: Launch| launch.refused().await.log;
    assert!(said(anywhere()).await.contains("nobody is authenticated"));
    assert!(
        said(encrypt(anywhere(), directory))
            .await
            .contains("nobody is authenticated")
    );
    let in_clear = people.ask(anywhere().set("server.insecure", "true"));
    assert!(said(in_clear).await.contains("in clear"));
    let half = Launch::on(&database).set("tls.key", directory.join("tls.key").display());
    assert!(said(half).await.contains("go together"));
    let nobody = encrypt(Launch::on(&database), directory).set("tls.client_ca", ca.display());
    assert!(said(nobody).await.contains("auth.roster"));

    let safe = encrypt(people.ask(anywhere()), directory).start().await;
    let address = ([127, 0, 0, 1], safe.address().port()).into();
    let client = Client::over(
        authority.channel(address, None),
        Some(people.token(Role::Read)),
    );
    assert_eq!(code(list(&client).await), Code::Ok);
    safe.kill().await;

    people.write("ci admin cn:x");
    let broken = said(people.ask(Launch::on(&database))).await;
    assert!(broken.contains("line 1: the role must be"), "{broken}");
    std::fs::write(directory.join("tls.key"), authority.server().key).expect("a file");
    let mismatched = said(encrypt(Launch::on(&database), directory)).await;
    assert!(mismatched.contains("set up TLS"), "{mismatched}");
    let open = Launch::on(&database).start().await;
    assert_eq!(
        code(list(&Client::over(channel(open.address()), None)).await),
        Code::Ok
    );
}
