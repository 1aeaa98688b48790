//! `/api/v1/templates`: Collector configs with typed parameters, by name, in versions that never change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A template to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTemplate {
    /// Its name: a-z, 0-9, `.`, `_`, `-`; the one that the text gives itself.
    pub name: String,
    /// The template, as YAML.
    pub text: String,
}

/// A version to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateVersion {
    /// The template, as YAML.
    pub text: String,
}

/// A template without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateSummary {
    /// Its name.
    pub name: String,
    /// The number of the version, from 1.
    pub version: u32,
    /// SHA-256 of the text.
    pub digest: String,
    /// Author.
    pub created_by: Uuid,
    /// Time.
    pub created_at: Timestamp,
}

/// A version of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateDetail {
    /// Summary of the template.
    #[serde(flatten)]
    pub summary: TemplateSummary,
    /// Description of its work.
    pub description: String,
    /// Parameters, with types, bounds and defaults.
    #[schema(value_type = Vec<Object>)]
    pub parameters: Vec<Value>,
    /// The template as it was written.
    pub text: String,
}

/// Values to try a template with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenderRequest {
    /// By parameter; what is left out has its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Version; the latest if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Rendered template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenderedTemplate {
    /// The version that was rendered.
    pub version: u32,
    /// A Collector fragment in YAML.
    pub text: String,
    /// SHA-256 of its bytes.
    pub digest: String,
}
