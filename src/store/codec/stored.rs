//! The stored messages. Field numbers are frozen once released and never reused.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredCommit {
    #[prost(int32, tag = "1")]
    pub(super) action: i32,
    #[prost(string, tag = "2")]
    pub(super) design_ref: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(super) labels: BTreeMap<String, String>,
    #[prost(message, optional, tag = "4")]
    pub(super) progress: Option<StoredProgress>,
    #[prost(message, repeated, tag = "5")]
    pub(super) events: Vec<StoredEvent>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct StoredProgress {
    #[prost(uint32, tag = "1")]
    pub(super) node_count: u32,
    #[prost(uint32, tag = "2")]
    pub(super) succeeded: u32,
    #[prost(uint32, tag = "3")]
    pub(super) failed: u32,
    #[prost(uint32, tag = "4")]
    pub(super) running: u32,
    #[prost(uint32, tag = "5")]
    pub(super) pending: u32,
    #[prost(int32, tag = "6")]
    pub(super) current_step: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredEvent {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) task_id: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) parent_task_id: Option<Vec<u8>>,
    #[prost(uint32, tag = "3")]
    pub(super) depth: u32,
    #[prost(int64, tag = "4")]
    pub(super) revision: i64,
    #[prost(string, optional, tag = "5")]
    pub(super) node_name: Option<String>,
    #[prost(int64, tag = "6")]
    pub(super) created: i64,
    #[prost(string, tag = "7")]
    pub(super) created_by: String,
    /// Status and result before (0: the task did not exist) and after.
    #[prost(int32, tag = "8")]
    pub(super) status_before: i32,
    #[prost(int32, tag = "9")]
    pub(super) result_before: i32,
    #[prost(int32, tag = "10")]
    pub(super) status_after: i32,
    #[prost(int32, tag = "11")]
    pub(super) result_after: i32,
    #[prost(oneof = "StoredKind", tags = "20, 21, 22, 23, 24, 25, 26, 27")]
    pub(super) kind: Option<StoredKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum StoredKind {
    #[prost(message, tag = "20")]
    TaskCreated(Box<StoredTask>),
    #[prost(message, tag = "21")]
    StatusChanged(Box<StoredStatusChanged>),
    #[prost(message, tag = "22")]
    SubtaskAdded(Box<StoredTask>),
    #[prost(message, tag = "23")]
    ResultChanged(StoredResultChanged),
    #[prost(message, tag = "24")]
    MessageAdded(StoredMessage),
    #[prost(message, tag = "25")]
    TaskFinished(Box<StoredTask>),
    /// When, in microseconds since 1970.
    #[prost(int64, tag = "26")]
    TaskPurged(i64),
    #[prost(message, tag = "27")]
    BuildDataAdded(StoredBuildData),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredStatusChanged {
    #[prost(int32, tag = "1")]
    pub(super) previous: i32,
    #[prost(int32, tag = "2")]
    pub(super) cause: i32,
    #[prost(string, tag = "3")]
    pub(super) actor: String,
    #[prost(string, tag = "4")]
    pub(super) reason: String,
    #[prost(message, optional, boxed, tag = "5")]
    pub(super) task: Option<Box<StoredTask>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredResultChanged {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
    #[prost(int32, tag = "2")]
    pub(super) reason: i32,
    #[prost(string, tag = "3")]
    pub(super) message: String,
    #[prost(uint32, tag = "4")]
    pub(super) success_count: u32,
    #[prost(uint32, tag = "5")]
    pub(super) failure_count: u32,
}

/// Build data without its element; its node and task are its event's.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredBuildData {
    #[prost(int64, tag = "1")]
    pub(super) collected_date: i64,
    #[prost(string, tag = "2")]
    pub(super) generator: String,
    #[prost(string, tag = "3")]
    pub(super) data_format: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredMessage {
    /// The sequence of its event; when that event is in the same commit, -1 - its index there.
    #[prost(sint64, tag = "1")]
    pub(super) sequence: i64,
    #[prost(int64, tag = "2")]
    pub(super) ts: i64,
    #[prost(string, tag = "3")]
    pub(super) message: String,
    #[prost(bool, tag = "4")]
    pub(super) error: bool,
    #[prost(string, tag = "5")]
    pub(super) context_type: String,
    #[prost(string, tag = "6")]
    pub(super) context: String,
    /// JSON; empty for an empty object.
    #[prost(string, tag = "7")]
    pub(super) extra: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredTask {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) task_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) root_task_id: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) parent_task_id: Option<Vec<u8>>,
    #[prost(uint32, tag = "4")]
    pub(super) depth: u32,
    #[prost(uint32, tag = "5")]
    pub(super) ordinal: u32,
    #[prost(int32, tag = "6")]
    pub(super) action: i32,
    #[prost(int32, tag = "7")]
    pub(super) status: i32,
    #[prost(string, optional, tag = "8")]
    pub(super) node_name: Option<String>,
    #[prost(int32, tag = "9")]
    pub(super) step: i32,
    #[prost(int64, tag = "10")]
    pub(super) created: i64,
    #[prost(string, tag = "11")]
    pub(super) created_by: String,
    #[prost(int64, tag = "12")]
    pub(super) updated: i64,
    #[prost(int64, optional, tag = "13")]
    pub(super) started: Option<i64>,
    #[prost(int64, optional, tag = "14")]
    pub(super) completed: Option<i64>,
    #[prost(int64, optional, tag = "15")]
    pub(super) heartbeat: Option<i64>,
    #[prost(int64, optional, tag = "16")]
    pub(super) terminated: Option<i64>,
    #[prost(string, optional, tag = "17")]
    pub(super) terminated_by: Option<String>,
    #[prost(string, optional, tag = "18")]
    pub(super) termination_reason: Option<String>,
    #[prost(uint64, tag = "19")]
    pub(super) timeout_us: u64,
    #[prost(int64, tag = "20")]
    pub(super) revision: i64,
    #[prost(uint32, tag = "21")]
    pub(super) retry: u32,
    #[prost(bytes = "vec", optional, tag = "22")]
    pub(super) retry_of_task_id: Option<Vec<u8>>,
    #[prost(string, optional, tag = "23")]
    pub(super) correlation_id: Option<String>,
    #[prost(string, tag = "24")]
    pub(super) design_ref: String,
    #[prost(btree_map = "string, string", tag = "25")]
    pub(super) labels: BTreeMap<String, String>,
    #[prost(string, optional, tag = "26")]
    pub(super) design_digest: Option<String>,
    #[prost(int32, tag = "27")]
    pub(super) result_status: i32,
    #[prost(int32, tag = "28")]
    pub(super) result_reason: i32,
    #[prost(string, tag = "29")]
    pub(super) result_message: String,
    #[prost(uint32, tag = "30")]
    pub(super) succeeded: u32,
    #[prost(uint32, tag = "31")]
    pub(super) failed: u32,
    #[prost(uint32, tag = "32")]
    pub(super) error_count: u32,
    #[prost(uint32, tag = "33")]
    pub(super) message_count: u32,
    #[prost(uint32, tag = "34")]
    pub(super) subtask_count: u32,
    #[prost(uint32, tag = "35")]
    pub(super) target_node_count: u32,
    #[prost(int32, tag = "36")]
    pub(super) current_step: i32,
    #[prost(message, optional, boxed, tag = "37")]
    pub(super) detail: Option<Box<StoredDetail>>,
    #[prost(uint32, tag = "38")]
    pub(super) running_count: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredDetail {
    /// JSON; empty for none.
    #[prost(string, tag = "1")]
    pub(super) node_filter: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) subtask_ids: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    pub(super) target_nodes: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) successes: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub(super) failures: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub(super) messages: Vec<StoredMessage>,
}
