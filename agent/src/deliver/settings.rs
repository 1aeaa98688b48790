//! Settings of an exporter: its kind, its queue and its retries.

use std::time::Duration;

use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::batcher::BatchRule;
use super::rolling_file::FileSettings;
use crate::net::{Endpoint, RetrySettings};
use crate::request::{Encoding, Media};
use crate::signal::Signal;

/// Kind of an exporter.
#[derive(Clone, Debug, PartialEq)]
pub enum ExporterKind {
    /// OTLP/gRPC.
    Otlp {
        /// Destination.
        endpoint: Endpoint,
        /// Settings of the connection.
        otlp: Box<OtlpSettings>,
    },
    /// OTLP/HTTP.
    OtlpHttp {
        /// Destination of each signal, by [`crate::signal::Signal::index`].
        targets: Box<[Option<HttpTarget>; 3]>,
        /// Encoding of what is sent.
        media: Media,
        /// Settings of the connections.
        otlp: Box<OtlpSettings>,
    },
    /// A file.
    File(Box<FileSettings>),
    /// A log line a request.
    Debug,
    /// Nothing.
    Nop,
}

impl ExporterKind {
    /// Tells whether a signal can leave by it.
    #[must_use]
    pub fn carries(&self, signal: Signal) -> bool {
        match self {
            Self::OtlpHttp { targets, .. } => targets[signal.index()].is_some(),
            Self::Otlp { .. } | Self::File(_) | Self::Debug | Self::Nop => true,
        }
    }
}

/// URL to which a signal is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// Server.
    pub endpoint: Endpoint,
    /// Path, such as `/v1/metrics`, with a query if there is one.
    pub path: String,
}

/// An exporter's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ExporterSettings {
    /// Component id, such as `otlp/eu`.
    pub id: String,
    /// Kind.
    pub kind: ExporterKind,
    /// Its queue.
    pub queue: QueueSettings,
    /// Its retries.
    pub retry: RetrySettings,
}

/// Settings by which an exporter talks to its destination.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpSettings {
    /// Compression of what is sent.
    pub compression: Option<Encoding>,
    /// One attempt's time limit, connecting included.
    pub timeout: Duration,
    /// The user's own metadata; may hold secrets.
    pub headers: HeaderMap,
    /// Token that is sent with each request, as its file holds it then.
    pub token: Option<TokenFile>,
    /// True if requests say which variant and generation they are.
    pub variant_headers: bool,
}

/// File of a token that may change while the agent runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// Header that carries it.
    pub header: HeaderName,
    /// Word before it, such as `Bearer`; may be empty.
    pub scheme: String,
    /// File.
    pub path: PathBuf,
}

impl TokenFile {
    /// Value of a header with a token; nothing where that is no legal one.
    pub fn value(scheme: &str, token: &str) -> Option<HeaderValue> {
        let token = token.trim();
        let text = if scheme.is_empty() { token.to_owned() } else { format!("{scheme} {token}") };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Adds the header.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no token; says which file.
    pub fn add_to(&self, headers: &mut HeaderMap) -> Result<(), String> {
        let why = |error: &dyn std::fmt::Display| format!("the token file {}: {error}", self.path.display());
        let token = std::fs::read_to_string(&self.path).map_err(|error| why(&error))?;
        let value = Self::value(&self.scheme, &token).ok_or_else(|| why(&"it holds no token"))?;
        headers.insert(self.header.clone(), value);
        Ok(())
    }
}

/// `sending_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// True if there is a queue; without one a sender is answered only after delivery.
    pub enabled: bool,
    /// Number of what it counts that it holds, what is being sent included.
    pub size: usize,
    /// What it counts.
    pub sizer: Sizer,
    /// Requests being sent at once.
    pub consumers: usize,
    /// Rule by which what it gets becomes requests; else that of the pipeline, if it has one.
    pub batch: Option<BatchRule>,
}

/// Unit of a queue's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizer {
    /// Requests as they came in.
    Requests,
    /// Points, spans or records.
    Items,
    /// Bytes, uncompressed.
    Bytes,
}

/// The most requests in a queue, whatever it counts.
pub const MOST_REQUESTS: usize = 1 << 20;

impl QueueSettings {
    /// The most requests that it holds.
    #[must_use]
    pub fn requests(&self) -> usize {
        match self.sizer {
            Sizer::Requests => self.size,
            Sizer::Items | Sizer::Bytes => MOST_REQUESTS,
        }
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { enabled: true, size: 1_000, sizer: Sizer::Requests, consumers: 10, batch: None }
    }
}
