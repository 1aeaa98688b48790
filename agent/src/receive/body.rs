//! Collection of a request's body into one buffer.
//!
//! The buffer is allocated once, from the size the frame or `content-length` announces, after the
//! budget has agreed to it. A body that arrives in one chunk is not copied at all, unless it is so
//! small that the chunk's own buffer would be kept alive for a fraction of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};

use crate::admission::{Budget, Permit};
use crate::request::Refusal;

/// Size in bytes, under which a chunk is copied out of the connection's read buffer.
const COPY_BELOW: usize = 64 * 1024;
/// First step where a body's size is not announced.
const FIRST_STEP: usize = 64 * 1024;
/// Bytes of a refused body that are read, and the time for it.
const DISCARD: usize = 1 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// A gRPC message's prefix: one byte of flags, four of length.
const PREFIX: usize = 5;

/// Bytes of a body that are taken, and the time that it may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most bytes of one request, compressed or not.
    pub max_bytes: usize,
    /// Longest wait for the whole body.
    pub timeout: Duration,
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
/// Whatever [`Refusal`] fits: too large or over budget on the prefix alone, invalid framing, slow.
pub async fn grpc_message(body: Incoming, budget: &Budget, bounds: Bounds) -> Result<Message, Refusal> {
    in_time(bounds.timeout, read_grpc(body, budget, bounds.max_bytes)).await
}

/// Collects an HTTP body.
///
/// # Errors
/// As [`grpc_message`], on `content-length` alone where there is one.
pub async fn http_body(
    body: &mut Incoming,
    budget: &Budget,
    bounds: Bounds,
) -> Result<(Bytes, Permit), Refusal> {
    in_time(bounds.timeout, read_http(body, budget, bounds.max_bytes)).await
}

/// Reads what is left of a refused HTTP/1 body, within reason. A sender that is still writing when the
/// connection closes hears a reset, not the refusal and when to come back.
pub async fn discard(body: &mut Incoming) {
    let mut left = DISCARD;
    let rest = async {
        while let Ok(Some(chunk)) = next(body).await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _enough_patience = tokio::time::timeout(DISCARD_TIMEOUT, rest).await;
}

async fn in_time<T>(timeout: Duration, read: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(timeout, read).await.unwrap_or(Err(Refusal::Slow(timeout)))
}

async fn read_grpc(mut body: Incoming, budget: &Budget, limit: usize) -> Result<Message, Refusal> {
    let mut first = next(&mut body).await?.unwrap_or_default();
    while first.len() < PREFIX {
        let Some(more) = next(&mut body).await? else {
            return Err(Refusal::Invalid(format!("expected a gRPC message, got {} bytes", first.len())));
        };
        first = [first, more].concat().into();
    }
    let length = u32::from_be_bytes([first[1], first[2], first[3], first[4]]) as usize;
    if length > limit {
        return Err(Refusal::TooLarge { limit });
    }
    let compressed = match first[0] {
        0 => false,
        1 => true,
        flag => return Err(Refusal::Invalid(format!("unknown gRPC message flag {flag}"))),
    };
    let permit = budget.take(length).ok_or(Refusal::Memory)?;
    let start = first.slice(PREFIX..);
    let bytes = if start.len() == length && length >= COPY_BELOW {
        start
    } else {
        let mut buffer = BytesMut::with_capacity(length);
        append(&mut buffer, &start, length)?;
        while buffer.len() < length {
            let Some(chunk) = next(&mut body).await? else {
                let got = buffer.len();
                return Err(Refusal::Invalid(format!("the gRPC message ends after {got} of {length} bytes")));
            };
            append(&mut buffer, &chunk, length)?;
        }
        buffer.freeze()
    };
    while !body.is_end_stream() {
        match next(&mut body).await? {
            None => break,
            Some(chunk) if chunk.is_empty() => {}
            Some(_) => return Err(Refusal::Invalid("more than one message in a unary call".into())),
        }
    }
    Ok(Message { compressed, bytes, permit })
}

fn append(buffer: &mut BytesMut, chunk: &[u8], length: usize) -> Result<(), Refusal> {
    if buffer.len() + chunk.len() > length {
        return Err(Refusal::Invalid(format!("the gRPC message is longer than the {length} bytes it says")));
    }
    buffer.extend_from_slice(chunk);
    Ok(())
}

async fn read_http(body: &mut Incoming, budget: &Budget, limit: usize) -> Result<(Bytes, Permit), Refusal> {
    let exact = body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    if exact.is_some_and(|size| size > limit) {
        return Err(Refusal::TooLarge { limit });
    }
    let mut permit = budget.take(exact.unwrap_or(0)).ok_or(Refusal::Memory)?;
    let mut buffer = BytesMut::new();
    while let Some(chunk) = next(body).await? {
        if exact == Some(chunk.len()) && chunk.len() >= COPY_BELOW {
            return Ok((chunk, permit));
        }
        let needed = buffer.len() + chunk.len();
        if needed > limit {
            return Err(Refusal::TooLarge { limit });
        }
        if needed > buffer.capacity() {
            let capacity = exact.unwrap_or_else(|| needed.max(2 * buffer.len()).max(FIRST_STEP).min(limit));
            if !permit.grow_to(capacity) {
                return Err(Refusal::Memory);
            }
            buffer.reserve(capacity.max(needed) - buffer.len());
        }
        buffer.extend_from_slice(&chunk);
    }
    permit.hold(buffer.len());
    Ok((buffer.freeze(), permit))
}

/// The next chunk of data; trailers are skipped, they carry nothing in a request.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(Refusal::CutOff(error.to_string())),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
