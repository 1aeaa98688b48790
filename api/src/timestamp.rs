//! Times, as texts.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A time in RFC 3339, such as `2026-11-28T12:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime)]
pub struct Timestamp(pub String);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
