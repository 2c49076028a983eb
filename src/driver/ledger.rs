//! The ledger of the simulated machines: what was done to them, one JSON line per call.
//!
//! It is evidence (a test counts how often a step ran) and memory (a guarded step looks for its
//! mark here after a restart). A `start` or `adopt` line is on disk before the call acts. One
//! thread writes: a batch is what queued while the previous one was being synced, so that many
//! calls share one fdatasync.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::domain::{Policy, TaskId, Timestamp};

/// Lines that wait for the writer. More than all nodes that run at once, so that callers hardly
/// ever wait for a place; at 300 bytes a line it is a few hundred kilobytes.
const QUEUE: usize = 2048;

/// Lines of one batch: bounds what one fdatasync answers for.
const BATCH: usize = 512;

/// The longest line that is read back. Ours are a tenth of it; a longer one is damage.
const MAX_LINE_BYTES: u64 = 8 * 1024;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEvent {
    /// A call is about to act.
    Start,
    /// A guarded step found its own mark and goes on with it.
    Adopt,
    /// The work is over.
    End,
}

/// How the work of an `end` line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineOutcome {
    /// It was done.
    Done,
    /// It failed and left nothing behind.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub ts: Timestamp,
    /// What.
    pub event: LineEvent,
    /// The calling process.
    pub instance: Uuid,
    /// Its fencing token.
    pub epoch: i64,
    /// The step subtask.
    pub task_id: Uuid,
    /// The node; empty for a step of the site.
    pub node: String,
    /// The step's token.
    pub step: String,
    /// The policy's token.
    pub policy: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How it ended; on `end` lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<LineOutcome>,
}

/// What the simulated machines remember of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When the last attempt began.
    pub started: Timestamp,
    /// Attempts begun.
    pub starts: u32,
    /// How the last attempt ended; none while it goes on.
    pub ended: Option<LineOutcome>,
    /// Whose the last attempt is, by its fencing token.
    pub epoch: i64,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error("use the ledger {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line that is not the torn last one makes no sense.
    #[error("read the ledger {}: line {line} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The writer has stopped: an earlier line could not be written.
    #[error("write to the ledger: it has stopped")]
    Stopped,
}

/// The ledger. Dropping it writes what is queued and ends the writer.
#[derive(Debug)]
pub struct Ledger {
    marks: Mutex<HashMap<TaskId, Mark>>,
    /// None: kept in memory only.
    writer: Option<Writer>,
    /// None: kept in memory only.
    others: Option<Mutex<Others>>,
}

/// What other processes write to the same file: replicas on one host share their machines.
#[derive(Debug)]
struct Others {
    path: PathBuf,
    file: File,
    /// Everything before this was looked at.
    read_bytes: u64,
    /// The instances whose lines are ours.
    ours: HashSet<Uuid>,
}

#[derive(Debug)]
struct Writer {
    queue: Option<mpsc::Sender<Entry>>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Entry {
    line: String,
    /// Answered once the line is on disk; none for lines that nobody waits for.
    synced: Option<oneshot::Sender<()>>,
}

impl Ledger {
    /// A ledger that forgets with the process.
    pub fn in_memory() -> Self {
        Self {
            marks: Mutex::new(HashMap::new()),
            writer: None,
            others: None,
        }
    }

    /// Opens the ledger at `path`, creating it if missing, and reads it back line by line. A last
    /// line that a crash left torn is cut off: its call had not acted yet. Every process locks the
    /// file while it writes, so that nobody cuts what another is writing.
    ///
    /// # Errors
    ///
    /// The file cannot be used, or a line before the last makes no sense.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let at = |source| LedgerError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(at)?;
        file.lock().map_err(at)?;
        cut_torn(&file).map_err(at)?;
        let marks = read_back(&file, path)?;
        let read_bytes = file.seek(SeekFrom::End(0)).map_err(at)?;
        file.unlock().map_err(at)?;
        let others = Others {
            path: path.to_owned(),
            read_bytes,
            file: File::open(path).map_err(at)?,
            ours: HashSet::new(),
        };

