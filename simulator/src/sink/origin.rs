//! Variant and generation of an agent that a request says it comes from.

use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataMap;

/// Word that stands for absent metadata.
const NONE: &str = "none";
/// Longest value that is kept: metadata is somebody else's text.
const MAX_LENGTH: usize = 128;

/// The origin of a request, as its metadata `x-phoenix-variant` and `x-phoenix-generation` name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// `baseline`, `candidate`, or `none`.
    pub variant: String,
    /// The generation's number in decimal, or `none`.
    pub generation: String,
}

impl Origin {
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let value = |key| {
            let text = metadata.get(key).and_then(|v| v.to_str().ok()).unwrap_or(NONE);
            text.chars().take(MAX_LENGTH).collect()
        };
        Self { variant: value("x-phoenix-variant"), generation: value("x-phoenix-generation") }
    }

    /// Origin of all counts once there are too many different ones.
    pub(super) fn other() -> Self {
        Self { variant: "other".to_owned(), generation: "other".to_owned() }
    }
}
