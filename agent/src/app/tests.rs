//! The whole agent over real sockets, between tonic clients and tonic servers.
