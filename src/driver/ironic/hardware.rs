//! `configure_hardware`: takes a node from wherever it rests to `available`.
//!
//! It is work of up to three requests: manage, inspect, provide. Each has a mark of its own, and the
//! poll that finds one of them through asks for the next: Ironic refuses a request that does not fit
//! the node's state, so whoever polls, and however often, none of them is done twice.

use super::super::{DriverError, ErrorKind, Progress, StepCall};
use super::client::Session;
use super::deployment::{in_maintenance, not_from_here, not_started};
use super::mark::{self, Effect, Mark};
use super::node::Node;
use super::progress::{begun, collected, done, running};
use super::state::{State, Verb};

/// Begins to prepare `node`, or finds that it is prepared.
pub(super) async fn start(
    session: Session<'_>,
    call: &StepCall,
    node: Node,
    inspect: bool,
) -> Result<Progress, DriverError> {
    let verb = match &node.provision_state {
        State::Available if node.is_settled() => {
            return Ok(done(&node, "available already"));
        }
        State::Active => {
            return Ok(done(&node, "in use: its hardware is left as it is"));
        }
        State::Enroll | State::InspectFailed | State::CleanFailed => Verb::Manage,
        State::Manageable => after_manage(inspect),
        State::Available
        | State::Verifying
        | State::Inspecting
        | State::InspectWait
        | State::Cleaning
        | State::CleanWait => {
            let error = not_from_here(session, &node, "somebody else is working on it");
            return Err(DriverError {
                kind: ErrorKind::Busy,
                transient: true,
                ..error
            });
        }
        State::Deploying | State::DeployWait | State::DeployHold | State::DeployFailed => {
            return Err(not_from_here(
                session,
                &node,
                "it is in use; destroy it first",
            ));
        }
        State::CleanHold | State::Deleting | State::Error | State::Other(_) => {
            return Err(not_from_here(
                session,
                &node,
                "an operator of Ironic must see to it",
            ));
        }
    };
    if let Some(instance) = node.claimed_by_others() {
        let why = format!("it is claimed for instance {instance}, which is none of ours");
        return Err(not_from_here(session, &node, &why));
    }
    if node.maintenance {
        return Err(in_maintenance(session, &node));
    }
    ask(session, call, &node, verb).await
}

/// Asks how it goes, and for what comes next.
pub(super) async fn poll(
    session: Session<'_>,
    call: &StepCall,
    node: Node,
    inspect: bool,
) -> Result<Progress, DriverError> {
    let Some(mark) = node.mark()?.filter(|mark| mark.is_of(call)) else {
        return Err(not_started(&node));
    };
    match mark.effect(&node) {
        Effect::Some => {}
        Effect::Undecided => return Ok(running(session, &node)),
        // Whoever left the mark did not get to ask.
        Effect::None => return ask(session, call, &node, mark.verb).await,
        Effect::Unknown => return Err(mark::unknown(&node)),
    }
    if !node.is_settled() {
        return Ok(running(session, &node));
    }
    match (&node.provision_state, mark.verb) {
        (State::Available, Verb::Provide) if inspect => prepared(session, &node).await,
        (State::Available, _) => Ok(done(&node, "available")),
        (State::Manageable, Verb::Manage) => ask(session, call, &node, after_manage(inspect)).await,
        (State::Manageable, Verb::Inspect) => ask(session, call, &node, Verb::Provide).await,
        (State::Manageable, Verb::Provide | Verb::Active | Verb::Deleted)
        | (
            State::Enroll
            | State::InspectFailed
            | State::CleanFailed
            | State::Active
            | State::DeployFailed
            | State::Error
            | State::Other(_),
            _,
        ) => Err(session.failure(&node, Some(&mark)).await),
        (
            State::Verifying
            | State::Inspecting
            | State::InspectWait
            | State::Cleaning
            | State::CleanWait
            | State::CleanHold
            | State::Deploying
            | State::DeployWait
            | State::DeployHold
            | State::Deleting,
            _,
        ) => Ok(running(session, &node)),
    }
}

/// The end of a preparation that inspected `node`: what was found goes with it.
async fn prepared(session: Session<'_>, node: &Node) -> Result<Progress, DriverError> {
    let inspected = session.inventory(node).await?;
    let text = match inspected.lacking {
        Some(why) => format!("available; no inventory: {why}"),
        None => "available, and inspected".to_owned(),
    };
    Ok(collected(node, text, inspected.build_data))
}

fn after_manage(inspect: bool) -> Verb {
    if inspect {
        Verb::Inspect
    } else {
        Verb::Provide
    }
}

async fn ask(
    session: Session<'_>,
    call: &StepCall,
    node: &Node,
    verb: Verb,
) -> Result<Progress, DriverError> {
    let mark = Mark::before(call, node, verb)?;
    session.leave(node, mark, Vec::new()).await?;
    session.provision(node, verb, None).await?;
    Ok(begun(verb))
}
