//! `drydock design validate`: its exit codes and its forms, as an editor and a pipeline see them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const BROKEN: &str = "\
schema: drydock/BaremetalNode/v1
metadata:
  name: n1
data:
  host_profile: nothing
  oob:
    type: ipmi
    credential: canary
---
schema: drydock/Crane/v1
metadata:
  name: c1
";

fn validate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_drydock"))
        .args(["design", "validate"])
        .args(arguments)
        .output()
        .expect("the command runs")
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/site/site.yaml");
    path.display().to_string()
}

fn broken() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("broken.yaml");
    std::fs::write(&file, BROKEN).expect("a file");
    let name = file.display().to_string();
    (directory, name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_example_site_is_without_a_fault() {
    let done = validate(&["--deny-warnings", &example()]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stdout));
    assert_eq!(text(&done.stdout), "");
}

#[test]
fn a_broken_design_fails_and_shows_the_line() {
    let (_kept, file) = broken();
    let done = validate(&[&file]);
    assert_eq!(done.status.code(), Some(1));
    let shown = text(&done.stdout);
    assert!(shown.contains(&format!("--> {file}:5:17")), "{shown}");
    assert!(shown.contains("5 |   host_profile: nothing"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = std::fs::read_to_string(example()).expect("the example");
    let more = "---\nschema: drydock/Crane/v1\nmetadata:\n  name: c1\n";
    std::fs::write(directory.path().join("site.yaml"), site + more).expect("a file");
    let directory = directory.path().display().to_string();
    assert_eq!(validate(&[&directory]).status.code(), Some(0));
    let denied = validate(&["--deny-warnings", &directory]);
    assert_eq!(denied.status.code(), Some(1));
}

#[test]
fn every_form_for_programs_names_the_place() {
    let (_kept, file) = broken();

    let json = validate(&["--format", "json", &file]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let profile = json["findings"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["code"] == "missing_profile"))
        .expect("the finding");
    assert_eq!(profile["line"], 5);
    assert_eq!(profile["column"], 17);
    assert_eq!(profile["severity"], "error");

    let sarif = validate(&["--format", "sarif", &file]);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    let region = |result: &Value| result["locations"][0]["physicalLocation"]["region"].clone();
    let profile = results
        .iter()
        .find(|result| result["ruleId"] == "missing_profile")
        .expect("the finding");
    assert_eq!(region(profile)["startLine"], 5);

    let github = validate(&["--format", "github", &file]);
    let expected = format!("::error file={file},line=5,col=17,title=missing_profile::");
    let github = text(&github.stdout);
    assert!(
        github.lines().any(|line| line.starts_with(&expected)),
        "{github}"
    );
}

#[test]
fn what_cannot_be_read_is_no_verdict() {
    let done = validate(&["/no/such/file.yaml"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("names nothing that exists"));
    assert_eq!(validate(&[]).status.code(), Some(2));
}

#[test]
fn the_documentation_of_the_rules_is_made_from_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DESIGN_RULES.md");
    let kept = std::fs::read_to_string(path).expect("the document");
    let made = Command::new(env!("CARGO_BIN_EXE_drydock"))
        .args(["design", "rules", "--markdown"])
        .output()
        .expect("the command runs");
    assert!(
        text(&made.stdout) == kept,
        "run `drydock design rules --markdown > docs/DESIGN_RULES.md`"
    );
}
