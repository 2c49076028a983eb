//! Every seed, and a bounded number of inputs made of them, through the function of its target.

use std::path::{Path, PathBuf};

use super::mutate::Mutator;
use super::{TARGETS, Target};

/// Inputs that are made for a target; `DRYDOCK_TEST_SCALE` asks for that many times more.
const INPUTS: usize = 2_000;

/// As above, for designs: one whose aliases go to the limit takes a second without optimization.
const DESIGNS: usize = 400;

/// The same inputs in every run.
const SEED: u64 = 1;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The seeds of a target by the names of their files, in order.
fn seeds(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(directory().join("seeds").join(target.name));
    let mut seeds: Vec<(PathBuf, Vec<u8>)> = files
        .expect("a directory of seeds")
        .map(|file| file.expect("a file").path())
        .map(|path| {
            let bytes = std::fs::read(&path).expect("a seed");
            (path, bytes)
        })
        .collect();
    seeds.sort_unstable();
    seeds
}

/// Says what was being read when a target panics.
struct Reading<'a>(&'a str, &'a [u8]);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} was reading {}", self.0, self.1.escape_ascii());
        }
    }
}

fn read(target: Target, bytes: &[u8]) {
    let reading = Reading(target.name, bytes);
    (target.read)(bytes);
    drop(reading);
}

fn replay(name: &str, inputs: usize) {
    let target = TARGETS.into_iter().find(|target| target.name == name);
    let target = target.expect("a target");
    let seeds = seeds(target);
    assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
    for (path, bytes) in &seeds {
        println!("{}", path.display());
        read(target, bytes);
    }
    let scale = std::env::var("DRYDOCK_TEST_SCALE").map_or(1.0, |scale| {
        scale
            .parse::<f64>()
            .expect("DRYDOCK_TEST_SCALE is a number")
    });
    let inputs = (inputs as f64 * scale) as usize;
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    let mut mutator = Mutator::new(SEED);
    for _ in 0..inputs {
        read(target, &mutator.input(&seeds));
    }
}

#[test]
fn hostile_designs_are_read() {
    replay("design", DESIGNS);
}

#[test]
fn hostile_references_are_read() {
    replay("reference", INPUTS);
}

#[test]
fn hostile_node_filters_are_read() {
    replay("node_filter", INPUTS);
}

#[test]
fn hostile_tokens_are_read() {
    replay("token", INPUTS);
}

#[test]
fn hostile_task_documents_are_read() {
    replay("task_document", INPUTS);
}

#[test]
fn hostile_journal_rows_are_read() {
    replay("journal", INPUTS);
}

#[test]
fn hostile_requests_are_read() {
    replay("create_task", INPUTS);
}

#[test]
fn every_target_is_built_for_the_fuzzer_and_replayed() {
    let manifest = std::fs::read_to_string(directory().join("Cargo.toml"));
    let manifest = manifest.expect("the fuzzer's manifest");
    for target in TARGETS {
        let binary = format!("name = \"{}\"\n", target.name);
        assert!(manifest.contains(&binary), "{} is not built", target.name);
        let calls = format!("replay(\"{}\", ", target.name);
        assert!(
            include_str!("tests.rs").contains(&calls),
            "{} is not replayed",
            target.name
        );
    }
}
