//! Spools: a snapshot's tasks between the database, which is read at its speed, and clients, who
//! read at theirs. Small ones stay in memory, others go to a file that has no name.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::{SpooledData, SpooledTempFile, spooled_tempfile_in};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::WatchError;
use super::source::joined;
use crate::domain::Task;
use crate::store::codec;

/// What a spool keeps in memory while the replica has memory for it.
const MEMORY_LIMIT: usize = 1 << 20;

/// What it keeps in memory otherwise: with the reader's buffer still well below 64 KiB a watcher.
const SMALL_LIMIT: usize = 16 << 10;

/// Memory of all larger spools of the replica together.
const MEMORY_QUOTA: usize = 64 << 20;

/// How much a reader takes from a file at a time.
const READ_CHUNK: usize = 32 << 10;

/// Quotas are counted in this unit, because a semaphore counts in 32 bits at a time.
const UNIT: usize = 1 << 10;

/// Bytes of the length before each task.
const HEADER: usize = size_of::<u32>();

/// What all spools of the replica may take.
pub(super) struct Quota {
    memory: Arc<Semaphore>,
    total: Arc<Semaphore>,
}

impl Quota {
    /// At most `total` bytes in all.
    pub(super) fn new(total: u64) -> Self {
        let units = usize::try_from(total / UNIT as u64).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            memory: Arc::new(Semaphore::new(MEMORY_QUOTA / UNIT)),
            total: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
        }
    }
}

/// A spool being filled.
pub(super) struct SpoolWriter {
    file: BufWriter<SpooledTempFile>,
    bytes: usize,
    tasks: u32,
    quota: Arc<Semaphore>,
    reserved: Option<OwnedSemaphorePermit>,
    reserved_bytes: usize,
    memory: Option<OwnedSemaphorePermit>,
    /// The store passes a sink's failure on in its own words; this keeps the original.
    failure: Option<WatchError>,
}

impl SpoolWriter {
    /// An empty spool; its file, if it comes to one, is in `directory`.
    pub(super) fn new(quota: &Quota, directory: &Path) -> Self {
        let units = u32::try_from(MEMORY_LIMIT / UNIT).unwrap_or(u32::MAX);
        let memory = Arc::clone(&quota.memory).try_acquire_many_owned(units).ok();
        let limit = if memory.is_some() {
            MEMORY_LIMIT
        } else {
            SMALL_LIMIT
        };
        Self {
            file: BufWriter::with_capacity(READ_CHUNK, spooled_tempfile_in(limit, directory)),
            bytes: 0,
            tasks: 0,
            quota: Arc::clone(&quota.total),
            reserved: None,
            reserved_bytes: 0,
            memory,
            failure: None,
        }
    }

    /// Adds a task. It is called from within a read transaction and writes to the page cache at
    /// the most: that is shorter than handing the task to another thread.
    pub(super) fn push(&mut self, task: &Task) -> io::Result<()> {
        match self.write(task) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.failure = Some(error);
                Err(io::Error::other("the spool failed"))
            }
        }
    }

    /// Why a push failed, if one did.
    pub(super) fn take_failure(&mut self) -> Option<WatchError> {
        self.failure.take()
    }

    /// The filled spool.
    pub(super) fn finish(self) -> Result<Spool, WatchError> {
        let file = self
            .file
            .into_inner()
            .map_err(|error| WatchError::from(error.into_error()))?;
        let (body, memory) = match file.into_inner() {
            SpooledData::InMemory(cursor) => {
                let mut bytes = cursor.into_inner();
                bytes.shrink_to_fit();
                let used = bytes.len().div_ceil(UNIT);
                let memory = self.memory.and_then(|mut permit| permit.split(used));
                (Body::Memory(bytes), memory)
            }
            SpooledData::OnDisk(file) => (Body::File(Arc::new(file)), None),
        };
        Ok(Spool {
            body,
            bytes: self.bytes as u64,
            tasks: self.tasks,
            _reserved: self.reserved,
            _memory: memory,
        })
    }

    fn write(&mut self, task: &Task) -> Result<(), WatchError> {
        let record = codec::encode_task(task)?;
        let length = u32::try_from(record.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the task is over 4 GiB"))?;
        self.reserve(HEADER + record.len())?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&record)?;
        self.bytes += HEADER + record.len();
        self.tasks = self.tasks.saturating_add(1);
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<(), WatchError> {
        let Some(missing) = (self.bytes + more).checked_sub(self.reserved_bytes) else {
            return Ok(());
        };
        let units = missing.div_ceil(UNIT);
        let permit = u32::try_from(units)
            .ok()
            .and_then(|units| {
                // Being full is the only way it fails: nobody closes the semaphore.
                Arc::clone(&self.quota).try_acquire_many_owned(units).ok()
            })
            .ok_or(WatchError::Quota)?;
        match &mut self.reserved {
            Some(reserved) => reserved.merge(permit),
            None => self.reserved = Some(permit),
        }
        self.reserved_bytes += units * UNIT;
        Ok(())
    }
}

