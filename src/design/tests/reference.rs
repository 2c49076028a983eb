//! References that must be refused, by their text alone, and those that are allowed.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn policy() -> ReferencePolicy {
    ReferencePolicy {
        file_roots: vec![
            PathBuf::from("/srv/sites"),
            PathBuf::from("/etc/drydock/designs"),
        ],
        ..ReferencePolicy::default()
    }
}

fn path_of(reference: &Reference) -> &Path {
    match reference.target() {
        Target::File(target) => &target.path,
        Target::Web(location) => panic!("{location:?}"),
    }
}

#[test]
fn plain_references_below_a_root_are_allowed() -> Result<(), ReferenceError> {
    for (uri, path) in [
        ("file:///srv/sites/a/site.yaml", "/srv/sites/a/site.yaml"),
        ("FILE:///srv/sites/site.yaml", "/srv/sites/site.yaml"),
        ("file:///srv/sites", "/srv/sites"),
        ("file:///srv/sites/", "/srv/sites"),
        ("file:///srv/sites/a/", "/srv/sites/a"),
        (
            "file:///etc/drydock/designs/does-not-exist.yaml",
            "/etc/drydock/designs/does-not-exist.yaml",
        ),
        (
            "file:///srv/sites/north%20hall/site.yaml",
            "/srv/sites/north hall/site.yaml",
        ),
        (
            "file:///srv/sites/z%C3%BCrich.yaml",
            "/srv/sites/zürich.yaml",
        ),
        ("file:///srv/sites/...", "/srv/sites/..."),
        ("file:///srv/sites/a..b.yaml", "/srv/sites/a..b.yaml"),
        ("file:///srv/sites/.hidden.yaml", "/srv/sites/.hidden.yaml"),
    ] {
        let reference = Reference::parse(uri, &policy())?;
        assert_eq!(path_of(&reference), Path::new(path), "{uri}");
        assert_eq!(reference.as_str(), uri);
    }
    Ok(())
}

