//! `deploy_node`: deploys a node that is available, and never twice.

use serde_json::Value;

use super::super::{DriverError, ErrorKind, Progress, StepCall};
use super::client::Session;
use super::error::ApiError;
use super::mark::{self, Effect, Mark};
use super::node::{Node, remove, set};
use super::progress::{begun, done, running};
use super::state::{State, Verb};

/// Begins to deploy `node`.
pub(super) async fn start(
    session: Session<'_>,
    call: &StepCall,
    mut node: Node,
    config_drive: Option<Value>,
) -> Result<Progress, DriverError> {
    let task = call.task_id.to_string();
    if node.maintenance {
        return Err(in_maintenance(session, &node));
    }
    match &node.provision_state {
        State::Available | State::DeployFailed => {}
        State::Active if node.has_deployment_of_ours() => {
            let instance = node.instance_uuid.clone().unwrap_or_default();
            return Ok(done(
                &node,
                format!(
                    "deployed already, as {instance}: it is left as it is; destroy the node to deploy it anew"
                ),
            ));
        }
        State::Deploying | State::DeployWait | State::DeployHold
            if node.instance_uuid.as_deref() == Some(&task) =>
        {
            return Ok(running(session, &node));
        }
        State::Enroll | State::Verifying | State::Manageable => {
            return Err(not_from_here(session, &node, "it must be prepared first"));
        }
        State::Active | State::Deploying | State::DeployWait | State::DeployHold => {
            let whose = match &node.instance_uuid {
                Some(instance) => format!("by instance {instance}; destroy it first"),
                None => "by nobody known here; destroy it first".to_owned(),
            };
            return Err(not_from_here(
                session,
                &node,
                &format!("it is in use {whose}"),
            ));
        }
        State::Inspecting
        | State::InspectWait
        | State::InspectFailed
        | State::Cleaning
        | State::CleanWait
        | State::CleanHold
        | State::CleanFailed
        | State::Deleting
        | State::Error
        | State::Other(_) => return Err(not_from_here(session, &node, "only from available")),
    }
    if node.instance_uuid.is_some() && node.instance_uuid.as_deref() != Some(&task) {
        node = give_back(session, node).await?;
    }

    // One act: Ironic refuses it as a whole where an instance is set, whoever set it.
    let mark = Mark::before(call, &node, Verb::Active)?;
    let claim = vec![set("/instance_uuid", Value::from(task.as_str()))];
    session
        .leave(&node, mark, claim)
        .await
        .map_err(|error| unclaimed(error, &node))?;
    match session.provision(&node, Verb::Active, config_drive).await {
        Ok(()) => Ok(begun(Verb::Active)),
        Err(error) => {
            if error.was_put_back() || (error.is_refusal() && !error.meaning.transient) {
                session.withdraw(&node, true).await;
            }
            Err(error.into())
        }
    }
}

/// Asks how the deployment goes.
pub(super) async fn poll(
    session: Session<'_>,
    call: &StepCall,
    node: Node,
) -> Result<Progress, DriverError> {
    let task = call.task_id.to_string();
    let Some(mark) = node.mark()?.filter(|mark| mark.is_of(call)) else {
        return Err(not_started(&node));
    };
    match mark.effect(&node) {
        Effect::Undecided => return Ok(running(session, &node)),
        Effect::None => return Err(not_started(&node)),
        Effect::Unknown if node.instance_uuid.as_deref() != Some(&task) => {
            return Err(mark::unknown(&node));
        }
        // It was asked for, or it would not be asked after: what it came to is where the node is.
        Effect::Some | Effect::Unknown => {}
    }
    match &node.provision_state {
        State::Active if node.is_settled() => {
            Ok(done(&node, format!("active, as instance {task}")))
        }
        State::Active | State::Deploying | State::DeployWait | State::DeployHold => {
            Ok(running(session, &node))
        }
        State::DeployFailed if !node.is_settled() => Ok(running(session, &node)),
        State::DeployFailed
        | State::Error
        | State::Available
        | State::Enroll
        | State::Verifying
        | State::Manageable
        | State::Inspecting
        | State::InspectWait
        | State::InspectFailed
        | State::Cleaning
        | State::CleanWait
        | State::CleanHold
        | State::CleanFailed
        | State::Deleting
        | State::Other(_) => Err(session.failure(&node, Some(&mark)).await),
    }
}

/// Says that a node in maintenance is left alone: Ironic would say so only after it was claimed.
pub(super) fn in_maintenance(session: Session<'_>, node: &Node) -> DriverError {
    let reason = node.maintenance_reason.as_ref();
    let reason = reason.map(|reason| session.told(reason));
    let reason = reason.unwrap_or_else(|| "no reason is given".to_owned());
    DriverError::permanent(
        ErrorKind::Refused,
        format!("{} is in maintenance: {reason}", node.label()),
    )
}

/// Says why nothing can begin from the node's state.
pub(super) fn not_from_here(session: Session<'_>, node: &Node, why: &str) -> DriverError {
    let mut text = format!("{} is {}: {why}", node.label(), node.provision_state);
    if let Some(error) = &node.last_error {
        text.push_str(&format!(" (last error: {})", session.told(error)));
    }
    DriverError::permanent(ErrorKind::Refused, text)
}

/// Says that nothing of this step was ever begun.
pub(super) fn not_started(node: &Node) -> DriverError {
    DriverError::permanent(
        ErrorKind::NotStarted,
        format!(
            "Ironic has begun nothing: {} is {}",
            node.label(),
            node.provision_state
        ),
    )
}

/// Takes the claim of an earlier deployment of ours off a node that holds none: it failed, or never
/// began, and its task is over, for else this one would not have got the node's lock.
async fn give_back(session: Session<'_>, node: Node) -> Result<Node, DriverError> {
    if !node.has_deployment_of_ours() {
        let instance = node.instance_uuid.as_deref().unwrap_or_default();
        let why = format!("it is claimed for instance {instance}, which is none of ours");
        return Err(not_from_here(session, &node, &why));
    }
    Ok(session
        .patch_node(&node, vec![remove("/instance_uuid")])
        .await?)
}

fn unclaimed(error: ApiError, node: &Node) -> DriverError {
    if error.is_taken() {
        let text = format!("{} was claimed by somebody else", node.label());
        return error.meaning.within(&text);
    }
    error.into()
}
