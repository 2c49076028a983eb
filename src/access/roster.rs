//! The roster: who may call, a line for each credential.
//!
//! ```text
//! # NAME   ROLE     CREDENTIAL                            until=TIME, if it ends
//! alice    destroy  sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! ci       operate  sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752  until=2027-01-01T00:00:00Z
//! metrics  read     cn:prometheus
//! agent    operate  uri:spiffe://site.example/agent
//! ```
//!
//! A name may have several lines, so that a token is replaced without a gap; they give it one role.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::certificate::{Certificate, CertificateName};
use super::identity::{Identity, is_name};
use super::token::{self, TokenHash};
use crate::domain::{Role, Timestamp};

/// Most credentials of a roster: every one is compared with every token that is shown, and a thousand
/// comparisons take less time than a call's way through the network.
pub const MAX_ENTRIES: usize = 1_000;

/// What a time is written with.
const UNTIL: &str = "until=";

/// A credential that a caller shows.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A token, by its hash.
    Token(TokenHash),
    /// A certificate that the handshake has verified.
    Certificate(Arc<Certificate>),
}

/// Who may call. An empty one admits nobody.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    identity: Identity,
    expected: Expected,
    until: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Expected {
    Token(TokenHash),
    Name(CertificateName),
}

/// Whose a credential is, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub identity: Identity,
    /// The moment after which it is nobody's; none: it does not end by itself.
    pub until: Option<Timestamp>,
}

/// What is wrong with a line. What the line says is not repeated: it may be a token that was put there by
/// mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct RosterError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: &'static str,
}

