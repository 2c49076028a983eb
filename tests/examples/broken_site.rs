//! The example site, broken in many ways: nothing panics, and what is wrong is found where it is.

use std::path::Path;

use drydock::design::{Finding, Severity, SourceFile, validate};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::mistakes::mistakes;

/// The same cases in every run; another seed makes others.
const SEED: u64 = 20;

const CASES: usize = 500;

fn design() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/site/site.yaml");
    std::fs::read_to_string(path).expect("the example")
}

fn findings(text: &[u8]) -> Vec<Finding> {
    let file = SourceFile {
        name: "site.yaml".to_owned(),
        bytes: text.to_vec(),
    };
    validate(&[file]).expect("in time")
}

#[test]
fn the_site_is_without_a_fault() {
    assert_eq!(findings(design().as_bytes()), []);
}

#[test]
fn mistakes_are_found_on_their_line() {
    let mut random = StdRng::seed_from_u64(SEED);
    let mistakes = mistakes(&design(), CASES, &mut random);
    assert_eq!(mistakes.len(), CASES);
    let mut missed = Vec::new();
    for mistake in &mistakes {
        let found = findings(mistake.text.as_bytes());
        if !found
            .iter()
            .any(|finding| finding.line == Some(mistake.line))
        {
            let elsewhere: Vec<String> = found.iter().map(ToString::to_string).collect();
            missed.push(format!(
                "line {}: {}\n    {}",
                mistake.line,
                mistake.what,
                elsewhere.join("\n    ")
            ));
        }
    }
    let caught = CASES - missed.len();
    println!("{caught} of {CASES} found\n{}", missed.join("\n"));
    assert!(caught * 100 >= CASES * 95, "{caught} of {CASES} found");
}

#[test]
fn no_damage_makes_it_panic() {
    let design = design().into_bytes();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut wrong = 0;
    for _ in 0..CASES {
        let found = findings(&damaged(&design, &mut random));
        wrong += usize::from(found.iter().any(|one| one.severity == Severity::Error));
    }
    assert!(wrong > CASES / 4, "the damage is real: {wrong}");
}

/// One to four lines or bytes lost, doubled, exchanged, indented or overwritten.
fn damaged(design: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = design
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..lines.len());
        let other = random.random_range(0..lines.len());
        match random.random_range(0..7) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(other, lines[at].clone()),
            2 => lines.swap(at, other),
            3 => lines[at].insert(0, b' '),
            4 => {
                let byte = random.random();
                match lines[at].get_mut(other % 40) {
                    Some(place) => *place = byte,
                    None => lines[at].push(byte),
                }
            }
            5 => {
                let half = lines[at].len() / 2;
                lines[at].truncate(half);
            }
            _ => lines.truncate(at.max(1)),
        }
    }
    lines.join(&b'\n')
}
