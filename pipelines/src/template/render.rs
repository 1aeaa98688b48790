//! Rendering of a template's tree with values into the text of a config.

use minijinja::Value as ExprValue;

use crate::yaml::{Entry, Kind, Located, Location, MAX_PROBLEMS, Node, Problem, keep};

use super::engine::{Engine, is_template};
use super::value::Values;
use super::{Invalid, ParameterProblem, emit};

/// The tag of a node that a list's items are put into.
pub(super) const EACH: &str = "!each";
/// Number of values that a config may have; past it, no agent would read it either.
const MAX_NODES: usize = 25_000;
/// Times that an `!each` node may give its value, all such nodes together.
const MAX_TURNS: usize = 25_000;
/// Bytes of texts with expressions that are rendered, each as often as it is.
const MAX_READ: usize = 4 << 20;
/// Bytes of texts that a config may have; past it, no agent would read it either.
const MAX_TEXT: usize = 1 << 20;

/// Work that was done to render a template, with one set of values after another.
#[derive(Debug, Default)]
pub(super) struct Work {
    nodes: usize,
    turns: usize,
    read: usize,
    text: usize,
}

impl Work {
    /// The limit that the work has passed.
    fn passed(&self) -> Option<String> {
        let limits = [
            (self.nodes, MAX_NODES, "values"),
            (self.turns, MAX_TURNS, "items of !each nodes"),
            (self.read, MAX_READ, "bytes of texts with expressions to render"),
            (self.text, MAX_TEXT, "bytes of rendered texts"),
        ];
        let passed = limits.into_iter().find(|(used, limit, _)| used > limit);
        passed.map(|(_, limit, what)| format!("the config has more than {limit} {what}; use shorter lists"))
    }
}

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
pub(super) fn config(config: &Node, values: &Values, work: &mut Work) -> Result<String, Invalid> {
    let mut walk = Walk { engine: Engine::new(), problems: Vec::new(), work };
    let rendered = walk.node(config, values);
    if let Some(message) = walk.work.passed() {
        walk.problems.push(ParameterProblem::new("", message));
    }
    if !walk.problems.is_empty() {
        return Err(Invalid { problems: walk.problems });
    }
    Ok(emit::yaml(&rendered))
}

struct Walk<'a> {
    engine: Engine,
    problems: Vec<ParameterProblem>,
    work: &'a mut Work,
}

impl Walk<'_> {
    /// Returns whether a limit is passed, or so much is wrong that nobody would read more of it.
    fn over(&self) -> bool {
        self.work.passed().is_some() || self.problems.len() >= MAX_PROBLEMS
    }

    fn node(&mut self, node: &Node, values: &Values) -> Node {
        self.work.nodes += 1;
        if self.over() {
            return Node::null(node.location);
        }
        let kind = match &node.kind {
            _ if node.tag == Some(EACH) => Kind::List(self.each(node, values)),
            Kind::Text(text) if is_template(text.text()) => self.scalar(text, node.location, values),
            Kind::List(items) => Kind::List(self.items(items, values)),
            Kind::Map(entries) => Kind::Map(self.entries(entries, values)),
            Kind::Text(text) => {
                self.work.text += text.text().len();
                Kind::Text(text.clone())
            }
            other => other.clone(),
        };
        Node::new(node.location, kind)
    }

    fn entries(&mut self, entries: &[Entry], values: &Values) -> Vec<Entry> {
        let mut rendered = Vec::new();
        for Entry { key, value } in entries {
            self.work.text += key.text.len();
            if self.over() {
                break;
            }
            rendered.push(Entry { key: key.clone(), value: self.node(value, values) });
        }
        rendered
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
            self.work.turns += 1;
            if self.over() {
                break;
            }
            inner.insert(each.as_.0.to_owned(), item);
            rendered.extend(self.items(std::slice::from_ref(each.give), &inner));
        }
        rendered
    }

    fn scalar(&mut self, text: &Located, at: Location, values: &Values) -> Kind {
        self.work.read += text.text().len();
        if self.over() {
            return Kind::Null;
        }
        match self.engine.render(text.text(), values) {
            Ok(scalar) => {
                self.work.text += scalar.size();
                scalar.into_kind(at)
            }
            Err(why) => {
                let Location { line, column } = at;
                let message = format!("{why}, in {:?} at {line}:{column} of the template", text.text());
                self.problems.push(ParameterProblem::new("", message));
                Kind::Null
            }
        }
    }
}
