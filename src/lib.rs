//! Drydock.
