//! A control plane, or two, whose state is on a server of PostgreSQL. These tests mostly wait, so that they run side by side.

mod demo;
mod replicas;
