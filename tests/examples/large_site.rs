//! `examples/large`: generated sites are valid, of the size asked for, and always the same.

use std::process::Command;

use crate::python;
use crate::server::Place;

const GENERATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/large/generate.py");

#[tokio::test]
async fn a_generated_site_is_valid_and_as_large_as_asked() {
    let place = Place::with_steps_of("0ms");
    let server = place.serve("127.0.0.1:0").await;
    let design = place.designs().join("large.yaml");
    std::fs::write(&design, generate(&["200"])).expect("the design is written");
    let design_ref = format!("file://{}", design.display());
    for (action, healthy) in [("validate_design", true), ("deploy_node", false)] {
        let create = ["task", "create", "--yes", "--watch", "--action", action];
        let output = server
            .command(&[&create[..], &["--design-ref", &design_ref]].concat())
            .await;
        assert_eq!(output.status.success(), healthy, "{action}: {output:?}");
        if !healthy {
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(
                printed.contains("199 of 200 nodes succeeded, 1 failed"),
                "{printed}"
            );
        }
    }
}

#[test]
fn the_same_arguments_give_the_same_site() {
    assert_eq!(generate(&["300"]), generate(&["300"]));
    assert!(!generate(&["300", "--healthy"]).contains("simulate-fail"));
}

fn generate(arguments: &[&str]) -> String {
    let output = Command::new("python3")
        .arg(GENERATE)
        .args(arguments)
        .output();
    let output = output.expect(python::INSTALL);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("YAML is UTF-8")
}
