//! Programs that drivers need: where they are looked for, and what is said when they are not there.

use std::os::unix::fs::PermissionsExt as _;

use super::tests::environment;
use super::*;

#[test]
fn a_program_that_is_needed_and_missing_is_a_problem_among_others() {
    let bin = tempfile::tempdir().unwrap();
    let tool = bin.path().join("ipmitool");
    std::fs::write(&tool, "").unwrap();
    let path = bin.path().to_str().unwrap();
    let load = |variables: &[(&str, &str)]| {
        Config::load(&Sources {
            environment: environment(variables),
            ..Sources::default()
        })
    };
    let nowhere = "no directory of `PATH` has a program `ipmitool`, of the package of that name";
    let needed = "must be a program, as nodes of type `ipmi` are acted on:";
    let told = load(&[
        ("PATH", path),
        ("DRYDOCK_DRIVERS__OOB", "ipmi"),
        ("DRYDOCK_DRIVERS__IPMI__CIPHER_SUITE", "0"),
    ]);
    assert_eq!(
        told.unwrap_err()
            .0
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "drivers.ipmi.cipher_suite (DRYDOCK_DRIVERS__IPMI__CIPHER_SUITE): must be `17` or `3`"
                .to_owned(),
            format!("drivers.ipmi.ipmitool (DRYDOCK_DRIVERS__OOB): {needed} {nowhere}"),
        ],
        "it cannot be run"
    );

    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&tool, executable).unwrap();
    let config = load(&[
        ("PATH", path),
        ("DRYDOCK_DRIVERS__OOB", "ipmi"),
        ("DRYDOCK_DRIVERS__IPMI__CIPHER_SUITE", "3"),
    ]);
    let ipmi = config.unwrap().drivers.ipmi;
    assert_eq!(ipmi.ipmitool, tool);
    assert_eq!(ipmi.cipher_suite.number(), "3");

    // Where nobody would run it, nobody looks for it.
    for variables in [
        &[("DRYDOCK_DRIVERS__IPMI__IPMITOOL", "/nowhere")][..],
        &[
            ("DRYDOCK_DRIVERS__OOB", "ipmi"),
            ("DRYDOCK_SIMULATED__ALL", "true"),
        ],
    ] {
        assert!(load(variables).is_ok(), "{variables:?}");
    }
}
