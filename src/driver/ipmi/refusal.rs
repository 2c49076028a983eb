//! What `ipmitool` says when something was not done, in one of our kinds.
//!
//! Its exit code is 1 for everything. What it prints ends in a completion code in words, or tells how
//! far it came with logging in; the texts are those of version 1.8.19 and its predecessors.

use super::bmc::Bmc;
use super::tool::{self, Answer, Tool};
use crate::driver::bmc::Bmc as _;
use crate::driver::device_error::device_text;
use crate::driver::{DriverError, ErrorKind};
use crate::secret::Secret;

/// How lines begin that say nothing about what was asked for: they are about what it finds out for
/// itself on its way.
const ASIDE: [&str; 8] = [
    "Loading IANA PEN Registry",
    "Get HPM.x Capabilities request failed",
    "Running Get ",
    "Invalid completion code received",
    "Discovered ",
    "RAW REQ",
    "Close Session command failed",
    // It follows the line that says why.
    "Error: Unable to establish IPMI v2 / RMCP+ session",
];

/// What went wrong with finding the BMC or logging in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Credentials,
    Privilege,
    CipherSuite,
    Version,
    Sessions,
    Address,
    Socket,
    Program,
    Silence,
}

/// By what is known of it. The first that fits is taken.
const LOGINS: [(&str, Login); 24] = [
    ("RAKP 2 HMAC is invalid", Login::Credentials),
    ("unauthorized name", Login::Credentials),
    ("invalid name length", Login::Credentials),
    ("invalid integrity check value", Login::Credentials),
    ("unauthorized role requested", Login::Privilege),
    ("invalid role", Login::Privilege),
    ("Set Session Privilege Level to", Login::Privilege),
    ("insufficient resources for", Login::Sessions),
    ("invalid authentication algorithm", Login::CipherSuite),
    ("no matching authentication algorithm", Login::CipherSuite),
    ("invalid integrity algorithm", Login::CipherSuite),
    ("no matching integrity payload", Login::CipherSuite),
    ("invalid confidentiality algorithm", Login::CipherSuite),
    ("no matching cipher suite", Login::CipherSuite),
    ("not what we requested", Login::CipherSuite),
    ("does not support IPMI v2", Login::Version),
    ("Address lookup for", Login::Address),
    ("Could not open socket", Login::Socket),
    ("Interface lanplus not supported", Login::Program),
    ("Unsupported cipher suite ID", Login::Program),
    ("invalid option --", Login::Program),
    ("Unable to read password", Login::Program),
    // No more is said where nobody answers.
    ("Get Auth Capabilities error", Login::Silence),
    ("no response from RAKP", Login::Silence),
];

/// Completion codes, by the words that are printed for them.
const COMPLETIONS: [(&str, ErrorKind, bool); 25] = [
    ("Node busy", ErrorKind::Busy, true),
    ("Invalid command", ErrorKind::Unsupported, false),
    ("Invalid command on LUN", ErrorKind::Unsupported, false),
    ("Timeout", ErrorKind::Timeout, true),
    ("Out of space", ErrorKind::Busy, true),
    ("Reservation cancelled or invalid", ErrorKind::Busy, true),
    ("Request data truncated", ErrorKind::Protocol, false),
    ("Request data length invalid", ErrorKind::Protocol, false),
    (
        "Request data field length limit exceeded",
        ErrorKind::Protocol,
        false,
    ),
    ("Parameter out of range", ErrorKind::Refused, false),
    (
        "Cannot return number of requested data bytes",
        ErrorKind::Protocol,
        false,
    ),
    (
        "Requested sensor, data, or record not found",
        ErrorKind::Refused,
        false,
    ),
    ("Invalid data field in request", ErrorKind::Refused, false),
    (
        "Command illegal for specified sensor or record type",
        ErrorKind::Refused,
        false,
    ),
    (
        "Command response could not be provided",
        ErrorKind::Failed,
        true,
    ),
    ("Cannot execute duplicated request", ErrorKind::Busy, true),
    ("SDR Repository in update mode", ErrorKind::Busy, true),
    ("Device firmeware in update mode", ErrorKind::Busy, true),
    ("Device firmware in update mode", ErrorKind::Busy, true),
    ("BMC initialization in progress", ErrorKind::Busy, true),
    ("Destination unavailable", ErrorKind::Unreachable, true),
    (
        "Insufficient privilege level",
        ErrorKind::Unauthorised,
        false,
    ),
    // As when a node is to be switched on that is on, or one that is on its way.
    (
        "Command not supported in present state",
        ErrorKind::Busy,
        true,
    ),
    (
        "Cannot execute command, command disabled",
        ErrorKind::Unsupported,
        false,
    ),
    ("Unsupported parameter", ErrorKind::Unsupported, false),
];

