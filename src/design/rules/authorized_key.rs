//! A key that lets nobody in.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;

pub(super) const RULE: Rule = Rule {
    code: "authorized_key",
    severity: Severity::Warning,
    summary: "a key that lets nobody in",
    explanation: "An entry of `authorized_keys` is one line of an OpenSSH public key: options if \
        any, the type, the key and a comment. Lines that were broken to fit a page make as many \
        entries that say nothing; fold them with `>-`, or write them as one. It is a warning because \
        nodes deploy without the key.",
    needed_by: need::NOTHING,
    examples: &[Example {
        failing: "schema: drydock/Region/v1
metadata: {name: site}
data:
  authorized_keys:
    - AAAAC3NzaC1lZDI1NTE5AAAAIExample operator
",
        passing: "schema: drydock/Region/v1
metadata: {name: site}
data:
  authorized_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample operator
",
        message: "site.yaml:5:7: Region/site: data.authorized_keys[0]: the value is no OpenSSH \
            public key",
    }],
    check,
};

/// How the types of keys begin.
const TYPES: [&str; 5] = ["ssh-rsa", "ssh-dss", "ssh-ed25519", "ecdsa-sha2-", "sk-"];

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for region in &site.regions {
        for (at, key) in region.spec.authorized_keys.iter().enumerate() {
            // What was removed as a private key is empty.
            let message = if key.trim().lines().count() > 1 {
                "the key is broken into several lines, of which each is an entry by itself"
            } else if !is_public_key(key) {
                "the value is no OpenSSH public key"
            } else {
                continue;
            };
            report.document(region.id, Path::of("authorized_keys").index(at), message);
        }
    }
}

/// A type, and behind it a key in base 64, which all begin with the length of the type's name.
fn is_public_key(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let known = TYPES.iter().any(|known| pair[0].starts_with(known));
        known && pair[1].starts_with("AAAA")
    })
}
