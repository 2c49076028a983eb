//! Reloading: files that say who may call, and with what the listener encrypts, are looked at again and
//! again.
//!
//! They are read and not watched. Secrets are mounted as links that change their target, and lie on file
//! systems of a network; both change without a word to who watches the file. There are four of them at most,
//! of a few KiB.

use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::tls::TlsFiles;
use crate::access::RosterFile;
use crate::background::Background;

/// How often the files are looked at: how long a token that was taken out of the roster may still be used.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is reloaded.
pub(super) struct Files {
    pub(super) roster: Option<RosterFile>,
    pub(super) tls: Option<TlsFiles>,
}

/// Reloading at work.
pub(super) struct Reloading {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Reloading {
    /// Starts looking.
    pub(super) fn start(files: Files, background: &Background) -> Self {
        let stop = CancellationToken::new();
        Self {
            task: background.spawn("reloading of files", run(files, stop.clone())),
            stop,
        }
    }

    /// Resolves if it ends by itself, which only a panic can make it do.
    pub(super) async fn ended(&mut self) -> Option<JoinError> {
        (&mut self.task).await.err()
    }

    /// Whether it has ended; then it may not be waited for again.
    pub(super) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops it; resolves once it has.
    pub(super) async fn stop(self) -> Result<(), JoinError> {
        self.stop.cancel();
        self.task.await
    }
}

async fn run(mut files: Files, stop: CancellationToken) {
    if files.roster.is_none() && files.tls.is_none() {
        return stop.cancelled().await;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        // A file system that hangs must hang nothing else.
        let looked = tokio::task::spawn_blocking(move || {
            files.roster.iter_mut().for_each(RosterFile::reload);
            files.tls.iter_mut().for_each(TlsFiles::reload);
            files
        });
        files = match looked.await {
            Ok(files) => files,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going away.
                Err(_) => return,
            },
        };
    }
}
