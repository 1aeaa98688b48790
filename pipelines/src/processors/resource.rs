//! `resource`: edits the attributes of resources. Resources that become equal are not merged.

use crate::Batch;
use crate::batch::Owner;
use crate::yaml::{Node, Problem, keep};

use super::actions::{self, Action};
use super::edit::Prepared;

/// The config of a `resource` processor.
#[derive(Debug, Clone)]
pub struct Resource {
    actions: Vec<Action>,
}

impl Resource {
    pub(super) fn decode(config: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let actions = actions::decode(&mut fields, "attributes", problems);
        fields.finish(problems);
        Some(Self { actions })
    }

    pub(super) fn run(&self, batch: &mut Batch) {
        let mut prepared = Prepared::new(batch, &self.actions);
        for resource in 0..batch.resources().len() {
            prepared.run(batch, Owner::Resource(resource));
        }
    }
}