impl Roster {
    /// Reads a roster. Empty lines and lines that begin with `#` say nothing.
    ///
    /// # Errors
    ///
    /// The first line that is wrong: half a roster would lock out whoever stands in the other half.
    pub fn parse(text: &str) -> Result<Self, RosterError> {
        let mut entries = Vec::new();
        let mut roles = HashMap::new();
        let mut credentials = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem| RosterError {
                line: index + 1,
                problem,
            };
            let entry = entry(line).map_err(wrong)?;
            if entries.len() == MAX_ENTRIES {
                return Err(wrong("there are more than 1000 credentials"));
            }
            let Identity { name, role } = &entry.identity;
            if *roles.entry(Arc::clone(name)).or_insert(*role) != *role {
                return Err(wrong("an earlier line gives this name another role"));
            }
            if !credentials.insert(entry.expected.to_string()) {
                return Err(wrong("an earlier line has the same credential"));
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }

    /// How many credentials it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it admits nobody.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whose a credential is at the moment `now`. Of a certificate with names on several lines the first
    /// line counts.
    pub fn find(&self, credential: &Credential, now: Timestamp) -> Option<Found> {
        let (entry, also_until) = match credential {
            Credential::Token(shown) => (self.of_token(shown)?, None),
            Credential::Certificate(shown) => (self.of_certificate(shown)?, Some(shown.until)),
        };
        let until = entry.until.into_iter().chain(also_until).min();
        if until.is_some_and(|until| until < now) {
            return None;
        }
        Some(Found {
            identity: entry.identity.clone(),
            until,
        })
    }

    /// Every entry is compared, whether or not an earlier one matched: the time it takes tells nothing.
    fn of_token(&self, shown: &TokenHash) -> Option<&Entry> {
        let mut found = None;
        for entry in &self.entries {
            if let Expected::Token(hash) = &entry.expected
                && hash.matches(shown)
            {
                found = Some(entry);
            }
        }
        found
    }

    fn of_certificate(&self, shown: &Certificate) -> Option<&Entry> {
        self.entries.iter().find(|entry| match &entry.expected {
            Expected::Name(name) => shown.names.contains(name),
            Expected::Token(_) => false,
        })
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(hash) => hash.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    let mut fields = line.split_whitespace();
    let (Some(name), Some(role), Some(credential)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err("must be NAME ROLE CREDENTIAL");
    };
    if !is_name(name) {
        return Err(
            "the name must be 1 to 128 letters, digits and ._@+-, and not `anonymous` or `drydock`",
        );
    }
    let role = Role::parse(role).ok_or("the role must be `read`, `operate` or `destroy`")?;
    let until = match fields.next() {
        None => None,
        Some(field) => {
            Some(moment(field).ok_or("what follows must be until=2027-01-01T00:00:00Z")?)
        }
    };
    if fields.next().is_some() {
        return Err("there is more than NAME ROLE CREDENTIAL until=TIME");
    }
    Ok(Entry {
        identity: Identity {
            name: Arc::from(name),
            role,
        },
        expected: expected(credential)?,
        until,
    })
}

fn expected(credential: &str) -> Result<Expected, &'static str> {
    if credential.starts_with(token::PREFIX) {
        return Err("there is a token where its hash belongs: it is known now, make a new one");
    }
    if let Some(hash) = TokenHash::parse(credential) {
        return Ok(Expected::Token(hash));
    }
    CertificateName::parse(credential)
        .map(Expected::Name)
        .ok_or("the credential must be sha256: and 64 digits, cn:NAME, dns:NAME or uri:URI")
}

fn moment(field: &str) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc3339(field.strip_prefix(UNTIL)?).ok()?;
    Some(time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Token;

    fn shown(text: &str) -> Credential {
        Credential::Token(Token::parse(text).expect("a token").hash())
    }

    fn line(name: &str, role: &str, token: &str) -> String {
        let hash = Token::parse(token).expect("a token").hash();
        format!("{name} {role} {hash}\n")
    }

    fn at(time: &str) -> Timestamp {
        moment(&format!("until={time}")).expect("a time")
    }

    #[test]
    fn a_token_is_found_until_it_ends() {
        let text = format!(
            "# who\n\n{}{} until=2027-01-01T00:00:00+01:00\n{}",
            line("ci", "operate", "one"),
            line("ci", "operate", "two").trim(),
            line("alice", "destroy", "three"),
        );
        let roster = Roster::parse(&text).expect("a roster");
        assert_eq!(roster.len(), 3);
        let before = at("2026-12-31T22:59:59Z");
        let after = at("2026-12-31T23:00:01Z");
        let found = roster.find(&shown("two"), before).expect("found");
        assert_eq!(
            (&*found.identity.name, found.identity.role),
            ("ci", Role::Operate)
        );
        assert_eq!(found.until, Some(at("2026-12-31T23:00:00Z")));
        assert_eq!(roster.find(&shown("two"), after), None);
        let found = roster.find(&shown("three"), after).expect("found");
        assert_eq!((&*found.identity.name, found.until), ("alice", None));
        assert_eq!(roster.find(&shown("four"), before), None);
        assert!(Roster::default().find(&shown("one"), before).is_none());
    }

    #[test]
    fn a_certificate_is_found_by_the_first_line_with_a_name_of_its() {
        let roster = "a read cn:x\nb operate uri:spiffe://s/x\nc destroy dns:X.example";
        let roster = Roster::parse(roster).expect("a roster");
        let find = |names: &[&str], now| {
            let names = names
                .iter()
                .map(|name| CertificateName::parse(name).expect("a name"));
            let certificate = Certificate {
                names: names.collect(),
                until: at("2027-01-01T00:00:00Z"),
            };
            let found = roster.find(&Credential::Certificate(Arc::new(certificate)), now);
            found.map(|found| found.identity.name.to_string())
        };
        let now = at("2026-06-01T00:00:00Z");
        assert_eq!(find(&["dns:x.example"], now).as_deref(), Some("c"));
        assert_eq!(
            find(&["dns:x.example", "uri:spiffe://s/x"], now).as_deref(),
            Some("b")
        );
        assert_eq!(find(&["cn:y", "dns:x"], now), None);
        assert_eq!(
            find(&["cn:x"], at("2027-01-01T00:00:01Z")),
            None,
            "it has expired"
        );
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_not_repeated() {
        let ci = line("ci", "read", "one");
        for (text, problem) in [
            ("ci read", "must be NAME"),
            ("drydock read cn:x", "the name must"),
            ("ci admin cn:x", "the role must"),
            ("ci read plain-secret", "the credential must"),
            ("ci read drydock_secret", "there is a token"),
            ("ci read cn:x until=tomorrow", "what follows"),
            (
                "ci read cn:x until=2027-01-01T00:00:00Z secret",
                "there is more",
            ),
            ("ci operate cn:x", "an earlier line gives"),
            (&ci.replace("ci", "other"), "an earlier line has"),
        ] {
            let error = Roster::parse(&format!("{ci}{text}")).expect_err(text);
            assert_eq!(error.line, 2, "{text}");
            assert!(error.problem.starts_with(problem), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let many: String = (0..=MAX_ENTRIES)
            .map(|n| format!("ci read cn:{n}\n"))
            .collect();
        assert_eq!(
            Roster::parse(&many).expect_err("too many").line,
            MAX_ENTRIES + 1
        );
    }
}
