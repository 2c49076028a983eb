//! `destroy_node`: releases a node, and never what somebody deployed on it later.

use super::super::{DriverError, ErrorKind, Progress, StepCall};
use super::client::Session;
use super::deployment::{in_maintenance, not_from_here, not_started};
use super::mark::{self, Effect, Mark};
use super::node::{Node, remove};
use super::progress::{begun, done, running};
use super::state::{State, Verb};

/// Begins to release `node`.
pub(super) async fn start(
    session: Session<'_>,
    call: &StepCall,
    node: Node,
) -> Result<Progress, DriverError> {
    match &node.provision_state {
        State::Available | State::Manageable | State::Enroll if node.is_settled() => {
            let text = format!("{}: nothing is deployed", node.provision_state);
            if node.has_deployment_of_ours() {
                // A deployment that never began left its claim.
                let operations = vec![remove("/instance_uuid")];
                return Ok(done(&session.patch_node(&node, operations).await?, text));
            }
            return Ok(done(&node, text));
        }
        State::Active
        | State::DeployFailed
        | State::DeployWait
        | State::DeployHold
        | State::Error => {}
        // Whoever asked for it: it ends as we want it.
        State::Deleting | State::Cleaning | State::CleanWait => return Ok(running(session, &node)),
        State::Available
        | State::Manageable
        | State::Enroll
        | State::Verifying
        | State::Inspecting
        | State::InspectWait
        | State::Deploying => {
            let error = not_from_here(
                session,
                &node,
                "it must come to rest before it can be released",
            );
            return Err(DriverError {
                kind: ErrorKind::Busy,
                transient: true,
                ..error
            });
        }
        State::InspectFailed | State::CleanFailed | State::CleanHold | State::Other(_) => {
            return Err(not_from_here(
                session,
                &node,
                "an operator of Ironic must see to it",
            ));
        }
    }
    if node.maintenance {
        return Err(in_maintenance(session, &node));
    }
    if let Some(instance) = &node.instance_uuid
        && !node.has_deployment_of_ours()
    {
        let why = format!(
            "instance {instance} was not deployed from here and is not destroyed from here; take instance_uuid off the node first"
        );
        return Err(not_from_here(session, &node, &why));
    }
    let mark = Mark::before(call, &node, Verb::Deleted)?;
    session.leave(&node, mark, Vec::new()).await?;
    match session.provision(&node, Verb::Deleted, None).await {
        Ok(()) => Ok(begun(Verb::Deleted)),
        Err(error) => {
            if error.was_put_back() || (error.is_refusal() && !error.meaning.transient) {
                session.withdraw(&node, false).await;
            }
            Err(error.into())
        }
    }
}

/// Asks how the release goes. Also of one that others began: what counts is where it ends.
pub(super) async fn poll(
    session: Session<'_>,
    call: &StepCall,
    node: Node,
) -> Result<Progress, DriverError> {
    let mark = node.mark()?.filter(|mark| mark.is_of(call));
    match mark.as_ref().map(|mark| mark.effect(&node)) {
        None | Some(Effect::Some) => {}
        Some(Effect::Undecided) => return Ok(running(session, &node)),
        Some(Effect::None) => return Err(not_started(&node)),
        // A release that failed again is told with its reason.
        Some(Effect::Unknown) if node.provision_state == State::Error => {}
        Some(Effect::Unknown) => return Err(mark::unknown(&node)),
    }
    if !node.is_settled() {
        return Ok(running(session, &node));
    }
    match &node.provision_state {
        State::Available | State::Manageable | State::Enroll => Ok(done(
            &node,
            format!("released, now {}", node.provision_state),
        )),
        State::Deleting | State::Cleaning | State::CleanWait | State::CleanHold => {
            Ok(running(session, &node))
        }
        State::Active | State::Deploying | State::DeployWait | State::DeployHold
            if mark.is_none() =>
        {
            Err(not_started(&node))
        }
        State::Active | State::Deploying | State::DeployWait | State::DeployHold => {
            Err(DriverError::permanent(
                ErrorKind::Failed,
                format!(
                    "{}: somebody else has deployed it anew meanwhile",
                    node.provision_state
                ),
            ))
        }
        State::Error
        | State::CleanFailed
        | State::DeployFailed
        | State::Verifying
        | State::Inspecting
        | State::InspectWait
        | State::InspectFailed
        | State::Other(_) => Err(session.failure(&node, mark.as_ref()).await),
    }
}
