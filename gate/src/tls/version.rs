//! Versions of TLS that are spoken.

use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// Version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}

impl TlsVersion {
    /// Versions that are spoken where only this one is asked for, or any.
    pub fn spoken(only: Option<Self>) -> &'static [&'static SupportedProtocolVersion] {
        static OLDER: [&SupportedProtocolVersion; 1] = [&TLS12];
        static NEWER: [&SupportedProtocolVersion; 1] = [&TLS13];
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
        match only {
            Some(Self::V1_2) => &OLDER,
            Some(Self::V1_3) => &NEWER,
            None => &BOTH,
        }
    }
}
