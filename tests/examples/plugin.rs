//! `examples/plugin`: what it promises, asked by its own tests.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::python::Example;

/// How long its tests may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn its_own_tests_pass() {
    let plugin = Example::plugin();
    let output = Command::new(plugin.interpreter())
        .args(["-m", "unittest"])
        .current_dir(plugin.directory())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.expect("the tests end");
    let output = output.expect("the interpreter runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Ran 0 tests"), "{told}");
}
