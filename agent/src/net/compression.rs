//! Compression, and decompression that is bounded.
//!
//! Decompressed output is budgeted before it is produced, in the size the compressed form announces where it
//! does (a zstd frame's content size, gzip's ISIZE, snappy's preamble) and in growing steps where it does not, so that
//! a bomb meets the limit before it meets the memory.

use std::cell::RefCell;
use std::io::{self, Read, Write as _};

use bytes::Bytes;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use lz4_flex::frame::{BlockSize, FrameDecoder as Lz4Decoder, FrameEncoder as Lz4Encoder, FrameInfo};
use zstd::zstd_safe::get_frame_content_size;

use crate::admission::Permit;
use crate::request::{Encoding, Refusal};

/// Largest window of zstd, as a power of two: RFC 8878 asks decoders for 8 MiB and lets them refuse larger ones.
const ZSTD_WINDOW_LOG: u32 = 23;
/// First step where the output's size is not announced.
const FIRST_STEP: usize = 64 * 1024;
/// Best ratio of deflate; an announced size beyond it is a lie.
const DEFLATE_RATIO: usize = 1_032;
/// The same of snappy, whose longest copy is 64 bytes of three.
const SNAPPY_RATIO: usize = 22;
/// The same of LZ4, where a byte of length stands for 255.
const LZ4_RATIO: usize = 255;
/// Bytes before what an LZ4 block may copy from.
const LZ4_WINDOW: usize = 64 << 10;

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
        Encoding::Snappy => Ok(snap::raw::Encoder::new().compress_vec(message)?.into()),
        Encoding::SnappyFramed => {
            let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(message.len() / 4 + 256));
            encoder.write_all(message)?;
            Ok(encoder.into_inner().map_err(|error| io::Error::other(error.to_string()))?.into())
        }
        Encoding::Lz4 => {
            // Smaller blocks than by default: who reads them needs memory for whole ones.
            let blocks = FrameInfo::new().block_size(BlockSize::Max256KB);
            let target = Vec::with_capacity(message.len() / 4 + 256);
            let mut encoder = Lz4Encoder::with_frame_info(blocks, target);
            encoder.write_all(message)?;
            Ok(encoder.finish().map_err(io::Error::other)?.into())
        }
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
            read_bounded(MultiGzDecoder::new(&wire[..]), hint, [wire.len(), 0], limit, permit, broken)
        }
        // It announces no size.
        Encoding::Deflate | Encoding::Zlib => {
            read_bounded(ZlibDecoder::new(&wire[..]), 0, [wire.len(), 0], limit, permit, broken)
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
            read_bounded(decoder, 0, [wire.len(), 0], limit, permit, broken)
        }
        Encoding::Snappy => snappy_block(wire, limit, permit),
        Encoding::SnappyFramed => {
            read_bounded(snap::read::FrameDecoder::new(&wire[..]), 0, [wire.len(), 0], limit, permit, broken)
        }
        Encoding::Lz4 => {
            let held = [wire.len(), lz4_workspace(wire)];
            read_bounded(Lz4Frames(Lz4Decoder::new(&wire[..])), 0, held, limit, permit, broken)
        }
    }
}

/// Decompresses one block, which says how long it is.
fn snappy_block(wire: &Bytes, limit: usize, permit: &mut Permit) -> Result<Bytes, Refusal> {
    let broken = |error: &dyn std::fmt::Display| Refusal::Invalid(format!("broken snappy data: {error}"));
    let size = snap::raw::decompress_len(wire).map_err(|error| broken(&error))?;
    if size > limit {
        return Err(Refusal::TooLarge { limit });
    }
    if size > wire.len().saturating_mul(SNAPPY_RATIO) {
        return Err(broken(&"it says that it is longer than it can be"));
    }
    if !permit.grow_to(wire.len() + size) {
        return Err(Refusal::Memory);
    }
    Ok(snap::raw::Decoder::new().decompress_vec(wire).map_err(|error| broken(&error))?.into())
}

/// Frames of LZ4 one after the other, which its decoder reads one at a time.
struct Lz4Frames<'a>(Lz4Decoder<&'a [u8]>);

impl Read for Lz4Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.0.get_ref().len();
            let read = self.0.read(buffer)?;
            let more = !self.0.get_ref().is_empty() && self.0.get_ref().len() < left;
            if read > 0 || buffer.is_empty() || !more {
                return Ok(read);
            }
        }
    }
}

