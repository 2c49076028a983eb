//! YAML documents become an inventory, which can be rebuilt from what is stored of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("design", bytes));
