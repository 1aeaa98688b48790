//! A fleet of hosts and processes that speaks OTLP.
