//! Which nodes of a design a filter selects, without a task.

use std::sync::Arc;

use super::Tasks;
use super::error::Error;
use crate::domain::inventory::Inventory;
use crate::domain::node_filter::{NodeFilterSet, Selection, select};

/// A selection, with the nodes it points into.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The nodes of the design.
    pub inventory: Arc<Inventory>,
    /// Those selected, in the order of their names.
    pub selection: Selection,
}

impl Tasks {
    /// Reads the design: its nodes, and the place of the one of this name among them.
    ///
    /// # Errors
    ///
    /// [`Error::Design`], [`Error::NodeNotFound`].
    pub async fn node(
        &self,
        design_ref: &str,
        name: &str,
    ) -> Result<(Arc<Inventory>, usize), Error> {
        let inventory = self.designs.load(design_ref).await.map_err(Error::Design)?;
        match inventory.position(name) {
            Some(position) => Ok((inventory, position)),
            None => Err(Error::NodeNotFound {
                name: name.to_owned(),
            }),
        }
    }

    /// Reads the design and applies the filter (none: all nodes).
    ///
    /// # Errors
    ///
    /// [`Error::Design`].
    pub async fn select(
        &self,
        design_ref: &str,
        node_filter: Option<&NodeFilterSet>,
    ) -> Result<Selected, Error> {
        let inventory = self.designs.load(design_ref).await.map_err(Error::Design)?;
        let selection = select(&inventory, node_filter);
        Ok(Selected {
            inventory,
            selection,
        })
    }
}
