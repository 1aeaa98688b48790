//! The built-in templates: pipelines that people ask for, each with its claim.
//!
//! Their texts are part of the program. Every sample of every one is rendered, checked, run over simulated hosts and
//! held to its claim by a test, which also writes the measured savings down.

use crate::template::Template;
use crate::yaml::Problems;

/// Names and texts, in the order in which they are shown.
pub const CATALOG: &[(&str, &str)] = &[
    ("baseline", include_str!("../catalog/baseline.yaml")),
    ("priority-filter", include_str!("../catalog/priority-filter.yaml")),
    ("topk", include_str!("../catalog/topk.yaml")),
    ("aggregated", include_str!("../catalog/aggregated.yaml")),
    ("adaptive", include_str!("../catalog/adaptive.yaml")),
    ("intelligent", include_str!("../catalog/intelligent.yaml")),
    ("minimal", include_str!("../catalog/minimal.yaml")),
    ("conventions", include_str!("../catalog/conventions.yaml")),
];

/// The template of this name.
///
/// # Errors
/// Nothing, for a program that passed its tests: a template that does not parse.
pub fn template(name: &str) -> Option<Result<Template, Problems>> {
    let (name, text) = CATALOG.iter().find(|(known, _)| *known == name)?;
    Some(Template::parse(name, text))
}

/// Every template.
///
/// # Errors
/// As [`template`].
pub fn templates() -> Result<Vec<Template>, Problems> {
    CATALOG.iter().map(|(name, text)| Template::parse(name, text)).collect()
}
