//! Any bytes are a report or an error, and what is read says nothing that cannot be; the same of a sketch of values.
#![no_main]

use drift::Values;
use libfuzzer_sys::fuzz_target;
use proto::Findings;
use proto::generation::config_hash;
use proto::preview::PreviewAnswer;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = PreviewAnswer::decode(bytes) {
        assert!(PreviewAnswer::decode(&answer.encode()).is_ok());
    }
    if let Ok(found) = Findings::decode(bytes, &config_hash(bytes)) {
        for comparison in [&found.horizon, &found.total] {
            assert!(
                comparison.seconds >= 0.0 && comparison.coverage.candidate <= comparison.coverage.critical
            );
            assert!(comparison.lenses.iter().all(|lens| lens.total.baseline.is_finite()));
        }
        // What was read can be sent again, and reads back.
        let (body, digest) = found.encode();
        assert!(Findings::decode(&body, &digest).is_ok());
    }
    if let Ok(values) = Values::from_bytes(bytes) {
        assert_eq!(Values::from_bytes(&values.to_bytes()).as_ref(), Ok(&values));
    }
});
