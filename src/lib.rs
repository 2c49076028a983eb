//! Drydock runs tasks on the bare-metal nodes of a site and tells everybody, live, how far it is.

pub mod clock;
pub mod design;
pub mod domain;
pub mod proto;
pub mod store;

pub mod api;
