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

/// What the fuzzer found once.
#[test]
fn what_was_found_stays_right() {
    for bytes in [&[][..], &[255; 300], &[1; 300]] {
        engine::compare(bytes);
    }
}
