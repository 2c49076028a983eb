//! What the system knows of a process: its processor time, its memory, its parent.

use std::fs;
use std::time::Duration;

use crate::Result;

/// Ticks of a second in `/proc`, which Linux fixes for programs whatever it uses itself.
const TICKS_PER_SECOND: u64 = 100;

/// The memory of a process, bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// Processor time of a process so far, user and system, all threads.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = Stat::read(&pid.to_string())?;
    Ok(ticks(stat.own))
}

/// Processor time of a process, of its living children and of those that have ended.
pub(crate) fn family_cpu(pid: u32) -> Result<Duration> {
    let stat = Stat::read(&pid.to_string())?;
    let mut sum = stat.own + stat.ended_children;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else {
            continue;
        };
        // A process may end between the listing and the reading; its parent has its time then.
        if let Ok(child) = Stat::read(name)
            && child.parent == pid
        {
            sum += child.own;
        }
    }
    Ok(ticks(sum))
}

/// Processor time of this process and of its children, living or ended.
pub(crate) fn our_cpu() -> Result<Duration> {
    family_cpu(std::process::id())
}

/// Processor time that everybody on this machine has used since it started.
pub(crate) fn machine_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    let (Some(busy), Some(interrupts)) = (fields.get(..3), fields.get(5..8)) else {
        return Err("/proc/stat is not as expected".into());
    };
    // User, nice, system; then interrupts and what the hypervisor took.
    Ok(ticks(busy.iter().chain(interrupts).sum()))
}

/// The process that started a process.
pub(crate) fn parent(pid: u32) -> Result<u32> {
    Ok(Stat::read(&pid.to_string())?.parent)
}

/// The memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_suffix("kB"))
            .ok_or("/proc/PID/status is not as expected")?;
        Ok(kibibytes.trim().parse::<u64>()? * 1024)
    };
    Ok(Memory {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn read(pid: &str) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the program's name, in parentheses, and may hold anything.
        let (_, rest) = text
            .rsplit_once(')')
            .ok_or("/proc/PID/stat is not as expected")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| -> Result<u64> {
            let field = fields
                .get(index)
                .ok_or("/proc/PID/stat is not as expected")?;
            Ok(field.parse()?)
        };
        Ok(Self {
            parent: u32::try_from(number(1)?)?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS_PER_SECOND)
}
