//! The gate of a listener, the same for each of them: who may enter, how long a connection may be silent, and how
//! slowly a body may come; and its TLS.
//!
//! What always holds: a bound is never passed; nobody is refused for their own share while less than [`CROWDED`] of the
//! bound is taken, because a balancer is one address too; and past that no peer takes more than its share, so that one
//! which takes all it can get leaves room for the others.

mod admission;
mod files;
mod life;
mod listen;
mod pace;
mod peer;
mod places;
mod serve;
mod tls;
mod unread;

pub use admission::{CROWDED, Crowd, Load};
pub use files::connections;
pub use life::{InProgress, Life, Quiet, Silence};
pub use listen::listen;
pub use pace::{Pace, Progress};
pub use peer::Peer;
pub use places::{Gate, Place, Tally};
pub use serve::{End, serve};
pub use tls::{ClientAuthorities, Pem, ServerTls, ServerTlsSettings, TlsIdentity, TlsVersion};
pub use unread::{Unread, Watched, WatchedStream};
