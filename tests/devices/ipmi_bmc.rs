//! BMCs that speak IPMI: an `ipmi_sim` each, on a port of its own, dying with the test.
//!
//! A script is the machine behind it: it keeps power and boot device in files, writes down what was
//! asked of it, and misbehaves where it is told to.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::emulator::{ACCOUNT, PASSWORD};

/// How long it may take to answer, on a busy machine.
const START_BOUND: Duration = Duration::from_secs(90);

/// How soon it is asked again whether it is there: it does not say so, and drops what comes before.
const PING_AGAIN: Duration = Duration::from_millis(50);

/// The presence ping of RMCP, which every BMC answers without a session.
const PING: [u8; 12] = [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    name: String,
    on: bool,
    delay_s: u32,
    hangs: bool,
    broken: bool,
    without_inventory: bool,
}

impl Simulation {
    /// A machine that is off and quick to change; its serial number is its name.
    pub(crate) fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            on: false,
            delay_s: 0,
            hangs: false,
            broken: false,
            without_inventory: false,
        }
    }

    /// It is on.
    pub(crate) fn switched_on(mut self) -> Self {
        self.on = true;
        self
    }

    /// Its power changes as long after a request.
    pub(crate) fn taking(mut self, delay_s: u32) -> Self {
        self.delay_s = delay_s;
        self
    }

    /// Its operating system does not shut down when it is asked to.
    pub(crate) fn hanging(mut self) -> Self {
        self.hangs = true;
        self
    }

    /// Its boot device cannot be set or read.
    pub(crate) fn broken(mut self) -> Self {
        self.broken = true;
        self
    }

    /// Nobody has written down what it is.
    pub(crate) fn without_inventory(mut self) -> Self {
        self.without_inventory = true;
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> SimulatedBmc {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port().await;
        self.write_down(directory.path(), port);
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "ipmi_sim"])
            .args(["-c", "lan.conf", "-f", "sim.emu", "-s", "state", "-n"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("ipmi_sim is missing: run scripts/test-services, which installs it");
        let answers = timeout(START_BOUND, answer(port)).await;
        answers.expect("the BMC answers in time");
        SimulatedBmc {
            name: self.name,
            port,
            child,
            directory,
        }
    }

    fn write_down(&self, directory: &Path, port: u16) {
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let machine = write("machine.sh", MACHINE);
        let executable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&machine, executable).expect("a program");
        write("power", if self.on { "1" } else { "0" });
        write("boot", "default");
        write("delay", &self.delay_s.to_string());
        write("journal", "");
        if self.hangs {
            write("hangs", "");
        }
        if self.broken {
            write("broken", "");
        }
        let machine = machine.display();
        write(
            "lan.conf",
            &format!(
                "name \"bmc\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 {port}\n    \
                 priv_limit admin\n    allowed_auths_admin none md5 straight\n    \
                 guid a123456789abcdefa123456789abcdef\n  endlan\n  \
                 chassis_control \"{machine} {port}\"\n  \
                 user 1 true \"\" \"unused\" user 10 none md5 straight\n  \
                 user 2 true \"{ACCOUNT}\" \"{PASSWORD}\" admin 10 none md5 straight\n"
            ),
        );
        let mut commands = "mc_setbmc 0x20\n\
             mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
            .to_owned();
        if !self.without_inventory {
            let bytes = inventory(&self.name);
            let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
            let bytes = bytes.join(" ");
            commands.push_str(&format!("mc_add_fru_data 0x20 0 512 data {bytes}\n"));
        }
        commands.push_str("mc_enable 0x20\n");
        write("sim.emu", &commands);
        std::fs::create_dir(directory.join("state")).expect("a directory");
    }
}

/// A BMC that answers.
#[derive(Debug)]
pub(crate) struct SimulatedBmc {
    name: String,
    port: u16,
    child: Child,
    directory: TempDir,
}

impl SimulatedBmc {
    /// The name of its machine.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// As a design says it.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What was asked of the machine, in order, as `power 0`, `power 1`, `shutdown 1`, `boot pxe`.
    pub(crate) fn journal(&self) -> Vec<String> {
        let text = self.read("journal");
        text.lines().map(str::to_owned).collect()
    }

    /// Whether the machine has power, past the driver under test.
    pub(crate) fn is_on(&self) -> bool {
        self.read("power").trim() == "1"
    }

    /// What it boots from next.
    pub(crate) fn boot(&self) -> String {
        self.read("boot").trim().to_owned()
    }

    /// Writes down from now on how every `ipmitool` that speaks to it was started, as the kernel
    /// tells everybody: its command line and its environment.
    pub(crate) fn watch_callers(&self) {
        std::fs::write(self.directory.path().join("watch"), "").expect("a file");
    }

