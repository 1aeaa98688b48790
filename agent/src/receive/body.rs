//! Collection of a request's body into one buffer.
//!
//! The buffer grows with what comes, after the budget has agreed to it: what is announced and withheld costs nothing. A
//! body that arrives in one chunk is not copied at all, unless it is so small that the chunk's own buffer would be kept
//! alive for a fraction of it.

use std::time::Duration;

use bytes::Bytes;
use gate::{Pace, Peer, Progress};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};

use crate::admission::{Arrival, Budget, Permit};
use crate::request::Refusal;

/// Size in bytes, under which a chunk is copied out of the connection's read buffer.
const COPY_BELOW: usize = 64 * 1024;
/// Bytes of a refused body that are read, and the time for it.
const DISCARD: usize = 1 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// A gRPC message's prefix: one byte of flags, four of length.
const PREFIX: usize = 5;

/// Bytes of a body that are taken, the time that it may take, and who sends it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// Budget of the bytes.
    pub budget: &'a Budget,
    /// Sender.
    pub peer: Peer,
    /// Most bytes of one request, compressed or not.
    pub max_bytes: usize,
    /// Limits of the time.
    pub pace: Pace,
}

/// A gRPC message.
#[derive(Debug)]
pub struct Message {
    /// True if the flag says it is compressed.
    pub compressed: bool,
    /// The message without its prefix.
    pub bytes: Bytes,
    /// Budget for the bytes.
    pub permit: Permit,
}

/// Collects the one message of a unary gRPC call.
///
/// # Errors
/// Whatever [`Refusal`] fits: too large on the prefix alone, over budget, invalid framing, slow.
pub async fn grpc_message(mut body: Incoming, bounds: Bounds<'_>) -> Result<Message, Refusal> {
    let mut chunks = Chunks::new(&mut body, bounds.pace);
    let mut first = chunks.next().await?.unwrap_or_default();
    while first.len() < PREFIX {
        let Some(more) = chunks.next().await? else {
            return Err(Refusal::Invalid(format!("expected a gRPC message, got {} bytes", first.len())));
        };
        first = [first, more].concat().into();
    }
    let length = u32::from_be_bytes([first[1], first[2], first[3], first[4]]) as usize;
    if length > bounds.max_bytes {
        return Err(Refusal::TooLarge { limit: bounds.max_bytes });
    }
    let compressed = match first[0] {
        0 => false,
        1 => true,
        flag => return Err(Refusal::Invalid(format!("unknown gRPC message flag {flag}"))),
    };
    let start = first.slice(PREFIX..);
    let mut buffer = Buffer::new(bounds, Some(length));
    let (bytes, permit) = if start.len() == length && length >= COPY_BELOW {
        buffer.keep(start)?
    } else {
        append(&mut buffer, &start, length)?;
        while buffer.bytes.len() < length {
            let Some(chunk) = chunks.next().await? else {
                let got = buffer.bytes.len();
                return Err(Refusal::Invalid(format!("the gRPC message ends after {got} of {length} bytes")));
            };
            append(&mut buffer, &chunk, length)?;
        }
        buffer.whole()
    };
    while !chunks.body.is_end_stream() {
        match chunks.next().await? {
            None => break,
            Some(chunk) if chunk.is_empty() => {}
            Some(_) => return Err(Refusal::Invalid("more than one message in a unary call".into())),
        }
    }
    Ok(Message { compressed, bytes, permit })
}

fn append(buffer: &mut Buffer, chunk: &[u8], length: usize) -> Result<(), Refusal> {
    if buffer.bytes.len() + chunk.len() > length {
        return Err(Refusal::Invalid(format!("the gRPC message is longer than the {length} bytes it says")));
    }
    buffer.append(chunk)
}

/// Collects an HTTP body.
///
/// # Errors
/// As [`grpc_message`], too large on `content-length` alone where there is one.
pub async fn http_body(body: &mut Incoming, bounds: Bounds<'_>) -> Result<(Bytes, Permit), Refusal> {
    let limit = bounds.max_bytes;
    let exact = body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    if exact.is_some_and(|size| size > limit) {
        return Err(Refusal::TooLarge { limit });
    }
    let mut buffer = Buffer::new(bounds, exact);
    let mut chunks = Chunks::new(body, bounds.pace);
    while let Some(chunk) = chunks.next().await? {
        if exact == Some(chunk.len()) && chunk.len() >= COPY_BELOW {
            return buffer.keep(chunk);
        }
        if buffer.bytes.len() + chunk.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        buffer.append(&chunk)?;
    }
    Ok(buffer.whole())
}

/// Reads what is left of a refused HTTP/1 body, within reason. A sender that is still writing when the
/// connection closes hears a reset, not the refusal and when to come back.
pub async fn discard(body: &mut Incoming) {
    let mut left = DISCARD;
    let mut chunks = Chunks::new(body, Pace::of(DISCARD_TIMEOUT));
    while let Ok(Some(chunk)) = chunks.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            break;
        }
    }
}

/// Bytes of a body, no more than twice what has come.
struct Buffer {
    arrival: Arrival,
    /// Size as it is announced, and the most there may be without.
    announced: Option<usize>,
    limit: usize,
    bytes: Vec<u8>,
}

impl Buffer {
    fn new(bounds: Bounds<'_>, announced: Option<usize>) -> Self {
        let arrival = bounds.budget.arrive(bounds.peer);
        Self { arrival, announced, limit: bounds.max_bytes, bytes: Vec::new() }
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        let needed = self.bytes.len() + chunk.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max((2 * self.bytes.len()).min(self.announced.unwrap_or(self.limit)));
            // Of a size that nobody knows, nothing is half.
            let half_here = self.announced.is_some_and(|size| 2 * needed > size);
            self.arrival.grow_to(capacity, half_here).map_err(Refusal::of_memory)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Keeps the one chunk that is all of it, where it is.
    fn keep(mut self, chunk: Bytes) -> Result<(Bytes, Permit), Refusal> {
        self.arrival.grow_to(chunk.len(), true).map_err(Refusal::of_memory)?;
        Ok((chunk, self.arrival.whole()))
    }

    fn whole(self) -> (Bytes, Permit) {
        (self.bytes.into(), self.arrival.whole())
    }
}

/// Chunks of a body, each in time.
struct Chunks<'a> {
    body: &'a mut Incoming,
    progress: Progress,
}

impl<'a> Chunks<'a> {
    fn new(body: &'a mut Incoming, pace: Pace) -> Self {
        Self { body, progress: Progress::begin(pace) }
    }

    /// The next chunk of data; trailers are skipped, they carry nothing in a request.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            // Frames without data may come without an end, and none of them has to be waited for.
            if self.progress.is_late() {
                return Err(self.slow());
            }
            match tokio::time::timeout_at(self.progress.due(), self.body.frame()).await {
                Err(_) => return Err(self.slow()),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(Refusal::CutOff(error.to_string())),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.progress.came(data.len());
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
    fn slow(&self) -> Refusal {
        Refusal::Slow { bytes: self.progress.arrived(), time: self.progress.elapsed() }
    }
}
