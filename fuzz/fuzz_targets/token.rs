//! Page tokens and resume tokens are read or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("token", bytes));
