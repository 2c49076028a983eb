//! Every rule holds what its examples promise.

use std::collections::BTreeSet;

use super::super::catalogue::catalogue;
use super::super::local::validate;
use super::super::support::file;
use super::*;

/// The findings of a file that are of a rule, as they are shown.
fn found(rule: &Rule, text: &str) -> Vec<String> {
    let files = [file("site.yaml", text)];
    let findings = validate(&files).expect("there is time enough");
    let findings = findings
        .iter()
        .filter(|finding| finding.code.as_str() == rule.code);
    findings.map(ToString::to_string).collect()
}

#[test]
fn every_rule_finds_what_its_examples_say_and_nothing_else() {
    let mut wrong = Vec::new();
    for rule in ALL {
        if rule.examples.is_empty() {
            wrong.push(format!("{}: no example", rule.code));
        }
        for example in rule.examples {
            let failing = found(rule, example.failing);
            if failing != [example.message] {
                wrong.push(format!("{}: failing: {failing:#?}", rule.code));
            }
            let passing = found(rule, example.passing);
            if !passing.is_empty() {
                wrong.push(format!("{}: passing: {passing:#?}", rule.code));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn codes_are_unique_slugs() {
    let codes: BTreeSet<_> = catalogue().map(|entry| entry.code).collect();
    assert_eq!(codes.len(), catalogue().count());
    for rule in catalogue() {
        let slug = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(rule.code.bytes().all(slug), "{}", rule.code);
        assert!(!rule.explanation.is_empty(), "{}", rule.code);
        assert!(!rule.summary.ends_with('.'), "{}", rule.code);
    }
}

fn validated(text: &str) -> Vec<String> {
    let files = [file("site.yaml", text)];
    let findings = validate(&files).expect("there is time enough");
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_inherited_is_reported_once_where_it_stands() {
    let mut text =
        "schema: drydock/HostProfile/v1\nmetadata: {name: p}\ndata:\n  addressing:\n    \
                    - {network: mgmt, address: 10.0.0.1}\n"
            .to_owned();
    for name in ["a", "b", "c"] {
        text.push_str(&format!(
            "---\nschema: drydock/BaremetalNode/v1\nmetadata: {{name: {name}}}\n\
             data: {{host_profile: p}}\n"
        ));
    }
    text.push_str(
        "---\nschema: drydock/Network/v1\nmetadata: {name: mgmt}\ndata: {cidr: 10.0.0.0/24}\n",
    );
    let files = [file("site.yaml", &text)];
    let findings = validate(&files).expect("there is time enough");

    let found: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "site.yaml:5:32: HostProfile/p: data.addressing[mgmt].address: 10.0.0.1 is already the \
          address of `a` on `mgmt`"
        ]
    );
    assert_eq!(findings[0].nodes, ["a", "b", "c"]);
    assert_eq!(findings[0].node_count, 3);
}

#[test]
fn a_broken_document_hides_nothing_in_others() {
    let text = "schema: drydock/BaremetalNode/v1\nmetadata: {name: a}\ndata: {host_profile: q}\n---\n\
                schema: drydock/Rack/v1\nmetadata: {name: r}\ndata: [\n---\n\
                schema: drydock/Network/v1\nmetadata: {name: n}\ndata: {cidr: 10.0.0.1/8, no: 1}\n";

    let found = validated(text);

    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found[0].starts_with("site.yaml:3:22: BaremetalNode/a"),
        "{found:#?}"
    );
    assert!(found[1].starts_with("site.yaml:"), "{found:#?}");
    assert!(
        found[2].starts_with("site.yaml:11:14: Network/n: data.cidr"),
        "{found:#?}"
    );
    assert!(found[3].contains("data.no"), "{found:#?}");
}

#[test]
fn the_example_site_validates_clean() {
    let found = validated(include_str!("../../../examples/site/site.yaml"));
    assert!(found.is_empty(), "{found:#?}");
}