        let (queue, entries) = mpsc::channel(QUEUE);
        let shown = path.to_owned();
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write_batches(file, entries, &shown))
            .map_err(at)?;
        Ok(Self {
            marks: Mutex::new(marks),
            writer: Some(Writer {
                queue: Some(queue),
                thread: Some(thread),
            }),
            others: Some(Mutex::new(others)),
        })
    }

    /// Reads what other processes have written since: the machines remember what a lost replica did
    /// to them while this one ran. It blocks for as long as that takes, so it is for takeovers only.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or makes no sense.
    pub fn catch_up(&self) -> Result<(), LedgerError> {
        let Some(others) = &self.others else {
            return Ok(());
        };
        let mut others = others.lock().unwrap_or_else(PoisonError::into_inner);
        for line in others.read_on()? {
            remember(&mut self.marks(), &line);
        }
        Ok(())
    }

    /// What is remembered of a step. Kept while its work goes on or did not succeed, and for ever
    /// for a guarded one.
    pub fn mark(&self, task_id: TaskId) -> Option<Mark> {
        self.marks().get(&task_id).copied()
    }

    /// Records a line. A `start` or `adopt` is on disk when this returns; an `end` is on its way,
    /// in order. A line is remembered from the moment it is on its way: a call that is dropped
    /// while it waits here has a line that reaches the disk, and a cancel must find it.
    ///
    /// # Errors
    ///
    /// The line was not written: the call must not act, and no later one can.
    pub async fn record(&self, line: Line) -> Result<(), LedgerError> {
        if let Some(queue) = self
            .writer
            .as_ref()
            .and_then(|writer| writer.queue.as_ref())
        {
            if let Some(others) = &self.others {
                let mut others = others.lock().unwrap_or_else(PoisonError::into_inner);
                others.ours.insert(line.instance);
            }
            let text = serde_json::to_string(&line).map_err(|_| LedgerError::Stopped)?;
            let (synced, answer) = match line.event {
                LineEvent::Start | LineEvent::Adopt => {
                    let (synced, answer) = oneshot::channel();
                    (Some(synced), Some(answer))
                }
                LineEvent::End => (None, None),
            };
            let place = queue.reserve().await.map_err(|_| LedgerError::Stopped)?;
            // No await from here to the mark: what is on its way is remembered.
            {
                let mut marks = self.marks();
                place.send(Entry { line: text, synced });
                remember(&mut marks, &line);
            }
            if let Some(answer) = answer {
                answer.await.map_err(|_| LedgerError::Stopped)?;
            }
            return Ok(());
        }
        remember(&mut self.marks(), &line);
        Ok(())
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Mark>> {
        // Every change of the map is one insert or remove, so a panic elsewhere cannot have left
        // it half done.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Others {
    /// The whole lines since the last time that are not ours. A line that is still being written is
    /// left for the next time.
    fn read_on(&mut self) -> Result<Vec<Line>, LedgerError> {
        let at = |source| LedgerError::File {
            path: self.path.clone(),
            source,
        };
        self.file
            .seek(SeekFrom::Start(self.read_bytes))
            .map_err(at)?;
        let mut lines = Vec::new();
        let mut reader = BufReader::new(&self.file);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = io::Read::take(&mut reader, MAX_LINE_BYTES)
                .read_until(b'\n', &mut text)
                .map_err(at)?;
            if text.last() != Some(&b'\n') {
                return Ok(lines);
            }
            let line: Line = serde_json::from_slice(&text).map_err(|source| at(source.into()))?;
            self.read_bytes += read as u64;
            if !self.ours.contains(&line.instance) {
                lines.push(line);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's writer panicked");
        }
    }
}

/// Applies a line to what is remembered. Another process's lines are read late: what an earlier owner of
/// the task did before a later one began counts as an attempt, and says nothing of the later one.
fn remember(marks: &mut HashMap<TaskId, Mark>, line: &Line) {
    let task_id = TaskId(line.task_id);
    if let Some(mark) = marks.get_mut(&task_id)
        && line.epoch < mark.epoch
    {
        mark.starts += u32::from(line.event == LineEvent::Start);
        return;
    }
    match line.event {
        LineEvent::Start => {
            let starts = marks.get(&task_id).map_or(0, |mark| mark.starts) + 1;
            marks.insert(
                task_id,
                Mark {
                    started: line.ts,
                    starts,
                    ended: None,
                    epoch: line.epoch,
                },
            );
        }
        LineEvent::Adopt => {}
        LineEvent::End => {
            let outcome = line.outcome.unwrap_or(LineOutcome::Done);
            let forget = outcome == LineOutcome::Done && line.policy != Policy::Guarded.token();
            if forget {
                marks.remove(&task_id);
            } else if let Some(mark) = marks.get_mut(&task_id) {
                mark.ended = Some(outcome);
            }
        }
    }
}

fn read_back(file: &File, path: &Path) -> Result<HashMap<TaskId, Mark>, LedgerError> {
    let at = |source| LedgerError::File {
        path: path.to_owned(),
        source,
    };
    let mut marks = HashMap::new();
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    let mut number = 0_u64;
    loop {
        text.clear();
        let read = io::Read::take(&mut reader, MAX_LINE_BYTES)
            .read_until(b'\n', &mut text)
            .map_err(at)?;
        if read == 0 {
            return Ok(marks);
        }
        number += 1;
        let damaged = || LedgerError::Damaged {
            path: path.to_owned(),
            line: number,
        };
        if text.last() != Some(&b'\n') {
            return Err(damaged());
        }
        let line: Line = serde_json::from_slice(&text).map_err(|_| damaged())?;
        remember(&mut marks, &line);
    }
}

/// Appends whole lines. Another process may have died, or run out of disk, within its last line.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.lock()?;
    let appended = cut_torn(file).and_then(|()| file.write_all(bytes));
    file.unlock()?;
    appended
}

