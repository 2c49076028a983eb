//! Both forms of documents, and what findings say about broken ones.

use proptest::prelude::*;

use super::super::LoadError;
use super::super::finding::{Code, Severity};
use super::super::support::{TestResult, codes, design, errors};
use super::Kind;

const SCHEMA_FORM: &str = "
schema: drydock/Region/v1
metadata: {name: north}
data: {}
---
schema: drydock/Rack/v1
metadata: {name: r1, labels: {row: not-this}}
data:
  labels: {row: '7', lit: true}
---
schema: drydock/HostProfile/v1
metadata: {name: base}
data:
  oob: {type: redfish}
  metadata: {tags: [a, b], owner_data: {x: 1, y: 1.5, z: false, e: ~}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: n1, tags: [not-this]}
data:
  host_profile: base
  metadata: {rack: r1, tags: ['!a', c]}
";

fn older_form() -> String {
    let mut text = SCHEMA_FORM.replace("\ndata:", "\nspec:");
    for kind in Kind::ALL {
        let schema = format!("schema: drydock/{kind}/v1");
        text = text.replace(&schema, &format!("apiVersion: 'drydock/v1'\nkind: {kind}"));
    }
    text
}

#[test]
fn both_forms_give_the_same_inventory() -> TestResult {
    let newer = design(SCHEMA_FORM)?;
    let older = design(&older_form())?;

    assert_eq!(newer.inventory, older.inventory);
    assert!(newer.findings.is_empty(), "{:?}", newer.findings);
    assert_eq!(newer.inventory.site(), Some("north"));
    let Some(node) = newer.inventory.get("n1") else {
        panic!("n1 is missing")
    };
    assert_eq!(node.rack.as_deref(), Some("r1"));
    assert_eq!(node.oob_type.as_deref(), Some("redfish"));
    assert_eq!(node.tags.iter().collect::<Vec<_>>(), ["b", "c"]);
    let labels: Vec<_> = node
        .labels
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        labels,
        [("e", ""), ("x", "1"), ("y", "1.5"), ("z", "false")]
    );
    let rack: Vec<_> = newer.inventory.racks()["r1"].values().collect();
    assert_eq!(rack, ["true", "7"]);
    Ok(())
}

#[test]
fn documents_of_other_kinds_are_warnings() -> TestResult {
    let text = format!(
        "{SCHEMA_FORM}---\nschema: drydock/Region/v2\n---\nschema: other/Thing/v1\n---\n\
         apiVersion: drydock/v1\nkind: Spaceship\n---\napiVersion: v2\nkind: Rack\n---\na: 1\n\
         ---\nschema: [1]\n"
    );

    let design = design(&text)?;

    assert_eq!(codes(&design.findings), [Code::UnknownKind; 6]);
    assert!(
        design
            .findings
            .iter()
            .all(|finding| finding.severity == Severity::Warning)
    );
    assert_eq!(design.findings[0].line, Some(23));
    assert_eq!(design.findings[0].field.as_deref(), Some("schema"));
    assert_eq!(design.inventory.nodes().len(), 1);
    Ok(())
}

#[test]
fn findings_name_document_file_line_and_field() {
    let cases = [
        (
            "---\nschema: drydock/Rack/v1\nmetadata: {name: r1}\ndata:\n  a: [1\n",
            "site.yaml:5:6: Rack/r1: not valid YAML: ",
        ),
        (
            "apiVersion: drydock/v1\nkind: Rack\nmetadata:\n  name: 'r1'\nspec: {a: 1, a: 2}\n",
            "site.yaml:5:14: Rack/r1: not valid YAML: a key occurs twice",
        ),
        (
            "schema: drydock/Rack/v1\nmetadata:\n  title: r1\n",
            "site.yaml:2:1: Rack: metadata.name: a document has a name of 1 to 253 bytes",
        ),
        (
            "schema: drydock/Rack/v1\nmetadata:\n  name: \"r\\u0000\"\n",
            "site.yaml:3:9: Rack: metadata.name: a document has a name of 1 to 253 bytes",
        ),
        (
            "\n\n---\nschema: drydock/Rack/v1\nmetadata: {name: r1}\ndata: [1]\n",
            "site.yaml:6:7: Rack/r1: data: the body is a mapping of fields",
        ),
        (
            "a: b\n---\n- just\n- a list\n",
            "site.yaml:3:1: a document is a mapping of fields",
        ),
        (
            "---\n# two\nschema: drydock/Rack/v1\nmetadata: {name: r1}\n---\n\
             # six\nschema: drydock/Rack/v1\nmetadata: {name: r1}\n",
            "site.yaml:8:18: Rack/r1: metadata.name: another Rack of this name is at site.yaml:3",
        ),
        (
            "schema: drydock/BaremetalNode/v1\nmetadata: {name: n1}\ndata:\n  host_profile: gone\n",
            "site.yaml:4:17: BaremetalNode/n1: data.host_profile: no HostProfile is named `gone`",
        ),
        (
            "apiVersion: drydock/v1\nkind: HostProfile\nmetadata: {name: p1}\nspec:\n  host_profile: p1\n",
            "site.yaml:5:17: HostProfile/p1: spec.host_profile: profiles inherit from each other \
             in a circle: `p1` from `p1`",
        ),
    ];
    for (text, expected) in cases {
        let findings = errors(text);
        let shown = findings[0].to_string();
        assert!(shown.starts_with(expected), "{text}\ngave {shown}");
    }
}

#[test]
fn a_broken_document_hides_nothing_in_the_others() {
    let text = "schema: drydock/HostProfile/v1\nmetadata:\n  name: broken\ndata: [\n---\n\
                schema: drydock/BaremetalNode/v1\nmetadata: {name: n1}\n\
                data: {host_profile: broken}\n---\n\
                schema: drydock/BaremetalNode/v1\nmetadata: {name: n2}\n\
                data: {host_profile: gone}\n---\na: 'open\n";

    let findings = errors(text);

    // `n1` is not reported: its profile exists, and its document was.
    assert_eq!(
        codes(&findings),
        [Code::Syntax, Code::Syntax, Code::MissingProfile]
    );
    assert_eq!(findings[0].document.as_deref(), Some("HostProfile/broken"));
    assert_eq!(findings[2].document.as_deref(), Some("BaremetalNode/n2"));
}

#[test]
fn names_are_unique_per_kind_and_not_across_kinds() -> TestResult {
    let design = design(
        "schema: drydock/Rack/v1\nmetadata: {name: a}\n---\n\
         schema: drydock/Network/v1\nmetadata: {name: a}\n",
    )?;
    assert!(design.findings.is_empty());
    Ok(())
}

#[test]
fn every_kind_is_read_as_it_is_written() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(Kind::parse("baremetalnode"), None);
}

proptest! {
    #[test]
    fn no_text_makes_loading_panic_or_fail_for_now(
        at in 0..SCHEMA_FORM.len(),
        cut in 0..40_usize,
        splice in "(\\PC|\n|---\n|\\.\\.\\.\n|&a |\\*a|!|<<: |[\\[\\]{},:'\"#%|>?@`-]){0,6}",
    ) {
        let end = (at + cut).min(SCHEMA_FORM.len());
        let text = format!("{}{splice}{}", &SCHEMA_FORM[..at], &SCHEMA_FORM[end..]);
        match design(&text) {
            Ok(_) | Err(LoadError::Invalid(_)) => {}
            Err(LoadError::Unavailable(error)) => prop_assert!(false, "{}", error),
        }
    }
}
