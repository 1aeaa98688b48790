//! The control plane: who may do what, what is wanted, and what the agents are told.
//!
//! `rest` and `grpc` take intentions and write them to the `store`, with an audit row in the same transaction; `fleet` is
//! where agents come in. Every row belongs to a tenant and every query names one.

pub mod actions;
pub mod anchor;
pub mod app;
pub mod audit;
pub mod auth;
pub mod chain_keys;
pub mod checks;
pub mod clock;
pub mod config;
pub mod copying;
pub mod duration;
pub mod evidence;
pub mod experiment;
pub mod fleet;
pub mod gather;
pub mod grpc;
pub mod hash;
pub mod http;
pub mod hub;
pub mod id;
pub mod key_file;
pub mod labels;
pub mod metrics;
pub mod node;
pub mod outgoing;
pub mod plans;
pub mod process;
pub mod reconcile;
pub mod refusal;
pub mod replica;
pub mod rest;
pub mod role;
pub mod seal;
pub mod selector;
pub mod serving;
pub mod sso;
pub mod state;
pub mod store;
pub mod traces;
pub mod walks;
pub mod webhook;
