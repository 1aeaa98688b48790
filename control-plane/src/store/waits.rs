//! Times that callers waited until they could read or write, those included that gave up.

use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::{Metrics, seconds};

/// Histograms of seconds by what was asked for.
#[derive(Debug, Clone)]
pub struct Waits {
    /// Of those who read.
    pub(super) read: Histogram,
    /// Of those who write.
    pub(super) write: Histogram,
}

impl Default for Waits {
    fn default() -> Self {
        Self { read: seconds(), write: seconds() }
    }
}

impl Waits {
    /// Adds them to the metrics.
    pub fn register(&self, metrics: &Metrics) {
        let help = "Time that callers waited until they could read the database, in seconds";
        metrics.register("phoenix_database_read_wait_seconds", help, self.read.clone());
        let help = "Time that callers waited until they could write to the database, in seconds";
        metrics.register("phoenix_database_write_wait_seconds", help, self.write.clone());
    }
}
