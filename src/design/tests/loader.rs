//! Loading as the service does it: from files, beside the async threads, through the cache.

use std::fs;

use tempfile::TempDir;

use super::super::support::{TestResult, codes, invalid, loader, policy};
use super::super::{Code, Design};
use super::*;

const RACK: &str = "schema: drydock/Rack/v1\nmetadata: {name: r1}\n";

fn site() -> io::Result<TempDir> {
    let root = TempDir::new()?;
    fs::write(
        root.path().join("site.yaml"),
        include_str!("../../../examples/site/site.yaml"),
    )?;
    Ok(root)
}

async fn load(loader: &Loader, root: &TempDir, name: &str) -> Result<Design, LoadError> {
    let uri = format!("file://{}/{name}", root.path().display());
    let Ok(reference) = loader.check(&uri) else {
        panic!("{uri} is allowed")
    };
    loader.load(&reference).await
}

#[tokio::test]
async fn a_design_is_loaded_once_and_shared() -> TestResult {
    let root = site()?;
    let loader = loader(root.path());

    let first = load(&loader, &root, "site.yaml").await?;
    let second = load(&loader.clone(), &root, "site.yaml").await?;

    assert_eq!(first.inventory.nodes().len(), 13);
    assert!(Arc::ptr_eq(&first.inventory, &second.inventory));
    Ok(())
}

#[tokio::test]
async fn a_changed_file_is_seen_at_once() -> TestResult {
    let root = site()?;
    let loader = loader(root.path());
    let path = root.path().join("site.yaml");

    fs::write(&path, RACK)?;
    let before = load(&loader, &root, "site.yaml").await?;
    // The same size, and within one tick of the file system's clock.
    fs::write(&path, RACK.replace("r1", "r2"))?;
    let after = load(&loader, &root, "site.yaml").await?;

    assert_ne!(before.digest, after.digest);
    assert!(after.inventory.racks().contains_key("r2"));
    Ok(())
}

#[tokio::test]
async fn a_directory_is_one_design_whose_findings_name_the_file() -> TestResult {
    let root = site()?;
    let loader = loader(root.path());
    fs::create_dir(root.path().join("racks"))?;
    fs::write(root.path().join("racks/more.yml"), RACK)?;
    assert_eq!(load(&loader, &root, "").await?.inventory.racks().len(), 4);

    fs::write(root.path().join("racks/again.yaml"), format!("\n\n{RACK}"))?;
    fs::write(root.path().join("latin.yaml"), b"# a\n# \xff\n")?;
    let findings = invalid(load(&loader, &root, "").await);

    assert_eq!(codes(&findings), [Code::Syntax, Code::DuplicateName]);
    assert_eq!(
        findings[0].to_string(),
        "latin.yaml:2: the file is not UTF-8 from here on"
    );
    assert_eq!(
        findings[1].to_string(),
        "racks/more.yml:2:18: Rack/r1: metadata.name: another Rack of this name is at racks/again.yaml:3"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_and_what_is_away_are_told_apart() -> TestResult {
    let root = site()?;
    let loader = loader(root.path());

    let findings = invalid(load(&loader, &root, "missing.yaml").await);
    assert_eq!(codes(&findings), [Code::ReferenceNotFound]);

    let hurried = Loader::new(LoaderOptions {
        references: policy(root.path()),
        time_limit: Duration::ZERO,
        ..LoaderOptions::default()
    });
    let outcome = load(&hurried, &root, "site.yaml").await;
    assert!(
        matches!(outcome, Err(LoadError::Unavailable(_))),
        "{outcome:?}"
    );
    Ok(())
}

#[tokio::test]
async fn waiting_for_a_slot_ends_with_the_time_limit() -> TestResult {
    let root = site()?;
    let loader = Loader::new(LoaderOptions {
        references: policy(root.path()),
        time_limit: Duration::from_millis(50),
        max_concurrent: 1,
        ..LoaderOptions::default()
    });
    let busy = loader.shared.slots.clone().acquire_owned().await?;

    let outcome = load(&loader, &root, "site.yaml").await;
    assert!(
        matches!(outcome, Err(LoadError::Unavailable(_))),
        "{outcome:?}"
    );
    drop(busy);
    Ok(())
}

#[tokio::test]
async fn a_design_is_restored_from_the_cache_or_its_bytes() -> TestResult {
    let root = site()?;
    let first = loader(root.path());
    let loaded = load(&first, &root, "site.yaml").await?;

    let cached = first.restore(loaded.digest, Bytes::new()).await?;
    assert!(Arc::ptr_eq(&cached.inventory, &loaded.inventory));

    let other = loader(root.path());
    let rebuilt = other.restore(loaded.digest, loaded.stored.clone()).await?;
    assert_eq!(rebuilt.inventory, loaded.inventory);

    let wrong = other.restore(Digest([0; 32]), loaded.stored.clone()).await;
    assert!(
        matches!(wrong, Err(RestoreError::Digest { .. })),
        "{wrong:?}"
    );
    let damaged = other
        .restore(Digest([0; 32]), Bytes::from_static(b"x"))
        .await;
    assert!(
        matches!(damaged, Err(RestoreError::Damaged(_))),
        "{damaged:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_cache_keeps_the_designs_used_last() -> TestResult {
    let root = site()?;
    let loader = loader(root.path());
    let first = load(&loader, &root, "site.yaml").await?;
    for at in 0..20 {
        fs::write(
            root.path().join("other.yaml"),
            RACK.replace("r1", &format!("r{at}")),
        )?;
        load(&loader, &root, "other.yaml").await?;
        let again = load(&loader, &root, "site.yaml").await?;
        assert!(Arc::ptr_eq(&first.inventory, &again.inventory));
    }

    for at in 0..20 {
        fs::write(
            root.path().join("other.yaml"),
            RACK.replace("r1", &format!("s{at}")),
        )?;
        load(&loader, &root, "other.yaml").await?;
    }
    let late = load(&loader, &root, "site.yaml").await?;
    assert!(!Arc::ptr_eq(&first.inventory, &late.inventory));
    assert_eq!(first.inventory, late.inventory);
    Ok(())
}
