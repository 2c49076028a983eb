//! Delays of a bond that its monitoring cannot keep.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::link::BondingMode;

pub(super) const RULE: Rule = Rule {
    code: "bonding_delays",
    severity: Severity::Error,
    summary: "delays of a bond that its monitoring cannot keep",
    explanation: "A bond looks at its ports every `mon_rate` milliseconds (100 if it does not say), \
        and waits `up_delay` and `down_delay` before it believes what it sees. A delay shorter than \
        the time between two looks cannot be kept. One that is no multiple of it is rounded down by \
        the kernel, and monitoring that is switched off by 0 never notices a dead port: both are \
        warnings.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  bonding: {mode: 802.3ad, mon_rate: 100, up_delay: 50}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  bonding: {mode: 802.3ad, mon_rate: 100, up_delay: 200}
",
            message: "site.yaml:4:53: NetworkLink/trunk: data.bonding.up_delay: 50 ms is less \
                than the 100 ms between two looks at a port",
        },
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  bonding: {mode: 802.3ad, mon_rate: 0}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  bonding: {mode: 802.3ad, mon_rate: 100}
",
            message: "site.yaml:4:38: NetworkLink/trunk: data.bonding.mon_rate: 0 switches \
                monitoring off, and dead ports stay in use",
        },
    ],
    check,
};

/// Milliseconds between two looks, of a bond that does not say.
const DEFAULT_MON_RATE: u32 = 100;

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        let bonding = &link.spec.bonding;
        match bonding.mode {
            // Whether there may be any option is for another rule.
            None | Some(BondingMode::Disabled) => continue,
            Some(
                BondingMode::Lacp | BondingMode::ActiveBackup | BondingMode::BalanceRoundRobin,
            ) => {}
        }
        let rate = bonding.mon_rate.unwrap_or(DEFAULT_MON_RATE);
        if rate == 0 {
            let path = Path::of("bonding").field("mon_rate");
            let message = "0 switches monitoring off, and dead ports stay in use";
            report.document_as(Severity::Warning, link.id, path, message);
            continue;
        }
        for (field, delay) in [
            ("up_delay", bonding.up_delay),
            ("down_delay", bonding.down_delay),
        ] {
            // No delay is none at any rate.
            let Some(delay) = delay.filter(|delay| *delay > 0) else {
                continue;
            };
            let path = || Path::of("bonding").field(field);
            if delay < rate {
                let message =
                    format!("{delay} ms is less than the {rate} ms between two looks at a port");
                report.document(link.id, path(), message);
            } else if delay % rate != 0 {
                let message = format!(
                    "{delay} ms is no multiple of the {rate} ms between two looks at a port"
                );
                report.document_as(Severity::Warning, link.id, path(), message);
            }
        }
    }
}
