//! Build data: what steps found out about nodes, kept as the documents that their generators made.

/// What a step found out about its node, not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// What made it, for example `redfish`: the latest of each generator is what people look at.
    pub generator: String,
    /// The media type of the element, for example `application/json`.
    pub data_format: String,
    /// The data itself, without secrets.
    pub data_element: String,
}
