//! What children inherit, field by field, and chains that lead nowhere.

use proptest::prelude::*;
use serde_json::json;

use super::super::document::Origin;
use super::super::support::{TestResult, codes, design, errors};
use super::*;

#[test]
fn children_lie_over_their_parents() {
    let parent = json!({
        "hardware_profile": "h1",
        "oob": {"type": "ipmi", "network": "oob", "account": "a"},
        "interfaces": {
            "pxe": {"device_link": "pxe", "networks": ["pxe"]},
            "bond0": {"device_link": "gp", "slaves": ["n1", "n2"], "networks": ["mgmt", "private"]},
        },
        "partitions": [{"name": "root", "size": "20g"}, {"name": "boot", "size": "1g"}],
        "metadata": {"tags": ["a", "b"], "owner_data": {"foo": "bar", "gone": "x"}},
    });
    let child = json!({
        "host_profile": "parent",
        "hardware_profile": null,
        "oob": {"type": "redfish"},
        "interfaces": {
            "!pxe": null,
            "bond0": {"networks": ["!private", "public", "mgmt"]},
            "bond1": {"networks": ["!private", "storage"]},
        },
        "partitions": ["!boot", {"name": "var", "size": "5g"}, {"name": "root", "size": "20g"}],
        "metadata": {"tags": ["c", "a", "!nothing", "c"], "owner_data": {"!gone": "", "foo": "baz"}},
    });

    assert_eq!(
        merge(Some(&parent), &child),
        json!({
            "host_profile": "parent",
            "hardware_profile": "h1",
            "oob": {"type": "redfish", "network": "oob", "account": "a"},
            "interfaces": {
                "bond0": {
                    "device_link": "gp", "slaves": ["n1", "n2"], "networks": ["mgmt", "public"],
                },
                "bond1": {"networks": ["storage"]},
            },
            "partitions": [{"name": "root", "size": "20g"}, {"name": "var", "size": "5g"}],
            "metadata": {"tags": ["a", "b", "c"], "owner_data": {"foo": "baz"}},
        })
    );
}

#[test]
fn single_fields_merge_by_their_form() {
    for (parent, child, merged) in [
        (json!([1, 2]), json!([3, 2]), json!([1, 2, 3])),
        (json!([1, 2]), json!(["!1"]), json!([2])),
        (json!(["a"]), json!([]), json!(["a"])),
        (json!(["a"]), json!("b"), json!("b")),
        (json!("a"), json!(["b", "!c"]), json!(["b"])),
        (json!({"a": 1}), json!(null), json!({"a": 1})),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"c": 2}}),
            json!({"a": {"b": 1, "c": 2}}),
        ),
        (
            json!({"a": 1}),
            json!({"!a": null, "a": 2}),
            json!({"a": 2}),
        ),
        (json!(true), json!(false), json!(false)),
    ] {
        assert_eq!(
            merge(Some(&parent), &child),
            merged,
            "{child} over {parent}"
        );
    }
    assert_eq!(
        merge(None, &json!([["!a", "b"], {"!a": 1, "b": 2}])),
        json!([["b"], {"b": 2}])
    );
}

/// Profiles `p0` to `p<last>`, each inheriting from the one before.
fn chain(last: usize) -> String {
    (0..=last).fold(String::new(), |text, at| {
        let parent = match at {
            0 => String::new(),
            _ => format!("host_profile: p{}, ", at - 1),
        };
        let schema = "---\nschema: drydock/HostProfile/v1\nmetadata:";
        text + &format!("{schema} {{name: p{at}}}\ndata: {{{parent}metadata: {{tags: [t{at}]}}}}\n")
    })
}

fn node(name: &str, profile: &str) -> String {
    let schema = "---\nschema: drydock/BaremetalNode/v1\nmetadata:";
    format!("{schema} {{name: {name}}}\ndata: {{host_profile: {profile}}}\n")
}

#[test]
fn nodes_inherit_through_every_level() -> TestResult {
    let design = design(&format!("{}{}", node("n", "p3"), chain(3)))?;

    let Some(node) = design.inventory.get("n") else {
        panic!("n is missing")
    };
    assert_eq!(
        node.tags.iter().collect::<Vec<_>>(),
        ["t0", "t1", "t2", "t3"]
    );
    Ok(())
}

#[test]
fn a_circle_is_reported_once_and_blames_no_node() {
    let text = "schema: drydock/HostProfile/v1\nmetadata: {name: a}\ndata: {host_profile: b}\n---\n\
                schema: drydock/HostProfile/v1\nmetadata: {name: b}\ndata: {host_profile: c}\n---\n\
                schema: drydock/HostProfile/v1\nmetadata: {name: c}\ndata: {host_profile: b}\n";

    let findings = errors(&format!("{text}{}{}", node("n1", "a"), node("n2", "b")));

    assert_eq!(codes(&findings), [Code::ProfileCycle]);
    assert_eq!(findings[0].document.as_deref(), Some("HostProfile/b"));
    assert_eq!(
        findings[0].message,
        "profiles inherit from each other in a circle: `b` from `c` from `b`"
    );
}

