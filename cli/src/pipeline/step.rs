//! Steps: what happens to a pipeline, one after the other.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use pipelines::Batch;
use pipelines::json::{self, Request};
use pipelines::yaml::parse_duration;

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// A batch comes in.
    Input(PathBuf),
    /// Time passes.
    Advance(Duration),
    /// The pipeline is stopped.
    Shutdown,
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "shutdown" {
            return Ok(Self::Shutdown);
        }
        let Some(duration) = text.strip_prefix('+') else { return Ok(Self::Input(text.into())) };
        let nanoseconds = parse_duration(duration).and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
        let nanoseconds =
            nanoseconds.ok_or_else(|| format!("expected a duration such as +60s, got {text:?}"))?;
        Ok(Self::Advance(Duration::from_nanos(nanoseconds)))
    }
}

/// Reads a request of metrics, in OTLP/JSON or protobuf.
pub fn read(path: &Path) -> anyhow::Result<Batch> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    // A request in protobuf begins with a byte that is a line break, and the length after it may be a brace.
    let protobuf = Batch::parse_repaired(bytes.clone().into()).map(|(batch, _)| batch);
    if !text || (protobuf.is_ok() && bytes.first() != Some(&b'{')) {
        return protobuf
            .with_context(|| format!("{} is not OTLP: not JSON, and in protobuf", path.display()));
    }
    let limit = bytes.len().saturating_mul(8);
    let request = json::decode(Request::Metrics, &bytes, limit)
        .with_context(|| format!("{} is not OTLP/JSON", path.display()))?;
    Ok(Batch::parse_repaired(request.into()).with_context(|| format!("{} is not OTLP", path.display()))?.0)
}
