//! The engine against the slow interpreter of the tests.
#![no_main]

#[path = "../../pipelines/tests/differential/choices.rs"]
mod choices;
#[path = "../../pipelines/tests/differential/engine.rs"]
mod engine;
#[path = "../../pipelines/tests/differential/memory.rs"]
mod memory;
#[path = "../../pipelines/tests/differential/metrics.rs"]
mod metrics;
#[path = "../../pipelines/tests/differential/reference.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| engine::compare(bytes));
