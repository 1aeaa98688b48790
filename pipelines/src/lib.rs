//! What a pipeline is and does.

pub mod yaml;
