//! Parts of a connection that both ends of the agent use: how it is opened, compressed, and tried again.

mod backoff;
mod compression;
mod connect;
mod proxy;
mod tls;

pub use backoff::{Backoff, RetrySettings};
pub use compression::{compress, decompress};
pub use connect::{Connector, Endpoint, Stream};
pub use proxy::Proxy;
pub use tls::TlsSettings;
