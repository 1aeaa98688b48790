//! The frame of a record: what stands before its payload in a file.
//!
//! ```text
//! 0  magic          4 bytes
//! 4  mark           1   changes in place; stands outside the checksums
//! 5  kind           1   the caller's
//! 6  zero           2
//! 8  length         4   of the payload, little endian, as all numbers
//! 12 of the payload 4   CRC-32C
//! 16 of the header  4   CRC-32C of the file's salt, the record's place, and bytes 5 to 16
//! ```
//!
//! The salt is random and stands in the file's name, so that nobody who sends payloads can put a frame into one that would
//! be taken for a record.

/// Bytes of a frame.
pub const HEADER: usize = 20;
/// Beginning of every frame, with the version of the format.
pub const MAGIC: [u8; 4] = *b"Phx1";
/// Place of the mark in the frame.
pub const MARK_AT: u64 = 4;

/// State of a record. Each differs from each other in four bits, so that a flipped one makes none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nobody has begun with it.
    Waiting = 0x0F,
    /// Somebody has, and how it ended is not known.
    Attempted = 0x33,
    /// It is done with.
    Settled = 0x55,
}

impl Mark {
    /// The mark of a byte; nothing if it is damaged.
    pub(crate) const fn of(byte: u8) -> Option<Self> {
        match byte {
            0x0F => Some(Self::Waiting),
            0x33 => Some(Self::Attempted),
            0x55 => Some(Self::Settled),
            _ => None,
        }
    }
}

/// A frame, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub mark: Option<Mark>,
    pub kind: u8,
    pub length: u32,
    pub payload_sum: u32,
}

/// The frame of a record of `kind` at `offset` in a file with `salt`, of which `parts` are the payload.
pub fn frame(kind: u8, parts: &[&[u8]], salt: u64, offset: u64) -> [u8; HEADER] {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let sum = parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part));
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = Mark::Waiting as u8;
    header[5] = kind;
    // The caller has seen to it that a payload has fewer than 4 GiB.
    header[8..12].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    header[12..16].copy_from_slice(&sum.to_le_bytes());
    let sum = header_sum(&header, salt, offset);
    header[16..].copy_from_slice(&sum.to_le_bytes());
    header
}

impl Frame {
    /// The frame in `header`; nothing if that is none of a record at `offset` in a file with `salt`.
    pub fn parse(header: &[u8; HEADER], salt: u64, offset: u64) -> Option<Self> {
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let holds = header[..4] == MAGIC && number(16) == header_sum(header, salt, offset);
        holds.then(|| Self {
            mark: Mark::of(header[4]),
            kind: header[5],
            length: number(8),
            payload_sum: number(12),
        })
    }

    /// Bytes of the whole record.
    pub fn bytes(&self) -> u64 {
        HEADER as u64 + u64::from(self.length)
    }

    /// Tells whether these bytes are its payload.
    pub fn is_of(&self, payload: &[u8]) -> bool {
        payload.len() == self.length as usize && crc32c::crc32c(payload) == self.payload_sum
    }
}

fn header_sum(header: &[u8; HEADER], salt: u64, offset: u64) -> u32 {
    let place = [salt.to_le_bytes(), offset.to_le_bytes()].concat();
    crc32c::crc32c_append(crc32c::crc32c(&place), &header[5..16])
}
