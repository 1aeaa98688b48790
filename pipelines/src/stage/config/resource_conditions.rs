//! Choice of resources: OTTL conditions about the resource, of which one has to hold.
//!
//! A condition that cannot be answered does not hold.

use crate::Batch;
use crate::cost::Inspection;
use crate::ottl::{Condition, Context, NO_CACHE, Row, Style};
use crate::yaml::{Fields, Node, keep};

/// Conditions about a resource, of which one has to hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResourceConditions {
    conditions: Vec<Condition>,
}

impl ResourceConditions {
    /// Reads a list of conditions, which may be missing.
    pub(crate) fn decode(fields: &mut Fields<'_>, key: &'static str, problems: &mut Inspection) -> Self {
        fields.take(key).map(|node| Self::of(node, problems)).unwrap_or_default()
    }

    fn of(node: &Node, problems: &mut Inspection) -> Self {
        let mut conditions = Vec::new();
        for item in keep(node.list(), problems).unwrap_or_default() {
            let Some(text) = keep(item.located_text(), problems) else { continue };
            match Condition::compile(&text, Context::Resource, Style::Either, &mut problems.allowance) {
                Ok(condition) => conditions.push(condition),
                Err(wrong) => problems.extend(wrong),
            }
        }
        Self { conditions }
    }

    /// Returns whether nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Returns whether one of the conditions holds for a resource.
    pub(crate) fn holds(&self, batch: &Batch, resource: usize, now: u64) -> bool {
        let row = Row {
            batch,
            resource: batch.resource_at(resource),
            scope: None,
            metric: None,
            point: None,
            exemplar: None,
            cache: &NO_CACHE,
            now,
        };
        self.conditions.iter().any(|condition| condition.holds(&row) == Ok(true))
    }
}
