//! What secrets are read from, what no design is given, and what is told of those that cannot be had.

use super::*;

fn reference(name: &str) -> SecretReference {
    format!("secret://{name}").parse().unwrap()
}

#[tokio::test]
async fn a_secret_is_read_anew_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let source = SecretSource::new(Some(directory.path().to_owned()));
    for (written, read) in [
        ("hunter2\n", "hunter2"),
        ("next\r\n", "next"),
        (" a ", " a "),
    ] {
        std::fs::write(directory.path().join("bmc"), written).unwrap();
        let secret = source.read(&reference("bmc")).await.unwrap();
        assert_eq!(secret.expose(), read);
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_told_by_its_reference_alone() {
    let directory = tempfile::tempdir().unwrap();
    let source = SecretSource::new(Some(directory.path().to_owned()));
    let long = "hunter2".repeat(10_000);
    for (written, told) in [
        (&b""[..], "read secret://bmc: it is empty"),
        (b"\n", "read secret://bmc: it is empty"),
        (b"hunter2\xff", "read secret://bmc: it is no UTF-8 text"),
        (
            long.as_bytes(),
            "read secret://bmc: it is longer than 64 KiB",
        ),
    ] {
        std::fs::write(directory.path().join("bmc"), written).unwrap();
        let error = source.read(&reference("bmc")).await.unwrap_err();
        assert_eq!(error.to_string(), told);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    std::fs::create_dir(directory.path().join("folder")).unwrap();
    let error = source.read(&reference("folder")).await.unwrap_err();
    assert_eq!(error.to_string(), "read secret://folder");
    let error = source.read(&reference("no.such-one")).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("DRYDOCK_SECRET_NO_SUCH_ONE"), "{told}");
    assert!(told.contains("/no.such-one"), "{told}");
}

#[test]
fn a_secret_cannot_be_printed() {
    let secret = Secret::new("hunter2".to_owned());
    assert_eq!(format!("{secret:?}"), "Secret(..)");
}

/// A source with a file for each name, whose service has `own` for itself.
fn with_files(names: &[&str], own: &[&str]) -> (SecretSource, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(directory.path().join(name), "hunter2").unwrap();
    }
    let source = SecretSource::new(Some(directory.path().to_owned()));
    let reservation = Reservation {
        names: own.iter().map(|name| reference(name)).collect(),
        ..Reservation::default()
    };
    (source.reserving(reservation), directory)
}

#[tokio::test]
async fn no_design_is_given_what_is_the_services_own_however_it_spells_it() {
    let names = ["ironic", "IRONIC", "rack-1.bmc", "rack_1_bmc", "bmc"];
    let (source, _directory) = with_files(&names, &["ironic", "rack-1.bmc"]);
    for name in &names[..4] {
        let error = source
            .read_for_design(&reference(name), "n1")
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("node n1 may not use secret://{name}: it is the service's own")
        );
    }
    let bmc = source.read_for_design(&reference("bmc"), "n1").await;
    assert_eq!(bmc.unwrap().expose(), "hunter2");
    let own = source.read(&reference("ironic")).await;
    assert_eq!(own.unwrap().expose(), "hunter2", "the service itself is");
}

#[tokio::test]
async fn no_design_is_given_a_file_that_the_configuration_names() {
    let (source, directory) = with_files(&["tls.key", "bmc"], &[]);
    let link = directory.path().join("linked");
    std::os::unix::fs::symlink("tls.key", &link).unwrap();
    let reservation = Reservation {
        // As an operator may well write it.
        files: vec![directory.path().join("./tls.key"), "/nowhere".into()],
        ..Reservation::default()
    };
    let source = source.reserving(reservation);
    for name in ["tls.key", "linked"] {
        let read = source.read_for_design(&reference(name), "n1").await;
        assert!(matches!(read, Err(SecretError::Own { .. })), "{read:?}");
    }
    for name in ["bmc", "missing"] {
        let read = source.read_for_design(&reference(name), "n1").await;
        assert!(!matches!(read, Err(SecretError::Own { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn designs_may_be_kept_to_names_of_their_own() {
    let (source, _directory) = with_files(&["bmc-1", "bmc-ironic", "other"], &[]);
    let source = source.reserving(Reservation {
        names: vec![reference("bmc-ironic")],
        design_prefix: Some("bmc-".to_owned()),
        ..Reservation::default()
    });
    let read = source.read_for_design(&reference("bmc-1"), "n1").await;
    assert_eq!(read.unwrap().expose(), "hunter2");
    for (name, told) in [
        (
            "other",
            "node n1 may not use secret://other: names for designs begin with `bmc-` (`secrets.design_prefix`)",
        ),
        (
            "bmc-ironic",
            "node n1 may not use secret://bmc-ironic: it is the service's own",
        ),
    ] {
        let error = source
            .read_for_design(&reference(name), "n1")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}
