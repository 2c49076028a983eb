//! A Python that can run an example: its packages installed, its code generated as its README says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What a machine without Python is told.
pub(crate) const INSTALL: &str =
    "python3 is missing; install with: sudo apt-get install python3 python3-venv";

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// An example, copied to a place of its own, ready to run.
pub(crate) struct Example {
    path: &'static str,
    interpreter: PathBuf,
    root: TempDir,
}

impl Example {
    /// The client.
    pub(crate) fn client() -> Self {
        Self::of(
            "examples/python",
            "python -m grpc_tools.protoc -I proto \
            --python_out=examples/python --pyi_out=examples/python --grpc_python_out=examples/python \
            proto/drydock/v1/*.proto",
        )
    }

    /// The plug-in.
    pub(crate) fn plugin() -> Self {
        Self::of(
            "examples/plugin",
            "python -m grpc_tools.protoc -I proto \
            --python_out=examples/plugin --pyi_out=examples/plugin --grpc_python_out=examples/plugin \
            proto/drydock/driver/v1/*.proto",
        )
    }

    /// Copies the example at `path` and generates its code with the command of its README, which is one of
    /// the repository's root.
    fn of(path: &'static str, generate: &str) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let readme = fs::read_to_string(Path::new(REPOSITORY).join(path).join("README.md"));
        let readme = readme.expect("the example is explained");
        let unfolded = readme.replace("\\\n", " ");
        let words: Vec<&str> = unfolded.split_whitespace().collect();
        let command: Vec<&str> = generate.split_whitespace().collect();
        let command = command.join(" ");
        assert!(
            words.join(" ").contains(&command),
            "the README has the command"
        );

        for part in ["proto", path] {
            copy(&Path::new(REPOSITORY).join(part), &root.path().join(part));
        }
        let interpreter = environment(path);
        let programs = interpreter.parent().expect("it is in a directory");
        let mut generate = Command::new("sh");
        generate
            .args(["-c", &command])
            .current_dir(root.path())
            .env("PATH", prepended(programs));
        succeed(&mut generate, "the code is generated");
        Self {
            path,
            interpreter,
            root,
        }
    }

    /// The interpreter.
    pub(crate) fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// The directory with the programs.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join(self.path)
    }
}

/// The interpreter of an environment with what an example requires, kept from one run of the tests to the
/// next for as long as that stays the same.
fn environment(path: &str) -> PathBuf {
    let requirements = Path::new(REPOSITORY).join(path).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("the example's requirements");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let directory = target
        .expect("target/tmp is in target")
        .join(format!("{}-venv", path.replace('/', "-")));
    // One at a time, whoever else runs these tests. The lock ends with the file.
    let lock = File::create(directory.with_extension("lock")).expect("a file to lock");
    lock.lock().expect("the lock");

    let interpreter = directory.join("bin/python");
    let stamp = directory.join("installed.txt");
    let runs = Command::new(&interpreter).arg("--version").output().is_ok();
    if runs && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return interpreter;
    }
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(&directory);
    succeed(&mut create, INSTALL);
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]);
    succeed(install.arg(&requirements), "the requirements are installed");
    fs::write(&stamp, wanted).expect("the stamp is written");
    interpreter
}

fn copy(from: &Path, to: &Path) {
    // What somebody has generated or cached by hand stays where it is.
    const NOT_OURS: [&str; 2] = ["drydock", "__pycache__"];
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory of the repository") {
        let entry = entry.expect("an entry");
        let (name, from) = (entry.file_name(), entry.path());
        if from.is_file() {
            fs::copy(&from, to.join(&name)).expect("a file is copied");
        } else if from.ends_with("proto/drydock") || !NOT_OURS.iter().any(|other| name == **other) {
            copy(&from, &to.join(&name));
        }
    }
}

fn prepended(directory: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).expect("the directory's name has no colon")
}

fn succeed(command: &mut Command, what: &str) {
    let output = command.output().expect(INSTALL);
    assert!(output.status.success(), "{what}: {command:?}: {output:?}");
}
