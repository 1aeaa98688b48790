//! Ends of the certificates that listeners show.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gate::ServerTls;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

const END: &str =
    "Unix time at which the certificate that a listener shows ends, in seconds; of a listener with TLS";

/// Listeners with TLS, by name.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<Vec<(&'static str, Arc<ServerTls>)>>);

impl Certificates {
    /// Adds a listener.
    pub fn of(&self, listener: &'static str, tls: Arc<ServerTls>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((listener, tls));
    }
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.is_empty() {
            return Ok(());
        }
        let mut ends = encoder.encode_descriptor(
            "phoenix_tls_certificate_end_timestamp_seconds",
            END,
            None,
            MetricType::Gauge,
        )?;
        for (listener, tls) in listeners.iter() {
            ConstGauge::new(tls.end()).encode(ends.encode_family(&[("listener", *listener)])?)?;
        }
        Ok(())
    }
}
