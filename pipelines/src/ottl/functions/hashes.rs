//! Hashes of texts.

use sha2::Digest as _;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::ottl::run::eval::Evaluated;
use crate::ottl::run::value::Val;

use super::{Args, ParamType, Signature, converter, required};

const TEXT: &[super::Parameter] = &[required("target", ParamType::Text)];

pub(super) const TABLE: &[Signature] = &[
    converter("FNV", TEXT, |args| Ok(Val::Int(fnv(&args.text(0)?)))),
    converter("MD5", TEXT, |args| in_hex(args, |text| md5::Md5::digest(text).to_vec())),
    converter("SHA1", TEXT, |args| in_hex(args, |text| sha1::Sha1::digest(text).to_vec())),
    converter("SHA256", TEXT, |args| in_hex(args, |text| sha2::Sha256::digest(text).to_vec())),
    converter("SHA512", TEXT, |args| in_hex(args, |text| sha2::Sha512::digest(text).to_vec())),
    converter("XXH3", TEXT, |args| in_hex(args, |text| xxh3_64(text).to_be_bytes().to_vec())),
    converter("XXH128", TEXT, |args| in_hex(args, |text| xxh3_128(text).to_be_bytes().to_vec())),
    converter("Murmur3Hash", TEXT, |args| in_hex(args, |text| murmur32(text).to_le_bytes().to_vec())),
    converter("Murmur3Hash128", TEXT, |args| {
        in_hex(args, |text| {
            let (low, high) = murmur128(text);
            [low.to_le_bytes(), high.to_le_bytes()].concat()
        })
    }),
];

fn in_hex<'a>(args: &Args<'a, '_>, hash: impl Fn(&[u8]) -> Vec<u8>) -> Evaluated<Val<'a>> {
    Ok(Val::text(hex::encode(hash(&args.text(0)?))))
}

/// FNV-1a of 64 bits.
fn fnv(text: &[u8]) -> i64 {
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash as i64
}

/// MurmurHash3 of 32 bits, seed 0.
fn murmur32(text: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = text.as_chunks::<4>();
    let mut hash = 0_u32;
    for block in blocks {
        hash ^= mix(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = tail.iter().rev().fold(0_u32, |rest, byte| rest << 8 | u32::from(*byte));
    hash ^= mix(rest) ^ text.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// MurmurHash3 of 128 bits for 64-bit machines, seed 0: its two halves.
fn murmur128(text: &[u8]) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let first = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let second = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (blocks, tail) = text.as_chunks::<16>();
    let (mut low, mut high) = (0_u64, 0_u64);
    let half = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |half, byte| half << 8 | u64::from(*byte));
    for block in blocks {
        low ^= first(half(&block[..8]));
        low = low.rotate_left(27).wrapping_add(high).wrapping_mul(5).wrapping_add(0x52dc_e729);
        high ^= second(half(&block[8..]));
        high = high.rotate_left(31).wrapping_add(low).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let middle = tail.len().min(8);
    high ^= second(half(&tail[middle..]));
    low ^= first(half(&tail[..middle]));
    let len = text.len() as u64;
    (low, high) = (low ^ len, high ^ len);
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    (low, high) = (finish(low), finish(high));
    low = low.wrapping_add(high);
    (low, high.wrapping_add(low))
}

fn finish(mut hash: u64) -> u64 {
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
