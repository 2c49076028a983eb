//! Compiles `proto/` to Rust, without a `protoc` on the machine, and keeps the descriptors for reflection.
//!
//! The code is generated twice. The first pass makes the messages and the clients. The second makes the
//! servers alone, with `TaskEvent` replaced by `EventFrame`: an event goes to many streams but is encoded
//! once, and a server that took `TaskEvent` would encode it again for each of them.
//!
//! The protocol of plug-ins is apart from the public contract: we are its client, and serve it in tests alone.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message as _;

const PROTO_DIR: &str = "proto";

const PROTO_FILES: [&str; 7] = [
    "drydock/v1/build_data_service.proto",
    "drydock/v1/design_service.proto",
    "drydock/v1/effective_node.proto",
    "drydock/v1/errors.proto",
    "drydock/v1/task.proto",
    "drydock/v1/task_event.proto",
    "drydock/v1/task_service.proto",
];

const PLUGIN_FILES: [&str; 1] = ["drydock/driver/v1/driver_service.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PROTO_DIR}");

    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(PROTO_FILES, [PROTO_DIR])?;
    std::fs::write(
        out_dir.join("drydock.descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;

    // Ordered maps give one encoding for one value, which the hash of a request relies on.
    tonic_prost_build::configure()
        .btree_map(".")
        .build_client(true)
        .build_server(false)
        .out_dir(empty_dir(&out_dir, "messages")?)
        .compile_fds(descriptors.clone())?;

    tonic_prost_build::configure()
        .extern_path(".drydock.v1", "crate::proto::v1")
        .extern_path(".drydock.v1.TaskEvent", "crate::api::frame::EventFrame")
        .build_client(false)
        .build_server(true)
        .out_dir(empty_dir(&out_dir, "servers")?)
        .compile_fds(descriptors)?;

    let plugins = protox::compile(PLUGIN_FILES, [PROTO_DIR])?;
    tonic_prost_build::configure()
        .btree_map(".")
        .build_client(true)
        .build_server(false)
        .out_dir(empty_dir(&out_dir, "plugin_client")?)
        .compile_fds(plugins.clone())?;

    tonic_prost_build::configure()
        .extern_path(".drydock.driver.v1", "crate::driver::remote::wire::v1")
        .build_client(false)
        .build_server(true)
        .out_dir(empty_dir(&out_dir, "plugin_server")?)
        .compile_fds(plugins)?;
    Ok(())
}

/// The directory `name` below `out_dir`, without what an earlier build may have left in it.
fn empty_dir(out_dir: &Path, name: &str) -> std::io::Result<PathBuf> {
    let dir = out_dir.join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