    /// What [`Self::watch_callers`] has written down.
    pub(crate) fn callers(&self) -> String {
        self.read("callers")
    }

    /// Changes how long a change of power takes.
    pub(crate) fn take(&self, delay_s: u32) {
        let path = self.directory.path().join("delay");
        std::fs::write(path, delay_s.to_string()).expect("a file");
    }

    /// The programs that speak to it now.
    pub(crate) fn visitors(&self) -> usize {
        let port = format!("\0-p\0{}\0", self.port);
        let processes = std::fs::read_dir("/proc").expect("processes");
        let lines = processes.filter_map(|entry| {
            // Processes come and go.
            std::fs::read(entry.ok()?.path().join("cmdline")).ok()
        });
        lines
            .filter(|line| {
                line.windows(port.len())
                    .any(|window| window == port.as_bytes())
            })
            .count()
    }

    /// Takes its time away: what is sent to it arrives, and nobody answers.
    pub(crate) async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// Gives its time back.
    pub(crate) async fn wake(&self) {
        self.signal("CONT").await;
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the BMC runs");
        let mut command = Command::new("kill");
        command.args([format!("-{name}"), id.to_string()]);
        assert!(command.status().await.expect("kill runs").success());
    }
}

/// Where the program is that speaks to it.
pub(crate) fn ipmitool() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("ipmitool"));
    found
        .find(|path| path.exists())
        .expect("ipmitool is missing: run scripts/test-services, which installs it")
}

/// A UDP port that nobody has, and that this process has not given away before: two that listen at
/// one would not notice.
async fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let port = socket.local_addr().expect("its address").port();
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if given.insert(port) {
            return port;
        }
    }
}

async fn answer(port: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    socket.connect(("127.0.0.1", port)).await.expect("loopback");
    loop {
        let mut pong = [0; 64];
        // Nobody listens there yet: the first call says so, or the second.
        if socket.send(&PING).await.is_ok()
            && let Ok(Ok(_)) = timeout(PING_AGAIN, socket.recv(&mut pong)).await
        {
            return;
        }
        tokio::time::sleep(PING_AGAIN).await;
    }
}

/// The inventory of a machine, in the form of the FRU specification.
fn inventory(serial: &str) -> Vec<u8> {
    fn area(mut body: Vec<u8>, texts: &[&str]) -> Vec<u8> {
        for text in texts {
            let length = u8::try_from(text.len()).expect("a short text");
            body.push(0xc0 | length);
            body.extend(text.as_bytes());
        }
        body.push(0xc1);
        let blocks = (body.len() + 1).div_ceil(8);
        body[1] = u8::try_from(blocks).expect("a short area");
        body.resize(blocks * 8 - 1, 0);
        summed(body)
    }
    fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes.push(sum.wrapping_neg());
        bytes
    }
    let board = area(
        vec![1, 0, 0, 0, 0, 0],
        &["Acme Boards", "Board 1", "B-0", "BP-1", ""],
    );
    let product = area(
        vec![1, 0, 0],
        &["Acme", "Falcon 9000", "FP-1", "v2", serial, "asset-7", ""],
    );
    let second = u8::try_from(1 + board.len() / 8).expect("a short area");
    let header = summed(vec![1, 0, 0, 1, second, 0, 0]);
    [header, board, product].concat()
}

/// The machine. It is called with the port, and with `get` and names or `set` and names with values.
const MACHINE: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
port=$1 verb=$2
shift 2
if [ -e watch ]; then
    for process in /proc/[0-9]*; do
        if grep -qzx -- "$port" "$process/cmdline" 2>/dev/null && grep -qx ipmitool "$process/comm"; then
            cat "$process/cmdline" "$process/environ" | tr '\0' '\n' >> callers
        fi
    done
fi
if [ -s due ]; then
    read -r at power < due
    if [ "$(date +%s)" -ge "$at" ]; then
        echo "$power" > power
        : > due
    fi
fi
if [ "$verb" = get ]; then
    for name in "$@"; do
        case $name in
        boot) [ -e broken ] && exit 1; echo "boot:$(cat boot)" ;;
        power) echo "power:$(cat power)" ;;
        esac
    done
    exit 0
fi
[ "$verb" = set ] || exit 0
echo "$1 $2" >> journal
case $1 in
boot) [ -e broken ] && exit 1; echo "$2" > boot; exit 0 ;;
power) power=$2 ;;
shutdown) [ -e hangs ] && exit 0; power=0 ;;
esac
if [ "$(cat delay)" -eq 0 ]; then
    echo "$power" > power
else
    echo "$(($(date +%s) + $(cat delay))) $power" > due
fi
"#;