#[test]
fn hostile_references_are_refused() {
    use ReferenceError as E;
    let long = format!("file:///srv/sites/{}", "a".repeat(MAX_REFERENCE_BYTES));
    let scheme = |scheme: &str| E::SchemeNotEnabled {
        scheme: scheme.to_owned(),
    };
    let start = E::NotAUri {
        why: "it starts with a scheme, for example file:///path",
    };
    let form = E::NotAUri {
        why: "a file reference is written file:///path",
    };
    let ascii = E::NotAUri {
        why: "spaces and letters beyond ASCII are percent-encoded",
    };
    let dots = E::PathNotPlain {
        why: "it has a dot segment",
    };
    let empty = E::PathNotPlain {
        why: "it has an empty segment",
    };
    let query = E::PathNotPlain {
        why: "it has a query or a fragment",
    };
    let backslash = E::PathNotPlain {
        why: "it has a backslash",
    };

    let table = [
        // Not a URI.
        ("", start.clone()),
        ("site.yaml", start.clone()),
        ("/srv/sites/site.yaml", start.clone()),
        ("//srv/sites/site.yaml", start.clone()),
        ("../srv/sites/site.yaml", start.clone()),
        (":///srv/sites/site.yaml", start.clone()),
        ("1file:///srv/sites/site.yaml", start.clone()),
        ("fi le:///srv/sites/site.yaml", start.clone()),
        (" file:///srv/sites/site.yaml", start),
        ("file:///srv/sites/a b.yaml", ascii.clone()),
        ("file:///srv/sites/z\u{fc}rich.yaml", ascii.clone()),
        ("file:///srv/sites/\u{2025}/site.yaml", ascii.clone()),
        ("file:///srv/sites\u{ff0f}..\u{ff0f}site.yaml", ascii),
        ("file:", form.clone()),
        ("file:srv/sites/site.yaml", form.clone()),
        ("file:/srv/sites/site.yaml", form),
        (long.as_str(), E::TooLong { bytes: long.len() }),
        // Schemes.
        ("http://example.test/site.yaml", scheme("http")),
        (
            "https://user:hunter2@example.test/site.yaml",
            scheme("https"),
        ),
        (
            "deckhand+http://example.test/site.yaml",
            scheme("deckhand+http"),
        ),
        ("gopher://example.test/", scheme("gopher")),
        ("data:text/plain,hello", scheme("data")),
        ("c:/srv/sites/site.yaml", scheme("c")),
        ("files:///srv/sites/site.yaml", scheme("files")),
        // Hosts.
        ("file://", E::HostInFileUri),
        ("file://srv/sites/site.yaml", E::HostInFileUri),
        ("file://localhost/srv/sites/site.yaml", E::HostInFileUri),
        (
            "file://169.254.169.254/srv/sites/site.yaml",
            E::HostInFileUri,
        ),
        ("file://user@host/srv/sites/site.yaml", E::HostInFileUri),
        ("file://..//srv/sites/site.yaml", E::HostInFileUri),
        ("file://\\\\host\\share\\site.yaml", E::HostInFileUri),
        // Traversal.
        ("file:///srv/sites/../../etc/passwd", dots.clone()),
        ("file:///srv/sites/..", dots.clone()),
        ("file:///srv/sites/../", dots.clone()),
        ("file:///srv/sites/./site.yaml", dots.clone()),
        ("file:///../srv/sites/site.yaml", dots),
        ("file:////srv/sites/site.yaml", empty.clone()),
        ("file:///srv//sites/site.yaml", empty.clone()),
        ("file:///srv/sites//", empty.clone()),
        ("file:////etc/passwd", empty),
        ("file:///srv/sites\\..\\..\\etc\\passwd", backslash),
        // Encodings.
        ("file:///srv/sites/%2e%2e/%2e%2e/etc/passwd", E::Encoding),
        ("file:///srv/sites/%2E./site.yaml", E::Encoding),
        ("file:///srv/sites/.%2e/site.yaml", E::Encoding),
        ("file:///srv/sites%2f..%2fetc/passwd", E::Encoding),
        ("file:///srv/sites/%5c..%5csite.yaml", E::Encoding),
        ("file:///srv/sites/%252e%252e/site.yaml", E::Encoding),
        ("file:///srv/sites/%c0%ae%c0%ae/site.yaml", E::Encoding),
        ("file:///srv/sites/%ff.yaml", E::Encoding),
        ("file:///srv/sites/%", E::Encoding),
        ("file:///srv/sites/%2", E::Encoding),
        ("file:///srv/sites/%zz", E::Encoding),
        ("file:///srv/sites/%+1", E::Encoding),
        ("file:///srv/sites/%u002e", E::Encoding),
        // Control characters.
        ("file:///srv/sites/site.yaml\0.txt", E::ControlCharacter),
        ("file:///srv/sites/site.yaml%00.txt", E::ControlCharacter),
        ("file:///srv/sites/site%0a.yaml", E::ControlCharacter),
        ("file:///srv/sites/site%7f.yaml", E::ControlCharacter),
        ("file:///srv/sites/%C2%85.yaml", E::ControlCharacter),
        ("file:///srv/sites/site.yaml\n", E::ControlCharacter),
        ("fi\tle:///srv/sites/site.yaml", E::ControlCharacter),
        ("\u{7f}file:///srv/sites/site.yaml", E::ControlCharacter),
        // Queries and fragments.
        ("file:///srv/sites/site.yaml?x=1", query.clone()),
        ("file:///srv/sites/site.yaml#top", query.clone()),
        ("file:///etc/passwd?/srv/sites/", query),
        // Elsewhere.
        ("file:///", E::OutsideRoots),
        ("file:///srv", E::OutsideRoots),
        ("file:///etc/passwd", E::OutsideRoots),
        ("file:///srv/sites2/site.yaml", E::OutsideRoots),
        ("file:///srv/site", E::OutsideRoots),
        ("file:///SRV/sites/site.yaml", E::OutsideRoots),
        ("file:///proc/self/environ", E::OutsideRoots),
        ("file:///dev/zero", E::OutsideRoots),
        ("file:///~/srv/sites/site.yaml", E::OutsideRoots),
    ];
    assert!(table.len() >= 40);
    for (uri, expected) in table {
        assert_eq!(
            Reference::parse(uri, &policy()).err(),
            Some(expected),
            "{uri:?}"
        );
    }
}

#[test]
fn roots_that_are_not_plain_allow_nothing() {
    for root in ["", ".", "srv/sites", "/srv/../srv/sites", "../srv"] {
        let policy = ReferencePolicy {
            file_roots: vec![PathBuf::from(root)],
            ..ReferencePolicy::default()
        };
        let parsed = Reference::parse("file:///srv/sites/site.yaml", &policy);
        assert_eq!(parsed, Err(ReferenceError::OutsideRoots), "{root}");
    }
    let parsed = Reference::parse("file:///srv/sites/site.yaml", &ReferencePolicy::default());
    assert_eq!(parsed, Err(ReferenceError::OutsideRoots));
}

#[test]
fn refusals_repeat_neither_credentials_nor_roots() {
    for uri in [
        "https://user:hunter2@host/",
        "file://user:hunter2@host/",
        "file:///hunter2",
    ] {
        let Err(refused) = Reference::parse(uri, &policy()) else {
            panic!("{uri} was allowed")
        };
        let text = format!("{refused} {refused:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("/srv"),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn whatever_is_allowed_is_plain_and_below_a_root(
        parts in prop::collection::vec(
            "(/|\\.|\\.\\.|%2e|%2F|%25|%00|\\\\|srv|sites|a|%20|\\?|\u{fc}){1,3}",
            0..6,
        ),
        start in "(file:///srv/sites|file:///|file://|/)",
    ) {
        let uri = format!("{start}{}", parts.concat());
        if let Ok(reference) = Reference::parse(&uri, &policy()) {
            let path = path_of(&reference);
            prop_assert!(path.starts_with("/srv/sites"), "{}", uri);
            let plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
            prop_assert!(plain, "{}", uri);
        }
    }
}
