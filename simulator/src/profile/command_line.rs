//! Command lines: filled in from the executable's pattern, and padded out for the high-cardinality profile.

use rand::{Rng, RngExt};

/// Fills a pattern: `#` becomes a number, `~` an opaque id.
pub(super) fn fill(pattern: &str, rng: &mut impl Rng) -> String {
    let mut line = String::with_capacity(pattern.len() + 64);
    for c in pattern.chars() {
        match c {
            '#' => line.push_str(&rng.random_range(1..60_000_u32).to_string()),
            '~' => push_id(&mut line, rng),
            other => line.push(other),
        }
    }
    line
}

/// Appends 4 to 24 options whose values no other process has: 200 to 1,500 characters.
pub(super) fn lengthen(line: &mut String, rng: &mut impl Rng) {
    const OPTIONS: [&str; 6] =
        ["--trace-id=", "--job=", "-Dsession=", "--correlation=", "--lease=", "--shard-key="];
    for _ in 0..rng.random_range(4..=24) {
        line.push(' ');
        line.push_str(OPTIONS[rng.random_range(0..OPTIONS.len())]);
        push_id(line, rng);
    }
}

fn push_id(line: &mut String, rng: &mut impl Rng) {
    let (high, low): (u64, u64) = (rng.random(), rng.random());
    line.push_str(&format!("{high:016x}{low:016x}"));
}
