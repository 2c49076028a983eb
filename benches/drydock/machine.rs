//! The machine and how quiet it was: figures mean nothing without them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::Result;
use crate::process;
use crate::world::World;

/// A look at how busy the machine is.
pub(crate) struct Machine {
    at: Instant,
    load: String,
    everybody: Duration,
    ours: Duration,
}

impl Machine {
    pub(crate) fn look(world: &World) -> Result<Self> {
        let database = world.postmaster().map(process::family_cpu).transpose()?;
        // The bare server's time is in ours: it is a child.
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            at: Instant::now(),
            load: load
                .split_ascii_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
            everybody: process::machine_cpu()?,
            ours: process::our_cpu()? + database.unwrap_or_default(),
        })
    }

    /// What the figures depend on, and what others did to the machine since `before`.
    pub(crate) async fn facts(world: &World, before: &Self) -> Result<Vec<(&'static str, String)>> {
        let after = Self::look(world)?;
        let cores = std::thread::available_parallelism()?.get();
        let elapsed = after.at - before.at;
        let others = (after.everybody - before.everybody)
            .saturating_sub(after.ours.saturating_sub(before.ours));
        let share = others.as_secs_f64() / (elapsed.as_secs_f64() * cores as f64) * 100.0;
        let mut facts = vec![
            (
                "machine",
                format!(
                    "{cores} x {}, {:.0} GiB, Linux {}",
                    field("/proc/cpuinfo", "model name")?,
                    kibibytes("/proc/meminfo", "MemTotal")? / f64::from(1 << 20),
                    fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
                ),
            ),
            ("files on", file_system(&std::env::temp_dir())?),
            ("SQLite", sqlite().await?),
        ];
        if world.postmaster().is_some() {
            facts.push(("PostgreSQL", postgres(world).await?));
        }
        facts.push((
            "quiet",
            format!(
                "others used {share:.1} % of the processors in {:.0} s; load before {}, after {}",
                elapsed.as_secs_f64(),
                before.load,
                after.load
            ),
        ));
        Ok(facts)
    }
}

fn field(file: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let value = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or("unknown", |(_, value)| value.trim());
    Ok(value.to_owned())
}

fn kibibytes(file: &str, name: &str) -> Result<f64> {
    let value = field(file, name)?;
    Ok(value.trim_end_matches("kB").trim().parse()?)
}

/// The file system that `path` is on: a commit is as fast as its fsync.
fn file_system(path: &Path) -> Result<String> {
    let path = path.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let found = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len());
    Ok(found.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned()))
}

async fn sqlite() -> Result<String> {
    let mut session = sqlx::SqliteConnection::connect("sqlite::memory:").await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut session)
        .await?;
    Ok(format!("{version}, WAL, synchronous FULL"))
}

async fn postgres(world: &World) -> Result<String> {
    let mut session = world.postgres().await?.connect("postgres").await;
    let mut facts = Vec::new();
    for setting in [
        "server_version",
        "fsync",
        "synchronous_commit",
        "shared_buffers",
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut session)
            .await?;
        facts.push(match setting {
            "server_version" => value,
            setting => format!("{setting} {value}"),
        });
    }
    Ok(facts.join(", "))
}
