//! What `examples/` and `deploy/` show, run as their readers would run it.
#![expect(
    clippy::expect_used,
    reason = "tests fail loudly, in their helpers too"
)]

mod server;

mod python;

mod task_documents;

mod large_site;

mod python_client;

mod plugin;

mod deploy_files;

mod emulated_machines;

mod validation;

mod broken_site;
mod mistakes;
