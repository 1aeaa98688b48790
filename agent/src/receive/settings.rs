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
    /// Longest wait for a request's headers or body.
    pub timeout: Duration,
    /// HTTP/2 streams one connection may have open.
    pub max_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, timeout: Duration::from_secs(30), max_streams: 128 }
    }
}
