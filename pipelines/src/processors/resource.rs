//! `resource`: edits the attributes of resources. Resources that become equal are not merged.

use crate::Batch;
use crate::batch::{Owner, Path};
use crate::cost::Inspection;
use crate::ottl::Context;
use crate::stage::actions::{self, Action, BatchActions};
use crate::stage::{Effect, Tallies};
use crate::yaml::{Node, keep};

/// The config of a `resource` processor.
#[derive(Debug, Clone)]
pub struct Resource {
    actions: Vec<Action>,
    /// All of them, as the one rule that is counted.
    rule: [String; 1],
}

impl Resource {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let actions = actions::decode(&mut fields, "attributes", problems);
        fields.finish(problems);
        let rule = [actions::rule(config, "attributes")];
        Some(Self { actions, rule })
    }

    pub(super) fn rules(&self) -> &[String] {
        &self.rule
    }

    pub(super) fn run(&self, batch: &mut Batch, mut tallies: Tallies<'_>) {
        let mut prepared = BatchActions::new(batch, &self.actions);
        for resource in 0..batch.resources().len() {
            if prepared.run(batch, Owner::Resource(resource)) {
                let path = Path { resource, ..Path::default() };
                tallies.count(0, Effect::Changed, batch, path, Context::Resource);
            }
        }
    }
}
