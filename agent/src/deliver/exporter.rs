//! The kinds of exporters, set up from their settings.

use std::io;

use bytes::Bytes;
use thiserror::Error;

use super::authorization::Authorization;
use super::channel::Channel;
use super::file::FileClient;
use super::otlp::{Attempt, Otlp};
use super::otlp_http::{HttpChannel, OtlpHttp};
use super::settings::{ExporterKind, HttpTarget, OtlpSettings};
use crate::net::Connector;
use crate::request::Payload;

/// Failure to set up an exporter.
#[derive(Debug, Error)]
pub enum ExporterError {
    /// A certificate cannot be read, or the host is no legal TLS name.
    #[error(transparent)]
    Tls(#[from] io::Error),
    /// The file cannot be opened.
    #[error("{0}")]
    File(#[source] io::Error),
    /// There can be no token.
    #[error("auth: {0}")]
    Token(String),
    /// Its queue on disk cannot be used.
    #[error("sending_queue: storage: {0}")]
    Storage(String),
    /// The endpoint is no legal authority.
    #[error(transparent)]
    Authority(#[from] http::Error),
}

/// Exporter of queued payloads.
#[derive(Debug)]
pub enum Exporter {
    /// To where it may have to be tried again.
    Client(Client),
    /// To the log, a line a request.
    Debug,
    /// Nowhere.
    Nop,
}

/// Client of a destination.
#[derive(Debug)]
pub enum Client {
    /// OTLP over gRPC.
    Grpc(Box<Otlp>),
    /// OTLP over HTTP.
    Http(Box<OtlpHttp>),
    /// A file.
    File(FileClient),
}

impl Client {
    /// The bytes to send for `payload`; made once, for every attempt.
    ///
    /// # Errors
    /// When it cannot be compressed, or written as JSON.
    pub fn encode(&self, payload: &Payload) -> io::Result<Bytes> {
        match self {
            Self::Grpc(otlp) => otlp.encode(payload),
            Self::Http(otlp) => otlp.encode(payload),
            Self::File(file) => file.encode(payload),
        }
    }

    /// Sends `encoded`, which [`Self::encode`] made of `payload`.
    pub async fn attempt(&self, payload: &Payload, encoded: Bytes) -> Attempt {
        match self {
            Self::Grpc(otlp) => otlp.attempt(payload, encoded).await,
            Self::Http(otlp) => otlp.attempt(payload, encoded).await,
            Self::File(file) => file.attempt(encoded).await,
        }
    }
}

fn http_channel(target: &HttpTarget) -> io::Result<HttpChannel> {
    Ok(HttpChannel::new(Connector::new(target.endpoint.clone(), "http/1.1")?, target.path.clone()))
}

fn authorization(otlp: &OtlpSettings) -> Result<Authorization, ExporterError> {
    Authorization::new(otlp.token.as_ref()).map_err(ExporterError::Token)
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
            ExporterKind::File(file) => {
                let file = FileClient::new(file).map_err(ExporterError::File)?;
                Self::Client(Client::File(file))
            }
            ExporterKind::Otlp { endpoint, otlp } => {
                let channel = Channel::new(Connector::new(endpoint.clone(), "h2")?)?;
                let client = Otlp::new(channel, (**otlp).clone(), authorization(otlp)?);
                Self::Client(Client::Grpc(Box::new(client)))
            }
            ExporterKind::OtlpHttp { targets, media, otlp } => {
                let mut channels = [None, None, None];
                for (channel, target) in channels.iter_mut().zip(targets.iter()) {
                    *channel = target.as_ref().map(http_channel).transpose()?;
                }
                let client = OtlpHttp::new(channels, *media, (**otlp).clone(), authorization(otlp)?);
                Self::Client(Client::Http(Box::new(client)))
            }
        })
    }
}
