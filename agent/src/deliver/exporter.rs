//! The kinds of exporters, set up from their settings.

use std::io;

use thiserror::Error;

use super::channel::Channel;
use super::otlp::Otlp;
use super::settings::ExporterKind;
use crate::net::Connector;

/// Failure to set up an exporter.
#[derive(Debug, Error)]
pub enum ExporterError {
    /// A certificate cannot be read, or the host is no legal TLS name.
    #[error(transparent)]
    Tls(#[from] io::Error),
    /// The endpoint is no legal authority.
    #[error(transparent)]
    Authority(#[from] http::Error),
}

/// Exporter of queued payloads.
#[derive(Debug)]
pub enum Exporter {
    /// To an OTLP/gRPC server.
    Otlp(Box<Otlp>),
    /// To the log, a line a request.
    Debug,
    /// Nowhere.
    Nop,
}

impl Exporter {
    /// An exporter that is not connected yet.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub fn new(kind: &ExporterKind) -> Result<Self, ExporterError> {
        Ok(match kind {
            ExporterKind::Nop => Self::Nop,
            ExporterKind::Debug => Self::Debug,
            ExporterKind::Otlp { endpoint, otlp } => {
                let channel = Channel::new(Connector::new(endpoint.clone(), "h2")?)?;
                Self::Otlp(Box::new(Otlp::new(channel, (**otlp).clone())))
            }
        })
    }
}
