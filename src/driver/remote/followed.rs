//! What is remembered of a step between two calls: how far its updates were received.
//!
//! It is lost with the process. A successor inspects the step first, and learns it from the answer.

use super::super::StepReport;
use super::super::device_error::device_text;
use super::wire::v1;
use crate::secret::Secret;

/// Updates of one step that are passed on: what the executor tells of them, and not more, so that one
/// that tells a thousand is still followed to its end.
const MAX_TOLD: u32 = 100;

/// How much further a step must be for its progress to be told again, in hundredths.
const PROGRESS_STRIDE: u32 = 10;

/// A step that is followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Followed {
    /// The epoch in which this was learnt.
    pub(super) epoch: i64,
    /// The attempt that it is about.
    pub(super) attempt: u32,
    /// Where it stands.
    pub(super) stage: Stage,
    /// The last update that was received.
    pub(super) after: u64,
    /// It was asked to stop.
    pub(super) cancelled: bool,
    /// How often the work failed with an error that may pass.
    pub(super) failures: u32,
    /// What was told so far.
    pub(super) told: u32,
    /// How far it was when that was told last.
    pub(super) last_progress: Option<(u32, String)>,
}

/// Where a step stands, as far as this process knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Stage {
    /// Nothing of it was sent.
    #[default]
    Unsent,
    /// Another process may have begun it, and we have not.
    Found,
    /// We have sent it. What came of it is not known.
    Sent,
    /// The plug-in said that it acts.
    Begun,
    /// It failed with an error that may pass, or stopped half-way, and is to begin anew or go on.
    Again,
    /// It is done.
    Done(StepReport),
}

impl Stage {
    /// Whether it was begun here and nothing is to begin anew.
    pub(super) fn goes_on(&self) -> bool {
        match self {
            Self::Sent | Self::Begun | Self::Again | Self::Done(_) => true,
            Self::Unsent | Self::Found => false,
        }
    }
}

impl Followed {
    /// Takes note of an update that is no end; some: what is to be told of it.
    pub(super) fn note(
        &mut self,
        update: v1::execute_response::Update,
        secrets: &[&Secret],
    ) -> Option<String> {
        use v1::execute_response::Update;
        match update {
            Update::Begun(_) => {
                self.stage = Stage::Begun;
                None
            }
            Update::Message(message) => self.tell(device_text(&message.text, secrets)),
            Update::Progress(progress) => {
                let percent = progress.percent.min(100);
                let text = device_text(&progress.text, secrets);
                if let Some((last, what)) = &self.last_progress
                    && *what == text
                    && percent < last + PROGRESS_STRIDE
                {
                    return None;
                }
                let told = if text.is_empty() {
                    format!("{percent} %")
                } else {
                    format!("{percent} %: {text}")
                };
                self.last_progress = Some((percent, text));
                self.tell(told)
            }
            Update::Outcome(_) | Update::Fenced(_) => None,
        }
    }

    fn tell(&mut self, text: String) -> Option<String> {
        if text.is_empty() || self.told >= MAX_TOLD {
            return None;
        }
        self.told += 1;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::execute_response::Update;

    fn progress(percent: u32, text: &str) -> Update {
        Update::Progress(v1::Progress {
            percent,
            text: text.to_owned(),
        })
    }

    #[test]
    fn progress_is_told_by_tenths_and_when_it_is_another() {
        let mut followed = Followed::default();
        let mut told = Vec::new();
        for (percent, text) in [
            (0, "copy"),
            (9, "copy"),
            (10, "copy"),
            (12, "check"),
            (700, ""),
        ] {
            told.extend(followed.note(progress(percent, text), &[]));
        }
        assert_eq!(told, ["0 %: copy", "10 %: copy", "12 %: check", "100 %"]);
    }

    #[test]
    fn a_chatty_plug_in_is_heard_out_and_not_repeated() {
        let mut followed = Followed::default();
        let message = |number: u32| {
            Update::Message(v1::Message {
                text: format!("message {number}"),
            })
        };
        let told = (0..1000).filter_map(|number| followed.note(message(number), &[]));
        assert_eq!(told.count(), 100);
        assert_eq!(followed.note(Update::Begun(v1::Begun {}), &[]), None);
        assert_eq!(followed.stage, Stage::Begun);
    }
}
