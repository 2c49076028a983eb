//! Standard output, written so that a reader who leaves early is no panic.

use std::io::Write as _;

use super::Error;

/// Prints a line at once, also into a pipe: who follows a task wants each line when it comes.
pub(super) fn line(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}

/// Says something beside the output.
#[expect(
    clippy::print_stderr,
    reason = "a command line talks to people here, and nowhere else"
)]
pub(super) fn note(text: &str) {
    eprintln!("{text}");
}
