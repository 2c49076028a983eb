//! The designs that tasks are created with, written where the servers may read them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::site;

/// Nodes of a rack.
const RACK_SIZE: usize = 40;

/// A directory of designs.
pub(crate) struct Designs {
    _directory: TempDir,
    path: PathBuf,
}

impl Designs {
    pub(crate) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("drydock-bench-")
            .tempdir()?;
        // As it really is: a design root behind a link would not match what is opened below it.
        let path = directory.path().canonicalize()?;
        Ok(Self {
            _directory: directory,
            path,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The reference of a site of `nodes` simulated nodes.
    pub(crate) fn site(&self, nodes: usize) -> Result<String> {
        self.write(&format!("site-{nodes}"), nodes, "")
    }

    /// The reference of a site of `nodes` nodes with everything that nodes have.
    pub(crate) fn real(&self, name: &str, nodes: usize) -> Result<String> {
        let path = self.path.join(format!("{name}.yaml"));
        std::fs::write(&path, site::text(name, nodes)?)?;
        Ok(format!("file://{}", path.display()))
    }

    /// The reference of a site with one node, on which every verification hangs.
    pub(crate) fn hanging(&self) -> Result<String> {
        self.write(
            "hanging",
            1,
            "    owner_data: {drydock.dev/simulate-hang: interrogate_oob}\n",
        )
    }

    fn write(&self, site: &str, nodes: usize, metadata: &str) -> Result<String> {
        let path = self.path.join(format!("{site}.yaml"));
        if !path.exists() {
            let mut text = format!(
                "schema: drydock/Region/v1\nmetadata: {{name: {site}}}\ndata: {{}}\n\
                 ---\nschema: drydock/HostProfile/v1\nmetadata: {{name: server}}\n\
                 data:\n  oob: {{type: simulated}}\n"
            );
            for rack in 0..nodes.div_ceil(RACK_SIZE) {
                write!(
                    text,
                    "---\nschema: drydock/Rack/v1\nmetadata: {{name: rack-{rack}}}\ndata: {{}}\n"
                )?;
            }
            for node in 0..nodes {
                write!(
                    text,
                    "---\nschema: drydock/BaremetalNode/v1\nmetadata: {{name: node-{node:06}}}\n\
                     data:\n  host_profile: server\n  metadata:\n    rack: rack-{}\n{metadata}",
                    node / RACK_SIZE
                )?;
            }
            std::fs::write(&path, text)?;
        }
        Ok(format!("file://{}", path.display()))
    }
}
