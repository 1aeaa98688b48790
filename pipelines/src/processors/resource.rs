//! `resource`: edits the attributes of resources. Resources that become equal are not merged.

use crate::yaml::{Node, Problem, keep};

use super::actions::{self, Action};

/// The config of a `resource` processor.
#[derive(Debug, Clone)]
pub struct Resource {
    pub(super) actions: Vec<Action>,
}

impl Resource {
    pub(super) fn decode(config: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let actions = actions::decode(&mut fields, "attributes", problems);
        fields.finish(problems);
        Some(Self { actions })
    }
}
