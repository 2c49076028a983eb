//! Steps of the site: whether Ironic can work, and what of a site it keeps.

use serde::Deserialize;

use super::super::{DriverError, ErrorKind, Progress, StepReport};
use super::client::Session;
use super::options::Enrolment;

#[derive(Deserialize)]
struct Drivers {
    drivers: Vec<Driver>,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
}

#[derive(Deserialize)]
struct Conductors {
    conductors: Vec<Conductor>,
}

#[derive(Deserialize)]
struct Conductor {
    hostname: String,
    alive: bool,
}

/// Ironic answers, accepts our credentials, and has conductors for its hardware types.
pub(super) async fn validate(
    session: Session<'_>,
    place: &str,
    enrolment: Option<&Enrolment>,
) -> Result<Progress, DriverError> {
    let version = session.version().await?;
    let Drivers { drivers } = session.get(&["drivers"], &[]).await?;
    let Conductors { conductors } = session.get(&["conductors"], &[]).await?;
    let fail = |text: String| Err(DriverError::permanent(ErrorKind::Failed, text));

    let served: Vec<&str> = drivers
        .iter()
        .filter(|driver| !driver.hosts.is_empty())
        .map(|driver| driver.name.as_str())
        .collect();
    if served.is_empty() {
        return fail(format!(
            "Ironic at {place} has no conductor that serves a hardware type"
        ));
    }
    if let Some(wanted) = enrolment.and_then(|enrolment| enrolment.hardware_type.as_deref())
        && !served.contains(&wanted)
    {
        return fail(format!(
            "Ironic at {place} does not serve the hardware type {wanted}, only {}",
            served.join(", ")
        ));
    }
    let mut message = format!(
        "Ironic at {place} answers in version {version}; hardware types: {}",
        served.join(", ")
    );
    // A conductor on SQLite never renews its sign of life, so this alone is no failure: one that is
    // gone for good serves no hardware type any more.
    let silent: Vec<&str> = conductors
        .iter()
        .filter(|conductor| !conductor.alive)
        .map(|conductor| conductor.hostname.as_str())
        .collect();
    if !silent.is_empty() {
        message.push_str("; conductors without a recent sign of life: ");
        message.push_str(&silent.join(", "));
    }
    Ok(told(message))
}

/// `create_network_template`: Ironic keeps no networks.
pub(super) fn networks() -> Progress {
    told("Ironic keeps no networks: those of each node are written to the node itself".to_owned())
}

/// `configure_user_credentials`: Ironic keeps no keys.
pub(super) fn user_credentials(config_drive: bool) -> Progress {
    told(if config_drive {
        "Ironic keeps no authorized keys: each deployment has them in its config drive".to_owned()
    } else {
        "Ironic keeps no authorized keys, and without drivers.ironic.config_drive deployments get none"
            .to_owned()
    })
}

/// `configure_node_provisioner`: Ironic is configured by its own operators.
pub(super) fn provisioner() -> Progress {
    told("nothing to set: Ironic keeps neither repositories nor domains, and its settings are its own".to_owned())
}

fn told(message: String) -> Progress {
    Progress::Done(StepReport {
        message: Some(message),
        ..StepReport::default()
    })
}
