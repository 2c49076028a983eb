//! Node filters, as JSON and as protobuf, select nodes or are refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("node_filter", bytes));
