//! GetNode: a node with everything that it inherits.

use drydock::proto::v1::{EffectiveNode, GetNodeRequest};
use prost_types::value::Kind;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};

on_both_databases!(
    a_node_is_given_with_all_it_inherits,
    what_is_no_node_is_told_apart
);

const DESIGN: &str = "\
schema: drydock/HostProfile/v1
metadata: {name: base}
data:
  hardware_profile: h1
  primary_network: mgmt
  oob: {type: redfish, network: oob, account: admin, credential: secret://bmc, system_id: '1'}
  interfaces:
    bond0: {device_link: gp, slaves: [nic1], networks: [mgmt, private]}
    eth9: {device_link: gp, slaves: [eno9], networks: [mgmt]}
  storage:
    physical_devices:
      disk1:
        partitions:
          - {name: root, size: 20g, bootable: true, filesystem: {mountpoint: /, fstype: ext4}}
          - {name: boot, size: 1g, filesystem: {mountpoint: /boot}}
  platform: {image: jammy, kernel: ga, kernel_params: {quiet: true, hugepages: 'hardwareprofile:hugepages.big.count'}}
  metadata: {tags: [all], owner_data: {site: north}}
---
schema: drydock/HostProfile/v1
metadata: {name: worker}
data:
  host_profile: base
  interfaces: {bond0: {slaves: [eno2], networks: ['!private']}, eth9: null}
  storage:
    physical_devices:
      disk1: {partitions: ['!boot', {name: root, size: 30g}, {name: var, size: '>5g'}]}
---
schema: drydock/HardwareProfile/v1
metadata: {name: h1}
data:
  vendor: Acme
  boot_mode: uefi
  device_aliases:
    nic1: {address: '0000:00:03.0', dev_type: X540, bus_type: pci}
    disk1: {address: '2:0.0.0', dev_type: SSD, bus_type: scsi}
  hugepages: {big: {size: 1G, count: 300}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: n1}
data:
  host_profile: worker
  oob: {credential: hunter2}
  addressing: [{network: oob, address: 10.0.0.7}, {network: mgmt, address: dhcp}]
  metadata: {rack: r1, tags: [own], boot_mac: '00:11:22:33:44:55'}
---
schema: drydock/BaremetalNode/v1
metadata: {name: n2}
data: {host_profile: worker, addressing: [{network: oob, address: 10.0.0.8}]}
";

struct Designs {
    client: Client,
    design_ref: String,
    _site: Site,
    _server: crate::support::server::Server,
}

impl Designs {
    async fn on(database: &Database) -> Self {
        let site = Site::of(&Machine::many(1));
        let path = site.directory().join("nodes.yaml");
        std::fs::write(&path, DESIGN).expect("a file");
        let server = Launch::on(database)
            .designs_in(site.directory())
            .start()
            .await;
        Self {
            client: Client::of(server.address()),
            design_ref: format!("file://{}", path.display()),
            _site: site,
            _server: server,
        }
    }

    async fn node(&self, design_ref: &str, name: &str) -> Result<EffectiveNode, Status> {
        let request = GetNodeRequest {
            design_ref: design_ref.to_owned(),
            name: name.to_owned(),
        };
        let answer = self.client.designs.clone().get_node(request).await?;
        Ok(answer.into_inner())
    }
}

async fn a_node_is_given_with_all_it_inherits(database: Database) {
    let designs = Designs::on(&database).await;
    let reference = &designs.design_ref;

    let node = designs.node(reference, "n1").await.expect("a node");

    assert_eq!((node.name.as_str(), node.rack.as_str()), ("n1", "r1"));
    assert_eq!(node.tags, ["all", "own"]);
    assert_eq!(node.labels["site"], "north");
    assert_eq!(node.host_profile, "worker");
    assert_eq!(node.boot_mac, "00:11:22:33:44:55");
    assert_eq!(node.primary_network, "mgmt");

    let oob = node.oob.expect("a controller");
    assert_eq!(oob.address, "10.0.0.7");
    assert_eq!(oob.parameters["system_id"], "1");
    // What stands in the design is not kept, and neither is what it stands in the place of.
    assert_eq!(oob.credential, "");

    assert_eq!(node.interfaces.keys().collect::<Vec<_>>(), ["bond0"]);
    let bond = &node.interfaces["bond0"];
    assert_eq!(bond.networks, ["mgmt"]);
    let slaves: Vec<_> = bond
        .slaves
        .iter()
        .map(|slave| (slave.name.as_str(), slave.address.as_str()))
        .collect();
    assert_eq!(slaves, [("nic1", "0000:00:03.0"), ("eno2", "")]);

    let storage = node.storage.expect("storage");
    let disk = &storage.physical_devices["disk1"];
    assert_eq!(disk.device.as_ref().expect("a device").dev_type, "SSD");
    let partitions: Vec<_> = disk
        .partitions
        .iter()
        .map(|partition| (partition.name.as_str(), partition.size.as_str()))
        .collect();
    assert_eq!(partitions, [("root", "30g"), ("var", ">5g")]);
    assert_eq!(disk.partitions[0].bootable, Some(true));
    let root = disk.partitions[0].filesystem.as_ref();
    assert_eq!(root.expect("a file system").mountpoint, "/");

    let parameters = node.platform.expect("a platform").kernel_params;
    let parameter = |name: &str| parameters[name].kind.clone();
    assert_eq!(parameter("quiet"), Some(Kind::BoolValue(true)));
    assert_eq!(
        parameter("hugepages"),
        Some(Kind::StringValue("300".to_owned()))
    );
    assert_eq!(node.hardware.expect("hardware").boot_mode, "uefi");

    let other = designs.node(reference, "n2").await.expect("a node");
    let oob = other.oob.expect("a controller");
    assert_eq!(
        (oob.credential.as_str(), oob.address.as_str()),
        ("secret://bmc", "10.0.0.8")
    );
}

async fn what_is_no_node_is_told_apart(database: Database) {
    let designs = Designs::on(&database).await;
    let reference = &designs.design_ref;

    let missing = designs.node(reference, "n3").await.expect_err("no node");
    assert_eq!(missing.code(), Code::NotFound, "{missing:?}");
    assert_eq!(reason(&missing), "NODE_NOT_FOUND");
    let resource = missing.get_details_resource_info().expect("a resource");
    assert_eq!(resource.resource_name, "n3");

    let nowhere = reference.replace("nodes.yaml", "nothing.yaml");
    let broken = designs.node(&nowhere, "n1").await.expect_err("no design");
    assert_eq!(broken.code(), Code::FailedPrecondition, "{broken:?}");
    assert_eq!(reason(&broken), "DESIGN_UNRESOLVABLE");
}
