//! Compression, and decompression that is bounded.
//!
//! Decompressed output is budgeted before it is produced, in the size the compressed form announces where it
//! does (a zstd frame's content size, gzip's ISIZE) and in growing steps where it does not, so that
//! a bomb meets the limit before it meets the memory.

use std::cell::RefCell;
use std::io::{self, Read, Write as _};

use bytes::Bytes;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use zstd::zstd_safe::get_frame_content_size;

use crate::admission::Permit;
use crate::request::{Encoding, Refusal};

/// Largest window of zstd, as a power of two: RFC 8878 asks decoders for 8 MiB and lets them refuse larger ones.
const ZSTD_WINDOW_LOG: u32 = 23;
/// First step where the output's size is not announced.
const FIRST_STEP: usize = 64 * 1024;
/// Best ratio of deflate; an announced size beyond it is a lie.
const DEFLATE_RATIO: usize = 1_032;

thread_local! {
    /// Context of zstd, which is 150 kB to set up; one a worker thread is enough.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses at fast levels: what they lose in size on telemetry is a few percent, what they save is most of it.
///
/// # Errors
/// The encoder's.
pub fn compress(encoding: Encoding, message: &Bytes) -> io::Result<Bytes> {
    match encoding {
        Encoding::Gzip => {
            let target = Vec::with_capacity(message.len() / 8 + 256);
            let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::fast());
            encoder.write_all(message)?;
            Ok(encoder.finish()?.into())
        }
        Encoding::Deflate | Encoding::Zlib => {
            let target = Vec::with_capacity(message.len() / 8 + 256);
            let mut encoder = flate2::write::ZlibEncoder::new(target, flate2::Compression::fast());
            encoder.write_all(message)?;
            Ok(encoder.finish()?.into())
        }
        Encoding::Zstd => COMPRESSOR.with_borrow_mut(|context| {
            let context = match context {
                Some(context) => context,
                None => context.insert(zstd::bulk::Compressor::new(1)?),
            };
            Ok(context.compress(message)?.into())
        }),
    }
}

/// Decompresses `wire` into at most `limit` bytes. `permit` covers `wire` on the way in, and `wire`
/// and the result on the way out.
///
/// # Errors
/// [`Refusal::TooLarge`], [`Refusal::Memory`], or [`Refusal::Invalid`] for broken data.
pub fn decompress(
    encoding: Encoding,
    wire: &Bytes,
    limit: usize,
    permit: &mut Permit,
) -> Result<Bytes, Refusal> {
    let broken = |error: io::Error| Refusal::Invalid(format!("broken {} data: {error}", encoding.name()));
    match encoding {
        Encoding::Gzip => {
            let announced = wire.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
            let hint = announced.min(wire.len().saturating_mul(DEFLATE_RATIO));
            read_bounded(MultiGzDecoder::new(&wire[..]), hint, wire.len(), limit, permit, broken)
        }
        // It announces no size.
        Encoding::Deflate | Encoding::Zlib => {
            read_bounded(ZlibDecoder::new(&wire[..]), 0, wire.len(), limit, permit, broken)
        }
        Encoding::Zstd => {
            if let Ok(Some(size)) = get_frame_content_size(wire) {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if size > limit {
                    return Err(Refusal::TooLarge { limit });
                }
                if let Some(message) = zstd_at_once(wire, size, permit)? {
                    return Ok(message);
                }
            }
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&wire[..]).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
            read_bounded(decoder, 0, wire.len(), limit, permit, broken)
        }
    }
}

/// Decompresses one frame that says how long it is, the fast path. Nothing if that turned out not to hold.
fn zstd_at_once(wire: &Bytes, size: usize, permit: &mut Permit) -> Result<Option<Bytes>, Refusal> {
    if !permit.grow_to(wire.len() + size) {
        return Err(Refusal::Memory);
    }
    DECOMPRESSOR.with_borrow_mut(|context| {
        if context.is_none() {
            *context = zstd::bulk::Decompressor::new().ok();
        }
        let Some(context) = context else { return Ok(None) };
        let mut message = Vec::with_capacity(size);
        let whole = context.decompress_to_buffer(wire, &mut message).is_ok();
        Ok(whole.then(|| message.into()))
    })
}

