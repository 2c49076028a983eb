//! Secrets stay secret: whatever the service writes down at its most talkative has none (promise P19).

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drydock::proto::v1::TaskAction;
use flate2::read::GzDecoder;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use crate::emulator::{ACCOUNT, Emulation, PASSWORD};
use crate::harbour::{CREDENTIAL, Harbour, Node};

/// A password that somebody wrote into the design itself, where a reference belongs.
pub(crate) const WRITTEN: &str = "canary-written-into-the-design";

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
        look_into_designs(harbour.database.url()).await;
    }
}

/// Looks into every file below a directory: the database, its journal, logs, the ledger.
pub(crate) fn look_below(directory: &Path) {
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

/// Looks into the designs that are kept, which are compressed.
pub(crate) async fn look_into_designs(url: &str) {
    let connection = SqliteConnection::connect(url).await;
    let select = sqlx::query_scalar("SELECT bytes FROM designs");
    let designs: Vec<Vec<u8>> = select
        .fetch_all(&mut connection.expect("the file opens"))
        .await
        .expect("the designs");
    assert!(!designs.is_empty(), "a design is kept");
    for design in designs {
        let mut text = Vec::new();
        let read = GzDecoder::new(&design[..]).read_to_end(&mut text);
        read.expect("a design is compressed");
        let kept = text.windows(CREDENTIAL.len());
        assert!(
            kept.into_iter()
                .any(|window| window == CREDENTIAL.as_bytes())
        );
        look_for_secrets("the design that is kept", &text);
    }
}

/// Fails if there is one in `bytes`.
pub(crate) fn look_for_secrets(place: &str, bytes: &[u8]) {
    let basic = BASE64_STANDARD.encode(format!("{ACCOUNT}:{PASSWORD}"));
    for secret in [PASSWORD, WRITTEN, &basic] {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{place} holds {secret}");
    }
}
