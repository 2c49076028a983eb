//! The third-party services that `scripts/test-services` installs.

use std::path::{Path, PathBuf};

/// What a test says that does not find one of them.
const INSTALL: &str = "is missing: run scripts/test-services, which installs it";

/// A program of the Python environment.
pub(crate) fn program(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let target = target.expect("target/tmp is in target");
    let program = target.join("test-services/venv/bin").join(name);
    assert!(program.exists(), "{} {INSTALL}", program.display());
    program
}

/// The requirements of that environment, as they were installed.
#[test]
fn the_installed_services_are_those_that_are_wanted() {
    let python = program("python");
    let environment = python
        .parent()
        .and_then(Path::parent)
        .and_then(Path::parent);
    let installed = environment
        .expect("it is in an environment")
        .join("installed.txt");
    let installed = std::fs::read_to_string(installed).unwrap_or_default();
    assert!(
        installed == include_str!("requirements.txt"),
        "what tests/devices/requirements.txt names {INSTALL}"
    );
}
