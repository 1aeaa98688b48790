//! Tests that run the real binaries.
