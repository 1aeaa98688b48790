//! A nasty config of a drawn seed, or any text in the place of a pattern, is a plan or a list of problems. What it may
//! cost is the fuzzer's to hold: `-timeout=5 -rss_limit_mb=512 -malloc_limit_mb=64` (instrumented code is slow and fat).
#![no_main]

#[path = "../../pipelines/tests/cost/nasty.rs"]
mod nasty;

use libfuzzer_sys::fuzz_target;
use pipelines::config::CollectorFile;
use pipelines::cost::Allowance;
use pipelines::ottl::Pattern;

fn check(config: &str) {
    let lookup = |name: &str| (name == "BIG").then(|| "b".repeat(10_000));
    match CollectorFile::parse("fuzz.yaml", config, &lookup) {
        Ok(file) => drop(file.check_within(&mut Allowance::new())),
        Err(problems) => drop(problems.to_string()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    // Eight bytes are a seed; more are a text, as a config and as a pattern.
    if let Ok(seed) = <[u8; 8]>::try_from(bytes) {
        return check(&nasty::config(u64::from_le_bytes(seed)));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check(text);
    let _ = Pattern::new(text, &mut Allowance::new());
});
