//! A node with all it inherits, as a JSON document: what `GetNode` answers, for those who get no message.

use std::sync::OnceLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use super::effective_node::effective_node;
use crate::domain::inventory::Node;
use crate::proto;

/// The protobuf JSON form of the node's `EffectiveNode`. What has its default is left out.
#[must_use]
pub fn node_document(node: &Node) -> String {
    let message = effective_node(node).encode_to_vec();
    let document = descriptor().and_then(|descriptor| {
        let message = DynamicMessage::decode(descriptor.clone(), message.as_slice()).ok()?;
        let options = SerializeOptions::new();
        let document = message.serialize_with_options(serde_json::value::Serializer, &options);
        document.ok()
    });
    // Both are generated from one contract, which a test holds.
    document.unwrap_or_default().to_string()
}

fn descriptor() -> Option<&'static MessageDescriptor> {
    static DESCRIPTOR: OnceLock<Option<MessageDescriptor>> = OnceLock::new();
    let made = DESCRIPTOR.get_or_init(|| {
        let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).ok()?;
        pool.get_message_by_name("drydock.v1.EffectiveNode")
    });
    made.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_names_of_the_contract() {
        let node = Node {
            name: "n1".to_owned(),
            oob_type: Some("redfish".to_owned()),
            boot_mac: Some("52:54:00:00:00:01".into()),
            ..Node::default()
        };
        let document: serde_json::Value = serde_json::from_str(&node_document(&node)).unwrap();
        assert_eq!(document["name"], "n1");
        assert_eq!(document["boot_mac"], "52:54:00:00:00:01");
    }
}
