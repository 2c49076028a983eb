use std::sync::Arc;

use super::*;
use crate::domain::inventory::{Inventory, Node, Surroundings};
use crate::domain::site::host::Addressing;
use crate::domain::site::link::Trunking;
use crate::domain::site::network::Dns;
use crate::domain::{Action, InstanceId, Policy, StepKind, TaskId};
use crate::driver::StepCall;

/// A node with a bond of two cables, tagged networks on it, and a cable to boot from.
fn call() -> StepCall {
    let interface = |link: &str, slaves: &[&str], networks: &[&str]| Interface {
        device_link: Some(link.to_owned()),
        slaves: slaves.iter().map(|&slave| slave.to_owned()).collect(),
        networks: networks.iter().map(|&name| name.to_owned()).collect(),
        ..Interface::default()
    };
    let address = |network: &str, address| Addressing {
        network: Some(network.to_owned()),
        address: Some(address),
    };
    let node = Node {
        name: "n1".to_owned(),
        primary_network: Some("service".into()),
        interfaces: Arc::new(BTreeMap::from([
            ("boot0".to_owned(), interface("boot", &["nic_c"], &["boot"])),
            (
                "bond0".to_owned(),
                interface("trunk", &["nic_a", "nic_b"], &["service"]),
            ),
        ])),
        addressing: Arc::new(vec![
            address("boot", Assignment::Dhcp),
            address("service", Assignment::Static("10.60.2.11".parse().unwrap())),
        ]),
        ..Node::default()
    };
    let network = Network {
        cidr: Some("10.60.2.0/24".parse().unwrap()),
        vlan: Some(210),
        mtu: Some(9000),
        routes: vec![Route {
            subnet: Some("0.0.0.0/0".parse().unwrap()),
            gateway: Some("10.60.2.1".parse().unwrap()),
            ..Route::default()
        }],
        dns: Dns {
            servers: vec!["10.60.2.2".parse().unwrap()],
            ..Dns::default()
        },
        ..Network::default()
    };
    let trunk = NetworkLink {
        bonding: Bonding {
            mode: Some(BondingMode::Lacp),
            ..Bonding::default()
        },
        trunking: Trunking {
            mode: Some(TrunkingMode::Tagged),
            default_network: None,
        },
        ..NetworkLink::default()
    };
    let surroundings = Surroundings {
        networks: BTreeMap::from([
            ("service".to_owned(), network),
            ("boot".to_owned(), Network::default()),
        ]),
        links: BTreeMap::from([("trunk".to_owned(), trunk)]),
        authorized_keys: Vec::new(),
    };
    let inventory = Inventory::new(None, vec![node], BTreeMap::new()).unwrap();
    StepCall {
        task_id: TaskId::new_root(),
        root_task_id: TaskId::new_root(),
        instance: InstanceId::new(),
        epoch: 1,
        attempt: 1,
        step: StepKind::ApplyNodeNetworking,
        policy: Policy::Converge,
        advisory: false,
        action: Action::DeployNode,
        site: Arc::from("s"),
        node_name: Some(Arc::from("n1")),
        design: Arc::new(inventory.amid(surroundings)),
    }
}

fn ports(named: &[(&str, &str)]) -> Ports {
    let pairs = named.iter();
    Ports::of(pairs.map(|(mac, name)| ((*mac).to_owned(), Some((*name).to_owned()))))
}

#[test]
fn bonds_tags_and_addresses_are_told_by_the_names_of_ports() {
    let call = call();
    let ports = ports(&[
        ("52:54:00:00:00:0A", "nic_a"),
        ("52:54:00:00:00:0b", "nic_b"),
        ("52:54:00:00:00:0c", "boot0"),
    ]);
    let (data, left_out) = of(&Wanted::of(&call).unwrap(), &ports);
    assert_eq!(left_out, Vec::<String>::new());
    assert_eq!(
        data.unwrap(),
        json!({
            "links": [
                {"id": "nic_a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0a"},
                {"id": "nic_b", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0b"},
                {"id": "bond0", "type": "bond", "bond_mode": "802.3ad", "bond_links": ["nic_a", "nic_b"],
                 "ethernet_mac_address": "52:54:00:00:00:0a"},
                {"id": "bond0.210", "type": "vlan", "vlan_id": 210, "vlan_link": "bond0",
                 "vlan_mac_address": "52:54:00:00:00:0a", "mtu": 9000},
                {"id": "boot0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0c"},
            ],
            "networks": [
                {"id": "service", "network_id": "service", "link": "bond0.210", "type": "ipv4",
                 "ip_address": "10.60.2.11", "netmask": "255.255.255.0",
                 "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.60.2.1"}]},
                {"id": "boot", "network_id": "boot", "link": "boot0", "type": "ipv4_dhcp"},
            ],
            "services": [{"type": "dns", "address": "10.60.2.2"}],
        })
    );
}

#[test]
fn an_interface_with_an_unknown_cable_is_left_out_and_told() {
    let call = call();
    let known = ports(&[
        ("52:54:00:00:00:0a", "nic_a"),
        ("52:54:00:00:00:0c", "nic_c"),
    ]);
    let (data, left_out) = of(&Wanted::of(&call).unwrap(), &known);
    assert_eq!(data.unwrap()["links"].as_array().unwrap().len(), 1);
    assert!(
        left_out[0].contains("bond0") && left_out[0].contains("nic_b"),
        "{left_out:?}"
    );
    let (data, left_out) = of(&Wanted::of(&call).unwrap(), &Ports::default());
    assert_eq!((data, left_out.len()), (None, 2));
}
