//! A capture: requests of OTLP in a file or in a folder of files.
//!
//! A file holds one request in protobuf, JSON documents one after the other, or protobuf requests with their length
//! before each (four bytes, big-endian): the two that the Collector's file exporter writes. Each file, or each request with
//! its length before it, may be compressed by zstd.

use std::borrow::Cow;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use pipelines::Batch;
use pipelines::batch::Malformed;
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

/// How a frame of zstd begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How files begin that are compressed in ways that are not read.
const OTHERS: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\0\0sNaPpY", "snappy"),
    (b"PK\x03\x04", "zip"),
];

/// How a text begins that some editors save.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reason for which bytes are no requests; `malformed` is what is wrong with them as protobuf.
fn no_requests(bytes: &[u8], malformed: &Malformed) -> anyhow::Error {
    if let Some((_, name)) = OTHERS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return anyhow!("compressed by {name}; expected it as it was, or compressed by zstd");
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return anyhow!(
            "a JSON array; expected JSON documents one after the other, without brackets around them"
        );
    }
    anyhow!("not OTLP: not JSON, and in protobuf {malformed}")
}

/// What stands in zstd, or the bytes themselves.
fn inflated(bytes: &[u8]) -> anyhow::Result<Cow<'_, [u8]>> {
    if !bytes.starts_with(&ZSTD) {
        return Ok(bytes.into());
    }
    let mut inflated = Vec::new();
    let decoder = zstd::Decoder::new(bytes).context("compressed by zstd, and damaged")?;
    decoder.take(MAX_FILE + 1).read_to_end(&mut inflated).context("compressed by zstd, and damaged")?;
    anyhow::ensure!(
        inflated.len() as u64 <= MAX_FILE,
        "compressed by zstd, and more than {MAX_FILE} bytes inflated"
    );
    Ok(inflated.into())
}

fn requests(bytes: &[u8], take: &mut impl FnMut(Batch)) -> anyhow::Result<()> {
    let bytes = &*inflated(bytes)?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        // A request in protobuf begins with a line's end, and the length after it may be a brace.
        if let (Some(b'\n'), Ok(batch)) = (bytes.first(), Batch::parse(bytes.to_vec().into())) {
            take(batch);
            return Ok(());
        }
        return documents(bytes, take);
    }
    match Batch::parse_repaired(bytes.to_vec().into()) {
        Ok((batch, _)) => {
            take(batch);
            Ok(())
        }
        Err(malformed) => framed(bytes, take).map_err(|_| no_requests(bytes, &malformed)),
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
        take(Batch::parse_repaired(request.into()).context("not OTLP")?.0);
        from = to;
    }
    Ok(())
}

fn framed(mut bytes: &[u8], take: &mut impl FnMut(Batch)) -> anyhow::Result<()> {
    let mut batches = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (message, rest) = rest.split_at_checked(length).context("a length beyond the file's end")?;
        // With compression the Collector's file exporter frames each request, JSON too.
        let message = inflated(message)?;
        if message.first() == Some(&b'{') {
            documents(&message, &mut |batch| batches.push(batch))?;
        } else {
            batches.push(Batch::parse_repaired(message.into_owned().into())?.0);
        }
        bytes = rest;
    }
    anyhow::ensure!(bytes.is_empty() && !batches.is_empty(), "bytes that are no request");
    batches.into_iter().for_each(take);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &[u8] = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}"#;

    fn read(bytes: &[u8]) -> anyhow::Result<usize> {
        let mut points = 0;
        requests(bytes, &mut |batch| points += batch.point_count())?;
        Ok(points)
    }

    fn with_length(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u32).to_be_bytes(), message].concat()
    }

    #[test]
    fn what_the_file_exporter_compresses_is_read_as_what_it_does_not() {
        let protobuf = json::decode(Request::Metrics, JSON, 1 << 20).unwrap();
        for one in [JSON, &protobuf] {
            let packed = zstd::bulk::compress(one, 3).unwrap();
            assert_eq!(read(one).unwrap(), 1);
            assert_eq!(read(&packed).unwrap(), 1, "a file as a whole");
            let framed = with_length(&packed).repeat(3);
            assert_eq!(read(&framed).unwrap(), 3, "each request");
            let damaged = &packed[..packed.len() - 3];
            assert!(read(damaged).unwrap_err().to_string().contains("compressed by zstd, and damaged"));
        }
    }

    #[test]
    fn what_other_programs_make_of_a_capture_is_read_or_named() {
        assert_eq!(read(&[BYTE_ORDER_MARK, JSON, b"\r\n", JSON, b"\r\n"].concat()).unwrap(), 2);
        let wrong = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        for (begin, name) in OTHERS {
            let said = wrong(&[begin, b"\0\0\0\0\0\0\0\xff"].concat());
            assert!(said.starts_with(&format!("compressed by {name}; expected")), "{said}");
        }
        let said = wrong(&[b" [", JSON, b",", JSON, b"]"].concat());
        assert!(said.contains("without brackets around them"), "{said}");
        assert!(wrong(b"\xff\xff").starts_with("not OTLP"));
    }
}
