//! Typed documents: what fits is read, and what does not hides nothing else.

use serde_json::json;

use super::notes::MAX_MISFITS;
use super::*;
use crate::domain::site::network::RangeKind;

fn body(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(body) => body,
        other => panic!("{other} is no body"),
    }
}

fn shown(misfits: &[Misfit]) -> Vec<String> {
    let shown = |misfit: &Misfit| format!("{}: {}", misfit.path, misfit.message);
    misfits.iter().map(shown).collect()
}

#[test]
fn a_broken_field_hides_no_other() {
    let body = body(json!({
        "cidr": "10.0.0.0/33",
        "vlan": "100",
        "mtu": "9000",
        "ranges": [{"type": "dynamic", "start": "10.0.0.1"}, 7, {"type": "dhcp"}],
        "dns": {"servers": "10.0.0.1, 10.0.0.2", "domian": "example.com"},
        "labels": {"a": 1, "b": [], "c": true},
        "something": null,
    }));

    let (network, misfits) = read(&body, network);

    assert_eq!(network.cidr, None);
    assert_eq!(network.vlan, Some(100));
    assert_eq!(network.mtu, Some(9000));
    let kinds: Vec<_> = network.ranges.iter().map(|range| range.kind).collect();
    assert_eq!(kinds, [None, Some(RangeKind::Dhcp)]);
    assert!(network.ranges[0].start.is_some());
    assert_eq!(network.dns.servers.len(), 2);
    assert_eq!(network.labels.keys().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(
        shown(&misfits),
        [
            "cidr: a network is an address, a slash and a prefix length",
            "mtu: a text stands where a number belongs: do not quote it",
            "ranges[0].type: the value is none of `static`, `dhcp`, `reserved`",
            "ranges[1]: a number stands where a mapping belongs",
            "dns.domian: no field is called this; is `domain` meant?",
            "labels.b: a list stands where a text belongs",
            "something: no field is called this, and it is ignored",
        ]
    );
}

#[test]
fn marks_of_removal_are_no_values() {
    let body = body(json!({
        "interfaces": {"!pxe": null, "bond0": {"networks": ["!private", "mgmt"], "!labels": {}}, "eth1": null},
        "storage": {"physical_devices": {"sda": {"partitions": ["!boot", {"name": "root", "size": ">20g"}]}}},
        "!oob": null,
    }));

    let (host, misfits) = read(&body, host::host);

    assert_eq!(shown(&misfits), [""; 0]);
    assert_eq!(host.interfaces.keys().collect::<Vec<_>>(), ["bond0"]);
    assert_eq!(host.interfaces["bond0"].networks, ["mgmt"]);
    let partitions = &host.storage.physical_devices["sda"].partitions;
    let sizes: Vec<_> = partitions.iter().filter_map(|part| part.size).collect();
    assert_eq!(
        sizes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [">20g"]
    );
}

#[test]
fn a_document_has_a_most_of_misfits() {
    let fields = (0..2 * MAX_MISFITS).map(|at| (format!("field {at}"), json!(1)));
    let (_, misfits) = read(&fields.collect(), rack);
    assert_eq!(misfits.len(), MAX_MISFITS);
}
