//! A server of which a part panics.

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::cli;
use crate::config::{Flag, Sources};

/// Longer than a server takes to end by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// What runs in the background of a server on a file that has nothing to do.
const PARTS: [&str; 12] = [
    "batches of creates",
    "batches of writes",
    "claim",
    "claim loop",
    "dispatcher of hints",
    "keeper of the lease",
    "reader of tasks",
    "reloading of files",
    "retention",
    "supervisor of the executor",
    "sweeper of watches",
    "tail of the journal",
];

async fn server(directory: &std::path::Path) -> Server {
    let flag = |key, value: String| Flag {
        name: "--test",
        key,
        values: vec![value],
    };
    let sources = Sources {
        flags: vec![
            flag("server.listen", "127.0.0.1:0".to_owned()),
            flag("server.data_dir", directory.display().to_string()),
        ],
        ..Sources::default()
    };
    let config = Config::load(&sources).expect("the configuration is right");
    Server::start(&config).await.expect("it starts")
}

#[tokio::test]
async fn a_panic_in_the_background_ends_the_process() {
    for part in PARTS {
        let directory = tempfile::tempdir().expect("a directory");
        let server = server(directory.path()).await;
        server.store.background().poison(part);
        let ended = timeout(PATIENCE, server.run_until(std::future::pending()));
        let error = ended.await.expect("it ends").expect_err("by itself");
        let Error::Background(panicked) = &error else {
            panic!("{part}: {error:?}")
        };
        assert_eq!(panicked.part, part);
        assert_eq!(panicked.to_string(), format!("{part} panicked: on purpose"));
        assert_eq!(cli::Error::from(error).report(), ExitCode::FAILURE);
    }
}
