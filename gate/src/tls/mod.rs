//! TLS: certificates and keys in PEM, and what a listener does with them.

mod pem;
mod server;
mod times;
mod version;

pub use pem::{Pem, TlsIdentity};
pub use server::{ClientAuthorities, ServerTls, ServerTlsSettings};
pub use version::TlsVersion;
