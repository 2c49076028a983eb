//! Messages of the contract as JSON: what any tool that reads the server's descriptors prints.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use super::Error;
use crate::proto;

/// The protobuf JSON form of a message.
pub(super) struct Json {
    pool: DescriptorPool,
}

impl Json {
    pub(super) fn new() -> Result<Self, Error> {
        let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)
            .map_err(|error| Error::Answered(error.to_string()))?;
        Ok(Self { pool })
    }

    /// `message`, which is a `drydock.v1.<name>`.
    pub(super) fn value(&self, name: &str, message: &impl Message) -> Result<Value, Error> {
        let answered = |problem: String| Error::Answered(problem);
        let descriptor = self
            .pool
            .get_message_by_name(&format!("drydock.v1.{name}"))
            .ok_or_else(|| answered(format!("{name} is no message")))?;
        let bytes = message.encode_to_vec();
        let message = DynamicMessage::decode(descriptor, bytes.as_slice())
            .map_err(|error| answered(error.to_string()))?;
        let options = SerializeOptions::new().skip_default_fields(false);
        message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|error| answered(error.to_string()))
    }

    /// As [`Self::value`], in one line.
    pub(super) fn line(&self, name: &str, message: &impl Message) -> Result<String, Error> {
        Ok(self.value(name, message)?.to_string())
    }

    /// As [`Self::value`], indented.
    pub(super) fn pretty(&self, name: &str, message: &impl Message) -> Result<String, Error> {
        Ok(format!("{:#}", self.value(name, message)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{Status, StatusDetails, Task, TaskStatus};

    #[test]
    fn names_are_those_of_the_documents() {
        let task = Task {
            kind: "Task".to_owned(),
            status: TaskStatus::Running.into(),
            result: Some(Status {
                details: Some(StatusDetails {
                    error_count: Some(0),
                    ..StatusDetails::default()
                }),
                ..Status::default()
            }),
            ..Task::default()
        };
        let value = Json::new().unwrap().value("Task", &task).unwrap();
        assert_eq!(value["Kind"], "Task");
        assert_eq!(value["status"], "TASK_STATUS_RUNNING");
        assert_eq!(value["subtask_id_list"], serde_json::json!([]));
        assert_eq!(value["result"]["details"]["errorCount"], 0);
    }
}
