//! Designs of real machines, as documents.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;

/// A design of one site in a directory of its own.
#[derive(Debug)]
pub(crate) struct Design {
    directory: TempDir,
}

impl Design {
    /// A site `harbour` with `nodes`, each a name and the body of its document.
    pub(crate) fn of<'a>(nodes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::with("", nodes)
    }

    /// The same, with other documents beside the nodes.
    pub(crate) fn with<'a>(
        documents: &str,
        nodes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let design = Self { directory };
        design.change(documents, nodes);
        design
    }

    /// Says something else from now on.
    pub(crate) fn change<'a>(
        &self,
        documents: &str,
        nodes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let mut text = format!(
            "schema: drydock/Region/v1\nmetadata: {{name: harbour}}\ndata: {{}}\n{documents}"
        );
        for (name, body) in nodes {
            write!(
                text,
                "---\nschema: drydock/BaremetalNode/v1\nmetadata: {{name: {name}}}\ndata: {body}\n"
            )
            .expect("writing to a text does not fail");
        }
        let file = self.directory.path().join("site.yaml");
        std::fs::write(file, text).expect("the design is written");
    }

    /// The directory, for `--design-root`.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its reference.
    pub(crate) fn reference(&self) -> String {
        format!("file://{}/site.yaml", self.directory.path().display())
    }
}
