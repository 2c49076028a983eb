//! The plug-in of `examples/plugin`, as a process of its own that may be killed and started again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::design::Design;
use crate::python::Example;
use crate::support::database::Database;
use crate::support::server::Launch;

/// What the configuration calls it, and the out-of-band type of the nodes that it serves.
pub(crate) const VENDOR: &str = "vendor";

/// The token that it wants to be shown.
pub(crate) const TOKEN: &str = "canary-token-of-the-plug-in";

/// A node that it serves.
pub(crate) const SERVED: &str = "{oob: {type: vendor, address: 10.0.0.1, account: drydock, \
    credential: 'secret://vendor-bmc', chassis: 7}}";

/// How long it may take to serve on a busy machine.
const START_BOUND: Duration = Duration::from_secs(60);

/// How it is started.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Seconds for each part of its work; a deployment has ten.
    pub(crate) pace: f64,
    /// A step that it shall not do.
    pub(crate) without: Option<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: 0.05,
            without: None,
        }
    }
}

/// The plug-in, over TLS. Dropped, it is killed.
pub(crate) struct Vendor {
    example: Example,
    directory: TempDir,
    settings: Settings,
    listen: String,
    child: Child,
}

impl Vendor {
    /// Starts it on a free port.
    pub(crate) async fn start(settings: Settings) -> Self {
        let example = Example::plugin();
        let directory = tempfile::tempdir().expect("a directory");
        make_certificates(directory.path());
        std::fs::create_dir(directory.path().join("secrets")).expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("a file");
        };
        write("token", TOKEN);
        write("secrets/vendor", TOKEN);
        write("secrets/vendor-bmc", "canary-password-of-the-bmc");
        let (child, listen) = run(&example, directory.path(), &settings, "127.0.0.1:0").await;
        Self {
            example,
            directory,
            settings,
            listen,
            child,
        }
    }

    /// A server that has it do everything, at a site with `design`.
    pub(crate) fn launch(&self, database: &Database, design: &Design) -> Launch {
        Launch::on(database)
            .designs_in(design.directory())
            // Its designs say what the drivers need, and nothing of disks and networks.
            .set("design.gate", "off")
            .set("drivers.oob", "vendor,manual")
            .set("drivers.node", VENDOR)
            .set(
                "drivers.remote.vendor.address",
                format!("https://{}", self.listen),
            )
            .set("drivers.remote.vendor.ca", self.file("ca.pem").display())
            .set(
                "drivers.remote.vendor.certificate",
                self.file("ours.pem").display(),
            )
            .set("drivers.remote.vendor.key", self.file("ours.key").display())
            .set("drivers.remote.vendor.token", "secret://vendor")
            .set("secrets.directory", self.file("secrets").display())
            .set("executor.retry_backoff", "50ms")
    }

    /// A file of its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// Starts it again where it was, with the state that it left.
    pub(crate) async fn restart(&mut self) {
        let place = self.directory.path();
        let (child, _) = run(&self.example, place, &self.settings, &self.listen).await;
        self.child = child;
    }

    /// A machine of the vendor's tool.
    pub(crate) fn machine(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.file("state/machines.json"));
        let machines: Value = serde_json::from_str(&text.expect("machines")).expect("JSON");
        machines[name].clone()
    }

    /// How often a machine was deployed.
    pub(crate) fn deployments(&self, name: &str) -> usize {
        self.machine(name)["deployments"]
            .as_array()
            .expect("a list")
            .len()
    }
}

async fn run(
    example: &Example,
    place: &Path,
    settings: &Settings,
    listen: &str,
) -> (Child, String) {
    let mut command = Command::new(example.interpreter());
    command
        .arg("plugin.py")
        .args(["--listen", listen, "--pace", &settings.pace.to_string()])
        .arg("--state")
        .arg(place.join("state"))
        .arg("--token-file")
        .arg(place.join("token"))
        .arg("--certificate")
        .arg(place.join("theirs.pem"))
        .arg("--key")
        .arg(place.join("theirs.key"))
        .arg("--client-ca")
        .arg(place.join("ca.pem"));
    if let Some(step) = settings.without {
        command.args(["--without", step]);
    }
    let mut child = command
        .current_dir(example.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the plug-in starts");
    let output = child.stdout.take().expect("its output is piped");
    let mut lines = BufReader::new(output).lines();
    let line = timeout(START_BOUND, lines.next_line()).await;
    let line = line
        .expect("it serves in time")
        .expect("its output is text");
    let line = line.expect("it serves");
    let address = line.strip_prefix("listening on ");
    (child, address.expect("where it listens").to_owned())
}

/// An authority, and certificates of it for both sides; and one of another authority, for nobody.
fn make_certificates(place: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
            .expect("an authority")
    };
    let write = |name: &str, text: String| {
        std::fs::write(place.join(name), text).expect("a file");
    };
    let issuer = authority("the authority");
    write("ca.pem", issuer.pem());
    write("other.pem", authority("another authority").pem());
    for name in ["theirs", "ours"] {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        // One that has the name of its authority passes for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}
