//! Batches and outputs into a mergeable summary.
