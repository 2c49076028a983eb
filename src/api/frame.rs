//! Events as they leave: encoded once, sent to many.
//!
//! An event is the same for all who watch it but for the token by which each stream can be resumed. So
//! it is encoded once, without its token, when it is committed; a stream appends the encoded token and
//! hands both to tonic. This works because fields may be encoded in any order and one after the other:
//! the concatenation of two encodings is an encoding of the merged message. Giving each stream a
//! [`TaskEvent`](crate::proto::v1::TaskEvent) was rejected: a thousand watchers would encode the same
//! task a thousand times.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};

/// An encoded [`TaskEvent`](crate::proto::v1::TaskEvent), in two parts that share their memory with other
/// streams. Cloning it copies no bytes.
///
/// Decoding one fails: a frame exists to be sent, the servers that use it receive none, and clients decode
/// `TaskEvent`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFrame {
    /// Whole encoded fields, the same for every stream.
    pub body: Bytes,
    /// Whole encoded fields of one stream, its `resume_token` above all. Where a field is in both parts,
    /// this one counts.
    pub tail: Bytes,
}

impl Message for EventFrame {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.body);
        buf.put_slice(&self.tail);
    }

    fn merge_field(
        &mut self,
        _tag: u32,
        _wire_type: WireType,
        _buf: &mut impl Buf,
        _ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        #[expect(
            deprecated,
            reason = "prost offers no other way to make this error, and taking a frame apart silently would be worse"
        )]
        Err(DecodeError::new("an event frame is only ever encoded"))
    }

    fn encoded_len(&self) -> usize {
        self.body.len() + self.tail.len()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{SnapshotComplete, TaskEvent, task_event};

    fn event() -> TaskEvent {
        TaskEvent {
            sequence: 42,
            task_id: "0198f3a0-0000-7000-8000-000000000001".to_owned(),
            revision: 3,
            event: Some(task_event::Event::SnapshotComplete(SnapshotComplete {
                task_count: Some(0),
            })),
            ..TaskEvent::default()
        }
    }

    fn token(resume_token: &str) -> TaskEvent {
        TaskEvent {
            resume_token: resume_token.to_owned(),
            ..TaskEvent::default()
        }
    }

    #[test]
    fn body_and_tail_decode_as_one_event() {
        let frame = EventFrame {
            body: event().encode_to_vec().into(),
            tail: token("token").encode_to_vec().into(),
        };
        let expected = TaskEvent {
            resume_token: "token".to_owned(),
            ..event()
        };
        let sent = frame.encode_to_vec();
        assert_eq!(sent.len(), frame.encoded_len());
        assert_eq!(TaskEvent::decode(sent.as_slice()), Ok(expected.clone()));
        // Nothing tells the frame from an event that was encoded whole, as the token is the last field.
        assert_eq!(sent, expected.encode_to_vec());
    }

    #[test]
    fn an_empty_tail_leaves_the_event_as_it_is() {
        let frame = EventFrame {
            body: event().encode_to_vec().into(),
            tail: Bytes::new(),
        };
        assert_eq!(
            TaskEvent::decode(frame.encode_to_vec().as_slice()),
            Ok(event())
        );
    }

    #[test]
    fn decoding_a_frame_is_refused() {
        assert!(EventFrame::decode(event().encode_to_vec().as_slice()).is_err());
    }
}
