//! The protobuf wire format, read in place.
//!
//! Every error says at which byte of the request it stands and what was expected there. Groups, which OTLP
//! never uses, are refused; unknown fields are stepped over.
//! Spec: <https://protobuf.dev/programming-guides/encoding/>.

use super::span::Span;

/// Bytes that are not the message they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {what}")]
pub struct Malformed {
    /// Offset from the start of the request, in bytes.
    pub offset: usize,
    /// Mistake there, and what was expected.
    pub what: &'static str,
}

/// A field's value by wire type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    Varint(u64),
    Fixed64(u64),
    Len(Span),
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub number: u32,
    pub value: Wire,
    /// Position at which the field's tag begins.
    pub at: usize,
}

impl Field {
    #[inline(always)]
    pub fn message(self) -> Result<Span, Malformed> {
        match self.value {
            Wire::Len(span) => Ok(span),
            _ => Err(Malformed { offset: self.at, what: "expected a length-delimited field" }),
        }
    }

    #[inline(always)]
    pub fn fixed64(self) -> Result<u64, Malformed> {
        match self.value {
            Wire::Fixed64(bits) => Ok(bits),
            _ => Err(Malformed { offset: self.at, what: "expected a 64-bit field" }),
        }
    }

    #[inline(always)]
    pub fn varint(self) -> Result<u64, Malformed> {
        match self.value {
            Wire::Varint(value) => Ok(value),
            _ => Err(Malformed { offset: self.at, what: "expected a varint field" }),
        }
    }
}

/// Walks the fields of one message that lies at `pos..end` of `buf`.
pub(crate) struct Reader<'a> {
    buf: &'a [u8],
    pos: usize,
}

impl<'a> Reader<'a> {
    /// `span` must lie inside `buf`, as every span that a reader has returned does.
    pub fn new(buf: &'a [u8], span: Span) -> Self {
        Self { buf: &buf[..span.end()], pos: span.start() }
    }

    /// Returns the position at which the next field begins.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// Returns the bytes that have not been read yet.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        self.buf.get(self.pos..).unwrap_or_default()
    }

    /// The next field's bytes where it begins with this one-byte tag and an announced length of up to 16 kB: nearly all
    /// there is, in a few instructions. Nothing for any other field, which [`Self::next`] then reads.
    #[inline(always)]
    pub fn framed(&mut self, tag: u8) -> Option<Span> {
        let (len, head) = match self.rest() {
            [first, len @ ..=0x7f, ..] if *first == tag => (usize::from(*len), 2),
            [first, low, high @ ..=0x7f, ..] if *first == tag => {
                (usize::from(low & 0x7f) | usize::from(*high) << 7, 3)
            }
            _ => return None,
        };
        let start = self.pos + head;
        let fits = len <= self.buf.len() - start;
        fits.then(|| {
            self.pos = start + len;
            Span::received(start, len)
        })
    }

    /// The next field, or none at the end of the message. Inlined everywhere: a field is a few instructions, and
    /// a call that returns it through memory costs more than reading it.
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Field>, Malformed> {
        let at = self.pos;
        let Some(&first) = self.buf.get(at) else { return Ok(None) };
        let tag = self.varint_from(first)?;
        let number = (tag >> 3) as u32;
        if number == 0 || tag >> 32 != 0 {
            return malformed(at, "expected a field tag with a number from 1 to 2^29 - 1");
        }
        let value = match tag & 7 {
            2 => Wire::Len(self.length_delimited()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.fixed::<8>()?)),
            0 => Wire::Varint(self.varint()?),
            5 => Wire::Fixed32(u32::from_le_bytes(self.fixed::<4>()?)),
            3 | 4 => return malformed(at, "a protobuf group; OTLP has none"),
            _ => return malformed(at, "an unknown protobuf wire type"),
        };
        Ok(Some(Field { number, value, at }))
    }

    /// A varint by itself, as they lie in a packed list.
    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        match self.buf.get(self.pos) {
            Some(&first) => self.varint_from(first),
            None => malformed(self.pos, CUT_OFF),
        }
    }

    /// A varint whose first byte, at the reader's position, is known.
    #[inline(always)]
    fn varint_from(&mut self, first: u8) -> Result<u64, Malformed> {
        if first < 0x80 {
            self.pos += 1;
            return Ok(u64::from(first));
        }
        // Lengths of up to 16 kB.
        if let Some(&second) = self.buf.get(self.pos + 1)
            && second < 0x80
        {
            self.pos += 2;
            return Ok(u64::from(first & 0x7f) | u64::from(second) << 7);
        }
        self.long_varint()
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let at = self.pos;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.buf.get(self.pos) else { return malformed(at, CUT_OFF) };
            self.pos += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        malformed(at, "a varint of more than 64 bits")
    }

    #[inline(always)]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some(bytes) = self.buf.get(self.pos..).and_then(<[u8]>::first_chunk::<N>) else {
            return malformed(self.pos, "a fixed-size field is cut off by the end of its message");
        };
        self.pos += N;
        Ok(*bytes)
    }

    #[inline(always)]
    fn length_delimited(&mut self) -> Result<Span, Malformed> {
        let at = self.pos;
        let len = self.varint()?;
        let left = (self.buf.len() - self.pos) as u64;
        if len > left {
            return malformed(at, "a length reaches past the end of its message");
        }
        let span = Span::received(self.pos, len as usize);
        self.pos += len as usize;
        Ok(span)
    }
}

/// Visits what a message repeats in field `number`, which is below 16.
#[inline(always)]
pub(super) fn each(
    buf: &[u8],
    of: Span,
    number: u32,
    mut visit: impl FnMut(Span) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut fields = Reader::new(buf, of);
    loop {
        while let Some(message) = fields.framed((number << 3 | 2) as u8) {
            visit(message)?;
        }
        let Some(field) = fields.next()? else { return Ok(()) };
        if field.number == number {
            visit(field.message()?)?;
        }
    }
}

/// Takes a message that may occur once.
pub(super) fn once(seen: Span, span: Span) -> Result<Span, Malformed> {
    if seen.is_none() {
        return Ok(span);
    }
    Err(Malformed { offset: span.start(), what: "a message that may occur once occurs again" })
}

/// Number of bytes that a varint takes.
pub(crate) fn varint_len(value: u64) -> usize {
    // Seven bits a byte, without a division.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) >> 6
}

const CUT_OFF: &str = "a varint is cut off by the end of its message";

#[cold]
#[inline(never)]
fn malformed<T>(offset: usize, what: &'static str) -> Result<T, Malformed> {
    Err(Malformed { offset, what })
}
