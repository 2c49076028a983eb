//! `deploy/`: what it sets are settings that there are.

use std::collections::BTreeSet;
use std::path::Path;

use drydock::config::{self, Config, Sources};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

#[test]
fn every_variable_is_one_of_a_key() {
    let keys: BTreeSet<String> = config::keys().into_iter().map(|key| key.name).collect();
    let mut found = 0;
    for file in ["Dockerfile", "README.md", "compose.yaml", "drydock.service"] {
        let text = std::fs::read_to_string(Path::new(DEPLOY).join(file)).expect("a file of deploy");
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for variable in words.filter(|word| word.starts_with("DRYDOCK_") && word.contains("__")) {
            let key = variable.trim_start_matches("DRYDOCK_").to_lowercase();
            let key = key.replace("__", ".");
            assert!(keys.contains(&key), "{file}: {variable}");
            found += 1;
        }
    }
    assert_ne!(found, 0);
}

#[test]
fn the_configuration_file_is_accepted() {
    let config = Config::load(&Sources {
        file: Some(Path::new(DEPLOY).join("drydock.toml")),
        ..Sources::default()
    });
    let config = config.expect("every key of the file is known");
    assert_eq!(config.design.roots, [Path::new("/srv/drydock")]);
}
