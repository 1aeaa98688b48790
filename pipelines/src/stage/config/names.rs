//! Choice of metrics that a processor touches: the older `include` and `exclude`.

use crate::cost::Inspection;
use crate::ottl::Pattern;
use crate::yaml::{Fields, Located, Node, Problem, keep};

/// Way in which names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchType {
    /// Equal.
    Strict,
    /// A regular expression that matches anywhere.
    Regexp,
}

impl MatchType {
    /// The match type, which must be there.
    pub(crate) fn decode(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Self::of(fields.required("match_type")?)
    }

    /// Reads a match type.
    pub(crate) fn of(node: &Node) -> Result<Self, Problem> {
        node.one_of("match_type", &[("strict", Self::Strict), ("regexp", Self::Regexp)])
    }
}

/// A set of names.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    /// Equal to one of these.
    Strict(Vec<String>),
    /// Matched by one of these.
    Regexp(Vec<Pattern>),
}

impl Names {
    /// Reads a list of names.
    pub(crate) fn decode(node: &Node, match_type: MatchType, problems: &mut Inspection) -> Self {
        if match_type == MatchType::Strict {
            return Self::Strict(node.texts_or_null(problems));
        }
        let mut patterns = Vec::new();
        for item in keep(node.items(), problems).unwrap_or_default().iter() {
            let null = || Located::new("", item.location);
            let text = if item.is_null() { Some(null()) } else { keep(item.located_text(), problems) };
            patterns.extend(text.and_then(|text| problems.pattern(&text)));
        }
        Self::Regexp(patterns)
    }

    /// Returns whether it holds no name at all.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Strict(names) => names.is_empty(),
            Self::Regexp(patterns) => patterns.is_empty(),
        }
    }

    /// Returns whether the set holds this name.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        match self {
            Self::Strict(names) => names.iter().any(|known| known.as_bytes() == name),
            Self::Regexp(patterns) => patterns.iter().any(|pattern| pattern.is_match(name)),
        }
    }
}

/// Options of the Collector's regular expressions: accepted, since their cache changes no result.
pub(crate) fn regexp_options(fields: &mut Fields<'_>, problems: &mut Inspection) {
    let Some(mut options) = fields.take("regexp").and_then(|node| keep(node.map(), problems)) else { return };
    options.take("cacheenabled").and_then(|node| keep(node.bool(), problems));
    options.take("cachemaxnumentries").and_then(|node| keep(node.unsigned(), problems));
    options.finish(problems);
}