#[test]
fn a_missing_parent_is_reported_where_it_is_named() {
    let profile =
        "schema: drydock/HostProfile/v1\nmetadata: {name: a}\ndata: {host_profile: gone}\n";

    let findings = errors(&format!(
        "{profile}{}{}",
        node("n1", "a"),
        node("n2", "lost")
    ));

    assert_eq!(codes(&findings), [Code::MissingProfile; 2]);
    assert_eq!(findings[0].document.as_deref(), Some("HostProfile/a"));
    assert_eq!(findings[1].document.as_deref(), Some("BaremetalNode/n2"));
    assert_eq!(findings[1].message, "no HostProfile is named `lost`");
}

#[test]
fn a_profile_that_is_no_name_is_an_error() {
    for profile in ["[a]", "{a: b}"] {
        assert_eq!(codes(&errors(&node("n", profile))), [Code::MissingProfile]);
    }
}

#[test]
fn chains_have_a_longest_length() -> TestResult {
    design(&chain(MAX_CHAIN - 1))?;

    // Reported once, where it becomes too long, and for none of the heirs.
    let findings = errors(&format!("{}{}", node("n", "p200"), chain(200)));

    assert_eq!(codes(&findings), [Code::TooLarge]);
    assert_eq!(
        findings[0].document,
        Some(format!("HostProfile/p{MAX_CHAIN}"))
    );
    Ok(())
}

#[test]
fn large_profiles_times_many_heirs_are_refused_before_they_are_copied() {
    const TAGS: usize = 100;
    const FIT: usize = 50;
    let tags: Vec<String> = (0..TAGS).map(|at| format!("tag-{at}")).collect();
    let body = |value: Value| value.as_object().cloned().unwrap_or_default();
    let profile = body(json!({"metadata": {"tags": tags}}));
    let mut documents = vec![document(Kind::HostProfile, "p", profile)];
    let names: Vec<String> = (0..2 * FIT).map(|at| format!("n{at}")).collect();
    let heir = |name| document(Kind::BaremetalNode, name, body(json!({PARENT: "p"})));
    documents.extend(names.iter().map(|name| heir(name)));

    let broken = BTreeSet::new();
    let mut profiles = Profiles::new(&documents, &broken);
    profiles.limit = (FIT + 1) * (TAGS + 5);
    let mut findings = Findings::default();
    let heirs = (1..documents.len()).map(|at| profiles.effective(at, &mut findings));
    let fit = heirs.filter(Option::is_some).count();

    assert!((FIT..FIT + 5).contains(&fit), "{fit}");
    // Whatever comes after the first that is too much adds nothing, not even to what is counted.
    assert!(profiles.weight <= profiles.limit + TAGS + 5);
    assert_eq!(codes(&findings.finish()), [Code::TooLarge]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4_u8).prop_map(Value::from),
        "!?[ab]".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let field = prop_oneof!["!?(metadata|oob|tags|type|owner_data|rack|other)", "!?[ab]",];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn document(kind: Kind, name: &str, body: Map<String, Value>) -> Document<'static> {
    let origin = Origin {
        file: "site.yaml".into(),
        line: 1,
        first_line: 1,
        text: "",
        body_field: "data",
    };
    Document {
        kind,
        name: name.to_owned(),
        body,
        values: 0,
        credentials: Vec::new(),
        origin,
    }
}

fn any_body() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("!?(metadata|oob|other)", any_value(), 0..4)
        .prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn merging_sections_is_merging_wholes(parent in any_body(), child in any_body()) {
        let mut under = child.clone();
        under.insert(PARENT.to_owned(), json!("p"));
        let documents = [
            document(Kind::BaremetalNode, "n", under),
            document(Kind::HostProfile, "p", parent.clone()),
        ];
        let broken = BTreeSet::new();
        let mut profiles = Profiles::new(&documents, &broken);
        let effective = profiles.effective(0, &mut Findings::default());

        let base = merge(None, &Value::Object(parent));
        let whole = merge(Some(&base), &Value::Object(child));
        let Some(effective) = effective else { panic!("the profile resolves") };
        prop_assert_eq!(&effective.lineage[..], [0, 1]);
        for section in Section::ALL {
            let set = |value: &&Value| !value.is_null();
            let part = effective.section(section).filter(set);
            prop_assert_eq!(part, whole.get(section.key()).filter(set));
        }
    }

    #[test]
    fn no_removal_mark_survives(parent in any_body(), child in any_body()) {
        let base = merge(None, &Value::Object(parent));
        let merged = merge(Some(&base), &Value::Object(child));
        prop_assert!(!holds_a_mark(&merged), "{}", merged);
    }
}

fn holds_a_mark(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| {
            item.as_str().is_some_and(|text| text.starts_with('!')) || holds_a_mark(item)
        }),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.starts_with('!') || holds_a_mark(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
