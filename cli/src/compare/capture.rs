//! A capture: requests of OTLP in a file or in a folder of files.
//!
//! A file holds one request in protobuf, JSON documents one after the other, or protobuf requests with their length
//! before each (four bytes, big-endian): the two that the Collector's file exporter writes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use pipelines::Batch;
use pipelines::json::{self, Request};
use serde::de::IgnoredAny;

/// The most bytes of one file.
const MAX_FILE: u64 = 2 << 30;

/// Reads every request of a capture, in order.
pub fn each(path: &Path, mut take: impl FnMut(Batch)) -> anyhow::Result<()> {
    for file in files(path)? {
        let size = std::fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?.len();
        if size > MAX_FILE {
            anyhow::bail!("{} has {size} bytes; expected at most {MAX_FILE}", file.display());
        }
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        requests(&bytes, &mut take).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", path.display()))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(anyhow!("{} has no file", path.display())) } else { Ok(files) }
}

fn requests(bytes: &[u8], take: &mut impl FnMut(Batch)) -> anyhow::Result<()> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        // A request in protobuf begins with a line's end, and the length after it may be a brace.
        if let (Some(b'\n'), Ok(batch)) = (bytes.first(), Batch::parse(bytes.to_vec().into())) {
            take(batch);
            return Ok(());
        }
        return documents(bytes, take);
    }
    match Batch::parse(bytes.to_vec().into()) {
        Ok(batch) => {
            take(batch);
            Ok(())
        }
        Err(malformed) => {
            framed(bytes, take).map_err(|_| anyhow!("not OTLP: not JSON, and in protobuf {malformed}"))
        }
    }
}

fn documents(bytes: &[u8], take: &mut impl FnMut(Batch)) -> anyhow::Result<()> {
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    let mut from = 0;
    while let Some(document) = documents.next() {
        document.with_context(|| format!("not JSON, after byte {from}"))?;
        let to = documents.byte_offset();
        let document = &bytes[from..to];
        let request = json::decode(Request::Metrics, document, document.len().saturating_mul(8))
            .with_context(|| format!("not OTLP/JSON, in the document that begins at byte {from}"))?;
        take(Batch::parse(request.into()).context("not OTLP")?);
        from = to;
    }
    Ok(())
}

fn framed(mut bytes: &[u8], take: &mut impl FnMut(Batch)) -> anyhow::Result<()> {
    let mut batches = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (message, rest) = rest.split_at_checked(length).context("a length beyond the file's end")?;
        batches.push(Batch::parse(message.to_vec().into())?);
        bytes = rest;
    }
    anyhow::ensure!(bytes.is_empty() && !batches.is_empty(), "bytes that are no request");
    batches.into_iter().for_each(take);
    Ok(())
}
