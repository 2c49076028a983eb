//! A domain that no name can be registered under.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "dns_domain",
    severity: Severity::Error,
    summary: "a domain that no name can be registered under",
    explanation: "A domain is labels of 1 to 63 letters, digits and dashes, parted by dots, with \
        no dash at either end of a label, and of at most 253 characters. The names of nodes are \
        registered under the domain of their network, which name servers refuse under any other.",
    needed_by: need::NETWORKING,
    examples: &[Example {
        failing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  dns: {domain: mgmt_site.example.com}
",
        passing: "schema: drydock/Network/v1
metadata: {name: mgmt}
data:
  cidr: 10.0.0.0/24
  dns: {domain: mgmt-site.example.com}
",
        message: "site.yaml:5:17: Network/mgmt: data.dns.domain: label 1 of the domain is not 1 \
            to 63 letters, digits and dashes inside",
    }],
    check,
};

/// Bytes of a domain, and of one of its labels.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in &site.networks {
        let Some(domain) = &network.spec.dns.domain else {
            continue;
        };
        // The dot of an absolute name.
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let wrong = if domain.is_empty() {
            Some("the domain is empty".to_owned())
        } else if domain.len() > LONGEST {
            Some(format!("the domain has more than {LONGEST} characters"))
        } else {
            let labels = domain.split('.').enumerate();
            labels
                .filter(|(_, label)| !is_label(label))
                .map(|(at, _)| {
                    format!(
                        "label {} of the domain is not 1 to {LONGEST_LABEL} letters, digits and \
                         dashes inside",
                        at + 1
                    )
                })
                .next()
        };
        if let Some(message) = wrong {
            report.document(network.id, Path::of("dns").field("domain"), message);
        }
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
