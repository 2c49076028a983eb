//! What Ironic is told of a management controller when a node is made known to it.

use serde_json::{Map, Value};

use super::super::{DriverError, ErrorKind};
use super::options::Enrolment;
use crate::domain::site::Oob;
use crate::secret::{Secret, SecretSource};

/// The parameters of a hardware type for a node of the design, and the secret among them. Of a type that this driver does not
/// know, none: they are set in Ironic.
///
/// # Errors
///
/// The design does not say where the controller is, or its password cannot be had.
pub(super) async fn of(
    node: &str,
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
    let secret = secrets.read_for_design(reference, node).await?;
    info.insert(format!("{prefix}_password"), Value::from(secret.expose()));
    Ok((info, Some(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Reservation;

    #[tokio::test]
    async fn ironic_is_told_no_secret_of_the_service() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["bmc", "ironic"] {
            std::fs::write(directory.path().join(name), "hunter2").unwrap();
        }
        let secrets = SecretSource::new(Some(directory.path().to_owned()));
        let secrets = secrets.reserving(Reservation {
            names: vec!["secret://ironic".parse().unwrap()],
            ..Reservation::default()
        });
        let told = async |secret: &str| {
            let oob = Oob {
                address: Some("10.0.0.1".to_owned()),
                credential: Some(secret.parse().unwrap()),
                ..Oob::default()
            };
            of("n1", &oob, "redfish", &Enrolment::default(), &secrets).await
        };
        let (info, _) = told("secret://bmc").await.unwrap();
        assert_eq!(info["redfish_password"], "hunter2");
        let error = told("secret://ironic").await.unwrap_err();
        assert_eq!((error.kind, error.not_sent), (ErrorKind::Refused, true));
        assert!(error.message.starts_with("node n1 may not use"), "{error}");
    }
}