/// A filled spool, read by any number of watchers.
pub(super) struct Spool {
    body: Body,
    bytes: u64,
    /// How many tasks are in it.
    pub(super) tasks: u32,
    _reserved: Option<OwnedSemaphorePermit>,
    _memory: Option<OwnedSemaphorePermit>,
}

enum Body {
    Memory(Vec<u8>),
    File(Arc<File>),
}

/// One watcher's place in a spool.
pub(super) struct SpoolReader {
    spool: Arc<Spool>,
    /// Where the buffer begins in the spool; the place itself while the spool is in memory.
    offset: u64,
    /// Read from the file and not yet taken.
    buffer: Vec<u8>,
    taken: usize,
}

impl SpoolReader {
    /// At the first task.
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self {
            spool,
            offset: 0,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// How many tasks the spool has.
    pub(super) fn task_count(&self) -> u32 {
        self.spool.tasks
    }

    /// Whether every task was taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.offset + self.taken as u64 >= self.spool.bytes
    }

    /// The next task; none at the end, or when [`Self::refill`] must read it first.
    pub(super) fn next(&mut self) -> Option<Result<Task, WatchError>> {
        let pending = match &self.spool.body {
            Body::Memory(bytes) => bytes.get(self.taken..)?,
            Body::File(_) => self.buffer.get(self.taken..)?,
        };
        let length = record_length(pending)?;
        let record = pending.get(HEADER..HEADER + length)?;
        let task = codec::decode_task(record).map_err(WatchError::from);
        self.taken += HEADER + length;
        Some(task)
    }

    /// The next task, read if need be; none at the end.
    pub(super) async fn take(&mut self) -> Result<Option<Task>, WatchError> {
        while !self.is_at_end() {
            if let Some(task) = self.next() {
                return task.map(Some);
            }
            self.refill().await?;
        }
        Ok(None)
    }

    /// Reads on, so that there is a whole task to take. Not to be called at the end.
    pub(super) async fn refill(&mut self) -> Result<(), WatchError> {
        let Body::File(file) = &self.spool.body else {
            return Err(truncated());
        };
        let pending = self.buffer.get(self.taken..).unwrap_or_default();
        let wanted = record_length(pending).map_or(0, |length| HEADER + length);
        let offset = self.offset + self.taken as u64;
        let rest = usize::try_from(self.spool.bytes - offset).unwrap_or(usize::MAX);
        let length = wanted.max(READ_CHUNK).min(rest);
        if length <= pending.len() {
            return Err(truncated());
        }
        let file = Arc::clone(file);
        let read = tokio::task::spawn_blocking(move || {
            // A fresh buffer: one large task must not leave its size behind.
            let mut buffer = vec![0; length];
            file.read_exact_at(&mut buffer, offset).map(|()| buffer)
        });
        self.buffer = joined(read).await?;
        self.offset = offset;
        self.taken = 0;
        Ok(())
    }
}

fn record_length(pending: &[u8]) -> Option<usize> {
    let header = pending.first_chunk::<HEADER>()?;
    usize::try_from(u32::from_le_bytes(*header)).ok()
}

fn truncated() -> WatchError {
    WatchError::from(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the spool ends within a task",
    ))
}
