//! `apply_node_networking`: the node's interfaces and addresses.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::DriverError;
use super::super::client::Session;
use super::super::error::ApiError;
use super::super::microversion::Microversion;
use super::super::node::Node;
use super::super::options::Options;
use super::super::wanted::Wanted;
use super::network_data::{self, Ports};
use super::{Place, Settings};

#[derive(Deserialize)]
struct Listed {
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    address: String,
    name: Option<String>,
}

impl Session<'_> {
    /// The hardware addresses of a node's ports, by what Ironic calls them.
    pub(in super::super) async fn ports(&self, node: &Node) -> Result<Ports, ApiError> {
        let named = self.version().await? >= Microversion::PORT_NAME;
        let fields = if named { "address,name" } else { "address" };
        let query = [("node", node.uuid.as_str()), ("fields", fields)];
        let listed: Listed = self.get(&["ports"], &query).await?;
        let ports = listed.ports.into_iter();
        Ok(Ports::of(ports.map(|port| (port.address, port.name))))
    }

    /// Makes the address that the node boots from a port of it, where it is none yet.
    pub(in super::super) async fn ensure_boot_port(
        &self,
        wanted: &Wanted<'_>,
        node: &Node,
        ports: &Ports,
    ) -> Result<(), ApiError> {
        let Some(mac) = wanted.boot_mac().filter(|mac| !ports.have(mac)) else {
            return Ok(());
        };
        let body = json!({"node_uuid": node.uuid, "address": mac, "pxe_enabled": true});
        let made: Result<Value, _> = self.post(&["ports"], body).await;
        match made {
            Ok(_) => Ok(()),
            Err(error) if error.is_taken() => {
                // By this node, if an answer was lost; by another one, which the design denies.
                if self.ports(node).await?.have(mac) {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// What a node's networking comes to.
pub(in super::super) fn networking(
    wanted: &Wanted<'_>,
    ports: &Ports,
    version: Microversion,
) -> Settings {
    let (data, left_out) = network_data::of(wanted, ports);
    let mut settings = Settings::of(if version < Microversion::NETWORK_DATA {
        &[]
    } else {
        &[Place::NetworkData]
    });
    settings.left_out = left_out;
    if version < Microversion::NETWORK_DATA {
        settings.leave_out(format!("addresses (its API {version} has no network_data)"));
    } else if let Some(data) = data {
        settings.set(Place::NetworkData, data);
    }
    settings
}

/// What a deployment finds on its config drive; none where none are made.
pub(in super::super) async fn config_drive(
    session: Session<'_>,
    wanted: &Wanted<'_>,
    node: &Node,
    options: &Options,
) -> Result<Option<Value>, DriverError> {
    if !options.config_drive {
        return Ok(None);
    }
    let (data, _told_when_it_was_applied) = network_data::of(wanted, &session.ports(node).await?);
    let keys = wanted.authorized_keys().iter().enumerate();
    let keys: serde_json::Map<String, Value> = keys
        .map(|(place, key)| (format!("key-{place}"), Value::from(key.as_str())))
        .collect();
    Ok(Some(json!({
        "meta_data": {
            "uuid": node.uuid,
            "name": wanted.name,
            "hostname": wanted.name,
            "public_keys": keys,
            "meta": {"site": wanted.site},
        },
        "network_data": data.unwrap_or_else(|| json!({})),
    })))
}
