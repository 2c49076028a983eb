//! Takes secrets out of what a device says, in whatever form it repeats them.
//!
//! A device may put what it was sent into JSON, into a URL, or back into the header that it came in.
//! So its words are not searched for a list of spellings: they are read as each of these forms in
//! turn, and where a reading has the secret, what it was read from is taken out.

use std::ops::Range;

use crate::secret::Secret;

/// Stands where a secret was.
const REDACTED: &str = "[redacted]";

/// How much longer than a secret its longest form is: each of its bytes an escape of JSON that is
/// part of a URL, `%5Cu0000`.
const LONGEST_FORM: usize = 8;

/// How deep forms are within each other: JSON within JSON, as Ironic tells of what a BMC told it.
const DEPTH: usize = 2;

/// The first `limit` bytes of a text without any of `secrets`, and whether that is all of it. Where it
/// is not, what may be the beginning of a secret whose end lies beyond is left off.
pub(super) fn redacted(text: &str, secrets: &[&Secret], limit: usize) -> (String, bool) {
    let looked_at = &text[..text.floor_char_boundary(limit)];
    let all = looked_at.len() == text.len();
    let needles: Vec<&[u8]> = secrets
        .iter()
        .map(|secret| secret.expose().as_bytes())
        .filter(|needle| !needle.is_empty())
        .collect();
    let longest = needles.iter().map(|needle| needle.len()).max();
    let tail = match (all, longest) {
        (true, _) | (false, None) => 0,
        (false, Some(longest)) => longest.saturating_mul(LONGEST_FORM),
    };
    let end = looked_at.floor_char_boundary(looked_at.len().saturating_sub(tail));

    let mut found = Vec::new();
    if !needles.is_empty() {
        Reading::plain(looked_at).search(&needles, DEPTH, &mut found);
    }
    let mut clean = String::with_capacity(end);
    let mut told = 0;
    for range in merged(found) {
        if range.start >= end {
            break;
        }
        clean.push_str(&looked_at[told..range.start]);
        clean.push_str(REDACTED);
        told = range.end;
    }
    if told < end {
        clean.push_str(&looked_at[told..end]);
    }
    (clean, all)
}

/// The same ranges, those that touch made one, in order.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

/// A text, read in some way: bytes, and which part of the text each of them was read from. A secret
/// begins and ends with whole characters, and so does what it was read from.
struct Reading {
    bytes: Vec<u8>,
    from: Vec<Range<usize>>,
}

impl Reading {
    fn plain(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            from: (0..text.len()).map(|at| at..at + 1).collect(),
        }
    }

    /// Adds the parts of the text that hold a needle, in this reading or in one of this reading.
    fn search(&self, needles: &[&[u8]], depth: usize, found: &mut Vec<Range<usize>>) {
        for needle in needles {
            let places = self.bytes.windows(needle.len()).enumerate();
            let places = places.filter(|(_, window)| window == needle);
            found.extend(places.filter_map(|(at, _)| self.part(at..at + needle.len())));
        }
        for run in self.base64() {
            if holds(&self.bytes[run.clone()], needles) {
                found.extend(self.part(run));
            }
        }
        if depth > 0 {
            for escape in [json, percent, form] {
                if let Some(reading) = self.unescaped(escape) {
                    reading.search(needles, depth - 1, found);
                }
            }
        }
    }

    /// The part of the text that some of its bytes were read from.
    fn part(&self, bytes: Range<usize>) -> Option<Range<usize>> {
        let parts = self.from.get(bytes)?;
        Some(parts.first()?.start..parts.last()?.end)
    }

    /// This reading without the escapes of a form; none: it has none.
    fn unescaped(&self, escape: Escape) -> Option<Self> {
        let mut read = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            from: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        let mut any = false;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let mut buffer = [0; 4];
            let (bytes, length) = match escape(rest) {
                Some((Meant::Byte(byte), length)) => {
                    any = true;
                    buffer[0] = byte;
                    (&buffer[..1], length)
                }
                Some((Meant::Character(character), length)) => {
                    any = true;
                    (character.encode_utf8(&mut buffer).as_bytes(), length)
                }
                None => (&rest[..1], 1),
            };
            let part = self.part(at..at + length)?;
            read.bytes.extend_from_slice(bytes);
            read.from.extend(std::iter::repeat_n(part, bytes.len()));
            at += length;
        }
        any.then_some(read)
    }

    /// The longest runs of characters of base64, with what fills them up.
    fn base64(&self) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            let length = |from: usize, is_part: fn(u8) -> bool| {
                let rest = self.bytes[from..].iter();
                rest.take_while(|byte| is_part(**byte)).count()
            };
            let run = length(at, |byte| sextet(byte).is_some());
            let filled = run + length(at + run, |byte| byte == b'=');
            if run > 1 {
                runs.push(at..at + filled);
            }
            at += filled.max(1);
        }
        runs
    }
}

