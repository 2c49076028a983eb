//! An Ironic whose callers have tokens of a Keystone, and a server that makes its own.

use drydock::proto::v1::{ResultStatus, TaskAction};

use crate::design::Design;
use crate::ironic::{BARE, assert_succeeded, launch, run, said};
use crate::ironic_service::{Ironic, Settings};
use crate::keystone_service::Keystone;
use crate::support::client::Client;
use crate::support::database::Database;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_with_a_password_and_anew_when_they_end() {
    let keystone = Keystone::start().await;
    keystone.user("drydock", "first-canary").await;
    let settings = Settings {
        keystone: Some((keystone.endpoint(), keystone.token().await)),
        ..Settings::default()
    };
    let ironic = Ironic::start(&settings).await;
    ironic.make_available("n1").await;
    let design = Design::of([("n1", BARE)]);
    let database = Database::sqlite();
    let secrets = tempfile::tempdir().expect("a directory");
    let password = secrets.path().join("ironic");
    std::fs::write(&password, "wrong-canary").expect("the secret");
    let server = launch(&database, &design, &ironic)
        .set("drivers.ironic.auth", "keystone")
        .set("drivers.ironic.username", "drydock")
        .set("drivers.ironic.secret", "secret://ironic")
        .set("drivers.ironic.keystone.endpoint", keystone.endpoint())
        .set("secrets.directory", secrets.path().display())
        .set(
            "log.level",
            "drydock=trace,reqwest=trace,hyper=trace,hyper_util=trace",
        )
        .start()
        .await;
    let client = Client::of(server.address());

    let (task, events) = run(&client, TaskAction::VerifySite, &design).await;
    let mut told = format!("{:?}", said(&events));
    let status = task.result.as_ref().expect("a result").status();
    assert_ne!(status, ResultStatus::Success, "{told}");
    let why = "does not accept drydock with secret://ironic: answered 401 Unauthorized";
    assert!(told.contains(why), "{told}");

    std::fs::write(&password, "first-canary").expect("the secret");
    for action in [TaskAction::VerifySite, TaskAction::DeployNode] {
        let (task, events) = run(&client, action, &design).await;
        assert_succeeded(&task, &events);
        told.push_str(&format!("{:?}", said(&events)));
    }
    assert_eq!(ironic.node("n1").await["provision_state"], "active");

    // The token that is used ends with the password that it was made with.
    keystone.user("drydock", "second-canary").await;
    std::fs::write(&password, "second-canary").expect("the secret");
    let (task, events) = run(&client, TaskAction::DestroyNode, &design).await;
    assert_succeeded(&task, &events);
    told.push_str(&format!("{:?}", said(&events)));
    assert_eq!(ironic.node("n1").await["provision_state"], "available");

    for written in [&told, &server.log()] {
        // Tokens of Fernet begin so.
        for secret in ["canary", "gAAAA"] {
            assert!(!written.contains(secret), "{secret} is written");
        }
    }
}
