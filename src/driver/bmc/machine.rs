//! What controllers say about their nodes: the record that is kept of it, and a line for people.

use serde_json::{Map, Value};

use crate::driver::device_error::device_text;
use crate::driver::{DriverError, ErrorKind, Progress, StepReport};

/// What form a record has.
const FORMAT: &str = "drydock.dev/machine/v1";

/// The longest value that is taken over. Serial numbers are a tenth of it.
const MAX_VALUE_BYTES: usize = 256;

/// A record in the making. Every driver of controllers calls the same things by the same names.
#[derive(Clone, Debug, Default)]
pub(in crate::driver) struct Machine {
    fields: Map<String, Value>,
    /// What the controller could not tell, and why.
    untold: Vec<String>,
}

impl Machine {
    /// Takes a value over, made fit to be shown and kept; nothing where there is none.
    pub(in crate::driver) fn take(&mut self, name: &str, said: Option<&str>) {
        if let Some(value) = said.and_then(fit) {
            self.fields.insert(name.to_owned(), value.into());
        }
    }

    /// Takes a list of values over.
    pub(in crate::driver) fn take_all(&mut self, name: &str, said: &[String]) {
        let values: Vec<String> = said.iter().filter_map(|said| fit(said)).collect();
        self.fields.insert(name.to_owned(), values.into());
    }

    /// Notes what could not be read.
    pub(in crate::driver) fn leave_out(&mut self, what: &str, error: &DriverError) {
        self.untold.push(format!("{what}: {error}"));
    }

    /// The end of the step that read it; `generator` is what it comes from.
    pub(in crate::driver) fn found(self, generator: &str) -> Progress {
        let mut message = self.summary();
        if !self.untold.is_empty() {
            message.push_str("; not told: ");
            message.push_str(&self.untold.join("; "));
        }
        let mut extra = Map::new();
        extra.insert("generator".to_owned(), generator.into());
        extra.insert("data_format".to_owned(), FORMAT.into());
        extra.insert("data_element".to_owned(), self.fields.into());
        Progress::Done(StepReport {
            message: Some(message),
            extra,
            found: true,
        })
    }

    fn summary(&self) -> String {
        let get = |name: &str| self.fields.get(name).and_then(Value::as_str);
        let mut parts = Vec::new();
        let model: Vec<&str> = ["manufacturer", "model"]
            .iter()
            .filter_map(|name| get(name))
            .collect();
        if !model.is_empty() {
            parts.push(model.join(" "));
        }
        parts.extend(get("serial_number").map(|number| format!("serial number {number}")));
        parts.extend(get("power_state").map(|power| format!("power {power}")));
        if parts.is_empty() {
            parts.push("the BMC answers".to_owned());
        }
        parts.join(", ")
    }
}

/// Parts a controller with what it cannot say or do from one that does not answer.
pub(in crate::driver) fn optional<T>(
    asked: Result<T, DriverError>,
) -> Result<Result<T, DriverError>, DriverError> {
    match asked {
        Err(error) if ends_the_step(error.kind) => Err(error),
        other => Ok(other),
    }
}

const fn ends_the_step(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unreachable
        | ErrorKind::Timeout
        | ErrorKind::Unauthorised
        | ErrorKind::Cancelled
        | ErrorKind::NotStarted
        | ErrorKind::Internal => true,
        ErrorKind::Refused
        | ErrorKind::Unsupported
        | ErrorKind::Busy
        | ErrorKind::Protocol
        | ErrorKind::Failed => false,
    }
}

fn fit(said: &str) -> Option<String> {
    let mut text = device_text(said, &[]);
    text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES));
    (!text.is_empty()).then_some(text)
}
