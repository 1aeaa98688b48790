//! Buffers that are filled from the end to the front.

use bytes::Bytes;

use crate::batch::wire::varint_len;

/// Short pieces are copied in one of this length.
const CHUNK: usize = 32;

/// Output that is written from the end to the front.
pub(super) trait Output {
    fn put(&mut self, bytes: &[u8]);
    /// Puts the bytes of `whole` at `from..to`.
    fn splice(&mut self, whole: &[u8], from: usize, to: usize) {
        self.put(&whole[from..to]);
    }
    /// Bytes so far.
    fn written(&self) -> usize;

    fn varint(&mut self, value: u64) {
        let mut bytes = [0_u8; 10];
        let len = varint_len(value);
        for (place, byte) in bytes.iter_mut().enumerate().take(len) {
            *byte = (value >> (7 * place)) as u8 | 0x80;
        }
        bytes[len - 1] &= 0x7f;
        self.put(&bytes[..len]);
    }

    /// Closes the message that was written since `end` as field `number`.
    #[inline]
    fn close(&mut self, number: u32, end: usize) {
        let len = self.written() - end;
        // Nearly every message is short and has a low number.
        if number < 16 && len < 128 {
            return self.put(&[(number << 3 | 2) as u8, len as u8]);
        }
        self.varint(len as u64);
        self.varint(u64::from(number) << 3 | 2);
    }
}

/// A message that grows toward the front.
pub(super) struct Backward {
    buf: Vec<u8>,
    start: usize,
}

impl Backward {
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buf: vec![0; capacity], start: capacity }
    }

    #[cold]
    fn grow(&mut self, need: usize) {
        let old = self.buf.len() - self.start;
        let mut buf = vec![0; (self.buf.len() + need) * 2];
        let start = buf.len() - old;
        buf[start..].copy_from_slice(&self.buf[self.start..]);
        (self.buf, self.start) = (buf, start);
    }

    /// Returns the written bytes.
    pub fn written_bytes(&self) -> &[u8] {
        &self.buf[self.start..]
    }

    pub fn into_bytes(self) -> Bytes {
        // A small answer in a large buffer would hold the whole of it for as long as it is queued.
        if self.start > self.buf.len() / 2 {
            return Bytes::copy_from_slice(&self.buf[self.start..]);
        }
        Bytes::from(self.buf).slice(self.start..)
    }
}

impl Output for Backward {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if bytes.len() > self.start {
            self.grow(bytes.len());
        }
        let start = self.start - bytes.len();
        self.buf[start..self.start].copy_from_slice(bytes);
        self.start = start;
    }

    /// Short ones, as most are, are copied with what stands before them: the next to be written covers it, and a copy
    /// of fixed length is a few instructions.
    #[inline]
    fn splice(&mut self, whole: &[u8], from: usize, to: usize) {
        let free = &mut self.buf[..self.start];
        match (whole[..to].last_chunk::<CHUNK>(), free.last_chunk_mut::<CHUNK>()) {
            (Some(source), Some(target)) if to - from <= CHUNK => {
                *target = *source;
                self.start -= to - from;
            }
            _ => self.put(&whole[from..to]),
        }
    }

    fn written(&self) -> usize {
        self.buf.len() - self.start
    }
}

/// Counts what would be written.
pub(super) struct Counter(pub usize);

impl Output for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn written(&self) -> usize {
        self.0
    }
}
