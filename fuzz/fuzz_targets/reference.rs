//! References, and redirects, that are allowed lead to where designs may be read from.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("reference", bytes));
