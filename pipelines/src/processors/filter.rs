//! `filter`: drops what conditions name.

use crate::yaml::{Located, Node, Problem, keep};

/// The config of a `filter` processor.
#[derive(Debug, Clone)]
pub struct Filter {
    pub(super) conditions: Vec<Located>,
}

impl Filter {
    pub(super) fn decode(config: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let mut conditions = Vec::new();
        for key in ["metrics", "metric_conditions", "error_mode"] {
            fields.take(key);
        }
        fields.finish(problems);
        conditions.clear();
        Some(Self { conditions })
    }
}
