//! `groupbyattrs`: moves attributes of data points to their resource and merges what becomes equal.

use crate::Batch;
use crate::cost::Inspection;
use crate::ottl::Context;
use crate::stage::{Effect, Tallies};
use crate::yaml::{Node, keep};

/// The config of a `groupbyattrs` processor. Without keys it only merges, which is called compaction.
#[derive(Debug, Clone)]
pub struct GroupByAttrs {
    keys: Vec<String>,
    /// Its keys, as the one rule that is counted.
    rule: [String; 1],
}

impl GroupByAttrs {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let written = fields.take("keys").map(|node| node.texts_or_null(problems)).unwrap_or_default();
        fields.finish(problems);
        let mut keys = Vec::<String>::new();
        for key in written {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let rule = [format!("keys: {}", keys.join(", "))];
        Some(Self { keys, rule })
    }

    pub(super) fn rules(&self) -> &[String] {
        if self.keys.is_empty() { &[] } else { &self.rule }
    }

    pub(super) fn run(&self, batch: &mut Batch, mut tallies: Tallies<'_>) {
        let keys: Vec<_> = self.keys.iter().map(|key| batch.intern(key.as_bytes())).collect();
        batch.regroup(&keys, &mut |batch, path| {
            tallies.count(0, Effect::Changed, batch, path, Context::DataPoint);
        });
    }
}
