//! Validation of a whole design: what loading says of it, and what every rule does.
//!
//! Loading stays cheap, because every task does it; the rules run where someone asked for them.
//! They run on what could be read, also when the design does not load: an operator wants the whole
//! list at once.

use std::collections::BTreeSet;

use super::build;
use super::deadline::Deadline;
use super::error::LoadError;
use super::finding::{Finding, Findings, Severity};
use super::rules::{self, Report, SiteView};
use super::source::SourceFile;
use super::{Design, site};
use crate::domain::Action;
use crate::domain::inventory::Inventory;

/// What validation says of a design.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The design, of the very bytes that were validated; `None` if it does not load.
    pub design: Option<Design>,
    /// Everything found: errors first, then warnings, each in the order of files and lines.
    pub findings: Vec<Finding>,
    /// The errors of rules, and which nodes each is about. Unlike the findings they cover every
    /// error: those that are not shown are together in one of their rule.
    pub faults: Vec<Fault>,
}

/// An error in a design that loads, and the nodes that it concerns.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What is wrong.
    pub finding: Finding,
    /// The actions that need it to be right.
    pub needed_by: &'static [Action],
    /// The nodes it concerns, by their ascending positions in the inventory.
    pub nodes: Vec<u32>,
}

impl Validation {
    /// Whether no finding is an error.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.design.is_some()
            && self
                .findings
                .iter()
                .all(|finding| finding.severity == Severity::Warning)
    }
}

/// Parses files, builds the design if it loads, and runs every rule.
///
/// # Errors
///
/// `Unavailable` when the deadline passes.
pub(super) fn run(files: &[SourceFile], deadline: Deadline) -> Result<Validation, LoadError> {
    let mut findings = Findings::default();
    let read = match build::read(files, deadline, &mut findings) {
        Ok(read) => read,
        Err(error) => return refused(error),
    };
    let mut hosts = Vec::new();
    let keep = |host| hosts.push(host);
    let inventory = site::inventory(&read.documents, &read.broken, &mut findings, keep);
    let loading = findings.clone();

    let view = SiteView::new(&read.documents, &read.broken, hosts, inventory.as_ref());
    let mut faults = Vec::new();
    for rule in rules::ALL {
        deadline.check().map_err(LoadError::Unavailable)?;
        let mut report = Report::new(&view, rule);
        (rule.check)(&view, &mut report);
        report.finish(&mut findings, &mut faults);
    }
    let faults = match &inventory {
        Some(inventory) => of_nodes(&view, inventory, faults),
        None => Vec::new(),
    };
    drop(view);

    let design = inventory.map(|inventory| build::design(&read, inventory, loading.finish()));
    let design = match design.transpose() {
        Ok(design) => design,
        Err(error) => return refused(error),
    };
    let files = files.iter().map(|file| file.name.as_str());
    let findings = findings.finish_in_order(files);
    Ok(Validation {
        design,
        findings,
        faults,
    })
}

/// Works out which nodes errors concern.
fn of_nodes(view: &SiteView<'_>, inventory: &Inventory, faults: Vec<rules::Fault>) -> Vec<Fault> {
    let documents = faults.iter().flat_map(|fault| &fault.documents);
    let users = rules::users(view, &documents.copied().collect());
    let in_inventory = |at: &u32| {
        let node = view.nodes.get(*at as usize)?;
        u32::try_from(inventory.position(node.name)?).ok()
    };
    let faults = faults.into_iter().map(|fault| {
        let indirect = fault.documents.iter().filter_map(|id| users.get(id));
        let nodes = fault.nodes.iter().chain(indirect.flatten());
        let nodes: BTreeSet<u32> = nodes.filter_map(in_inventory).collect();
        Fault {
            finding: fault.finding,
            needed_by: fault.rule.needed_by,
            nodes: nodes.into_iter().collect(),
        }
    });
    faults.collect()
}

/// A design that is too large to be looked at is a finding, too.
fn refused(error: LoadError) -> Result<Validation, LoadError> {
    match error {
        LoadError::Invalid(findings) => Ok(Validation {
            design: None,
            findings,
            faults: Vec::new(),
        }),
        LoadError::Unavailable(error) => Err(LoadError::Unavailable(error)),
    }
}
