//! What docs/RELIABILITY.md says of the tests: those that it names exist.

use std::path::Path;

/// The names of tests in backticks, each with the last file named before it.
fn named(page: &str) -> Vec<(&str, &str)> {
    let mut file = None;
    let mut tests = Vec::new();
    for quoted in page.split('`').skip(1).step_by(2) {
        if quoted.ends_with(".rs") {
            file = Some(quoted);
        } else if quoted.matches('_').count() > 2
            && quoted.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            tests.push((file.expect("a file before the test"), quoted));
        }
    }
    tests
}

#[test]
fn every_test_that_is_named_exists() {
    let page = include_str!("../docs/RELIABILITY.md");
    let tests = named(page);
    assert!(tests.len() > 100, "{}", tests.len());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, test) in tests {
        let text = std::fs::read_to_string(root.join(file));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            text.contains(&format!("fn {test}(")),
            "{file} has no {test}"
        );
    }
}
