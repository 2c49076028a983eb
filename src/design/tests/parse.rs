//! YAML that is read, and YAML that is refused.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

fn refused(text: &str) -> SyntaxError {
    match parse(text) {
        Err(error) => error,
        Ok(_) => panic!("this was read: {}", &text[..text.len().min(200)]),
    }
}

#[test]
fn scalars_keep_the_spelling_a_label_shows() {
    let text = "{a: on, b: 0755, c: 1_000, d: true, e: 12, f: 1.5, g: ~, h: '7', i: .inf, 9: x}";

    assert_eq!(
        parse(text),
        Ok(json!({
            "a": "on", "b": "0755", "c": "1_000", "d": true, "e": 12, "f": 1.5, "g": null,
            "h": "7", "i": ".inf", "9": "x",
        }))
    );
}

#[test]
fn merge_keys_and_aliases_are_expanded() {
    let text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nagain: *base\n";

    assert_eq!(
        parse(text),
        Ok(json!({
            "base": {"a": 1, "b": 2}, "use": {"a": 1, "b": 3}, "again": {"a": 1, "b": 2},
        }))
    );
}

#[test]
fn mistakes_are_placed_and_never_quoted() {
    for (text, line) in [
        ("a: 1\nb: [hunter2\n", 2),
        ("a: 1\na: hunter2\n", 2),
        ("a: 'hunter2\n", 1),
        ("a: 1\n\tb: hunter2\n", 1),
        ("a: *hunter2\n", 1),
        ("a: hunter2: hunter2\n", 1),
        ("a: \"hunter2\\q\"\n", 1),
        ("a: {hunter2, hunter2}\n", 1),
        ("a: &hunter2 b\nc: *hunter3\n", 2),
        ("a: !!int hunter2\n", 1),
        ("a: !!binary hunter2\n", 1),
        ("- 1\nhunter2: 2\n", 2),
    ] {
        let error = refused(text);
        assert!(
            !error.message.contains("hunter2"),
            "{text:?}: {}",
            error.message
        );
        assert!(
            !error.message.contains("at line "),
            "{text:?}: {}",
            error.message
        );
        assert!(!error.too_large, "{text:?}: {}", error.message);
        let Some(place) = error.place else {
            panic!("{text:?} has no place: {}", error.message)
        };
        assert!(place.line >= line, "{text:?}: {place:?}");
    }
}

#[test]
fn fields_are_located() {
    let text = "---\nspec:\n  metadata:\n    rack: r1\n    tags: [a, {b: c}]\n  host_profile: x\n";
    let place = |steps: &[Step<'_>]| locate(text, steps).map(|place| (place.line, place.column));
    let at = |path: &[&str]| {
        let steps: Vec<_> = path.iter().map(|name| Step::Field(name)).collect();
        place(&steps)
    };

    assert_eq!(at(&["spec", "host_profile"]), Some((6, 17)));
    assert_eq!(at(&["spec", "metadata", "rack"]), Some((4, 11)));
    assert_eq!(at(&["spec", "metadata", "tags"]), Some((5, 11)));
    assert_eq!(at(&["spec", "metadata", "tags", "b"]), None);
    assert_eq!(at(&["spec", "missing"]), None);
    assert_eq!(at(&["spec", "metadata", "rack", "deeper"]), None);

    let tags = ["spec", "metadata", "tags"].map(Step::Field);
    let tag = |last: &[Step<'_>]| place(&[&tags, last].concat());
    assert_eq!(tag(&[Step::Index(0)]), Some((5, 12)));
    assert_eq!(tag(&[Step::Index(1), Step::Field("b")]), Some((5, 19)));
    assert_eq!(tag(&[Step::Index(2)]), None);
}

#[test]
fn bombs_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        let list = vec![alias; 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{list}]").ok();
    }
    let mut merges = "m0: &m0 {a: 1}\n".to_owned();
    for level in 1..2_000 {
        writeln!(
            merges,
            "m{level}: &m{level}\n  <<: [*m{0}, *m{0}]\n  k{level}: 1",
            level - 1
        )
        .ok();
    }
    let big = format!(
        "big: &big '{}'\nall:\n{}",
        "x".repeat(1 << 20),
        "- *big\n".repeat(900)
    );
    let mut blocks = String::new();
    for depth in 0..5_000 {
        writeln!(blocks, "{}a:", " ".repeat(depth)).ok();
    }
    blocks.truncate(MAX_DOCUMENT_BYTES);

    for (name, text) in [
        ("laughs", laughs),
        ("merges", merges),
        ("one large scalar, often", big),
        ("deep flow lists", "[".repeat(100_000)),
        ("deep flow maps", "{a: ".repeat(100_000)),
        ("deep block lists", "- ".repeat(100_000)),
        ("deep block maps", blocks),
        ("complex keys", "? ".repeat(100_000)),
        ("many values", "- a\n".repeat(400_000)),
        (
            "many anchors",
            (0..5_000).fold(String::new(), |text, at| text + &format!("- &a{at} x\n")),
        ),
        ("an anchor that holds itself", "a: &a [*a]\n".to_owned()),
        (
            "a document that is too long",
            "#".repeat(MAX_DOCUMENT_BYTES + 1),
        ),
        ("tags", format!("a: {}", "!x ".repeat(50_000))),
        ("a long key", format!("{}: 1", "k".repeat(1 << 20))),
    ] {
        let error = refused(&text);
        assert!(error.message.len() < 300, "{name}: {}", error.message);
    }
}