/// Cuts off what follows the last whole line. The caller holds the file's lock, so nobody is still
/// writing it.
fn cut_torn(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [0_u8; 1];
    if length == 0 {
        return Ok(());
    }
    file.read_exact_at(&mut last, length - 1)?;
    if last == *b"\n" {
        return Ok(());
    }
    let from = length.saturating_sub(MAX_LINE_BYTES);
    let mut tail = vec![0_u8; usize::try_from(length - from).map_err(io::Error::other)?];
    file.read_exact_at(&mut tail, from)?;
    let whole = match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => from + at as u64 + 1,
        None if from == 0 => 0,
        None => return Err(io::Error::other("its last line is too long")),
    };
    tracing::warn!(
        bytes = length - whole,
        "torn last line of the ledger cut off"
    );
    file.set_len(whole)
}

fn write_batches(mut file: File, mut entries: mpsc::Receiver<Entry>, path: &Path) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut bytes = Vec::new();
    while entries.blocking_recv_many(&mut batch, BATCH) > 0 {
        bytes.clear();
        for entry in &batch {
            bytes.extend_from_slice(entry.line.as_bytes());
            bytes.push(b'\n');
        }
        let waited_for = batch.iter().any(|entry| entry.synced.is_some());
        let written = append(&mut file, &bytes)
            .and_then(|()| if waited_for { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // What a failed fdatasync left on disk is unknown for good, so nothing more is
            // written: every caller finds the queue closed and its call does not act.
            tracing::error!(path = %path.display(), %error, "ledger stopped");
            return;
        }
        for entry in batch.drain(..) {
            if let Some(synced) = entry.synced {
                // A caller that went away does not need the answer.
                synced.send(()).ok();
            }
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
