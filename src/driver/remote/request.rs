//! What a plug-in is sent: the attempt, and of its node no more than it was configured to get.

use super::super::{DriverError, StepCall};
use super::options::{Describe, Options};
use super::wire::{self, v1};
use crate::domain::inventory::Node;
use crate::domain::{Policy, StepKind};
use crate::secret::{Secret, SecretSource};

/// The most nodes of a site that a plug-in gets to look at, spread evenly by name.
const SAMPLE: usize = 32;

/// What is sent with the beginning of a step, and what of it must not come back.
pub(super) struct Beginning {
    pub(super) begin: v1::Begin,
    pub(super) secrets: Vec<Secret>,
}

/// The attempt that `call` is.
pub(super) fn attempt(call: &StepCall) -> v1::Attempt {
    v1::Attempt {
        task_id: call.task_id.to_string(),
        number: call.attempt,
        root_task_id: call.root_task_id.to_string(),
        epoch: call.epoch,
        instance_id: call.instance.to_string(),
        step: wire::step(call.step).into(),
        site: call.site.to_string(),
        node_name: call.node_name.as_deref().map(str::to_owned),
    }
}

/// What the plug-in needs to begin `call`.
///
/// # Errors
///
/// The password of a management controller is to be sent and cannot be had.
pub(super) async fn begin(
    call: &StepCall,
    options: &Options,
    source: &SecretSource,
    relied: Policy,
) -> Result<Beginning, DriverError> {
    let mut nodes = Vec::new();
    let mut secrets = Vec::new();
    for node in nodes_of(call, &options.name) {
        let credential = of_one(call, node, options, source).await?;
        nodes.push(described(
            node,
            credential.as_ref(),
            options.design.as_ref(),
        ));
        secrets.extend(credential);
    }
    let begin = v1::Begin {
        policy: wire::policy(relied).into(),
        action: call.action.token().to_owned(),
        nodes,
    };
    Ok(Beginning { begin, secrets })
}

/// What the plug-in was sent about the nodes of `call` and must not be repeated.
///
/// # Errors
///
/// As for [`begin`].
pub(super) async fn secrets(
    call: &StepCall,
    options: &Options,
    source: &SecretSource,
) -> Result<Vec<Secret>, DriverError> {
    let mut secrets = Vec::new();
    for node in nodes_of(call, &options.name) {
        secrets.extend(of_one(call, node, options, source).await?);
    }
    Ok(secrets)
}

/// The node of a step, and those that stand for a site.
fn nodes_of<'a>(call: &'a StepCall, plugin: &str) -> Vec<&'a Node> {
    if call.node_name.is_some() {
        return call.node().into_iter().collect();
    }
    if call.step != StepKind::ValidateOobServices {
        return Vec::new();
    }
    let nodes = call.design.nodes().iter();
    let served: Vec<&Node> = nodes
        .filter(|node| node.oob_type.as_deref() == Some(plugin))
        .collect();
    let stride = served.len().div_ceil(SAMPLE).max(1);
    served.into_iter().step_by(stride).collect()
}

/// The password of one node. Where a step is about a whole site, one that cannot be had is no reason to
/// ask for none: the node goes without it.
async fn of_one(
    call: &StepCall,
    node: &Node,
    options: &Options,
    source: &SecretSource,
) -> Result<Option<Secret>, DriverError> {
    match credential(node, options, source).await {
        Err(error) if call.node_name.is_none() => {
            tracing::warn!(node = node.name, %error, "password left out");
            Ok(None)
        }
        credential => credential,
    }
}

async fn credential(
    node: &Node,
    options: &Options,
    source: &SecretSource,
) -> Result<Option<Secret>, DriverError> {
    match &node.oob.credential {
        Some(reference) if options.send_credentials => {
            let credential = source.read_for_design(reference, &node.name).await?;
            Ok(Some(credential))
        }
        Some(_) | None => Ok(None),
    }
}

fn described(node: &Node, credential: Option<&Secret>, design: Option<&Describe>) -> v1::Node {
    let oob = &node.oob;
    let reference = oob.credential.as_ref();
    v1::Node {
        name: node.name.clone(),
        oob: Some(v1::Oob {
            r#type: node.oob_type.clone().unwrap_or_default(),
            network: oob.network.clone().unwrap_or_default(),
            address: oob.address.clone().unwrap_or_default(),
            account: oob.account.clone().unwrap_or_default(),
            credential_reference: reference.map(ToString::to_string).unwrap_or_default(),
            credential: credential.map(|secret| secret.expose().to_owned()),
            parameters: oob.parameters.clone(),
        }),
        design: design.map(|design| design.document(node)),
    }
}
