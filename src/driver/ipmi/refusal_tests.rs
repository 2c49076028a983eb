//! What `ipmitool` 1.8.19 printed when things went wrong with a simulated BMC, and what becomes of it.

use proptest::prelude::*;

use super::*;
use crate::domain::site::hardware::BootMode;
use crate::driver::ipmi::tool::{CipherSuite, Privilege};

/// What it prints to itself once it has logged in, at the level of an operator.
const ON_ITS_WAY: &str = "\
Loading IANA PEN Registry...
Get HPM.x Capabilities request failed, compcode = d4
Running Get VSO Capabilities my_addr 0x20, transit 0, target 0x20
Invalid completion code received: Insufficient privilege level
Discovered IPMB address 0x0
";

fn error(stdout: &str, stderr: &str, succeeded: bool) -> DriverError {
    let bmc = Bmc {
        host: "10.0.0.9".to_owned(),
        port: 623,
        account: "drydock".to_owned(),
        credential: "secret://bmc".parse().unwrap(),
        boot_mode: BootMode::Uefi,
    };
    let tool = Tool {
        program: "/usr/bin/ipmitool".into(),
        cipher_suite: CipherSuite::Sha256,
        privilege: Privilege::Operator,
    };
    let answer = Answer {
        succeeded,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    };
    of(&answer, &bmc, &tool, &Secret::new("hunter2".to_owned()))
}

#[test]
fn what_keeps_us_from_logging_in_is_told_apart() {
    const LAST: &str = "Error: Unable to establish IPMI v2 / RMCP+ session\n";
    for (stderr, kind, transient, message) in [
        (
            "> RAKP 2 HMAC is invalid\n",
            ErrorKind::Unauthorised,
            false,
            "the account of the design with secret://bmc is not accepted: BMC 10.0.0.9:623: > RAKP 2 HMAC is invalid",
        ),
        (
            "RAKP 2 message indicates an error : unauthorized name\n",
            ErrorKind::Unauthorised,
            false,
            "the account of the design with secret://bmc is not accepted: BMC 10.0.0.9:623: RAKP 2 message indicates an error : unauthorized name",
        ),
        (
            "RAKP 2 message indicates an error : unauthorized role requested\n",
            ErrorKind::Unauthorised,
            false,
            "the account of the design is no operator, see `drivers.ipmi.privilege`: BMC 10.0.0.9:623: RAKP 2 message indicates an error : unauthorized role requested",
        ),
        (
            "Error in open session response message : invalid authentication algorithm\n\n",
            ErrorKind::Unsupported,
            false,
            "BMC 10.0.0.9:623 does not speak cipher suite 17, see `drivers.ipmi.cipher_suite`: Error in open session response message : invalid authentication algorithm",
        ),
        (
            "Error in open session response message : insufficient resources for session\n\n",
            ErrorKind::Busy,
            true,
            "BMC 10.0.0.9:623 has no session left: Error in open session response message : insufficient resources for session",
        ),
        (
            "Get Auth Capabilities error\nError issuing Get Channel Authentication Capabilities request\n",
            ErrorKind::Timeout,
            true,
            "no answer from 10.0.0.9:623 in time",
        ),
        (
            "",
            ErrorKind::Timeout,
            true,
            "no answer from 10.0.0.9:623 in time",
        ),
        (
            "Address lookup for nohost.invalid failed\nCould not open socket!\n",
            ErrorKind::Unreachable,
            true,
            "no connection to 10.0.0.9:623: Address lookup for nohost.invalid failed; Could not open socket!",
        ),
    ] {
        let stderr = format!("Loading IANA PEN Registry...\n{stderr}{LAST}");
        let error = error("", &stderr, false);
        assert_eq!((error.kind, error.transient), (kind, transient), "{stderr}");
        assert_eq!(error.message, message);
    }
}

#[test]
fn completion_codes_are_told_apart() {
    for (stdout, stderr, kind, transient) in [
        (
            "",
            "Get Chassis Power Status failed: Unspecified error",
            ErrorKind::Failed,
            true,
        ),
        (
            "",
            "Set Chassis Power Control to Up/On failed: Insufficient privilege level",
            ErrorKind::Unauthorised,
            false,
        ),
        (
            "",
            "Set Chassis Power Control to Up/On failed: Command not supported in present state",
            ErrorKind::Busy,
            true,
        ),
        (
            "",
            "Set Chassis Power Control to Soft failed: Invalid data field in request",
            ErrorKind::Refused,
            false,
        ),
        (
            "",
            "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x8 rsp=0xcc): Invalid data field in request",
            ErrorKind::Refused,
            false,
        ),
        (
            " Device not present (Invalid data field in request)\n\n",
            "",
            ErrorKind::Refused,
            false,
        ),
        (
            "",
            "Unable to get Chassis Power Status\nClose Session command failed",
            ErrorKind::Timeout,
            true,
        ),
        (
            "",
            "Get Device ID command failed: Node busy",
            ErrorKind::Busy,
            true,
        ),
        (
            "",
            "Something that nobody has seen",
            ErrorKind::Failed,
            true,
        ),
    ] {
        let error = error(stdout, &format!("{ON_ITS_WAY}{stderr}\n"), false);
        assert_eq!(
            (error.kind, error.transient),
            (kind, transient),
            "{stderr}{stdout}"
        );
        assert!(error.message.contains("10.0.0.9:623"), "{}", error.message);
        assert!(!error.message.contains("VSO"), "{}", error.message);
    }
}

#[test]
fn a_command_that_ends_well_and_says_otherwise_has_failed() {
    let error = error(
        "",
        &format!(
            "{ON_ITS_WAY}Set Chassis Boot Parameter 4 failed: Unspecified error\nSet Chassis Boot Parameter 5 failed: Unspecified error\n"
        ),
        true,
    );
    assert_eq!((error.kind, error.transient), (ErrorKind::Failed, true));
    assert!(
        error
            .message
            .ends_with("Boot Parameter 5 failed: Unspecified error")
    );
}

#[test]
fn a_password_that_is_repeated_is_left_out() {
    let error = error("", "what is hunter2\n", false);
    assert_eq!(error.message, "BMC 10.0.0.9:623: what is [redacted]");
}

proptest! {
    #[test]
    fn whatever_is_printed_becomes_a_bounded_message(
        stdout in "(?s).{0,200}",
        stderr in "(?s).{0,200}",
        repeats in 1_usize..60,
        succeeded: bool,
    ) {
        let error = error(&stdout.repeat(repeats), &stderr.repeat(repeats), succeeded);
        prop_assert!(error.message.len() < 9 * 1024);
        prop_assert!(!error.message.chars().any(char::is_control));
    }
}
