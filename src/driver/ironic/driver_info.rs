//! What Ironic is told of a management controller when a node is made known to it.

use serde_json::{Map, Value};

use super::super::{DriverError, ErrorKind};
use super::options::Enrolment;
use crate::domain::site::Oob;
use crate::secret::{Secret, SecretSource};

/// The parameters of a hardware type, and the secret among them. Of a type that this driver does not
/// know, none: they are set in Ironic.
///
/// # Errors
///
/// The design does not say where the controller is, or its password cannot be had.
pub(super) async fn of(
    oob: &Oob,
    hardware_type: &str,
    enrolment: &Enrolment,
    secrets: &SecretSource,
) -> Result<(Map<String, Value>, Option<Secret>), DriverError> {
    let prefix = match hardware_type {
        "redfish" | "ipmi" => hardware_type,
        _other => return Ok((Map::new(), None)),
    };
    let Some(address) = &oob.address else {
        return Err(DriverError::permanent(
            ErrorKind::Refused,
            "the design gives the management controller no address, so Ironic cannot be told of it",
        )
        .before_sending());
    };
    let mut info = Map::new();
    let mut say = |key: &str, value: &str| {
        info.insert(format!("{prefix}_{key}"), Value::from(value));
    };
    if prefix == "redfish" {
        say("address", &format!("https://{address}"));
        if let Some(system) = oob.parameters.get("system_id") {
            let path = match system.strip_prefix('/') {
                Some(_) => system.clone(),
                None => format!("/redfish/v1/Systems/{system}"),
            };
            say("system_id", &path);
        }
        if let Some(path) = &enrolment.verify_ca {
            say("verify_ca", path);
        }
    } else {
        match address
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':'))
        {
            Some((host, port)) => {
                say("address", host);
                say("port", port);
            }
            None => say("address", address),
        }
    }
    if let Some(account) = &oob.account {
        say("username", account);
    }
    let Some(reference) = &oob.credential else {
        return Ok((info, None));
    };
    let secret = secrets.read(reference).await.map_err(|error| {
        DriverError::permanent(ErrorKind::Internal, error.to_string()).before_sending()
    })?;
    info.insert(format!("{prefix}_password"), Value::from(secret.expose()));
    Ok((info, Some(secret)))
}
