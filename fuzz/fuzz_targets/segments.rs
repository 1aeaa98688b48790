//! Any bytes are read as a file of the queue on disk: what is found lies in order, covers all of them, and is what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use segments::{Found, HEADER, Reader, frame};

fuzz_target!(|bytes: &[u8]| {
    let Some((salt, bytes)) = bytes.split_first_chunk::<8>() else { return };
    let salt = u64::from_le_bytes(*salt);
    let mut at = 0;
    for found in Reader::new(bytes, salt, 0) {
        let (offset, length) = match found {
            Found::Record(record) => (record.offset, (HEADER + record.payload.len()) as u64),
            Found::Damage(damage) => (damage.offset, damage.bytes),
        };
        assert_eq!(offset, at);
        assert!(length > 0);
        at += length;
    }
    assert_eq!(at, bytes.len() as u64);
    // What is written behind them is found, whatever they are, unless a frame of theirs reaches into it.
    let header = frame(1, &[b"payload"], salt, at);
    let whole = [bytes, &header, b"payload"].concat();
    let found: Vec<Found<'_>> = Reader::new(&whole, salt, 0).collect();
    let is_torn =
        Reader::new(bytes, salt, 0).any(|found| matches!(found, Found::Damage(damage) if damage.is_torn_end));
    let last = matches!(found.last(), Some(Found::Record(record)) if record.payload == b"payload");
    assert!(last || is_torn, "{found:?}");
});
