//! The scratch buffer: bytes that stages make, and that spans of an output point to.

use crate::Batch;
use crate::batch::MAX_BYTES;
use crate::batch::span::Span;

impl Batch {
    /// Puts text into the scratch buffer. A stage does so once a batch for what its config says.
    pub(crate) fn intern(&mut self, text: &[u8]) -> Span {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(text);
        Span::scratch(start, text.len())
    }

    /// Writes something into the scratch buffer.
    pub(crate) fn intern_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.scratch.len();
        write(&mut self.scratch);
        Span::scratch(start, self.scratch.len() - start)
    }

    /// Returns where in this batch's buffers these bytes lie, if they do: a value read from them is not copied.
    pub(crate) fn span_of(&self, bytes: &[u8]) -> Option<Span> {
        let offset_in = |buf: &[u8]| {
            let offset = (bytes.as_ptr() as usize).checked_sub(buf.as_ptr() as usize)?;
            (offset + bytes.len() <= buf.len()).then_some(offset)
        };
        if let Some(offset) = offset_in(&self.source) {
            return Some(Span::received(offset, bytes.len()));
        }
        offset_in(&self.scratch).map(|offset| Span::scratch(offset, bytes.len()))
    }
}

/// Bytes on their way into a batch's scratch buffer. They are written while the batch is read and appended when
/// nobody reads it any more; spans count from where they will stand.
#[derive(Debug, Default)]
pub(crate) struct PendingBytes {
    pub bytes: Vec<u8>,
    base: usize,
}

impl PendingBytes {
    /// Puts bytes; the span holds once the batch has taken them.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.span(start)
    }

    /// Span of the bytes written since `start`.
    pub(crate) fn span(&self, start: usize) -> Span {
        Span::scratch(self.base + start, self.bytes.len() - start)
    }

    /// `len` bytes that begin at `start`.
    pub(crate) fn part(&self, start: usize, len: usize) -> Span {
        Span::scratch(self.base + start, len)
    }

    /// Number of bytes written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Batch {
    /// Clears `pending`, whose memory is used again, and sets where its bytes will stand.
    pub(crate) fn begin(&self, pending: &mut PendingBytes) {
        pending.bytes.clear();
        pending.base = self.scratch.len();
    }

    /// Takes what was written. False where the batch would become too large; then nothing was taken.
    #[must_use]
    pub(crate) fn take(&mut self, pending: &PendingBytes) -> bool {
        if self.scratch.len() + pending.bytes.len() > MAX_BYTES {
            return false;
        }
        self.scratch.extend_from_slice(&pending.bytes);
        true
    }
}
