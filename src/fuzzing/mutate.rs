//! Small changes of bytes, made from a seed so that they can be made again.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The longest input that is made: what is found in longer ones is found in shorter ones too.
const LONGEST: usize = 16 * 1024;

/// The most changes of one input.
const MOST_CHANGES: usize = 6;

/// Pieces that mean something to one of the targets.
const WORDS: &[&[u8]] = &[
    b"\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x7f",
    b"\x80",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    "\u{feff}".as_bytes(),
    "\u{2028}".as_bytes(),
    b"\n---\n",
    b"\n...\n",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"!!binary ",
    b"!name",
    b"{{{{{{{{",
    b"[[[[[[[[",
    b"? ",
    b"://",
    b"@",
    b"\\",
    b"%2e",
    b"%2f",
    b"[::1]",
    b"0x7f.1",
    b"| ",
    b">-\n",
    b"'",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"null",
    b"%2e%2e/",
    b"file:///",
    b"metadata: {name: a}\n",
    b"schema: drydock/BaremetalNode/v1\n",
    b"host_profile: a\n",
];

/// Makes inputs of seeds.
pub(super) struct Mutator {
    random: StdRng,
}

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// An input made of one of `seeds`, of which there is at least one.
    pub(super) fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        bytes.truncate(LONGEST);
        for _ in 0..=self.below(MOST_CHANGES) {
            self.change(&mut bytes, seeds);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(32)).min(bytes.len());
        match self.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.random.random(),
            2 => {
                bytes.drain(at..end.max(at));
            }
            3 => {
                let again = bytes[at..end.max(at)].to_vec();
                bytes.splice(at..at, again);
            }
            4 => bytes.truncate(at),
            5 => {
                // The rest of another input.
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            6 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(self.random.random()),
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end.max(1))
    }
}
