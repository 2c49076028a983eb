//! Payloads of the journal are decoded or found damaged.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("journal", bytes));
