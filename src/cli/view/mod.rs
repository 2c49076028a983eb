//! The live view of a task: a tree with a bar for each node, drawn again and again until the task ends.
//!
//! Three parts that know little of each other: [`Model`] learns from events, [`picture`] makes the lines
//! of a model for a terminal of some size, and [`Screen`] brings them to the terminal. The first two are
//! pure, so that what a person sees is tested without a terminal.

mod model;

mod row;

mod text;

mod picture;

mod screen;

mod summary;

pub(super) use model::{Connection, Model};
pub(super) use picture::{Frame, closing, picture};
pub(super) use screen::{Screen, print};
pub(super) use summary::summary;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod model_tests;

#[cfg(test)]
mod picture_tests;
