//! Secrets stay secret: whatever the service writes down at its most talkative has none (promise P19).

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drydock::proto::v1::TaskAction;

use crate::emulator::{ACCOUNT, Emulation, PASSWORD};
use crate::harbour::{Harbour, Node};

/// A password that somebody wrote into the design itself, where a reference belongs.
const WRITTEN: &str = "canary-written-into-the-design";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_written_anywhere() {
    for sessions in [false, true] {
        let mut emulation = Emulation::of(3).without_boot();
        if sessions {
            emulation = emulation.with_sessions();
        }
        let emulator = emulation.start().await;
        let dead = Node::behind(&emulator, "n00003").oob("address", "127.0.0.1:1");
        let harbour = Harbour::of(&[
            Node::behind(&emulator, "n00001"),
            Node::behind(&emulator, "n00002").unknown(),
            dead,
            Node::behind(&emulator, "n00004").oob("credential", WRITTEN),
        ]);
        let server = harbour
            .launch(&emulator)
            .set("log.level", "trace")
            .start()
            .await;
        let mut seen = String::new();
        for action in [
            TaskAction::ValidateDesign,
            TaskAction::VerifySite,
            TaskAction::VerifyNode,
            TaskAction::PrepareNode,
        ] {
            seen.push_str(&harbour.run(&server, action).await.everything());
        }
        let log = server.log();
        assert!(log.contains("TRACE"), "the log is at its most talkative");
        assert!(
            seen.contains("[redacted]"),
            "the BMC has repeated the password"
        );
        look_for_secrets("what was sent to a client", seen.as_bytes());
        drop(server);
        look_below(harbour.database.directory());
    }
}

/// Looks into every file below a directory: the database, its journal, logs, the ledger.
fn look_below(directory: &Path) {
    let mut files = 0;
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            look_below(&path);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            look_for_secrets(&path.display().to_string(), &bytes);
            files += 1;
        }
    }
    assert!(files > 0, "{} is empty", directory.display());
}

fn look_for_secrets(place: &str, bytes: &[u8]) {
    let basic = BASE64_STANDARD.encode(format!("{ACCOUNT}:{PASSWORD}"));
    for secret in [PASSWORD, WRITTEN, &basic] {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{place} holds {secret}");
    }
}
