//! Settings of an exporter: its kind, its queue and its retries.

use std::time::Duration;

use http::HeaderMap;

use super::authorization::TokenSource;
use super::batcher::BatchRule;
use super::disk_queue::StorageSettings;
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
    /// Where its queue is on disk, if it is.
    pub storage: Option<StorageSettings>,
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
    /// Source of a token that is sent with each request, as it is then.
    pub token: Option<TokenSource>,
    /// True if requests say which variant and generation they are.
    pub variant_headers: bool,
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
