//! The node agent: receives OTLP, runs what stands between, and delivers.

mod account;
mod admin;
mod admission;
mod app;
mod config;
mod count;
mod deliver;
mod engine;
mod receive;
mod signal;
mod status;

fn main() {}
