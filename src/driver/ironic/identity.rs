//! `identify_node`: which of Ironic's nodes a node of the design is.

use serde::Deserialize;
use serde_json::{Map, json};

use super::super::device_error::device_text;
use super::super::{DriverError, ErrorKind, Progress, StepCall, StepReport};
use super::client::Session;
use super::driver_info;
use super::error::ApiError;
use super::node::Node;
use super::options::Enrolment;
use super::progress::done;
use super::wanted::Wanted;
use crate::secret::{Secret, SecretSource};

#[derive(Deserialize)]
struct Ports {
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    node_uuid: String,
}

impl Session<'_> {
    /// The node of the design, as Ironic knows it: by its name, or by the address it boots from.
    pub(super) async fn known(&self, wanted: &Wanted<'_>) -> Result<Option<Node>, ApiError> {
        if is_ironic_name(wanted.name)
            && let Some(node) = self.node(wanted.name).await?
        {
            return Ok(Some(node));
        }
        let Some(mac) = wanted.boot_mac() else {
            return Ok(None);
        };
        let mac = mac.to_ascii_lowercase();
        let query = [("address", mac.as_str()), ("fields", "node_uuid")];
        let found: Ports = self.get(&["ports"], &query).await?;
        let Some(port) = found.ports.first() else {
            return Ok(None);
        };
        let node = self.node(&port.node_uuid).await?;
        let name = node.as_ref().and_then(|node| node.name.as_deref());
        if let Some(name) = name.filter(|name| wanted.is_anothers(name)) {
            // A copied address must not have another node wiped.
            let message = format!("Ironic has {mac}, which it boots from, as a port of {name}");
            return Err(DriverError::permanent(ErrorKind::Refused, message).into());
        }
        Ok(node)
    }
}

/// Attempts of a step that only looks: after these the executor gives up (api contract, "Plans").
const ATTEMPTS: u32 = 4;

/// The answer, but for one case: whoever cannot be asked whether it knows the node has not said that
/// it does not, and a node that is in use must not be switched off for that. The step that follows asks
/// again, and fails in its own words.
pub(super) fn unless_unanswered(
    call: &StepCall,
    answer: Result<Progress, DriverError>,
) -> Result<Progress, DriverError> {
    match answer {
        Err(error) if call.advisory && (!error.transient || call.attempt >= ATTEMPTS) => {
            Ok(Progress::Done(StepReport {
                message: Some(format!(
                    "taken to be known, as this cannot be asked: {error}"
                )),
                ..StepReport::default()
            }))
        }
        answer => answer,
    }
}

/// Finds the node, or makes it known.
pub(super) async fn start(
    session: Session<'_>,
    call: &StepCall,
    wanted: &Wanted<'_>,
    enrolment: Option<&Enrolment>,
    secrets: &SecretSource,
) -> Result<Progress, DriverError> {
    if let Some(node) = session.known(wanted).await? {
        let text = format!(
            "Ironic knows it as {}, {}",
            node.label(),
            node.provision_state
        );
        return Ok(done(&node, text));
    }
    let Some(enrolment) = enrolment else {
        let mut message = format!("Ironic knows no node named {}", wanted.name);
        if let Some(mac) = wanted.boot_mac() {
            message.push_str(&format!(", and none with a port {mac}"));
        }
        return Ok(Progress::Done(StepReport {
            message: Some(message),
            extra: Map::new(),
            found: false,
            ..StepReport::default()
        }));
    };
    let node = enrol(session, call, wanted, enrolment, secrets).await?;
    let text = format!("made known to Ironic as {}", node.label());
    Ok(done(&node, text))
}

async fn enrol(
    session: Session<'_>,
    call: &StepCall,
    wanted: &Wanted<'_>,
    enrolment: &Enrolment,
    secrets: &SecretSource,
) -> Result<Node, DriverError> {
    let refuse = |text: String| DriverError::permanent(ErrorKind::Unsupported, text);
    if !is_ironic_name(wanted.name) {
        return Err(refuse(format!(
            "{} is no name that Ironic takes: letters, digits, `-`, `.`, `_` and `~` only",
            wanted.name
        )));
    }
    let oob = wanted.oob_type().unwrap_or("none");
    let hardware_type = match (enrolment.hardware_type.as_deref(), oob) {
        (Some(configured), _) => configured,
        (None, "redfish") => "redfish",
        (None, "ipmi") => "ipmi",
        (None, "manual") => "manual-management",
        (None, other) => {
            return Err(refuse(format!(
                "no hardware type of Ironic goes with the out-of-band type {other}; name one in drivers.ironic.enroll_driver"
            )));
        }
    };
    let (driver_info, secret) =
        driver_info::of(wanted.name, wanted.oob(), hardware_type, enrolment, secrets).await?;
    let body = json!({
        "name": wanted.name,
        "driver": hardware_type,
        "driver_info": driver_info,
        "description": format!("{} of site {}, by Drydock", wanted.name, call.site),
    });
    let created: Result<Node, _> = session.post(&["nodes"], body).await;
    let node = match created {
        Ok(node) => node,
        // An answer that was lost: it is there.
        Err(error) if error.is_taken() => match session.node(wanted.name).await? {
            Some(node) => node,
            None => return Err(error.into()),
        },
        Err(error) => {
            // It may repeat what it was sent.
            let secrets: Vec<&Secret> = secret.iter().collect();
            let mut error = error.meaning;
            error.message = device_text(&error.message, &secrets);
            return Err(error);
        }
    };
    let ports = session.ports(&node).await?;
    session.ensure_boot_port(wanted, &node, &ports).await?;
    Ok(node)
}

/// Whether Ironic takes it for a name; it refuses to look for anything else.
fn is_ironic_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}
