//! Everything that is wrong with a request, each with the path of its field.

use std::fmt::Display;

/// The most violations that one answer lists. They travel in an HTTP/2 header, of which common clients
/// accept 8 KiB in all.
const MAX_LISTED: usize = 32;

/// The most bytes of paths and descriptions that one answer lists, for the same reason: base64 makes
/// them a third larger, and the first descriptions are in the status message as well.
const MAX_LISTED_BYTES: usize = 3 * 1024;

/// The most bytes of a path. What a caller put into it, a map's key, is cut.
const MAX_PATH_BYTES: usize = 200;

/// One field that breaks its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The field's path from the request, for example `node_filter.filter_set[2].node_names[0]`.
    pub(super) field: String,
    /// The rule that it breaks.
    pub(super) description: String,
}

/// Why a request is refused: at least one violation, at most one for each field.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("accept the request: {count} fields are not valid")]
pub(super) struct Violations {
    /// The first ones, as many as an answer has room for.
    pub(super) listed: Vec<Violation>,
    /// How many there are in all.
    pub(super) count: usize,
}

/// Collects violations while a request is being read.
#[derive(Debug, Default)]
pub(super) struct Check {
    found: Violations,
    listed_bytes: usize,
}

impl Check {
    /// Records that a field breaks a rule. Only the first rule that it breaks is told.
    pub(super) fn refuse(&mut self, field: impl Display, description: impl Into<String>) {
        let full = self.found.listed.len() >= MAX_LISTED || self.listed_bytes >= MAX_LISTED_BYTES;
        if full {
            self.found.count += 1;
            return;
        }
        let mut field = field.to_string();
        if field.len() > MAX_PATH_BYTES {
            field.truncate(field.floor_char_boundary(MAX_PATH_BYTES));
        }
        if self.found.listed.iter().any(|each| each.field == field) {
            return;
        }
        let description = description.into();
        self.listed_bytes += field.len() + description.len();
        self.found.count += 1;
        self.found.listed.push(Violation { field, description });
    }

    /// Takes in the violations of another check, for example of the call's metadata.
    pub(super) fn absorb(&mut self, other: Violations) {
        let unlisted = other.count - other.listed.len();
        for violation in other.listed {
            self.refuse(violation.field, violation.description);
        }
        self.found.count += unlisted;
    }

    /// What was read, if nothing was found wrong. `read` is none only where something was.
    ///
    /// # Errors
    ///
    /// What was found.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Violations> {
        match read {
            Some(read) if self.found.count == 0 => Ok(read),
            Some(_) | None => Err(self.found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_once() {
        let mut check = Check::default();
        check.refuse("a", "first");
        check.refuse("a", "second");
        check.refuse("b", "first");
        let found = check.finish(Some(())).expect_err("two violations");
        assert_eq!(found.count, 2);
        assert_eq!(found.listed[0].description, "first");
    }

    #[test]
    fn what_is_listed_is_bounded_and_the_rest_is_counted() {
        let mut check = Check::default();
        for index in 0..10_000 {
            check.refuse(format_args!("names[{index}]"), "must not be empty");
        }
        check.refuse("x".repeat(5_000), "must not be so long");
        let found = check.finish(Some(())).expect_err("many violations");
        assert_eq!(found.listed.len(), MAX_LISTED);
        assert_eq!(found.count, 10_001);

        let mut check = Check::default();
        for index in 0..32 {
            check.refuse(format_args!("{index}{}", "é".repeat(400)), "y".repeat(200));
        }
        let found = check.finish(Some(())).expect_err("many violations");
        let bytes: usize = found
            .listed
            .iter()
            .map(|each| each.field.len() + each.description.len())
            .sum();
        assert!(bytes < MAX_LISTED_BYTES + 400);
        assert_eq!(found.count, 32);
    }
}
