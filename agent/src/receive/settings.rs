//! Settings of a receiver: where it listens, and how much it takes.

use std::net::SocketAddr;
use std::time::Duration;

/// A receiver's address and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// Address to listen on; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Limits of its requests and connections.
    pub limits: Limits,
}

/// Limits of a receiver's requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one request, before and after decompression.
    pub max_bytes: usize,
    /// Longest wait for a connection's first request: preface and head.
    pub head: Duration,
    /// Longest time for a request's body.
    pub body: Duration,
    /// Longest time for which a connection may be without a request.
    pub idle: Duration,
    /// HTTP/2 streams one connection may have open.
    pub max_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (head, body, idle) = (10, 30, 60);
        Self {
            max_bytes: 64 << 20,
            head: Duration::from_secs(head),
            body: Duration::from_secs(body),
            idle: Duration::from_secs(idle),
            max_streams: 128,
        }
    }
}
