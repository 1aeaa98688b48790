//! The records in the bytes of a file, and what lies between them that is none.
//!
//! Any bytes are read, in linear time. Where the frame of a record holds, its extent is known even if its payload is damaged;
//! elsewhere the next frame that holds is looked for.

use crate::frame::{Frame, HEADER, MAGIC, Mark};

/// A record that was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Place in the file.
    pub offset: u64,
    /// Its state; nothing if the mark is damaged, so that it may have been attempted.
    pub mark: Option<Mark>,
    /// Kind, the writer's.
    pub kind: u8,
    /// Payload.
    pub payload: &'a [u8],
}

/// Bytes of a file that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Place in the file.
    pub offset: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// True for the end of a file that was not written to its end: as a kill leaves it.
    pub is_torn_end: bool,
}

/// Next thing in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record.
    Record(Record<'a>),
    /// No record.
    Damage(Damage),
}

/// Reader of a file's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    salt: u64,
    /// Place of the first of these bytes in the file.
    base: u64,
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, which begin at `base` in a file with `salt`.
    pub fn new(bytes: &'a [u8], salt: u64, base: u64) -> Self {
        Self { bytes, salt, base, at: 0 }
    }

    fn frame_at(&self, at: usize) -> Option<Frame> {
        let header = self.bytes.get(at..)?.first_chunk::<HEADER>()?;
        Frame::parse(header, self.salt, self.base + at as u64)
    }

    /// Place of the next frame that holds from `from` on, or the end.
    fn resume(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(rest) = self.bytes.get(at..) {
            let Some(found) = rest.windows(MAGIC.len()).position(|window| window == MAGIC) else { break };
            at += found;
            if self.frame_at(at).is_some() {
                return at;
            }
            at += 1;
        }
        self.bytes.len()
    }

    fn damage(&mut self, to: usize, is_torn_end: bool) -> Found<'a> {
        let offset = self.base + self.at as u64;
        let bytes = (to - self.at) as u64;
        self.at = to;
        Found::Damage(Damage { offset, bytes, is_torn_end })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = self.bytes.len();
        let Some(frame) = self.frame_at(self.at) else {
            let torn = rest.len() < HEADER && MAGIC.starts_with(&rest[..rest.len().min(MAGIC.len())]);
            let to = self.resume(self.at + 1);
            return Some(self.damage(to, torn && to == end));
        };
        let payload = rest.get(HEADER..HEADER + frame.length as usize);
        let Some(payload) = payload else {
            return Some(self.damage(end, true));
        };
        let to = self.at + HEADER + payload.len();
        if !frame.is_of(payload) {
            return Some(self.damage(to, false));
        }
        let offset = self.base + self.at as u64;
        self.at = to;
        Some(Found::Record(Record { offset, mark: frame.mark, kind: frame.kind, payload }))
    }
}

#[cfg(test)]
mod tests;
