//! `examples/redfish`: its settings are settings that there are, and its design loads.

use std::path::Path;

use drydock::config::{Config, OobType, Sources};

use crate::server::drydock;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/redfish");

#[test]
fn the_configuration_file_is_accepted() {
    let config = Config::load(&Sources {
        file: Some(Path::new(EXAMPLE).join("drydock.toml")),
        ..Sources::default()
    });
    let config = config.expect("every key of the file is known");
    assert_eq!(config.drivers.oob, [OobType::Redfish]);
}

#[tokio::test]
async fn the_design_is_without_fault() {
    let mut validate = drydock();
    validate.args(["design", "validate"]);
    let output = validate
        .arg(format!("{EXAMPLE}/site.yaml"))
        .output()
        .await
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
}
