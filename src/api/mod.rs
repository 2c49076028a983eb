//! The gRPC surface: decodes and validates requests, and turns what comes back into answers.

pub mod frame;
