//! The real binaries, started, prodded and killed from tests.
//!
//! Everything here goes through what a user has: a config file, signals, sockets, exit codes. Only this crate may
//! see all the others, and it checks the agent with code that the agent does not share.

pub mod agent;
pub mod assignment;
pub mod attack;
pub mod bulk;
pub mod configs;
pub mod control_plane;
pub mod counting;
pub mod disk;
pub mod fleet;
pub mod http;
pub mod intake;
pub mod network;
pub mod opamp;
pub mod person;
pub mod proxy;
pub mod reporter;
pub mod served;
pub mod services;
pub mod simulated;
pub mod spans;
pub mod traffic;
pub mod trial;

use std::future::Future;
use std::time::{Duration, Instant};

/// Polls until `ready` gives a value; panics with `what` after `patience`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    patience: Duration,
    mut ready: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = ready().await {
            return value;
        }
        assert!(began.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
