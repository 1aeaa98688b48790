//! A fleet of hosts and processes that speaks OTLP, and the sink that counts what arrives.
//!
//! Everything else of this project is judged by what this crate counts, so it shares no code with the
//! pipelines or the agent: it builds and reads requests with the generated `opentelemetry-proto` types.
//!
//! - [`profile`]: a seeded model of one host and its processes;
//! - [`proc_source`]: the same requests from this machine's `/proc`;
//! - [`sender`]: scrapes a [`Source`] and delivers over OTLP/gRPC, counting every point's fate;
//! - [`sink`]: an OTLP/gRPC server that counts what arrives, and fails on demand.

mod live;
pub mod proc_source;
pub mod profile;
pub mod scrape;
pub mod sender;
pub mod sink;

pub use live::Live;
pub use scrape::{Convention, MetricSet, ScrapeError, Source, point_count};
