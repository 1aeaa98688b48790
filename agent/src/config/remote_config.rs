//! `phoenix.remote_config`: processors that a pushed config may bring.
//!
//! What the file itself has may always be pushed: a candidate is mostly the baseline and something more.

use std::fmt;

use pipelines::config::Plan;
use pipelines::processors::{SUPPORTED, canonical};
use pipelines::yaml::{Fields, Node, Problem, keep};
use thiserror::Error;

/// Bounds of what may be pushed; by default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteConfig {
    /// Types that may be pushed; nothing for all but those denied.
    pub processors: Option<Vec<String>>,
    /// Types that may not be pushed.
    pub deny: Vec<String>,
}

/// A processor that the node's owner does not let be pushed.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "the {variant} brings the processor {id:?}, and phoenix.remote_config of this node {bounds}; what the node's own file \
     has may be pushed as well"
)]
pub struct Forbidden {
    /// Variant that brings it.
    pub variant: &'static str,
    /// Id of the processor.
    pub id: String,
    /// What may be pushed.
    pub bounds: RemoteConfig,
}

impl RemoteConfig {
    /// Checks a pushed plan against the bounds. `own` are the plans of the node's own file.
    ///
    /// # Errors
    /// The first processor that it may not bring.
    pub fn check<'a>(
        &self,
        variant: &'static str,
        plan: &Plan,
        own: impl Iterator<Item = &'a Plan> + Clone,
    ) -> Result<(), Forbidden> {
        let is_own = |stage: &pipelines::config::Stage| {
            own.clone().flat_map(Plan::stages).any(|known| known.digest == stage.digest)
        };
        let machinery = [
            ("batch", plan.batch().is_some() && !own.clone().any(|known| known.batch() == plan.batch())),
            (
                "memory_limiter",
                plan.memory_limiter().is_some()
                    && !own.clone().any(|known| known.memory_limiter() == plan.memory_limiter()),
            ),
        ];
        let stages = plan.stages().iter().filter(|stage| !is_own(stage));
        let stages = stages.map(|stage| (stage.id.kind(), stage.id.as_str()));
        let machinery = machinery.into_iter().filter(|(_, brings)| *brings).map(|(kind, _)| (kind, kind));
        match stages.chain(machinery).find(|(kind, _)| !self.admits(canonical(kind))) {
            Some((_, id)) => Err(Forbidden { variant, id: id.to_owned(), bounds: self.clone() }),
            None => Ok(()),
        }
    }

    fn admits(&self, kind: &str) -> bool {
        let stands = |list: &[String]| list.iter().any(|known| known == kind);
        self.processors.as_deref().is_none_or(stands) && !stands(&self.deny)
    }
}

impl fmt::Display for RemoteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.processors, self.deny.as_slice()) {
            (Some(list), _) if list.is_empty() => f.write_str("lets no other processors be pushed"),
            (Some(list), []) => write!(f, "lets these types be pushed: {}", list.join(", ")),
            (Some(list), deny) => {
                write!(f, "lets these types be pushed: {}; and not {}", list.join(", "), deny.join(", "))
            }
            (None, []) => f.write_str("has no bounds"),
            (None, deny) => write!(f, "lets every type be pushed but {}", deny.join(", ")),
        }
    }
}

/// Decodes the section.
pub fn decode(node: &Node, problems: &mut Vec<Problem>) -> RemoteConfig {
    let mut bounds = RemoteConfig::default();
    let Some(mut fields) = keep(node.map(), problems) else { return bounds };
    bounds.processors = types(&mut fields, "processors", problems);
    bounds.deny = types(&mut fields, "deny", problems).unwrap_or_default();
    fields.finish(problems);
    let allowed = bounds.processors.iter().flatten();
    if let Some(both) = allowed.into_iter().find(|kind| bounds.deny.contains(kind)) {
        let message = format!("{both} stands in processors and in deny");
        problems.push(Problem::new(node.location, message).expected("each type in one of them"));
    }
    bounds
}

fn types(fields: &mut Fields<'_>, key: &'static str, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    let node = fields.take(key)?;
    let known = || SUPPORTED.into_iter().chain(["batch", "memory_limiter"]);
    let mut types = Vec::new();
    for item in keep(node.list(), problems)? {
        let Some(text) = keep(item.text(), problems) else { continue };
        let kind = canonical(text);
        if !known().any(|known| known == kind) {
            problems.push(Problem::unknown(item.location, "type of processor", text, known()));
        }
        types.push(kind.to_owned());
    }
    Some(types)
}
