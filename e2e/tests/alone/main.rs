//! Tests that start the real binaries and fill a machine, or measure what a process takes of one: those that measure run one
//! after the other, and none beside another program of tests.

mod large_queue;
mod memory;
mod on_postgres;
#[path = "../../../control-plane/tests/api/postgres_server.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; the control plane's own tests kill the server, too"
)]
mod postgres_server;
mod small_requests;

/// Held by the test that measures, to write, or by those that do not, to read.
static ALONE: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());
