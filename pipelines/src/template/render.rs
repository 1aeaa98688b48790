//! Rendering of a template's tree with values into the text of a config.

use minijinja::Value as ExprValue;

use crate::yaml::{Entry, Kind, Located, Location, Node, Problem, keep};

use super::engine::{Engine, is_template};
use super::value::Values;
use super::{Invalid, ParameterProblem, emit};

/// The tag of a node that a list's items are put into.
pub(super) const EACH: &str = "!each";
/// Number of values that a config may have; past it, no agent would read it either.
const MAX_NODES: usize = 50_000;

/// An `!each` node: `give` once for each item of the list `of`, which it calls `as`.
pub(super) struct EachNode<'a> {
    pub(super) of: (&'a str, Location),
    pub(super) as_: (&'a str, Location),
    pub(super) give: &'a Node,
}

impl<'a> EachNode<'a> {
    pub(super) fn decode(node: &'a Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let mut name = |key| {
            let node = keep(fields.required(key), problems)?;
            Some((keep(node.text(), problems)?, node.location))
        };
        let (of, as_) = (name("of"), name("as"));
        let give = keep(fields.required("give"), problems);
        fields.finish(problems);
        Some(Self { of: of?, as_: as_?, give: give? })
    }
}

/// Renders a config.
pub(super) fn config(config: &Node, values: &Values) -> Result<String, Invalid> {
    let mut walk = Walk { engine: Engine::new(), problems: Vec::new(), nodes: 0 };
    let rendered = walk.node(config, values);
    if !walk.problems.is_empty() {
        return Err(Invalid { problems: walk.problems });
    }
    Ok(emit::yaml(&rendered))
}

struct Walk {
    engine: Engine,
    problems: Vec<ParameterProblem>,
    nodes: usize,
}

impl Walk {
    fn node(&mut self, node: &Node, values: &Values) -> Node {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            if self.nodes == MAX_NODES + 1 {
                let message = format!("the config has more than {MAX_NODES} values");
                self.problems.push(ParameterProblem::new("", message));
            }
            return Node::null(node.location);
        }
        let kind = match &node.kind {
            _ if node.tag == Some(EACH) => Kind::List(self.each(node, values)),
            Kind::Text(text) if is_template(text.text()) => self.scalar(text, node.location, values),
            Kind::List(items) => Kind::List(self.items(items, values)),
            Kind::Map(entries) => Kind::Map(
                entries
                    .iter()
                    .map(|Entry { key, value }| Entry { key: key.clone(), value: self.node(value, values) })
                    .collect(),
            ),
            other => other.clone(),
        };
        Node::new(node.location, kind)
    }

    /// An `!each` among the items of a list is put in their place; as a value of its own it is a list.
    fn items(&mut self, items: &[Node], values: &Values) -> Vec<Node> {
        let mut rendered = Vec::with_capacity(items.len());
        for item in items {
            if item.tag == Some(EACH) {
                rendered.extend(self.each(item, values));
            } else {
                rendered.push(self.node(item, values));
            }
        }
        rendered
    }

    fn each(&mut self, node: &Node, values: &Values) -> Vec<Node> {
        // Decoded when the template was parsed, so that nothing can be wrong with it here.
        let Some(each) = EachNode::decode(node, &mut Vec::new()) else { return Vec::new() };
        let items: Vec<ExprValue> = match values.get(each.of.0).map(ExprValue::try_iter) {
            Some(Ok(items)) => items.collect(),
            _ => return Vec::new(),
        };
        let mut inner = values.clone();
        let mut rendered = Vec::new();
        for item in items {
            inner.insert(each.as_.0.to_owned(), item);
            rendered.extend(self.items(std::slice::from_ref(each.give), &inner));
        }
        rendered
    }

    fn scalar(&mut self, text: &Located, at: Location, values: &Values) -> Kind {
        match self.engine.render(text.text(), values) {
            Ok(scalar) => scalar.into_kind(at),
            Err(why) => {
                let Location { line, column } = at;
                let message = format!("{why}, in {:?} at {line}:{column} of the template", text.text());
                self.problems.push(ParameterProblem::new("", message));
                Kind::Null
            }
        }
    }
}