/// Beginnings of lines that say that a command was sent and nothing came back.
const UNANSWERED: [&str; 4] = [
    "Unable to get ",
    "Unable to set ",
    "Error Getting ",
    "Error Setting ",
];

/// The error that an answer stands for that is not what was asked for. Whatever of the password is
/// repeated in it is left out.
pub(super) fn of(answer: &Answer, bmc: &Bmc, tool: &Tool, password: &Secret) -> DriverError {
    let told = told(answer);
    let text = device_text(&told.join("; "), &[password]);
    let place = bmc.place();
    if let Some((kind, transient)) = told.iter().rev().find_map(|line| completion(line)) {
        let message = if kind == ErrorKind::Unauthorised {
            format!(
                "the account of the design may not do this as {}, see `drivers.ipmi.privilege`: BMC {place}: {text}",
                tool.privilege.name()
            )
        } else {
            format!("BMC {place}: {text}")
        };
        return DriverError {
            kind,
            transient,
            not_sent: false,
            message,
        };
    }
    let known = |line: &&str| LOGINS.iter().find(|(known, _)| line.contains(known));
    if let Some((_, login)) = told.iter().find_map(known) {
        return not_logged_in(*login, &text, bmc, tool);
    }
    let unanswered = |line: &&str| UNANSWERED.iter().any(|known| line.starts_with(known));
    // Where it said no more than that it has no session, nobody has answered either.
    if told.is_empty() && !answer.succeeded || told.iter().any(unanswered) {
        return tool::late(bmc);
    }
    let text = if text.is_empty() {
        "nothing was said"
    } else {
        &text
    };
    DriverError::passing(ErrorKind::Failed, format!("BMC {place}: {text}"))
}

/// The error of an answer to `command` that does not say what it should.
pub(super) fn nonsense(bmc: &Bmc, command: &[&str]) -> DriverError {
    DriverError::permanent(
        ErrorKind::Protocol,
        format!(
            "BMC {}: ipmitool prints what is no answer to `{}`",
            bmc.place(),
            command.join(" ")
        ),
    )
}

fn not_logged_in(login: Login, text: &str, bmc: &Bmc, tool: &Tool) -> DriverError {
    let place = bmc.place();
    match login {
        Login::Credentials => DriverError::permanent(
            ErrorKind::Unauthorised,
            format!(
                "the account of the design with {} is not accepted: BMC {place}: {text}",
                bmc.credential
            ),
        ),
        Login::Privilege => DriverError::permanent(
            ErrorKind::Unauthorised,
            format!(
                "the account of the design is no {}, see `drivers.ipmi.privilege`: BMC {place}: {text}",
                tool.privilege.name()
            ),
        ),
        Login::CipherSuite => DriverError::permanent(
            ErrorKind::Unsupported,
            format!(
                "BMC {place} does not speak cipher suite {}, see `drivers.ipmi.cipher_suite`: {text}",
                tool.cipher_suite.number()
            ),
        ),
        Login::Version => DriverError::permanent(
            ErrorKind::Unsupported,
            format!("BMC {place} does not speak IPMI 2.0: {text}"),
        ),
        Login::Sessions => DriverError::passing(
            ErrorKind::Busy,
            format!("BMC {place} has no session left: {text}"),
        ),
        Login::Address | Login::Socket => DriverError::passing(
            ErrorKind::Unreachable,
            format!("no connection to {place}: {text}"),
        )
        .before_sending(),
        Login::Program => DriverError::permanent(
            ErrorKind::Internal,
            format!("{} cannot be used: {text}", tool.program.display()),
        )
        .before_sending(),
        Login::Silence => tool::late(bmc),
    }
}

/// The lines that are about what was asked for.
fn told(answer: &Answer) -> Vec<&str> {
    let lines = answer.stderr.lines().chain(answer.stdout.lines());
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !ASIDE.iter().any(|aside| line.starts_with(aside)))
        .collect()
}

/// The completion code that a line ends in: `...: Node busy` or `... (Node busy)`.
fn completion(line: &str) -> Option<(ErrorKind, bool)> {
    let said = match line.strip_suffix(')') {
        Some(line) => line.rsplit_once('(')?.1,
        None => line.rsplit_once(": ")?.1,
    };
    let known = COMPLETIONS.iter().find(|(known, _, _)| *known == said);
    known.map(|(_, kind, transient)| (*kind, *transient))
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
