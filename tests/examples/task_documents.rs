//! `examples/tasks`: a document for every action, each of which the server takes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use drydock::domain::Action;

use crate::server::{Place, SITE};

const DOCUMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tasks");

/// Where the documents say that the site is.
const WRITTEN: &str = "file:///srv/drydock/site.yaml";

#[tokio::test]
async fn every_action_has_a_document_that_selects_what_the_readme_says() {
    let place = Place::with_steps_of("0ms");
    let server = place.serve("127.0.0.1:0").await;
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/README.md"));
    let readme = readme.expect("the examples are explained");
    let mut files = BTreeSet::new();
    for action in Action::ALL {
        let name = format!("{action}.json");
        let path = PathBuf::from(DOCUMENTS).join(&name);
        let text = std::fs::read_to_string(&path).expect("a document for each action");
        assert!(text.contains(WRITTEN), "{name}");

        let here = place.designs().join(&name);
        let text = text.replace(WRITTEN, &format!("file://{SITE}/site.yaml"));
        std::fs::write(&here, text).expect("the document is copied");
        let nodes = server.dry_run(&here).await;

        let told = if !action.is_per_node() {
            "the site".to_owned()
        } else if nodes.len() == 13 {
            "all 13 nodes".to_owned()
        } else {
            nodes.join(", ")
        };
        let row = readme
            .lines()
            .find(|line| line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("the README names {name}"));
        assert!(row.ends_with(&format!("| {told} |")), "{row}: {told}");
        files.insert(name);
    }
    let found: BTreeSet<String> = std::fs::read_dir(DOCUMENTS)
        .expect("the documents are there")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    assert_eq!(found, files);
}

#[tokio::test]
async fn the_site_of_the_examples_is_valid() {
    let place = Place::with_steps_of("0ms");
    let server = place.serve("127.0.0.1:0").await;
    let site = format!("file://{SITE}/site.yaml");
    let create = ["task", "create", "--watch", "--action", "validate_design"];
    let output = server
        .command(&[&create[..], &["--design-ref", &site]].concat())
        .await;
    assert!(output.status.success(), "{output:?}");
}
