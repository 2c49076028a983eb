//! Hostile designs and references to them, for [`crate::fuzzing`].

use std::path::{Component, PathBuf};
use std::time::Duration;

use super::deadline::Deadline;
use super::reference::{Reference, ReferencePolicy, Target};
use super::source::SourceFile;
use super::{Design, build, fetch, validate};

/// Longer than any input of a fuzzer takes: the deadline is not what is looked at.
const LIMIT: Duration = Duration::from_secs(600);

/// YAML documents, as a file of a design. Every rule runs over what could be read. A design that loads
/// can be rebuilt from what is stored.
pub(crate) fn design(bytes: &[u8]) {
    let file = SourceFile {
        name: "site.yaml".to_owned(),
        bytes: bytes.to_vec(),
    };
    let files = [file];
    let loaded = build::build(&files, Deadline::after(LIMIT));
    let Ok(validation) = validate::run(&files, Deadline::after(LIMIT)) else {
        unreachable!("nothing is waited for");
    };
    let design = validation.design.map(|design| design.digest);
    assert_eq!(design, loaded.as_ref().ok().map(|design| design.digest));
    let Ok(loaded) = loaded else {
        return;
    };
    match Design::from_stored(&loaded.stored) {
        Ok(rebuilt) => {
            assert_eq!(rebuilt.digest, loaded.digest, "another digest");
            let (before, after) = (loaded.inventory.nodes(), rebuilt.inventory.nodes());
            assert_eq!(before, after, "other nodes");
        }
        Err(error) => unreachable!("a design that loaded is not rebuilt: {error}"),
    }
}

/// A reference and, on a line of its own, where a server redirects to. Whatever is allowed is below
/// the root or on a listed host, and nobody reads it in another way.
pub(crate) fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (uri, redirect) = text.split_once('\n').unwrap_or((text, ""));
    let policy = ReferencePolicy {
        file_roots: vec![PathBuf::from("/designs")],
        web: fetch::fuzz::policy(),
    };
    let Ok(reference) = Reference::parse(uri, &policy) else {
        return;
    };
    assert!(!reference.to_string().contains('?'), "a query is shown");
    match reference.target() {
        Target::File(file) => {
            let mut parts = file.path.components().skip(1);
            assert!(file.path.starts_with("/designs"), "{uri} is outside");
            assert!(
                parts.all(|part| matches!(part, Component::Normal(_))),
                "{uri} is not plain"
            );
        }
        Target::Web(location) => fetch::fuzz::allowed(location, redirect),
    }
}
