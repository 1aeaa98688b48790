//! The frames of a file, one after the other, and the beginnings of the payloads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::frame::{Frame, HEADER};
use crate::read::{Found, Reader, Record};

/// Bytes that are read at once: several small records, or little more than the beginning of a large one.
const CHUNK: usize = 8 << 10;

/// Reader of the frames of a file.
#[derive(Debug)]
pub struct Scan {
    file: File,
    length: u64,
    salt: u64,
    /// Bytes of a payload that are shown.
    head: usize,
    /// Place of the next record.
    at: u64,
    /// Bytes that were read, and the place of the first of them.
    read: Vec<u8>,
    base: u64,
    /// The rest of the file, once a frame did not hold, and how much of it has been looked at.
    rest: Option<(Vec<u8>, usize)>,
}

impl Scan {
    /// A scan of a file with `salt`, which shows the first `head` bytes of each payload.
    pub fn open(path: &Path, salt: u64, head: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length, salt, head, at: 0, read: Vec::new(), base: 0, rest: None })
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next thing in the file, and the bytes of its payload if it is a record, which has no more than the beginning of it.
    pub fn advance(&mut self) -> io::Result<Option<(Found<'_>, u64)>> {
        if self.rest.is_none() && self.at < self.length {
            let (from, place) = (self.window()?, self.at);
            let header = self.read.get(from..).and_then(|bytes| bytes.first_chunk::<HEADER>());
            let frame = header.and_then(|header| Frame::parse(header, self.salt, place));
            if let Some(frame) = frame.filter(|frame| place + frame.bytes() <= self.length) {
                self.at = place + frame.bytes();
                let head = self.head.min(frame.length as usize);
                let payload = &self.read[from + HEADER..from + HEADER + head];
                let record = Record { offset: place, mark: frame.mark, kind: frame.kind, payload };
                return Ok(Some((Found::Record(record), frame.length.into())));
            }
            let mut rest = vec![0; usize::try_from(self.length - place).unwrap_or_default()];
            self.file.read_exact_at(&mut rest, place)?;
            self.rest = Some((rest, 0));
        }
        let Some((rest, looked)) = &mut self.rest else { return Ok(None) };
        let base = self.at + *looked as u64;
        let found = Reader::new(&rest[*looked..], self.salt, base).next();
        Ok(found.map(|found| match found {
            Found::Record(record) => {
                *looked += HEADER + record.payload.len();
                let payload = &record.payload[..self.head.min(record.payload.len())];
                (Found::Record(Record { payload, ..record }), record.payload.len() as u64)
            }
            Found::Damage(damage) => {
                *looked += usize::try_from(damage.bytes).unwrap_or(usize::MAX);
                (found, 0)
            }
        }))
    }

    /// Reads on, unless what was read has the next frame with the beginning of its payload; the frame's place in that.
    fn window(&mut self) -> io::Result<usize> {
        let need = (HEADER + self.head) as u64;
        let has = self.base + self.read.len() as u64;
        if self.at < self.base || (self.at + need).min(self.length) > has {
            let bytes = CHUNK.max(HEADER + self.head) as u64;
            let bytes = bytes.min(self.length - self.at);
            self.read.resize(usize::try_from(bytes).unwrap_or_default(), 0);
            self.file.read_exact_at(&mut self.read, self.at)?;
            self.base = self.at;
        }
        Ok(usize::try_from(self.at - self.base).unwrap_or_default())
    }
}
