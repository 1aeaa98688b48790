//! What a pipeline is and does.
