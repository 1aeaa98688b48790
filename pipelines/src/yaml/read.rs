//! Reader from parser events to the tree: anchors, merge keys, duplicates and limits.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::scalar::{Plain, is_timestamp, plain};
use super::secret::is_secret;
use super::{Entry, Key, Kind, Located, Location, Node, Problem};

/// Tag of what is not quoted and reads as a date: to the Collector it is no text.
pub(crate) const TIMESTAMP: &str = "!!timestamp";

/// A config is kilobytes; what is larger is not one.
const MAX_BYTES: usize = 1 << 20;
/// Values in the tree after aliases are written out, where a long text counts for several.
const MAX_NODES: usize = 50_000;
/// Levels of lists and maps.
const MAX_DEPTH: usize = 64;

/// Reads the only document of `source`. Problems that leave a tree are added and the tree returned.
///
/// `tags` are those that mean something to the caller; a node keeps the one that it has.
pub(super) fn tree(source: &str, tags: &'static [&'static str], problems: &mut Vec<Problem>) -> Option<Node> {
    if source.len() > MAX_BYTES {
        let message = format!("the file has {} bytes", source.len());
        problems.push(Problem::new(Location::START, message).expected(format!("at most {MAX_BYTES} bytes")));
        return None;
    }
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(source, options);
    let mut reader = Reader { source, parser, tags, anchors: HashMap::new(), nodes: 0, problems };
    match reader.document() {
        Ok(node) => Some(node),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

struct Reader<'s, 'p> {
    source: &'s str,
    parser: Parser<'s, granit_parser::StrInput<'s>>,
    tags: &'static [&'static str],
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: &'p mut Vec<Problem>,
}

/// `Err` ends the reading; what does not is pushed to the problems.
type ReadResult<T> = Result<T, Problem>;

impl<'s> Reader<'s, '_> {
    fn next(&mut self) -> ReadResult<(Event<'s>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(Problem::new(location(error.marker()), format!("not valid YAML: {}", error.kind())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> ReadResult<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_none() => {
                    let first = self.next()?;
                    root = Some(self.value(first, 0)?);
                }
                Event::DocumentStart(..) => {
                    return Err(Problem::new(start(&span), "a second document in one file")
                        .expected("one YAML document"));
                }
                _ => return Ok(root.unwrap_or_else(|| Node::null(Location::START))),
            }
        }
    }

    fn value(&mut self, (event, span): (Event<'s>, Span), depth: usize) -> ReadResult<Node> {
        let at = start(&span);
        self.count(1, at)?;
        if depth > MAX_DEPTH {
            return Err(Problem::new(at, format!("more than {MAX_DEPTH} levels of lists and maps")));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(text.into_owned(), style, tag.as_deref(), &span))
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = self.check_tag(tag.as_deref(), "seq", at);
                (anchor, Node { tag, ..Node::new(at, Kind::List(self.items(depth)?)) })
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = self.check_tag(tag.as_deref(), "map", at);
                (anchor, Node { tag, ..Node::new(at, Kind::Map(self.entries(depth)?)) })
            }
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            _ => return Ok(Node::null(at)),
        };
        if anchor != 0 {
            // A copy is kept, which takes as much again.
            self.count(node.weight(), at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: Location, depth: usize) -> ReadResult<Node> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Problem::new(at, "an alias within the value that it stands for"));
        };
        if depth + node.depth() > MAX_DEPTH {
            return Err(Problem::new(at, format!("more than {MAX_DEPTH} levels of lists and maps")));
        }
        let weight = node.weight();
        self.count(weight, at)?;
        self.anchors.get(&anchor).cloned().ok_or_else(|| Problem::new(at, "an alias of nothing"))
    }

    fn count(&mut self, more: usize, at: Location) -> ReadResult<()> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(Problem::new(at, format!("more than {MAX_NODES} values once aliases are resolved")));
        }
        Ok(())
    }

    fn items(&mut self, depth: usize) -> ReadResult<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                event => items.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> ReadResult<Vec<Entry>> {
        let (mut entries, mut merged) = (Vec::<Entry>::new(), Vec::new());
        let mut seen = HashMap::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let merge = matches!(&event.0, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.key(event, depth)?;
            let value = self.next()?;
            let mut value = self.value(value, depth + 1)?;
            if is_secret(&key.text) {
                value.hide();
            }
            if merge {
                self.merge(value, &mut merged);
                continue;
            }
            match seen.insert(key.text.clone(), key.location) {
                Some(Location { line, column }) => self.problems.push(Problem::new(
                    key.location,
                    format!("the key {:?} is already set at {line}:{column}", key.text),
                )),
                None => entries.push(Entry { key, value }),
            }
        }
        for entry in merged {
            // What the map says itself wins, then what is merged first.
            if seen.insert(entry.key.text.clone(), entry.key.location).is_none() {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn key(&mut self, event: (Event<'s>, Span), depth: usize) -> ReadResult<Key> {
        let location = start(&event.1);
        let plain_text = match &event.0 {
            Event::Scalar(text, ..) => Some(text.clone().into_owned()),
            _ => None,
        };
        let node = self.value(event, depth + 1)?;
        match (plain_text, node.kind) {
            (Some(text), _) => Ok(Key { text, location }),
            (None, Kind::Text(text)) => Ok(Key { text: text.text().to_owned(), location }),
            (None, _) => Err(Problem::new(location, "a key that is not text").expected("a name")),
        }
    }

    fn merge(&mut self, value: Node, merged: &mut Vec<Entry>) {
        match value.kind {
            Kind::Map(entries) => merged.extend(entries),
            Kind::List(items) if items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
                for item in items {
                    self.merge(item, merged);
                }
            }
            _ => self.problems.push(
                Problem::new(value.location, format!("<< cannot merge {}", value.describe()))
                    .expected("a map or a list of maps"),
            ),
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Node {
        let at = start(span);
        let tag = tag.filter(|tag| tag.suffix() != "" || tag.handle() != "!");
        let mut kept = None;
        let forced_text = match tag.map(|tag| tag.core_suffix()) {
            Some(Some("str")) => true,
            Some(Some("int" | "float" | "bool" | "null")) => false,
            Some(_) => {
                kept = self.check_tag(tag, "str", at);
                true
            }
            None => style != ScalarStyle::Plain,
        };
        let kind = match (!forced_text).then(|| plain(&text)).flatten() {
            Some(Plain::Null) => Kind::Null,
            Some(Plain::Bool(value)) => Kind::Bool(value),
            Some(Plain::Int(value)) if tag.is_some_and(|tag| tag.core_suffix() == Some("float")) => {
                Kind::Float(value as f64)
            }
            Some(Plain::Int(value)) => Kind::Int(value),
            Some(Plain::Float(value)) => Kind::Float(value),
            Some(Plain::TooLarge) => {
                let message = format!("{text} does not fit a 64-bit integer");
                self.problems.push(Problem::new(at, message).expected("a smaller number, or text in quotes"));
                Kind::Null
            }
            None => {
                let raw = span.slice(self.source).unwrap_or_default();
                if style == ScalarStyle::Plain && tag.is_none() && is_timestamp(&text) {
                    kept = Some(TIMESTAMP);
                }
                Kind::Text(Located::scalar(text, raw, style, at))
            }
        };
        Node { tag: kept, ..Node::new(at, kind) }
    }

    /// The tag if it is one of the caller's; one that is neither that nor says what is there anyway is reported.
    fn check_tag(&mut self, tag: Option<&Tag>, own: &str, at: Location) -> Option<&'static str> {
        let tag = tag.filter(|tag| tag.core_suffix() != Some(own))?;
        let original = tag.original();
        let known = self.tags.iter().find(|known| **known == original).copied();
        if known.is_none() {
            self.problems.push(Problem::new(at, format!("the tag {original} means nothing here")));
        }
        known
    }
}

fn location(marker: &granit_parser::Marker) -> Location {
    let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Location { line: clamp(marker.line()).max(1), column: clamp(marker.col()).saturating_add(1) }
}

fn start(span: &Span) -> Location {
    location(&span.start)
}
