//! A second implementation against the product: what an agent says of a candidate, recomputed from all points that were
//! sent and that each variant made.

mod candidates;
mod dirty;
mod guarded;
mod joined;
mod lenses;
mod life;
mod processes;
mod random;
mod run;
mod scrape;
mod services;
