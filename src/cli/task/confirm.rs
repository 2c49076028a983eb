//! The question before a command that changes machines, or deletes.

use std::io::{BufRead as _, IsTerminal as _};

use crate::cli::describe::some_names;
use crate::cli::{Error, output};
use crate::domain::Action;
use crate::proto::v1::Task;

/// Shows which nodes `action` is about to change, and asks. `preview` is the answer to a dry run.
pub(super) async fn ask(action: Action, preview: &Task) -> Result<(), Error> {
    to_continue(&question(action, preview)).await
}

/// Says what is about to happen, and asks.
pub(super) async fn to_continue(what: &str) -> Result<(), Error> {
    output::note(what);
    if !std::io::stdin().is_terminal() {
        return Err(Error::CannotAsk);
    }
    output::note("Continue? [y/N]");
    // Reading a line blocks its thread, which must not be one that drives the connection.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map(|_| answer)
    })
    .await
    .map_err(|error| Error::Answer(error.into()))?
    .map_err(Error::Answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Error::Declined)
    }
}

/// What is about to happen, and to how many.
pub(super) fn question(action: Action, preview: &Task) -> String {
    let design = &preview.design_ref;
    if !action.is_per_node() {
        return format!("{action} on the site of {design}");
    }
    let count = preview.target_node_count.unwrap_or_default();
    let nodes = if count == 1 { "node" } else { "nodes" };
    let names = some_names(&preview.target_nodes, preview.target_node_count).unwrap_or_default();
    format!("{action} on {count} {nodes} of {design}: {names}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_how_many_and_which() {
        let preview = Task {
            design_ref: "file:///site.yaml".to_owned(),
            target_nodes: vec!["a".to_owned(), "b".to_owned()],
            target_node_count: Some(2),
            ..Task::default()
        };
        assert_eq!(
            question(Action::DestroyNode, &preview),
            "destroy_node on 2 nodes of file:///site.yaml: a, b"
        );
        assert_eq!(
            question(Action::PrepareSite, &preview),
            "prepare_site on the site of file:///site.yaml"
        );
    }
}
