//! Files that must not be read, and trees that must.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::super::reference::Target;
use super::super::support::{TestResult, codes, invalid, reference};
use super::*;

const MAX: u64 = 4096;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn read_all(root: &Path, name: &str) -> Result<Vec<SourceFile>, LoadError> {
    read(&target(root, name), MAX, deadline())
}

fn target(root: &Path, name: &str) -> FileTarget {
    match reference(root, name).map(|reference| reference.target().clone()) {
        Ok(Target::File(target)) => target,
        other => panic!("{name} is a plain reference: {other:?}"),
    }
}

fn names(files: &[SourceFile]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

/// A root with a site, and a directory beside it that no reference may reach.
fn tree() -> io::Result<(TempDir, PathBuf)> {
    let top = TempDir::new()?;
    let root = top.path().join("sites");
    fs::create_dir_all(root.join("a/b"))?;
    fs::create_dir_all(top.path().join("private"))?;
    fs::write(top.path().join("private/site.yaml"), "outside")?;
    fs::write(root.join("site.yaml"), "inside")?;
    Ok((top, root))
}

#[test]
fn what_is_not_a_file_below_the_root_is_refused() -> TestResult {
    let (top, root) = tree()?;
    let outside = top.path().join("private");
    symlink(outside.join("site.yaml"), root.join("absolute.yaml"))?;
    symlink("../private/site.yaml", root.join("relative.yaml"))?;
    symlink(&outside, root.join("directory"))?;
    symlink("absolute.yaml", root.join("second.yaml"))?;
    symlink("/proc/self/environ", root.join("environment.yaml"))?;
    symlink("/dev/zero", root.join("zero.yaml"))?;
    symlink("/", root.join("everything"))?;
    symlink("circle.yaml", root.join("circle.yaml"))?;
    symlink("nowhere.yaml", root.join("dangling.yaml"))?;
    let fifo = root.join("fifo.yaml");
    assert!(Command::new("mkfifo").arg(&fifo).status()?.success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket.yaml"))?;
    let sparse = File::create(root.join("huge.yaml"))?;
    sparse.set_len(1 << 40)?;

    for (name, code) in [
        ("absolute.yaml", Code::ReferenceEscapes),
        ("relative.yaml", Code::ReferenceEscapes),
        ("second.yaml", Code::ReferenceEscapes),
        ("directory", Code::ReferenceEscapes),
        ("directory/site.yaml", Code::ReferenceEscapes),
        ("environment.yaml", Code::ReferenceEscapes),
        ("zero.yaml", Code::ReferenceEscapes),
        ("everything", Code::ReferenceEscapes),
        ("everything/etc/passwd", Code::ReferenceEscapes),
        ("circle.yaml", Code::ReferenceUnreadable),
        ("dangling.yaml", Code::ReferenceNotFound),
        ("missing.yaml", Code::ReferenceNotFound),
        ("site.yaml/deeper", Code::ReferenceNotFound),
        ("fifo.yaml", Code::ReferenceUnreadable),
        ("socket.yaml", Code::ReferenceUnreadable),
        ("huge.yaml", Code::TooLarge),
    ] {
        let findings = invalid(read_all(&root, name));
        assert_eq!(codes(&findings), [code], "{name}: {findings:?}");
        let shown = findings[0].to_string();
        assert!(
            !shown.contains("private") && !shown.contains("sites/"),
            "{shown}"
        );
    }
    let long = "x".repeat(300);
    assert_eq!(
        codes(&invalid(read_all(&root, &long))),
        [Code::ReferenceNotFound]
    );
    Ok(())
}

#[test]
fn links_that_stay_inside_are_followed() -> TestResult {
    let (top, root) = tree()?;
    symlink("../site.yaml", root.join("a/link.yaml"))?;
    // The root itself may be reached through a link.
    let alias = top.path().join("alias");
    symlink(&root, &alias)?;

    for (root, name) in [
        (&root, "a/link.yaml"),
        (&alias, "a/link.yaml"),
        (&alias, "site.yaml"),
    ] {
        let files = read_all(root, name)?;
        assert_eq!(files[0].bytes, b"inside");
    }
    assert_eq!(names(&read_all(&root, "a/link.yaml")?), ["link.yaml"]);
    Ok(())
}

#[test]
fn a_directory_means_its_yaml_files_in_order() -> TestResult {
    let (_top, root) = tree()?;
    for name in [
        "b.yml",
        "a/z.yaml",
        "a/b/a.yaml",
        "a.yaml",
        "notes.txt",
        "yaml",
        ".hidden.yaml",
    ] {
        fs::write(root.join(name), name)?;
    }
    fs::create_dir(root.join("empty.yaml"))?;
    fs::create_dir(root.join(".git"))?;
    fs::write(root.join(".git/x.yaml"), "hidden")?;
    symlink("..", root.join("a/up"))?;

    let files = read_all(&root, "")?;

    assert_eq!(
        names(&files),
        ["a/b/a.yaml", "a/z.yaml", "a.yaml", "b.yml", "site.yaml"]
    );
    assert_eq!(names(&read_all(&root, "a/")?), ["b/a.yaml", "z.yaml"]);
    Ok(())
}

#[test]
fn a_directory_with_a_link_out_of_the_root_is_refused() -> TestResult {
    let (top, root) = tree()?;
    symlink(
        top.path().join("private/site.yaml"),
        root.join("a/b/out.yaml"),
    )?;

    let findings = invalid(read_all(&root, "a"));

    assert_eq!(codes(&findings), [Code::ReferenceEscapes]);
    assert_eq!(findings[0].file.as_deref(), Some("b/out.yaml"));
    Ok(())
}

#[test]
fn the_size_limit_is_over_all_files() -> TestResult {
    let (_top, root) = tree()?;
    fs::remove_file(root.join("site.yaml"))?;
    for name in ["1.yaml", "2.yaml"] {
        fs::write(root.join(name), "x".repeat(2048))?;
    }
    assert_eq!(read_all(&root, "")?.len(), 2);

    fs::write(root.join("3.yaml"), "x")?;
    let findings = invalid(read_all(&root, ""));
    assert_eq!(codes(&findings), [Code::TooLarge]);
    assert_eq!(findings[0].message, "the design has more than 4096 bytes");
    Ok(())
}

#[test]
fn deep_trees_are_refused() -> TestResult {
    let (_top, root) = tree()?;
    fs::create_dir_all(root.join("d/".repeat(MAX_DIRECTORY_DEPTH)))?;
    assert_eq!(codes(&invalid(read_all(&root, ""))), [Code::TooLarge]);
    Ok(())
}

#[test]
fn a_root_that_is_away_may_come_back() -> TestResult {
    let (top, root) = tree()?;
    fs::rename(&root, top.path().join("elsewhere"))?;
    let outcome = read_all(&root, "site.yaml");
    assert!(
        matches!(outcome, Err(LoadError::Unavailable(_))),
        "{outcome:?}"
    );
    Ok(())
}

#[test]
fn a_deadline_that_passed_stops_reading() -> TestResult {
    let (_top, root) = tree()?;
    let outcome = read(
        &target(&root, "site.yaml"),
        MAX,
        Deadline::after(Duration::ZERO),
    );
    assert!(
        matches!(outcome, Err(LoadError::Unavailable(_))),
        "{outcome:?}"
    );
    Ok(())
}
