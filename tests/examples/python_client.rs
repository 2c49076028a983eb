//! `examples/python`: a Python program watches a deployment to its end although the server is killed.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use drydock::access::Token;
use drydock::proto::v1::task_event::Event;
use drydock::proto::v1::task_service_client::TaskServiceClient;
use drydock::proto::v1::{ListTasksRequest, WatchTasksRequest};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::python::Example;
use crate::server::{Place, SITE};

/// How long the program may take for its next line, and for its end: longer than a takeover.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many lines the server is killed. The whole deployment has several hundred.
const KILLED_AFTER: [usize; 2] = [40, 150];

/// What the program exits with when some nodes were deployed: one of the site's fails on purpose.
const PARTIAL_SUCCESS: i32 = 3;

const REQUEST_ID: &str = "0b5c1f0e-5d6a-4b1e-9f57-3c0c5c8f6a11";

#[tokio::test]
async fn a_watch_survives_the_death_of_the_server() {
    let client = Example::client();
    let place = Place::with_steps_of("800ms");
    let mut server = place.serve("127.0.0.1:0").await;
    let address = server.address().to_owned();
    let beginning = position(&address).await;

    let mut program = Program::start(&client, &address);
    let mut printed = Vec::new();
    for count in KILLED_AFTER {
        while printed.len() < count {
            let line = program.line().await;
            printed.push(line.expect("the deployment goes on for longer"));
        }
        server.kill().await;
        server = place.serve(&address).await;
    }
    while let Some(line) = program.line().await {
        printed.push(line);
    }
    let (code, notes) = program.end().await;
    assert_eq!(code, Some(PARTIAL_SUCCESS), "{notes}");
    // A machine that is busy enough may make two outages one.
    let breaks = notes.matches("; resuming").count();
    assert!((1..=KILLED_AFTER.len()).contains(&breaks), "{notes}");
    assert!(!notes.contains("beginning anew"), "{notes}");

    let printed: Vec<i64> = printed.iter().map(|line| sequence(line)).collect();
    assert!(printed.is_sorted_by(|one, next| one < next), "{printed:?}");
    let all = told(&address, beginning).await;
    let watched: Vec<i64> = all.into_iter().filter(|each| *each > printed[0]).collect();
    assert_eq!(printed[1..], watched);

    // The same request is the same deployment, whoever asks and whenever.
    let mut again = Program::start(&client, &address);
    while again.line().await.is_some() {}
    let (code, notes_again) = again.end().await;
    assert_eq!(code, Some(PARTIAL_SUCCESS), "{notes_again}");
    assert_eq!(notes_again.lines().nth(1), notes.lines().nth(1));
}

#[tokio::test]
async fn it_shows_its_token_over_tls_and_over_loopback() {
    let client = Example::client();
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned()];
    let params = CertificateParams::new(names).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let token = Token::generate().expect("randomness");
    let roster = format!("ci operate {}", token.hash());
    let plain = Place::with_steps_of("0ms").with_file("DRYDOCK_AUTH__ROSTER", "roster", &roster);
    let encrypted = Place::with_steps_of("0ms")
        .with_file("DRYDOCK_AUTH__ROSTER", "roster", &roster)
        .with_file("DRYDOCK_TLS__CERTIFICATE", "tls.pem", &certificate)
        .with_file("DRYDOCK_TLS__KEY", "tls.key", &key.serialize_pem());
    let file = plain.path().join("token");
    std::fs::write(&file, format!("{}\n", token.expose())).expect("a file");

    let run = async |server: &str, arguments: &[&OsStr]| {
        let output = Command::new(client.interpreter())
            .arg("deploy.py")
            .arg(format!("file://{SITE}/site.yaml"))
            .args(["--server", server])
            .args(arguments)
            .current_dir(client.directory())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, output).await.expect("the program ends");
        let output = output.expect("the interpreter runs");
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), notes)
    };
    let shown = ["--token-file".as_ref(), file.as_os_str()];
    let server = plain.serve("127.0.0.1:0").await;
    let (code, notes) = run(server.address(), &shown).await;
    assert_eq!(code, Some(PARTIAL_SUCCESS), "{notes}");
    let (code, notes) = run(server.address(), &[]).await;
    assert_ne!(code, Some(PARTIAL_SUCCESS));
    assert!(notes.contains("UNAUTHENTICATED"), "{notes}");

    let server = encrypted.serve("127.0.0.1:0").await;
    let ca = encrypted.path().join("tls.pem");
    let (_, port) = server.address().split_once(':').expect("a port");
    let believed = ["--ca-file".as_ref(), ca.as_os_str(), shown[0], shown[1]];
    let (code, notes) = run(&format!("localhost:{port}"), &believed).await;
    assert_eq!(code, Some(PARTIAL_SUCCESS), "{notes}");
}

#[tokio::test]
async fn its_own_tests_pass() {
    let client = Example::client();
    let output = Command::new(client.interpreter())
        .args(["-m", "unittest"])
        .current_dir(client.directory())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.expect("the tests end");
    let output = output.expect("the interpreter runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Ran 0 tests"), "{told}");
}

/// `deploy.py`, at work on the site of the examples.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(client: &Example, address: &str) -> Self {
        let mut child = Command::new(client.interpreter())
            .arg("deploy.py")
            .arg(format!("file://{SITE}/site.yaml"))
            .args(["--server", address, "--request-id", REQUEST_ID])
            .current_dir(client.directory())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("its output is piped");
        Self {
            child,
            lines: BufReader::new(output).lines(),
        }
    }

    async fn line(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("the program is not stuck").expect("text")
    }

    /// Its exit code, and what it said beside the transitions.
    async fn end(mut self) -> (Option<i32>, String) {
        let mut notes = String::new();
        let mut errors = self.child.stderr.take().expect("its errors are piped");
        let read = timeout(PATIENCE, errors.read_to_string(&mut notes)).await;
        read.expect("the program ends").expect("text");
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("the program ends").expect("it is ours");
        (status.code(), notes)
    }
}

/// The number of the event that a line is about, which it begins with.
fn sequence(line: &str) -> i64 {
    let number = line.split_whitespace().next();
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("a sequence, then what happened: {line}"))
}

/// The position before everything that happens from now on.
async fn position(address: &str) -> String {
    let answer = connect(address)
        .await
        .list_tasks(ListTasksRequest::default())
        .await;
    answer.expect("a list").into_inner().resume_token
}

/// The sequences of the events after `beginning` that the program prints, up to the end of the first root
/// that ends.
async fn told(address: &str, beginning: String) -> Vec<i64> {
    let request = WatchTasksRequest {
        resume_token: beginning,
        include_messages: Some(true),
        ..WatchTasksRequest::default()
    };
    let stream = connect(address).await.watch_tasks(request).await;
    let mut stream = stream.expect("a stream").into_inner();
    let mut sequences = Vec::new();
    loop {
        let event = timeout(PATIENCE, stream.message()).await;
        let event = event.expect("history is there already");
        let event = event.expect("it goes on").expect("it does not end");
        let is_told = matches!(
            event.event,
            Some(Event::StatusChanged(_) | Event::MessageAdded(_) | Event::TaskFinished(_))
        );
        if is_told {
            sequences.push(event.sequence);
        }
        if matches!(event.event, Some(Event::TaskFinished(_))) && event.parent_task_id.is_none() {
            return sequences;
        }
    }
}

async fn connect(address: &str) -> TaskServiceClient<Channel> {
    let client = TaskServiceClient::connect(format!("http://{address}")).await;
    client.expect("the server answers")
}
