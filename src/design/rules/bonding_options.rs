//! Options of a bond that its mode does not have.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::link::BondingMode;

pub(super) const RULE: Rule = Rule {
    code: "bonding_options",
    severity: Severity::Error,
    summary: "options that the bonding mode does not have",
    explanation: "`hash` and `peer_rate` are options of `802.3ad` alone, and a link whose bonding \
        is disabled has none at all. Either the option or the mode is not what was meant, and ports \
        bonded in one mode lose frames at a switch that expects another. The kernel refuses \
        `peer_rate` in every other mode.",
    needed_by: need::NETWORKING,
    examples: &[
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  bonding: {mode: active-backup, hash: layer3+4}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: trunk}
data:
  bonding: {mode: 802.3ad, hash: layer3+4}
",
            message: "site.yaml:4:40: NetworkLink/trunk: data.bonding.hash: `hash` is an option \
                that the mode `active-backup` does not have",
        },
        Example {
            failing: "schema: drydock/NetworkLink/v1
metadata: {name: pxe}
data:
  bonding: {mode: disabled, mon_rate: 100}
",
            passing: "schema: drydock/NetworkLink/v1
metadata: {name: pxe}
data:
  bonding: {mode: disabled}
",
            message: "site.yaml:4:39: NetworkLink/pxe: data.bonding.mon_rate: `mon_rate` is an \
                option that a disabled bond does not have",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for link in &site.links {
        let bonding = &link.spec.bonding;
        let lacp = [
            ("hash", bonding.hash.is_some()),
            ("peer_rate", bonding.peer_rate.is_some()),
        ];
        let general = [
            ("mon_rate", bonding.mon_rate.is_some()),
            ("up_delay", bonding.up_delay.is_some()),
            ("down_delay", bonding.down_delay.is_some()),
        ];
        let document = site.documents.get(link.id);
        let said = document.and_then(|document| document.body.get("bonding")?.get("mode"));
        let (refused, why) = match bonding.mode {
            Some(BondingMode::Lacp) => continue,
            Some(BondingMode::ActiveBackup) => (&[][..], "the mode `active-backup` does not have"),
            Some(BondingMode::BalanceRoundRobin) => {
                (&[][..], "the mode `balance-rr` does not have")
            }
            Some(BondingMode::Disabled) => (&general[..], "a disabled bond does not have"),
            // A mode that could not be read was reported, and may be any.
            None if said.is_some() => continue,
            None => (&general[..], "a link without a bonding mode does not have"),
        };
        for (option, set) in lacp.iter().chain(refused) {
            if *set {
                let path = Path::of("bonding").field(*option);
                report.document(link.id, path, format!("`{option}` is an option that {why}"));
            }
        }
    }
}
