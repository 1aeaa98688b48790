//! Every way a request is turned away, and what OTLP calls it on each transport.

use std::time::Duration;

use gate::Crowd;
use http::StatusCode;
use thiserror::Error;

use crate::count::MalformedRequest;
use crate::grpc_status::{Code, Status};
use crate::signal::Signal;

/// Time for which an overloaded agent asks senders to stay away. Short, because a budget frees itself as
/// fast as the destination takes data.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Reason for which a request is turned away.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Over the configured size, before or after decompression.
    #[error("the request is larger than the {limit} bytes this receiver takes, decompressed")]
    TooLarge {
        /// The configured limit in bytes.
        limit: usize,
    },
    /// Not OTLP protobuf.
    #[error("the request is not an OTLP protobuf message: {0}")]
    Malformed(#[from] MalformedRequest),
    /// Not what the transport's framing or compression promises.
    #[error("{0}")]
    Invalid(String),
    /// A compression we do not have.
    #[error("compression '{named}' is not supported here: expected none, {known}")]
    Compression {
        /// The one that was named.
        named: String,
        /// Those that there are.
        known: &'static str,
    },
    /// A media type we do not read.
    #[error("{0}")]
    MediaType(String),
    /// The memory budget is spent.
    #[error("the agent holds as many bytes as its memory limit allows; retry later")]
    Memory,
    /// There are too many requests in progress.
    #[error("the agent has as many requests in progress as it takes at once; retry later")]
    Requests,
    /// The agent is nearly full, and the sender has its share.
    #[error("the agent is nearly full, and this address has its share of it; retry later")]
    Peer,
    /// The queue of a destination is full.
    #[error("the queue of exporter '{0}' is full; retry later")]
    Queue(String),
    /// The queue of a destination is on a disk that takes nothing more.
    #[error("the queue of exporter '{exporter}' takes nothing now: {why}; retry later")]
    Disk {
        /// The exporter.
        exporter: String,
        /// Reason.
        why: String,
    },
    /// What a stage holds goes to a disk that takes nothing more.
    #[error("what stages of this pipeline hold cannot be kept on disk now: {0}; retry later")]
    Held(String),
    /// The agent is draining, or the pipeline that was to take it is gone from its file.
    #[error("the agent, or this pipeline of it, is shutting down; retry later")]
    Stopping,
    /// The body came too slowly.
    #[error("the request's body came too slowly: {bytes} bytes in {time:?}; retry later")]
    Slow {
        /// Bytes that came.
        bytes: usize,
        /// Time that they took.
        time: Duration,
    },
    /// The sender went away, or broke the connection.
    #[error("the request was cut off: {0}")]
    CutOff(String),
    /// No pipeline takes this signal.
    #[error("no pipeline of this agent takes {name}", name = .0.name())]
    NoPipeline(Signal),
    /// No such method or path.
    #[error("{0}")]
    Unknown(String),
    /// Accepted, then not delivered; a retry would repeat state already advanced.
    #[error("the request was not delivered: {0}")]
    Undelivered(String),
    /// Accepted, then not written to disk, or not safely; it is queued all the same, and a retry would repeat state already advanced.
    #[error("the request could not be written to disk: {0}; it is queued all the same, do not retry")]
    Unwritten(String),
}

impl Refusal {
    /// No room for the bytes of a request.
    pub fn of_memory(crowd: Crowd) -> Self {
        match crowd {
            Crowd::Full => Self::Memory,
            Crowd::Peer => Self::Peer,
        }
    }

    /// No place for a request.
    pub fn of_requests(crowd: Crowd) -> Self {
        match crowd {
            Crowd::Full => Self::Requests,
            Crowd::Peer => Self::Peer,
        }
    }

    /// A short name for the metrics' `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed(_) | Self::Invalid(_) => "malformed",
            Self::Compression { .. } | Self::MediaType(_) => "unsupported",
            Self::Memory => "memory",
            Self::Requests => "requests",
            Self::Peer => "peer",
            Self::Queue(_) => "queue_full",
            Self::Disk { .. } | Self::Held(_) => "disk",
            Self::Stopping => "stopping",
            Self::Slow { .. } => "slow",
            Self::CutOff(_) => "cut_off",
            Self::NoPipeline(_) => "no_pipeline",
            Self::Unknown(_) => "unknown",
            Self::Undelivered(_) => "undelivered",
            Self::Unwritten(_) => "unwritten",
        }
    }

    /// Time that the sender should wait before it tries again, if trying again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        self.passes().then_some(RETRY_AFTER)
    }

    /// Tells whether it is for now only.
    fn passes(&self) -> bool {
        matches!(
            self,
            Self::Memory
                | Self::Requests
                | Self::Peer
                | Self::Queue(_)
                | Self::Disk { .. }
                | Self::Held(_)
                | Self::Stopping
                | Self::Slow { .. }
        )
    }

    /// The gRPC code (OTLP specification, "OTLP/gRPC response").
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Malformed(_) | Self::Invalid(_) => Code::InvalidArgument,
            Self::Compression { .. } | Self::MediaType(_) | Self::NoPipeline(_) | Self::Unknown(_) => {
                Code::Unimplemented
            }
            Self::Memory
            | Self::Requests
            | Self::Peer
            | Self::Queue(_)
            | Self::Disk { .. }
            | Self::Held(_)
            | Self::Stopping
            | Self::Slow { .. } => Code::Unavailable,
            Self::CutOff(_) => Code::Canceled,
            Self::Undelivered(_) | Self::Unwritten(_) => Code::Internal,
        }
    }

    /// The HTTP status (OTLP specification, "OTLP/HTTP response").
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) | Self::Invalid(_) | Self::CutOff(_) => StatusCode::BAD_REQUEST,
            Self::Compression { .. } | Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Peer => StatusCode::TOO_MANY_REQUESTS,
            Self::Memory
            | Self::Requests
            | Self::Queue(_)
            | Self::Disk { .. }
            | Self::Held(_)
            | Self::Stopping
            | Self::Slow { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoPipeline(_) | Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Undelivered(_) | Self::Unwritten(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `google.rpc.Status` for a trailer or a body.
    pub fn status(&self) -> Status {
        let status = Status::new(self.code(), self.to_string());
        match self.retry_after() {
            Some(delay) => status.retry_after(delay),
            None => status,
        }
    }
}