/// Bytes of the blocks that LZ4's decoder works in, at most: by the size of blocks that the frame announces, and never more
/// than the data can fill.
fn lz4_workspace(wire: &Bytes) -> usize {
    // FLG and BD stand behind the magic number (LZ4 frame format, "Frame Descriptor"); a legacy frame has none.
    let block = match wire.get(5).map(|descriptor| descriptor >> 4 & 7) {
        Some(4) => 64 << 10,
        Some(5) => 256 << 10,
        Some(6) => 1 << 20,
        Some(7) => 4 << 20,
        _ => 8 << 20,
    };
    let independent = wire.get(4).is_some_and(|flags| flags & 0x20 != 0);
    let output = if independent { block } else { 2 * block + LZ4_WINDOW };
    block.min(wire.len()) + output.min(wire.len().saturating_mul(LZ4_RATIO))
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

/// Reads it all. `kept` bytes stay held besides the message, `working` bytes until it is there.
fn read_bounded(
    mut decoder: impl Read,
    hint: usize,
    [kept, working]: [usize; 2],
    limit: usize,
    permit: &mut Permit,
    broken: impl Fn(io::Error) -> Refusal,
) -> Result<Bytes, Refusal> {
    let mut message = Vec::new();
    let mut step = if hint == 0 { FIRST_STEP } else { hint }.min(limit);
    loop {
        if !permit.grow_to(kept + working + message.len() + step) {
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
    permit.hold(kept + message.capacity());
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
            for encoding in [Encoding::Snappy, Encoding::SnappyFramed, Encoding::Lz4] {
                let wire = compress(encoding, &Bytes::copy_from_slice(data)).expect("compress");
                assert_eq!(run(encoding, &wire, 2_000_000, &budget).expect("the same"), data);
                assert_eq!(
                    Encoding::Snappy.of_body(&wire) == Encoding::SnappyFramed,
                    encoding == Encoding::SnappyFramed && size > 0
                );
            }
            for encoding in [Encoding::SnappyFramed, Encoding::Lz4] {
                let wire = compress(encoding, &Bytes::copy_from_slice(data)).expect("compress");
                let twice = Bytes::from([&wire[..], &wire[..]].concat());
                assert_eq!(run(encoding, &twice, 4_000_000, &budget).expect("twice"), [data, data].concat());
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
        let budget = Budget::new(8_000_000);
        let zeros = vec![0; 50_000_000];
        let streamed = Bytes::from(zstd::stream::encode_all(&zeros[..], 1).expect("stream"));
        let made = |encoding| compress(encoding, &Bytes::copy_from_slice(&zeros)).expect("compress");
        let deflated = made(Encoding::Deflate);
        for (encoding, wire) in [
            (Encoding::Gzip, gzip(&zeros)),
            (Encoding::Zstd, zstd(&zeros)),
            (Encoding::Zstd, streamed),
            (Encoding::Deflate, deflated),
            (Encoding::Snappy, made(Encoding::Snappy)),
            (Encoding::SnappyFramed, made(Encoding::SnappyFramed)),
            (Encoding::Lz4, made(Encoding::Lz4)),
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
        for encoding in [
            Encoding::Gzip,
            Encoding::Zstd,
            Encoding::Deflate,
            Encoding::Snappy,
            Encoding::SnappyFramed,
            Encoding::Lz4,
        ] {
            let refusal = run(encoding, &Bytes::from_static(b"not compressed at all"), 1_000, &budget);
            assert!(matches!(refusal, Err(Refusal::Invalid(_))));
        }
        // A block of snappy that says it is a gigabyte.
        let lie = Bytes::from_static(b"\x80\x80\x80\x80\x04abc");
        assert!(matches!(run(Encoding::Snappy, &lie, 2 << 30, &budget), Err(Refusal::Invalid(_))));
        for encoding in [Encoding::Snappy, Encoding::SnappyFramed, Encoding::Lz4] {
            let whole = compress(encoding, &Bytes::from_iter((0..10_000u32).flat_map(u32::to_le_bytes)))
                .expect("compress");
            let cut = run(encoding, &whole.slice(..whole.len() / 2), 100_000, &budget);
            assert!(matches!(cut, Err(Refusal::Invalid(_))), "{encoding:?}: {cut:?}");
        }
        let cut = gzip(&[1; 10_000]);
        assert!(matches!(run(Encoding::Gzip, &cut.slice(..20), 20_000, &budget), Err(Refusal::Invalid(_))));
    }
}
