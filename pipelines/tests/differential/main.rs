//! The engine against a slow interpreter over decoded structs: random batches through random configs.
//!
//! Both are made from one list of bytes, so that a failure shrinks and a fuzzer can steer; `fuzz/` runs the same.

#![expect(clippy::panic, reason = "a test: what is not as it should be fails it")]

mod choices;
mod engine;
mod memory;
mod metrics;
mod reference;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_interpreter_does(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        engine::compare(&bytes);
    }
}

/// Metrics that `metricstransform` gave a scope anew stand behind those of later scopes.
const METRICS_OUT_OF_ORDER: &[u8] = &[
    126, 6, 33, 67, 169, 0, 0, 0, 213, 0, 0, 0, 66, 114, 0, 14, 0, 0, 108, 33, 0, 213, 109, 0, 249, 146, 0,
    0, 12, 0, 127, 0, 0, 0, 0, 64, 2, 126, 12, 0, 0, 34, 0, 0, 49, 0, 0, 115, 0, 0, 30, 0, 17, 80, 1, 10, 91,
    0, 0, 126, 55, 20, 50, 0, 0, 4, 50, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0, 0, 14, 91, 6, 0, 0, 27, 0, 0, 42, 0,
    11, 15, 0, 103, 0, 0, 0, 91, 0, 0, 0, 0, 5, 0, 29, 0, 0, 0, 0, 0, 0, 110, 0, 47, 0, 0, 0, 0, 0, 0, 5, 0,
    0, 2, 41, 182, 45, 0, 14, 104, 0, 0, 0, 0, 0, 0, 43, 0, 0, 1, 0, 0, 0, 0, 190, 3,
];

/// Inputs that the fuzzer found once.
#[test]
fn what_was_found_stays_right() {
    for bytes in [&[][..], &[255; 300], &[1; 300], METRICS_OUT_OF_ORDER] {
        engine::compare(bytes);
    }
}
