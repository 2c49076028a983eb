//! Site designs of simulated machines, made to measure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;

/// A machine of a site.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    name: String,
    rack: Option<String>,
    tags: Vec<String>,
    labels: BTreeMap<String, String>,
    boot_mac: Option<String>,
}

impl Machine {
    /// A machine that does what it is told.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rack: None,
            tags: Vec::new(),
            labels: BTreeMap::new(),
            boot_mac: None,
        }
    }

    /// `count` machines `n00001`, `n00002`, ...
    pub(crate) fn many(count: usize) -> Vec<Self> {
        (1..=count)
            .map(|number| Self::named(format!("n{number:05}")))
            .collect()
    }

    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    pub(crate) fn rack(mut self, rack: &str) -> Self {
        self.rack = Some(rack.to_owned());
        self
    }

    /// Says what it boots from: there is something to find out about it.
    pub(crate) fn booting_from(mut self, mac: &str) -> Self {
        self.boot_mac = Some(mac.to_owned());
        self
    }

    /// Makes one step of it hang until it is cancelled.
    pub(crate) fn hangs_at(self, step: &str) -> Self {
        self.label("drydock.dev/simulate-hang", step)
    }

    /// Makes one step of it fail.
    pub(crate) fn fails_at(self, step: &str) -> Self {
        self.label("drydock.dev/simulate-fail", step)
    }

    /// Makes one step of it one that must never be repeated.
    pub(crate) fn once_at(self, step: &str) -> Self {
        self.label("drydock.dev/simulate-policy", &format!("{step}=once"))
    }
}

/// Designs in a directory of their own.
#[derive(Debug)]
pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    /// A directory with the design `site.yaml` of one site, `harbour`.
    pub(crate) fn of(machines: &[Machine]) -> Self {
        let site = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        site.add("harbour", machines);
        site
    }

    /// Another site in the same directory, in the design `NAME.yaml`. Machines of different sites are
    /// different machines, whatever their names.
    pub(crate) fn add(&self, name: &str, machines: &[Machine]) -> String {
        let file = if name == "harbour" { "site" } else { name };
        let path = self.directory.path().join(format!("{file}.yaml"));
        std::fs::write(&path, text(name, machines)).expect("the design is written");
        format!("file://{}", path.display())
    }

    /// The directory, for `--design-root`.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The reference of the first design.
    pub(crate) fn reference(&self) -> String {
        format!("file://{}/site.yaml", self.directory.path().display())
    }
}

/// The design of a site, for those who serve it themselves.
pub(crate) fn text(name: &str, machines: &[Machine]) -> String {
    let mut text = format!("schema: drydock/Region/v1\nmetadata: {{name: {name}}}\ndata: {{}}\n");
    let racks: BTreeSet<&String> = machines
        .iter()
        .filter_map(|one| one.rack.as_ref())
        .collect();
    let mut write = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line)
            .expect("writing to a text does not fail");
    };
    for rack in racks {
        write(format_args!(
            "---\nschema: drydock/Rack/v1\nmetadata: {{name: {rack}}}\ndata: {{labels: {{rack: {rack}}}}}\n"
        ));
    }
    for machine in machines {
        write(format_args!(
            "---\nschema: drydock/BaremetalNode/v1\nmetadata: {{name: {}}}\ndata:\n  oob: {{type: simulated}}\n  metadata:\n",
            machine.name
        ));
        if let Some(rack) = &machine.rack {
            write(format_args!("    rack: {rack}\n"));
        }
        if let Some(mac) = &machine.boot_mac {
            write(format_args!("    boot_mac: '{mac}'\n"));
        }
        write(format_args!(
            "    tags: {:?}\n    owner_data:\n      origin: generated\n",
            machine.tags
        ));
        for (key, value) in &machine.labels {
            write(format_args!("      {key:?}: {value:?}\n"));
        }
    }
    text
}
