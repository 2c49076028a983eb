//! The generated code of the public contract, `proto/drydock/v1`.
//!
//! Messages and clients are as any tonic user expects them. The servers are generated apart,
//! because their streams carry [`EventFrame`](crate::api::frame::EventFrame) in the place of
//! [`v1::TaskEvent`].

/// Messages, clients and servers of the package `drydock.v1`.
#[expect(
    clippy::allow_attributes_without_reason,
    clippy::disallowed_types,
    reason = "generated code, which brings its own attributes"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/messages/drydock.v1.rs"));

    pub use super::framed::{
        build_data_service_server, design_service_server, task_service_server,
    };
}

/// The servers, whose streams of events are ready bytes. [`v1`] has them too, under the usual names.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::disallowed_types,
    reason = "generated code, which brings its own attributes"
)]
pub(crate) mod framed {
    include!(concat!(env!("OUT_DIR"), "/servers/drydock.v1.rs"));
}

/// The descriptors of the package and of what it imports, comments included: an encoded
/// `google.protobuf.FileDescriptorSet`, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/drydock.descriptors.bin"));

#[cfg(test)]
mod tests {
    use prost::{DecodeError, Message as _};
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

    use super::*;

    fn our_files() -> Result<Vec<FileDescriptorProto>, DecodeError> {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?;
        Ok(set
            .file
            .into_iter()
            .filter(|file| file.package() == "drydock.v1")
            .collect())
    }

    fn our_messages() -> Result<Vec<DescriptorProto>, DecodeError> {
        Ok(our_files()?
            .into_iter()
            .flat_map(|file| file.message_type)
            .collect())
    }

    #[test]
    fn json_names_are_the_spelling_of_the_documents() -> Result<(), DecodeError> {
        for message in our_messages()? {
            for field in &message.field {
                let expected = match (message.name(), field.name()) {
                    ("Task" | "Status", "kind") => "Kind",
                    ("Task" | "Status", "api_version") => "apiVersion",
                    ("StatusDetails", "error_count") => "errorCount",
                    ("StatusDetails", "message_list") => "messageList",
                    ("StatusDetails", "message_count") => "messageCount",
                    (_, name) => name,
                };
                assert_eq!(
                    field.json_name(),
                    expected,
                    "{}.{}",
                    message.name(),
                    field.name()
                );
            }
        }
        Ok(())
    }

    #[test]
    fn resume_token_is_the_last_field_of_an_event() -> Result<(), DecodeError> {
        let messages = our_messages()?;
        let event = messages
            .iter()
            .find(|message| message.name() == "TaskEvent");
        let fields = event.map_or(&[][..], |event| &event.field);
        let highest = fields.iter().max_by_key(|field| field.number());
        assert_eq!(highest.map(|field| field.name()), Some("resume_token"));
        assert_eq!(fields.last(), highest);
        Ok(())
    }

    #[test]
    fn counts_tell_zero_from_unset() -> Result<(), DecodeError> {
        for message in our_messages()? {
            for field in &message.field {
                if field.r#type() == Type::Int32 && field.name() != "page_size" {
                    assert!(
                        field.proto3_optional(),
                        "{}.{}",
                        message.name(),
                        field.name()
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn only_well_known_types_are_imported() -> Result<(), DecodeError> {
        for file in our_files()? {
            for import in &file.dependency {
                assert!(
                    import.starts_with("google/protobuf/") || import.starts_with("drydock/v1/"),
                    "{} imports {import}",
                    file.name()
                );
            }
        }
        Ok(())
    }
}
