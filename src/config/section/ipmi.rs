//! The section of the IPMI driver.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MAX_COUNT;
use crate::config::reader::Reader;
use crate::domain::site::hardware::BootMode;
use crate::driver::ipmi::{CipherSuite, Privilege};

/// The program that is looked for where none is set.
const PROGRAM: &str = "ipmitool";

/// The key of the program.
const PROGRAM_KEY: &str = "drivers.ipmi.ipmitool";

/// The IPMI driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipmi {
    /// Where `ipmitool` is; where the driver is used, it is there and can be run.
    pub ipmitool: PathBuf,
    /// How what is said is protected.
    pub cipher_suite: CipherSuite,
    /// The privilege level that is asked for.
    pub privilege: Privilege,
    /// How nodes boot of which the design does not say it.
    pub boot_mode: BootMode,
    /// How long a node may take to shut down by itself before its power is cut; zero: not asked.
    pub graceful_shutdown: Duration,
    /// Most BMCs that are talked to at a time.
    pub max_concurrent: u32,
}

/// What is different at one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteIpmi {
    /// Instead of `drivers.ipmi.cipher_suite`.
    pub cipher_suite: Option<CipherSuite>,
    /// Instead of `drivers.ipmi.privilege`.
    pub privilege: Option<Privilege>,
    /// Instead of `drivers.ipmi.boot_mode`.
    pub boot_mode: Option<BootMode>,
}

const SUITES: [(&str, CipherSuite); 2] = [
    (CipherSuite::Sha256.number(), CipherSuite::Sha256),
    (CipherSuite::Sha1.number(), CipherSuite::Sha1),
];

const PRIVILEGES: [(&str, Privilege); 3] = [
    (Privilege::Operator.name(), Privilege::Operator),
    (Privilege::Administrator.name(), Privilege::Administrator),
    (Privilege::User.name(), Privilege::User),
];

const BOOT_MODES: [(&str, BootMode); 2] = [("uefi", BootMode::Uefi), ("bios", BootMode::Bios)];

impl Ipmi {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let ipmitool = reader.path(PROGRAM_KEY, "from PATH", PROGRAM_IS);
        Self {
            ipmitool: ipmitool.unwrap_or_else(|| PathBuf::from(PROGRAM)),
            cipher_suite: reader.token("drivers.ipmi.cipher_suite", SUITES, CIPHER_SUITE),
            privilege: reader.token("drivers.ipmi.privilege", PRIVILEGES, PRIVILEGE),
            boot_mode: reader.token("drivers.ipmi.boot_mode", BOOT_MODES, BOOT_MODE),
            graceful_shutdown: reader.duration(
                "drivers.ipmi.graceful_shutdown",
                Duration::ZERO,
                Duration::ZERO,
                "How long a node may take to shut down by itself before its power is cut; 0s cuts it at once.",
            ),
            max_concurrent: reader.count(
                "drivers.ipmi.max_concurrent",
                32,
                1..=MAX_COUNT,
                "Most BMCs that one replica talks to at a time over IPMI, each through a process of `ipmitool`; with each of them it has one exchange at a time.",
            ),
        }
    }

    /// Finds `ipmitool`, in the directories of `search` where only its name is set. Where it is not,
    /// or cannot be run, the key has a problem.
    pub(super) fn find(&mut self, reader: &mut Reader, search: Option<&OsString>) {
        let found = program(&self.ipmitool, search);
        let message = match &found {
            Ok(_) => String::new(),
            Err(what) => format!("must be a program, as nodes of type `ipmi` are acted on: {what}"),
        };
        reader.check(PROGRAM_KEY, &["drivers.oob"], found.is_ok(), message);
        if let Ok(path) = found {
            self.ipmitool = path;
        }
    }
}

impl SiteIpmi {
    /// What may follow the name of a site in a key.
    pub(super) const KEYS: [&str; 3] = [".ipmi.cipher_suite", ".ipmi.privilege", ".ipmi.boot_mode"];

    pub(super) fn read(reader: &mut Reader, site: &str) -> Self {
        let [cipher_suite, privilege, boot_mode] =
            Self::KEYS.map(|suffix| format!("sites.{site}{suffix}"));
        Self {
            cipher_suite: reader.choice(
                &cipher_suite,
                "drivers.ipmi.cipher_suite",
                SUITES,
                "Instead of `drivers.ipmi.cipher_suite`, at the site of that name.",
            ),
            privilege: reader.choice(
                &privilege,
                "drivers.ipmi.privilege",
                PRIVILEGES,
                "Instead of `drivers.ipmi.privilege`, at the site of that name.",
            ),
            boot_mode: reader.choice(
                &boot_mode,
                "drivers.ipmi.boot_mode",
                BOOT_MODES,
                "Instead of `drivers.ipmi.boot_mode`, at the site of that name.",
            ),
        }
    }
}

/// The path of a program that can be run. A name alone is looked for as a shell does.
fn program(name: &Path, search: Option<&OsString>) -> Result<PathBuf, String> {
    if name.components().nth(1).is_some() || name.is_absolute() {
        return match std::fs::metadata(name) {
            Err(error) => Err(format!("{}: {error}", name.display())),
            Ok(_) if is_program(name) => Ok(name.to_owned()),
            Ok(_) => Err(format!("{} cannot be run", name.display())),
        };
    }
    let directories = search.map(std::env::split_paths).into_iter().flatten();
    let mut paths = directories.map(|directory| directory.join(name));
    // What is found relative to the working directory would be another program elsewhere.
    let found = paths.find(|path| path.is_absolute() && is_program(path));
    found.ok_or_else(|| {
        format!(
            "no directory of `PATH` has a program `{}`, of the package of that name",
            name.display()
        )
    })
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

const PROGRAM_IS: &str = "The program `ipmitool`, which speaks to BMCs of type `ipmi`; a name alone is looked for in `PATH`.";
const CIPHER_SUITE: &str = "The cipher suite of IPMI sessions: `17`, or `3` for BMCs that have nothing newer; no other one both authenticates and encrypts.";
const PRIVILEGE: &str = "The privilege level that an IPMI account is used with: `operator`, `administrator` for BMCs that take boot devices from nobody else, or `user`, which only reads.";
const BOOT_MODE: &str = "How nodes of type `ipmi` boot from the network whose hardware profile has no `boot_mode`: `uefi`, or `bios`.";
