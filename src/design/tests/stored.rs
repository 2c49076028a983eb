//! What is kept of a design, and what is not.

use super::super::support::{TestResult, design};
use super::super::{Design, LoadError};
use super::*;

/// A value that occurs wherever a credential can.
const CANARY: &str = "canary-7b1f";

fn site(password: &str) -> String {
    format!(
        "schema: drydock/Region/v1\nmetadata: {{name: s}}\ndata:\n  \
         repositories: {{main: {{url: 'https://u:{password}@packages.example/apt'}}}}\n---\n\
         schema: drydock/HostProfile/v1\nmetadata: {{name: p}}\ndata:\n  \
         oob: {{type: ipmi, account: admin, credential: {password}}}\n  \
         users: [{{name: a, Password: {password}}}, {{name: b, ssh: {{private_key: '{password}'}}}}]\n  \
         metadata: {{owner_data: {{ipmi_secret: {password}, serial: x1}}, tags: [t]}}\n---\n\
         schema: drydock/BaremetalNode/v1\nmetadata: {{name: n}}\ndata:\n  host_profile: p\n  \
         oob: {{libvirt_uri: 'qemu+ssh://root:{password}@host/system', passphrase: [{password}]}}\n---\n\
         schema: deckhand/Passphrase/v1\nmetadata: {{name: {password}}}\ndata: {password}\n---\n\
         schema: drydock/BootAction/v1\nmetadata: {{name: b}}\ndata:\n  \
         assets: [{{data: \"-----BEGIN RSA PRIVATE KEY-----\\n{password}\"}}]\n"
    )
}

fn json(design: &Design) -> io::Result<String> {
    let mut text = String::new();
    GzDecoder::new(&design.stored[..]).read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn no_credential_is_kept_or_shown() -> TestResult {
    let design = design(&site(CANARY))?;

    let stored = json(&design)?;
    assert!(!stored.contains(CANARY), "{stored}");
    assert!(!format!("{design:?}").contains(CANARY));
    assert!(
        design
            .findings
            .iter()
            .all(|finding| !finding.to_string().contains(CANARY))
    );
    // The rest is kept, and that there was a credential.
    for kept in [
        "packages.example",
        "\"account\":\"admin\"",
        "\"credential\":\"\"",
        "x1",
    ] {
        assert!(stored.contains(kept), "{kept} is not in {stored}");
    }
    Ok(())
}

#[test]
fn no_credential_is_shown_when_a_design_is_broken() -> TestResult {
    let text = site(CANARY);
    // Cut anywhere, a design has some other mistake: an open quote, bracket or key.
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let shown = match design(&text[..end]) {
            Ok(design) => format!("{:?}", design.findings),
            Err(LoadError::Invalid(findings)) => format!("{findings:?}"),
            Err(LoadError::Unavailable(error)) => return Err(error.into()),
        };
        // A name is shown, and the name of a foreign document is none of ours.
        assert!(!shown.contains(CANARY), "{end}: {shown}");
    }
    Ok(())
}

#[test]
fn a_credential_that_changes_leaves_the_digest_alone() -> TestResult {
    assert_eq!(design(&site("one"))?.digest, design(&site("two"))?.digest);
    assert_ne!(
        design(&site("one"))?.digest,
        design(&site("one").replace("x1", "x2"))?.digest
    );
    Ok(())
}

#[test]
fn a_stored_design_gives_the_same_inventory_and_digest() -> TestResult {
    for text in [
        site(CANARY),
        include_str!("../../../examples/site/site.yaml").to_owned(),
    ] {
        let loaded = design(&text)?;

        let restored = Design::from_stored(&loaded.stored)?;

        assert_eq!(restored.inventory, loaded.inventory);
        assert_eq!(restored.digest, loaded.digest);
        assert_eq!(restored.stored, loaded.stored);
    }
    Ok(())
}

#[test]
fn the_digest_is_over_the_bytes_before_compression() -> TestResult {
    let design = design(&site(CANARY))?;
    let expected: [u8; 32] = Sha256::digest(json(&design)?.as_bytes()).into();
    assert_eq!(design.digest.0, expected);
    Ok(())
}

fn packed(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text)?;
    packed.finish()
}

#[test]
fn damaged_bytes_are_refused() -> TestResult {
    let stored = design(&site(CANARY))?.stored;

    for damaged in [&b""[..], b"not gzip", &stored[..stored.len() / 2]] {
        let refused = Design::from_stored(damaged);
        assert!(
            matches!(refused, Err(StoredError::Compression(_))),
            "{refused:?}"
        );
    }
    for text in [
        "{}",
        "[]",
        r#"{"format":2,"documents":[]}"#,
        r#"{"format":1,"documents":[{"kind":"Ship","name":"a","file":"f","line":1,"body":{}}]}"#,
    ] {
        let refused = Design::from_stored(&packed(text.as_bytes())?);
        assert!(
            matches!(refused, Err(StoredError::Format(_))),
            "{refused:?}"
        );
    }
    let node =
        r#"{"kind":"BaremetalNode","name":"a","file":"f","line":1,"body":{"host_profile":"x"}}"#;
    let text = format!(r#"{{"format":1,"documents":[{node}]}}"#);
    let refused = Design::from_stored(&packed(text.as_bytes())?);
    assert!(
        matches!(refused, Err(StoredError::Inventory(_))),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn digests_are_written_and_read_as_hexadecimal_digits() -> TestResult {
    let digest = Digest(std::array::from_fn(|at| at as u8 * 8));
    let text = digest.to_string();
    assert_eq!(text.len(), 64);
    assert!(text.starts_with("0008101820"));
    assert_eq!(text.parse::<Digest>()?, digest);
    for bad in [
        "",
        "00",
        &text[1..],
        &format!("+{}", &text[1..]),
        &format!("é{}", &text[2..]),
    ] {
        assert_eq!(bad.parse::<Digest>(), Err(DigestError), "{bad}");
    }
    Ok(())
}
