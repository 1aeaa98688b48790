//! The exporter to a file, in the formats of the Collector's own: a line of JSON a request, or each request with its length
//! before it (four bytes, big-endian).
//!
//! What always holds: a request stands in the file, whole, before it counts as delivered; one that did not fit leaves nothing
//! of it behind, and is written once there is room.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut as _, Bytes, BytesMut};
use pipelines::json;

use super::otlp::Attempt;
use super::rolling_file::{FileSettings, RollingFile};
use crate::net::compress;
use crate::request::{Encoding, Media, Payload};

/// Writer of one file.
#[derive(Debug)]
pub struct FileClient {
    media: Media,
    zstd: bool,
    file: Arc<Mutex<RollingFile>>,
}

impl FileClient {
    /// A writer that has written nothing yet.
    ///
    /// # Errors
    /// When the file cannot be opened or made; says which.
    pub fn new(settings: &FileSettings) -> io::Result<Self> {
        let file = RollingFile::new(settings)?;
        Ok(Self { media: settings.media, zstd: settings.zstd, file: Arc::new(Mutex::new(file)) })
    }

    /// The bytes that stand for `payload` in the file.
    ///
    /// # Errors
    /// When it cannot be compressed, or written as JSON.
    pub fn encode(&self, payload: &Payload) -> io::Result<Bytes> {
        let mut request = match self.media {
            Media::Protobuf => payload.message.clone(),
            Media::Json => {
                let json = json::encode(payload.signal.document(), &payload.message);
                json.map_err(io::Error::other)?.into()
            }
        };
        if self.zstd {
            request = compress(Encoding::Zstd, &request)?;
        } else if self.media == Media::Json {
            return Ok([&request[..], b"\n"].concat().into());
        }
        let length = u32::try_from(request.len()).map_err(io::Error::other)?;
        let mut framed = BytesMut::with_capacity(4 + request.len());
        framed.put_u32(length);
        framed.put(request);
        Ok(framed.freeze())
    }

    /// Writes `encoded`. That may take its time, so no thread of the data path does it.
    pub async fn attempt(&self, encoded: Bytes) -> Attempt {
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || {
            file.lock().unwrap_or_else(PoisonError::into_inner).write(&encoded)
        });
        match written.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => Attempt::Delivered { rejected: 0, message: String::new() },
            Err(error) => Attempt::Retry { reason: error.to_string(), after: None, ambiguous: false },
        }
    }
}
