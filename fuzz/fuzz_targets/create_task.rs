//! Requests to create a task are valid or refused with violations.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("create_task", bytes));