fn read_bounded(
    mut decoder: impl Read,
    hint: usize,
    held: usize,
    limit: usize,
    permit: &mut Permit,
    broken: impl Fn(io::Error) -> Refusal,
) -> Result<Bytes, Refusal> {
    let mut message = Vec::new();
    let mut step = if hint == 0 { FIRST_STEP } else { hint }.min(limit);
    loop {
        if !permit.grow_to(held + message.len() + step) {
            return Err(Refusal::Memory);
        }
        message.reserve_exact(step);
        let read = decoder.by_ref().take(step as u64).read_to_end(&mut message).map_err(&broken)?;
        if read < step {
            break;
        }
        step = message.len().min(limit - message.len());
        if step == 0 {
            let mut more = [0];
            match decoder.read(&mut more).map_err(&broken)? {
                0 => break,
                _ => return Err(Refusal::TooLarge { limit }),
            }
        }
    }
    permit.hold(held + message.capacity());
    Ok(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Budget;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("write");
        encoder.finish().expect("finish").into()
    }

    fn zstd(data: &[u8]) -> Bytes {
        zstd::bulk::compress(data, 1).expect("compress").into()
    }

    fn run(encoding: Encoding, wire: &Bytes, limit: usize, budget: &Budget) -> Result<Bytes, Refusal> {
        let mut permit = budget.take(wire.len()).expect("budget");
        decompress(encoding, wire, limit, &mut permit)
    }

    #[test]
    fn gives_back_what_was_compressed_in_one_frame_or_several() {
        let budget = Budget::new(10_000_000);
        let data: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        for size in [0, 1, 65_535, 65_536, 65_537, data.len()] {
            let data = &data[..size];
            assert_eq!(run(Encoding::Gzip, &gzip(data), 2_000_000, &budget).expect("gzip"), data);
            assert_eq!(run(Encoding::Zstd, &zstd(data), 2_000_000, &budget).expect("zstd"), data);
            let deflated = compress(Encoding::Deflate, &Bytes::copy_from_slice(data)).expect("deflate");
            for encoding in [Encoding::Deflate, Encoding::Zlib] {
                assert_eq!(run(encoding, &deflated, 2_000_000, &budget).expect("zlib's format"), data);
            }
            let streamed = zstd::stream::encode_all(data, 1).expect("stream").into();
            assert_eq!(run(Encoding::Zstd, &streamed, 2_000_000, &budget).expect("no size"), data);
            let twice = Bytes::from([zstd(data), zstd(data)].concat());
            assert_eq!(
                run(Encoding::Zstd, &twice, 4_000_000, &budget).expect("twice"),
                [data, data].concat()
            );
            let twice = Bytes::from([gzip(data), gzip(data)].concat());
            assert_eq!(
                run(Encoding::Gzip, &twice, 4_000_000, &budget).expect("twice"),
                [data, data].concat()
            );
        }
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_bomb_meets_the_limit_before_it_meets_the_memory() {
        let budget = Budget::new(3_000_000);
        let zeros = vec![0; 50_000_000];
        let streamed = Bytes::from(zstd::stream::encode_all(&zeros[..], 1).expect("stream"));
        let deflated = compress(Encoding::Deflate, &Bytes::copy_from_slice(&zeros)).expect("deflate");
        for (encoding, wire) in [
            (Encoding::Gzip, gzip(&zeros)),
            (Encoding::Zstd, zstd(&zeros)),
            (Encoding::Zstd, streamed),
            (Encoding::Deflate, deflated),
        ] {
            assert!(matches!(run(encoding, &wire, 1_000_000, &budget), Err(Refusal::TooLarge { .. })));
            assert!(matches!(run(encoding, &wire, 100_000_000, &budget), Err(Refusal::Memory)));
        }
        let exact = gzip(&zeros[..1_000_000]);
        assert_eq!(
            run(Encoding::Gzip, &exact, 1_000_000, &budget).expect("exactly the limit").len(),
            1_000_000
        );
    }

    #[test]
    fn broken_data_is_the_senders_fault() {
        let budget = Budget::new(1_000_000);
        for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Deflate] {
            let refusal = run(encoding, &Bytes::from_static(b"not compressed at all"), 1_000, &budget);
            assert!(matches!(refusal, Err(Refusal::Invalid(_))));
        }
        let cut = gzip(&[1; 10_000]);
        assert!(matches!(run(Encoding::Gzip, &cut.slice(..20), 20_000, &budget), Err(Refusal::Invalid(_))));
    }
}
