//! Running `ipmitool`: a process for one command, bounded in its time and in what it may say.
//!
//! The password goes into a pipe that is its standard input. On a command line every user of the
//! machine could read it; in an environment, whoever may look at the process, a core dump, or a tool
//! that records environments. A pipe is read once, by whom it is for, and is empty then.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use super::bmc::Bmc;
use crate::driver::bmc::Bmc as _;
use crate::driver::device_error::device_text;
use crate::driver::{DriverError, ErrorKind};
use crate::secret::Secret;

/// The most that is taken of each of its outputs. What we ask for is a tenth of it.
const MAX_OUTPUT_BYTES: u64 = 8 * 1024;

/// How long it waits for an answer before it asks again, and how often it asks: a packet may be lost
/// on its way, and a BMC that says nothing at all is given up within six seconds.
const WAIT_SECONDS: &str = "1";
const TRIES: &str = "2";

/// How what is said is protected: the two cipher suites that encrypt and that BMCs are made with.
/// Suites without encryption, or without a password, are not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherSuite {
    /// 17: HMAC-SHA256 and AES-128.
    Sha256,
    /// 3: HMAC-SHA1 and AES-128, for BMCs that have nothing newer.
    Sha1,
}

impl CipherSuite {
    /// Its number in the IPMI specification.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Sha256 => "17",
            Self::Sha1 => "3",
        }
    }
}

/// What an account is to be allowed while we use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// Enough for power and boot devices on BMCs that keep to the specification.
    Operator,
    /// Everything.
    Administrator,
    /// To read, and to change nothing.
    User,
}

impl Privilege {
    /// As operators write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::User => "user",
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::Operator => "OPERATOR",
            Self::Administrator => "ADMINISTRATOR",
            Self::User => "USER",
        }
    }
}

/// The program, and how it is to speak.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) program: PathBuf,
    pub(super) cipher_suite: CipherSuite,
    pub(super) privilege: Privilege,
}

/// What it said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its exit code was zero.
    pub(super) succeeded: bool,
    /// At most 8 KiB.
    pub(super) stdout: String,
    /// At most 8 KiB.
    pub(super) stderr: String,
}

impl Tool {
    /// Runs a command on a BMC. When this returns, or is dropped, the process is gone.
    pub(super) async fn run(
        &self,
        bmc: &Bmc,
        password: &Secret,
        command: &[&str],
        deadline: Instant,
    ) -> Result<Answer, DriverError> {
        if Instant::now() >= deadline {
            return Err(late(bmc).before_sending());
        }
        let mut child = self.spawn(bmc, command)?;
        let answer = match timeout_at(deadline, exchange(&mut child, password)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                end(&mut child).await;
                return Err(broken("speak to", &self.program, &error));
            }
            Err(_elapsed) => {
                end(&mut child).await;
                return Err(late(bmc));
            }
        };
        tracing::trace!(
            bmc = bmc.place(),
            ?command,
            succeeded = answer.succeeded,
            stderr = device_text(&answer.stderr, &[password]),
            "ipmitool ended"
        );
        Ok(answer)
    }

    fn spawn(&self, bmc: &Bmc, command: &[&str]) -> Result<Child, DriverError> {
        Command::new(&self.program)
            // Has it tell why it cannot log in, and how far it is: without us it ends there. A third
            // one would have it print keys.
            .args(["-v", "-I", "lanplus", "-H", &bmc.host])
            .args(["-p", &bmc.port.to_string(), "-U", &bmc.account])
            .args(["-f", "/dev/stdin"])
            .args(["-C", self.cipher_suite.number()])
            .args(["-L", self.privilege.argument()])
            .args(["-N", WAIT_SECONDS, "-R", TRIES])
            .args(command)
            // Our own has secrets, and whatever else could change what it does.
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What is typed at the server's terminal is for the server, which ends it in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken("start", &self.program, &error).before_sending())
    }
}

/// Hands the password over and takes what is said until both outputs and the process have ended.
async fn exchange(child: &mut Child, password: &Secret) -> io::Result<Answer> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let handed_over = async {
        let Some(mut stdin) = stdin else {
            return Ok(());
        };
        let line = Secret::new(format!("{}\n", password.expose()));
        match stdin.write_all(line.expose().as_bytes()).await {
            // It has ended without asking for it, and says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    };
    let ((), stdout, stderr, status) =
        tokio::try_join!(handed_over, bounded(stdout), bounded(stderr), child.wait())?;
    Ok(Answer {
        succeeded: status.success(),
        stdout,
        stderr,
    })
}

/// The beginning of an output. The rest is read too, as nobody can print into a full pipe.
async fn bounded(output: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut output) = output else {
        return Ok(String::new());
    };
    let mut kept = Vec::new();
    (&mut output)
        .take(MAX_OUTPUT_BYTES)
        .read_to_end(&mut kept)
        .await?;
    tokio::io::copy(&mut output, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

/// Ends it for certain, and waits until it is gone: it could still send what it was to.
async fn end(child: &mut Child) {
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "ipmitool not ended");
    }
}

/// The error of a BMC that says nothing.
pub(super) fn late(bmc: &Bmc) -> DriverError {
    DriverError::passing(
        ErrorKind::Timeout,
        format!("no answer from {} in time", bmc.place()),
    )
}

fn broken(what: &str, program: &std::path::Path, error: &io::Error) -> DriverError {
    DriverError::passing(
        ErrorKind::Internal,
        format!("{what} {}: {error}", program.display()),
    )
}