/// Whether a run of base64 holds a needle, wherever in it what was encoded began.
fn holds(run: &[u8], needles: &[&[u8]]) -> bool {
    (0..4).any(|skipped| {
        let decoded = decoded(run.get(skipped..).unwrap_or_default());
        let is_in = |needle: &&[u8]| {
            decoded
                .windows(needle.len())
                .any(|window| window == *needle)
        };
        needles.iter().any(is_in)
    })
}

/// What a run of base64 stands for. Bits that make no byte at its end are left off.
fn decoded(run: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(run.len());
    let mut bits = 0_u16;
    let mut count = 0;
    for sextet in run.iter().filter_map(|byte| sextet(*byte)) {
        bits = (bits << 6) | u16::from(sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [_, byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
        }
    }
    bytes
}

/// What a character of base64 stands for, in either alphabet.
fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _other => None,
    }
}

/// What an escape means.
enum Meant {
    Byte(u8),
    Character(char),
}

/// Reads an escape at the beginning of some bytes, and says how long it is; none: there is none.
type Escape = fn(&[u8]) -> Option<(Meant, usize)>;

/// Escapes of JSON, and of the languages whose services are careless about it.
fn json(rest: &[u8]) -> Option<(Meant, usize)> {
    let [b'\\', kind, ..] = rest else { return None };
    let meant = match kind {
        b'"' | b'\\' | b'/' | b'\'' => *kind,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => return Some((Meant::Byte(u8::try_from(hex(rest, 2..4)?).ok()?), 4)),
        b'u' => {
            let first = hex(rest, 2..6)?;
            if let Some(character) = char::from_u32(first) {
                return Some((Meant::Character(character), 6));
            }
            // Characters beyond the first 65,536 are two escapes.
            let second = rest.get(6..8).filter(|between| *between == b"\\u");
            let second = second.and_then(|_| hex(rest, 8..12))?;
            let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
            let character = char::decode_utf16(units).next()?.ok()?;
            return Some((Meant::Character(character), 12));
        }
        _other => return None,
    };
    Some((Meant::Byte(meant), 2))
}

/// Escapes of URLs.
fn percent(rest: &[u8]) -> Option<(Meant, usize)> {
    let [b'%', ..] = rest else { return None };
    let byte = u8::try_from(hex(rest, 1..3)?).ok()?;
    Some((Meant::Byte(byte), 3))
}

/// Escapes of forms in URLs: those of URLs, and a plus for a space.
fn form(rest: &[u8]) -> Option<(Meant, usize)> {
    if rest.first() == Some(&b'+') {
        return Some((Meant::Byte(b' '), 1));
    }
    percent(rest)
}

fn hex(bytes: &[u8], digits: Range<usize>) -> Option<u32> {
    bytes.get(digits)?.iter().try_fold(0, |number, digit| {
        Some(number * 16 + char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
#[path = "redaction_tests.rs"]
mod tests;
