//! Drivers on what they were made for: real third-party services, over their real protocols.
#![expect(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests read the statuses that the server sends, fail loudly, and show the server's log"
)]

#[macro_use]
#[path = "../support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "shared with the tests of the promises, which use all of it"
)]
mod support;

mod services;

mod emulator;
mod harbour;
mod ipmi_bmc;

mod redfish;
mod redfish_faults;
mod redfish_power;

mod ipmi;
mod ipmi_faults;
mod ipmi_power;

mod canary;
mod ipmi_canary;

mod design;
mod ironic_service;
mod keystone_service;

mod ironic;
mod ironic_bmc;
mod ironic_faults;
mod ironic_keystone;
mod ironic_settings;

#[path = "../examples/python.rs"]
#[expect(dead_code, reason = "shared with the tests of the examples")]
mod python;
mod vendor;

mod remote;
mod remote_faults;
