//! Tests that start the real binaries and fill a machine, or measure what a process takes of one: they run one after the other,
//! and beside no other program of tests.

mod demo_on_postgres;
mod large_queue;
mod memory;
#[path = "../../../control-plane/tests/api/postgres_server.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; the control plane's own tests kill the server, too"
)]
mod postgres_server;
mod replicas;
mod small_requests;

/// Held by the test that runs.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
