//! The whole agent over real sockets, between tonic clients and tonic servers.

mod acknowledge;
mod admin;
mod authenticated;
mod batching;
pub mod beside;
mod delivery;
pub mod experiment;
mod files;
pub mod harness;
pub mod held;
mod held_cut;
mod json;
mod level;
mod oauth2;
mod otlp_http;
mod overload;
mod panics;
mod proxies;
mod pushed;
mod receiver_tls;
mod receivers;
mod recorder;
mod reload;
mod several;
mod sink;
mod tls;
mod unix_receiver;
