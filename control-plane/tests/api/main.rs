//! The control plane over real sockets and a real database: who may do what, and whose everything is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod accounts;
mod all_on_postgresql;
mod api_keys;
mod away;
mod conventions;
mod copies;
mod deployments;
mod encrypted;
mod enrollment;
mod experiments;
mod freeze;
mod grpc;
mod idempotency;
mod limits;
mod logins;
mod migrations;
mod names;
mod nodes;
mod offers;
mod opamp;
mod people;
mod plans;
mod postgres;
mod postgres_server;
mod process;
mod replicas;
mod schedule;
mod server;
mod sso;
mod statuses;
mod store;
mod templates;
mod tenancy;
mod webhooks;
