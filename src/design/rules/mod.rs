//! Validation: rules over a whole design, each a small unit of its own.
//!
//! A rule looks at the typed documents and effective nodes of a [`SiteView`] and tells a [`Report`]
//! what is wrong and where. It never sees a field that did not fit its type: that was reported by
//! the rules of [`schema`], and the field is absent. A document that is broken, or a node whose
//! profiles do not resolve, is missing from the view but [`SiteView::exists`] knows it, so that
//! what refers to it is not reported as well.
//!
//! To write a rule, copy the file of one like it, add it to [`ALL`], and give it examples: the test
//! below runs them, and its page of the documentation shows them.

use crate::domain::Action;

use super::catalogue::Example;
use super::finding::Severity;

#[expect(dead_code, reason = "rules to come need the rest")]
mod need;
mod report;
#[expect(dead_code, reason = "rules to come ask for the rest")]
mod view;

mod schema;

mod cidr_host_bits;

mod duplicate_address;

pub(super) use report::Report;
pub(super) use view::SiteView;

/// Every rule, in the order of the documentation: documents, networks, nodes.
pub(super) const ALL: &[&Rule] = &[
    &schema::UNKNOWN_FIELD,
    &schema::WRONG_TYPE,
    &schema::BAD_VALUE,
    &cidr_host_bits::RULE,
    &duplicate_address::RULE,
];

/// Something that can be wrong with a design that loads.
pub(crate) struct Rule {
    /// Names it in findings, for ever: lower case with underscores.
    pub(crate) code: &'static str,
    /// How bad its findings are; some of them may be warnings all the same.
    pub(crate) severity: Severity,
    /// What is wrong, as a title.
    pub(crate) summary: &'static str,
    /// What it leads to and what to do about it, in Markdown.
    pub(crate) explanation: &'static str,
    /// The actions that an error of this rule refuses for the nodes it is about.
    pub(crate) needed_by: &'static [Action],
    /// Designs that break it, and do not.
    pub(crate) examples: &'static [Example],
    /// Looks for it.
    pub(super) check: fn(&SiteView<'_>, &mut Report<'_>),
}

#[cfg(test)]
#[path = "../tests/rules.rs"]
mod tests;
