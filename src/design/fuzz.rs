//! Hostile designs, for [`crate::fuzzing`].

use std::time::Duration;

use super::deadline::Deadline;
use super::source::SourceFile;
use super::{Design, build, validate};

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
