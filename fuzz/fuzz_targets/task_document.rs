//! Task documents in the seed's form become requests that the server can judge.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drydock::fuzzing::read("task_document", bytes));
