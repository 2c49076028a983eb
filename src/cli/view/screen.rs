//! The terminal: a screen of our own for as long as the picture moves.
//!
//! The alternate screen rather than lines drawn over one another: a terminal that is resized wraps what is
//! on it in ways that no program can know, and there every frame begins at the top of an empty screen. What
//! was on the terminal before comes back when the screen is closed.

use std::io::{IsTerminal as _, Write as _};

use super::text::{Glyphs, Line};
use crate::cli::Error;

/// Size of a terminal that does not tell its own.
const USUAL: (u16, u16) = (80, 24);

/// Enters the alternate screen without a cursor, and without wrapping lines.
const OPEN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";

/// Undoes [`OPEN`].
const CLOSE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal while a picture is on it; dropping it gives the terminal back.
pub(in crate::cli) struct Screen {
    colours: bool,
}

impl Screen {
    /// Whether a picture can be drawn: standard output is a terminal that knows more than lines.
    pub(in crate::cli) fn is_possible() -> bool {
        let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        std::io::stdout().is_terminal() && !is_dumb
    }

    /// Takes the terminal.
    pub(in crate::cli) fn open() -> Result<Self, Error> {
        write(OPEN)?;
        Ok(Self { colours: colours() })
    }

    /// Shows the lines instead of those before.
    pub(in crate::cli) fn show(&self, lines: &[Line]) -> Result<(), Error> {
        // As one update, where the terminal knows such a thing: nobody sees half a frame.
        let mut frame = "\x1b[?2026h\x1b[H".to_owned();
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                frame.push_str("\r\n");
            }
            frame.push_str(&painted(line, self.colours));
            frame.push_str("\x1b[K");
        }
        frame.push_str("\x1b[J\x1b[?2026l");
        write(&frame)
    }

    /// Columns and lines of the terminal.
    pub(in crate::cli) fn size() -> (usize, usize) {
        let (width, height) = terminal_size::terminal_size_of(std::io::stdout())
            .map_or(USUAL, |(width, height)| (width.0, height.0));
        (width.into(), height.into())
    }

    /// What the terminal can show, as far as its locale says.
    pub(in crate::cli) fn glyphs() -> Glyphs {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        Glyphs::of_locale(locale.as_deref())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        write(CLOSE).ok();
    }
}

/// Lines for the terminal as it is when the screen is closed.
pub(in crate::cli) fn print(lines: &[Line]) -> Result<(), Error> {
    let colours = colours();
    let text: String = lines
        .iter()
        .map(|line| painted(line, colours) + "\n")
        .collect();
    write(&text)
}

fn painted(line: &Line, colours: bool) -> String {
    if colours {
        line.coloured()
    } else {
        line.text()
    }
}

/// By the convention of no-color.org.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn write(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}
