//! The ledger of the simulated machines: what was done to them, and whether it was done too often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use drydock::domain::Timestamp;
use serde::Deserialize;

/// A line of the ledger, as far as tests look at it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) ts: Timestamp,
    pub(crate) event: String,
    /// The process that called.
    pub(crate) instance: String,
    pub(crate) task_id: String,
    pub(crate) node: String,
    pub(crate) step: String,
    pub(crate) policy: String,
}

/// What was done, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(pub(crate) Vec<Line>);

impl Ledger {
    /// The ledger at `path`; empty while there is none. A crash may have torn its last line.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        Self(lines.collect())
    }

    /// The nodes on which `step` was begun.
    pub(crate) fn nodes_with(&self, step: &str) -> BTreeSet<&str> {
        let lines = self
            .0
            .iter()
            .filter(|line| line.step == step && line.event != "end");
        lines.map(|line| line.node.as_str()).collect()
    }

    /// The step subtasks that were begun and not ended.
    pub(crate) fn open(&self) -> BTreeSet<&str> {
        let mut open = BTreeSet::new();
        for line in &self.0 {
            if line.event == "end" {
                open.remove(line.task_id.as_str());
            } else {
                open.insert(line.task_id.as_str());
            }
        }
        open
    }

    /// How many step subtasks each process has begun and not ended.
    pub(crate) fn open_by_instance(&self) -> BTreeMap<&str, usize> {
        let mut open: BTreeMap<&str, &str> = BTreeMap::new();
        for line in &self.0 {
            if line.event == "end" {
                open.remove(line.task_id.as_str());
            } else {
                open.insert(&line.task_id, &line.instance);
            }
        }
        let mut counts = BTreeMap::new();
        for instance in open.into_values() {
            *counts.entry(instance).or_default() += 1;
        }
        counts
    }

    /// How often each step subtask of `policy` acted.
    pub(crate) fn starts(&self, policy: &str) -> BTreeMap<&str, usize> {
        let mut starts = BTreeMap::new();
        for line in self.0.iter().filter(|line| line.policy == policy) {
            let count = starts.entry(line.task_id.as_str()).or_default();
            *count += usize::from(line.event == "start");
        }
        starts
    }

    /// Promise P5, where no step fails and is tried again: no guarded or once step acted twice, and what
    /// must not be repeated was not even looked for.
    pub(crate) fn check_nothing_acted_twice(&self) -> Result<(), String> {
        for policy in ["guarded", "once"] {
            for (task_id, starts) in self.starts(policy) {
                if starts > 1 {
                    return Err(format!("{policy} step {task_id} acted {starts} times"));
                }
            }
        }
        match self
            .0
            .iter()
            .find(|line| line.policy == "once" && line.event == "adopt")
        {
            Some(line) => Err(format!("once step {} was adopted", line.task_id)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(lines: &[(&str, &str, &str)]) -> Ledger {
        let lines = lines.iter().map(|(event, task_id, policy)| Line {
            ts: Timestamp::UNIX_EPOCH,
            event: (*event).to_owned(),
            instance: "i1".to_owned(),
            task_id: (*task_id).to_owned(),
            node: "n1".to_owned(),
            step: "deploy_node".to_owned(),
            policy: (*policy).to_owned(),
        });
        Ledger(lines.collect())
    }

    #[test]
    fn adopting_and_repeating_what_may_be_repeated_are_fine() {
        let good = ledger(&[
            ("start", "1", "converge"),
            ("start", "1", "converge"),
            ("end", "1", "converge"),
            ("start", "2", "guarded"),
            ("adopt", "2", "guarded"),
            ("end", "2", "guarded"),
            ("start", "3", "once"),
        ]);
        assert_eq!(good.check_nothing_acted_twice(), Ok(()));
        assert_eq!(good.open(), BTreeSet::from(["3"]));
    }

    #[test]
    fn a_destructive_step_that_acts_twice_is_found() {
        for policy in ["guarded", "once"] {
            for between in ["adopt", "end", "start"] {
                let bad = ledger(&[
                    ("start", "1", policy),
                    (between, "1", policy),
                    ("start", "1", policy),
                ]);
                assert!(
                    bad.check_nothing_acted_twice().is_err(),
                    "{policy} {between}"
                );
            }
        }
        let adopted = ledger(&[("start", "1", "once"), ("adopt", "1", "once")]);
        assert!(adopted.check_nothing_acted_twice().is_err());
    }
}
