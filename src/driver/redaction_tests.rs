//! No secret survives in what a device says, whatever it does to it and wherever its words are cut.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::device_error::device_text;
use super::*;

/// A form that a device may repeat a secret in.
type Form = fn(&str) -> String;

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As services do that write nothing but ASCII.
fn in_ascii_json(text: &str) -> String {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        escaped.push_str(&format!("\\u{unit:04x}"));
    }
    escaped
}

fn in_url(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

const FORMS: [(&str, Form); 14] = [
    ("plain", |secret| secret.to_owned()),
    ("JSON", in_json),
    ("JSON in ASCII", in_ascii_json),
    ("JSON in JSON", |secret| in_json(&in_json(secret))),
    ("ASCII JSON in JSON", |secret| {
        in_json(&in_ascii_json(secret))
    }),
    ("URL", in_url),
    ("URL, each byte of it", |secret| {
        secret.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }),
    ("form", |secret| in_url(secret).replace("%20", "+")),
    ("URL in URL", |secret| in_url(&in_url(secret))),
    ("JSON in URL", |secret| in_url(&in_json(secret))),
    ("base64", |secret| BASE64_STANDARD.encode(secret)),
    ("base64 of a login", |secret| {
        BASE64_STANDARD_NO_PAD.encode(format!("operator:{secret}"))
    }),
    ("base64 for URLs", |secret| {
        BASE64_URL_SAFE.encode(format!("an-account:{secret}"))
    }),
    ("base64 of a login in URL", |secret| {
        in_url(&BASE64_STANDARD.encode(format!("root:{secret}")))
    }),
];

/// How much of a secret's form may be there by chance.
const BY_CHANCE: usize = 5;

/// Some of `form` that is in `told`.
fn survivor<'f>(told: &str, form: &'f str) -> Option<&'f str> {
    let starts: Vec<usize> = form.char_indices().map(|(at, _)| at).collect();
    let windows = starts.windows(BY_CHANCE.min(starts.len()));
    let mut parts = windows.map(|window| {
        let last = window[window.len() - 1];
        let end = form[last..]
            .chars()
            .next()
            .map_or(last, |one| last + one.len_utf8());
        &form[window[0]..end]
    });
    parts.find(|part| told.contains(part))
}

proptest! {
    // A text of 64 KiB is read in a dozen ways in each case.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_form_of_a_secret_survives_wherever_the_text_is_cut(
        secret in "[A-Z0-9äß€😀\"\\\\/%+& ]{6,40}",
        before in "[x-z \n.]{0,40}",
        after in "[x-z \n.]{0,40}",
        (name, form) in select(FORMS.to_vec()),
        // Where it begins, from the cut of what is told and from the end of what is looked at.
        place in prop_oneof![
            Just(0),
            8 * 1024_usize - 200..8 * 1024 + 200,
            64 * 1024_usize - 600..64 * 1024 + 600,
        ],
        repeated in 1..4_usize,
    ) {
        let repeats = form(&secret);
        let mut said = "w".repeat(place);
        for _ in 0..repeated {
            said.push_str(&before);
            said.push_str(&repeats);
            said.push_str(&after);
        }
        let told = device_text(&said, &[&Secret::new(secret.clone())]);
        prop_assert!(told.len() <= 8 * 1024);
        prop_assert_eq!(survivor(&told, &repeats), None, "{}: {}", name, told);
        prop_assert!(!told.contains(&secret));
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is(said in "[a-z%+\\\\\"{}0-9 ]{0,200}") {
        let secret = Secret::new("UPPER-CASE".to_owned());
        let (told, all) = redacted(&said, &[&secret], usize::MAX);
        prop_assert_eq!((told, all), (said, true));
    }

    #[test]
    fn anything_can_be_read(said in any::<String>(), secret in any::<String>(), limit in 0..300_usize) {
        let (told, _) = redacted(&said, &[&Secret::new(secret)], limit);
        prop_assert!(told.len() <= said.len().saturating_mul(REDACTED.len()));
    }
}

#[test]
fn several_secrets_are_taken_out_whole() {
    let [one, other] = ["hunter", "ter2-more"].map(|text| Secret::new(text.to_owned()));
    let said = "a hunter2-more b aHVudGVy c hunter d";
    let (told, _) = redacted(said, &[&one, &other], usize::MAX);
    assert_eq!(told, "a [redacted] b [redacted] c [redacted] d");
}

#[test]
fn a_secret_that_is_apart_until_its_words_are_joined_is_found() {
    let secret = Secret::new("two words".to_owned());
    for said in ["x two\u{7}\n words y", "x two wo\u{200b}rds y"] {
        assert_eq!(device_text(said, &[&secret]), "x [redacted] y");
    }
}
