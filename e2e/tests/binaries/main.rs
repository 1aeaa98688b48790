//! Tests that start the real binaries: one program, so that it is linked once and tests that wait run side by side.

mod aa;
mod across_agents;
mod adopt;
mod applied;
mod attacks;
mod bad_input;
mod bad_reports;
mod captures;
mod command_line;
mod config_cost;
mod crash;
mod credentials;
mod critical;
mod demo;
mod deploy;
mod disks;
mod durable;
mod entities;
mod fleet_protocol;
mod initializing;
mod large_queue;
mod memory;
mod nodes;
mod observe_only;
mod patch;
mod pipelines;
#[path = "../../../control-plane/tests/api/postgres_server.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; the control plane's own tests kill the server, too"
)]
mod postgres_server;
mod quarantine;
mod queue_age;
mod recovery;
mod results_shown;
mod scenarios;
mod second;
mod secrets;
mod served_loop;
mod shadow;
mod slow_disks;
mod small_requests;
mod stage_state;
mod survival;
mod swaps;
mod tls;
mod verdicts;
mod waves;
