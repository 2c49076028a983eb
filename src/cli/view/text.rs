//! Text with colours, measured in columns of a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How a part of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Busy,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "36",
        }
    }
}

/// A line of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Line(Vec<(Style, String)>);

impl Line {
    pub(super) fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// As [`Self::with`], in a column of at least `width`.
    pub(super) fn with_column(self, style: Style, text: &str, width: usize) -> Self {
        let pad = " ".repeat(width.saturating_sub(columns(text)));
        self.with(style, format!("{text}{pad}"))
    }

    /// The line in at most `width` columns.
    pub(super) fn cut(self, width: usize, glyphs: &Glyphs) -> Self {
        let mut left = width;
        let mut parts = Vec::new();
        for (style, text) in self.0 {
            let text = clip(&text, left, glyphs);
            let is_cut = columns(&text) == left;
            left -= columns(&text);
            parts.push((style, text));
            if is_cut {
                break;
            }
        }
        Self(parts)
    }

    /// The text alone.
    pub(in crate::cli) fn text(&self) -> String {
        let text: String = self.0.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// The text with the terminal's codes for its colours.
    pub(in crate::cli) fn coloured(&self) -> String {
        let mut text = String::new();
        for (style, part) in &self.0 {
            match style {
                Style::Plain => text.push_str(part),
                Style::Strong | Style::Faint | Style::Good | Style::Bad | Style::Busy => {
                    text.push_str(&format!("\x1b[{}m{part}\x1b[0m", style.code()));
                }
            }
        }
        text
    }
}

/// The characters that pictures are made of.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Glyphs {
    pub(super) full: &'static str,
    pub(super) empty: &'static str,
    pub(super) branch: &'static str,
    pub(super) last_branch: &'static str,
    pub(super) dot: &'static str,
    pub(super) more: &'static str,
}

impl Glyphs {
    pub(in crate::cli) const UNICODE: Self = Self {
        full: "█",
        empty: "░",
        branch: "├─",
        last_branch: "└─",
        dot: "·",
        more: "…",
    };

    pub(in crate::cli) const ASCII: Self = Self {
        full: "#",
        empty: ".",
        branch: "|-",
        last_branch: "`-",
        dot: "-",
        more: "~",
    };

    /// Those that `locale` can show: the first of LC_ALL, LC_CTYPE and LANG that is set.
    pub(in crate::cli) fn of_locale(locale: Option<&str>) -> Self {
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") {
            Self::UNICODE
        } else {
            Self::ASCII
        }
    }

    /// `width` columns of which `done` of `all` are filled: a part that began shows, one that is not
    /// through is never full.
    pub(super) fn bar(&self, done: usize, all: usize, width: usize) -> (String, String) {
        let filled = if all == 0 {
            0
        } else if done >= all {
            width
        } else {
            (width * done).div_ceil(all).min(width.saturating_sub(1))
        };
        (self.full.repeat(filled), self.empty.repeat(width - filled))
    }
}

/// Columns that `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` in at most `width` columns, with a mark where it was cut.
pub(super) fn clip(text: &str, width: usize, glyphs: &Glyphs) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or_default();
        if wide > left {
            break;
        }
        left -= wide;
        clipped.push(c);
    }
    if width > 0 {
        clipped.push_str(glyphs.more);
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_end_and_not_before() {
        let bar = |done, all| {
            let (full, empty) = Glyphs::ASCII.bar(done, all, 10);
            format!("{full}{empty}")
        };
        assert_eq!(bar(0, 4), "..........");
        assert_eq!(bar(1, 1000), "#.........");
        assert_eq!(bar(999, 1000), "#########.");
        assert_eq!(bar(4, 4), "##########");
        assert_eq!(bar(0, 0), "..........");
    }

    #[test]
    fn a_cut_counts_columns_and_shows() {
        let glyphs = &Glyphs::UNICODE;
        assert_eq!(clip("häfen", 5, glyphs), "häfen");
        assert_eq!(clip("häfen", 4, glyphs), "häf…");
        assert_eq!(clip("港港港", 4, glyphs), "港…");
        assert_eq!(clip("abc", 0, glyphs), "");
        let line = Line::default()
            .with(Style::Plain, "abc")
            .with(Style::Bad, "def")
            .cut(5, glyphs);
        assert_eq!(line.text(), "abcd…");
        assert_eq!(line.coloured(), "abc\x1b[31md…\x1b[0m");
    }
}
