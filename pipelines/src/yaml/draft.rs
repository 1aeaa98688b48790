//! Edits of a document's text: what is not edited stays as it was written, to the byte.
//!
//! An edit is made where a value stands, whatever the style around it: lines are added to blocks, words between braces. The
//! caller reads the result again; an edit that an anchor or a merge key makes mean something else is found there.

use std::ops::Range;

use crate::template::emit;

use super::site::{Form, Site, SiteEntry, sites};
use super::{Entry, Key, Kind, Located, Location, Node};

/// A text with its sites and the edits to come.
pub(crate) struct Draft<'t> {
    text: &'t str,
    root: Site,
    edits: Vec<(Range<usize>, String)>,
}

impl<'t> Draft<'t> {
    /// A text that was read before, so that it is known to be a document within the limits. None if nothing stands in it.
    pub fn of(text: &'t str) -> Option<Self> {
        sites(text).map(|root| Self { text, root, edits: Vec::new() })
    }

    /// The whole document.
    pub fn root(&self) -> &Site {
        &self.root
    }

    /// The text between two places.
    pub fn text_of(&self, range: &Range<usize>) -> &'t str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Adds entries to the map at a path; what of the path is not there is made. They come behind those that are there in a
    /// block, before them between braces.
    pub fn add(&mut self, path: &[&str], entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let known = (0..path.len()).rev().map(|n| n + 1).find(|n| self.root.find(&path[..*n]).is_some());
        let known = known.unwrap_or(0);
        let missing = path[known..].iter().rev();
        let above = |within, key: &&str| vec![entry(key, Node::new(Location::START, Kind::Map(within)))];
        let entries = missing.fold(entries, above);
        if known == 0 && self.root.entry("service").is_some() {
            return self.add_before(&[], "service", entries);
        }
        let edit = self.added(&path[..known], entries);
        self.edits.extend(edit);
    }

    /// Adds entries to the map at a path, before its entry of this key.
    pub fn add_before(&mut self, path: &[&str], key: &str, entries: Vec<Entry>) {
        let Some(site) = self.root.find(path) else { return };
        let (Form::Map { flow, .. }, Some(before)) = (&site.form, site.entry(key)) else {
            return self.add(path, entries);
        };
        let at = before.at.start;
        let with = if *flow {
            format!("{}, ", braces(entries))
        } else {
            let column = self.column(at);
            let lines = block(entries, column);
            format!("{}{}", lines.trim_start_matches(' '), " ".repeat(column))
        };
        self.edits.push((at..at, with));
    }

    fn added(&self, path: &[&str], entries: Vec<Entry>) -> Option<(Range<usize>, String)> {
        let site = self.root.find(path)?;
        match &site.form {
            Form::Map { flow: false, entries: there } => {
                let column = self.column(there.first()?.at.start);
                let end = self.line_end(self.content_end(site.range.clone()));
                let lines = block(entries, column);
                Some((end..end, format!("\n{}", lines.trim_end_matches('\n'))))
            }
            Form::Map { flow: true, entries: there } => {
                let at = site.range.start + 1;
                let comma = if there.is_empty() { "" } else { ", " };
                Some((at..at, format!("{}{comma}", braces(entries))))
            }
            _ => self.begun(path, site, entries),
        }
    }

    /// Entries where nothing or `null` stands so far.
    fn begun(&self, path: &[&str], site: &Site, entries: Vec<Entry>) -> Option<(Range<usize>, String)> {
        let Some((key, above)) = path.split_last() else {
            let end = self.text.trim_end().len();
            return Some((end..self.text.len(), format!("\n{}", block(entries, 0))));
        };
        let map = self.root.find(above)?;
        let in_block = matches!(map.form, Form::Map { flow: false, .. });
        if !site.range.is_empty() || !in_block {
            let braces = format!("{{{}}}", braces(entries));
            let range =
                if site.range.is_empty() { self.behind_colon(map.entry(key)?) } else { site.range.clone() };
            let blank = if range.is_empty() { " " } else { "" };
            return Some((range, format!("{blank}{braces}")));
        }
        let key = map.entry(key)?;
        let end = self.line_end(self.behind_colon(key).end);
        let lines = block(entries, self.column(key.at.start) + 2);
        Some((end..end, format!("\n{}", lines.trim_end_matches('\n'))))
    }

    fn behind_colon(&self, entry: &SiteEntry) -> Range<usize> {
        let colon = self.text[entry.at.end..].find(':').map_or(entry.at.end, |at| entry.at.end + at + 1);
        colon..colon
    }

    /// Takes an entry out of the map at a path. What a comment says in lines of its own before it stays.
    pub fn remove(&mut self, path: &[&str], key: &str) {
        let Some(site) = self.root.find(path) else { return };
        let Form::Map { flow, entries } = &site.form else { return };
        let Some(place) = entries.iter().position(|entry| entry.key == key) else { return };
        let spans: Vec<Range<usize>> =
            entries.iter().map(|entry| entry.at.start..entry.value.range.end.max(entry.at.end)).collect();
        let range = self.span(site, *flow, &spans, place);
        self.edits.push((range, String::new()));
    }

    /// Makes the list at a path hold these items. Those that are there already, in this order, stay as they are written.
    pub fn set_items(&mut self, path: &[&str], names: &[String]) {
        let Some(site) = self.root.find(path) else { return };
        let edits = match &site.form {
            Form::List { flow, items } if names.iter().any(|name| items.iter().any(|item| item.is(name))) => {
                self.changed_items(site, *flow, items, names)
            }
            Form::List { flow: false, .. } if names.is_empty() => vec![self.emptied(path, site)],
            Form::List { flow: false, .. } => {
                let indent = " ".repeat(self.column(site.range.start));
                let lines: Vec<String> = names.iter().map(|name| format!("- {}", in_flow(name))).collect();
                let range = site.range.start..self.content_end(site.range.clone());
                vec![(range, lines.join(&format!("\n{indent}")))]
            }
            _ => vec![(site.range.clone(), in_brackets(names))],
        };
        self.edits.extend(edits);
    }

    /// An empty list in the place of a block, behind its key.
    fn emptied(&self, path: &[&str], site: &Site) -> (Range<usize>, String) {
        let above = path.split_last().and_then(|(key, above)| self.root.find(above)?.entry(key));
        let begin = above.map_or(site.range.start, |entry| self.behind_colon(entry).start);
        (begin..self.content_end(site.range.clone()), " []".to_owned())
    }

    fn changed_items(
        &self,
        site: &Site,
        flow: bool,
        items: &[Site],
        names: &[String],
    ) -> Vec<(Range<usize>, String)> {
        let spans: Vec<Range<usize>> = items.iter().map(|item| item.range.clone()).collect();
        let stays = |item: &Site| names.iter().any(|name| item.is(name));
        let gone = items.iter().enumerate().filter(|(_, item)| !stays(item));
        let mut edits: Vec<_> =
            gone.map(|(place, _)| (self.span(site, flow, &spans, place), String::new())).collect();
        let kept: Vec<&Site> = items.iter().filter(|item| stays(item)).collect();
        let mut before: Option<&Site> = None;
        for name in names {
            if let Some(item) = kept.iter().find(|item| item.is(name)) {
                before = Some(item);
                continue;
            }
            edits.push(match (flow, before) {
                (true, Some(before)) => (before.range.end..before.range.end, format!(", {}", in_flow(name))),
                (true, None) => (kept[0].range.start..kept[0].range.start, format!("{}, ", in_flow(name))),
                (false, Some(before)) => {
                    let end = self.line_end(before.range.end);
                    let indent = " ".repeat(self.column(site.range.start));
                    (end..end, format!("\n{indent}- {}", in_flow(name)))
                }
                (false, None) => {
                    let begin = self.text[..kept[0].range.start].rfind('\n').map_or(0, |at| at + 1);
                    let indent = " ".repeat(self.column(site.range.start));
                    (begin..begin, format!("{indent}- {}\n", in_flow(name)))
                }
            });
        }
        edits
    }

    /// Text of one of several parts of a collection: whole lines in a block, with one comma between braces.
    fn span(&self, site: &Site, flow: bool, spans: &[Range<usize>], place: usize) -> Range<usize> {
        let one = spans[place].clone();
        if !flow {
            // With the end of the line before it, so that what is put behind it comes after that line.
            let end = self.line_end(self.content_end(one.start..one.end));
            return match self.text[..one.start].rfind('\n') {
                Some(before) => before..end,
                None => 0..(end + 1).min(self.text.len()),
            };
        }
        match (spans.get(place + 1), place.checked_sub(1).and_then(|before| spans.get(before))) {
            (Some(next), _) => one.start..next.start,
            (None, Some(before)) => before.end..one.end,
            (None, None) => site.range.start + 1..site.range.end - 1,
        }
    }

    /// End of what stands in a range, blank lines behind it apart.
    fn content_end(&self, range: Range<usize>) -> usize {
        range.start + self.text_of(&range).trim_end().len()
    }

    fn line_end(&self, from: usize) -> usize {
        self.text[from..].find('\n').map_or(self.text.len(), |at| from + at)
    }

    fn column(&self, at: usize) -> usize {
        let begin = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        self.text[begin..at].chars().count()
    }

    /// The text with all edits made.
    pub fn finish(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len() + 1_024);
        let mut at = 0;
        for (range, with) in self.edits {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(&with);
            at = range.end.max(at);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }
}

/// An entry that stands nowhere yet.
pub(crate) fn entry(key: &str, value: Node) -> Entry {
    Entry { key: Key { text: key.to_owned(), location: Location::START }, value }
}

fn in_flow(name: &str) -> String {
    emit::flow(&Node::new(Location::START, Kind::Text(Located::new(name, Location::START))))
}

fn in_brackets(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| in_flow(name)).collect();
    format!("[{}]", names.join(", "))
}

fn block(entries: Vec<Entry>, column: usize) -> String {
    let text = emit::yaml(&Node::new(Location::START, Kind::Map(entries)));
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(column))).collect()
}

fn braces(entries: Vec<Entry>) -> String {
    let text = emit::flow(&Node::new(Location::START, Kind::Map(entries)));
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_written;

    fn node(text: &str) -> Vec<Entry> {
        match read_written("new", text, &[]).unwrap_or_else(|problems| panic!("{problems}")).kind {
            Kind::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    fn draft(text: &str) -> Draft<'_> {
        Draft::of(text).unwrap_or_else(|| panic!("nothing stands in {text}"))
    }

    fn added(text: &str, path: &[&str], new: &str) -> String {
        let mut draft = draft(text);
        draft.add(path, node(new));
        let text = draft.finish();
        read_written("edited", &text, &[]).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        text
    }

    #[test]
    fn entries_are_added_in_the_style_that_is_there() {
        for (text, expected) in [
            ("a:\n  b: 1 # one\n\nz: 2\n", "a:\n  b: 1 # one\n  new:\n    x: 1\n\nz: 2\n"),
            ("a: {b: 1}\n", "a: {new: {x: 1}, b: 1}\n"),
            ("a: { }\n", "a: {new: {x: 1} }\n"),
            ("a: {\n  b: 1, # one\n}\n", "a: {new: {x: 1}, \n  b: 1, # one\n}\n"),
            ("a: # none\nz: 2\n", "a: # none\n  new:\n    x: 1\nz: 2\n"),
            ("a: null\n", "a: {new: {x: 1}}\n"),
            ("{a: null}\n", "{a: {new: {x: 1}}}\n"),
            ("{a: , z: 2}", "{a: {new: {x: 1}} , z: 2}"),
            ("z: 2", "z: 2\na:\n  new:\n    x: 1"),
            (
                "\"a\":\n    b: |\n      text\n\n\nz: 2\n",
                "\"a\":\n    b: |\n      text\n    new:\n      x: 1\n\n\nz: 2\n",
            ),
            (
                "a:\n  b: {c: [1,\n    2]} # end\nz: 2\n",
                "a:\n  b: {c: [1,\n    2]} # end\n  new:\n    x: 1\nz: 2\n",
            ),
        ] {
            assert_eq!(added(text, &["a"], "new: {x: 1}"), expected);
        }
    }

    #[test]
    fn entries_go_and_the_rest_stays() {
        for (text, expected) in [
            (
                "a:\n  # about b\n  b: 1\n  c: # see\n    d: 1 # x\n  e: 1\n",
                "a:\n  # about b\n  b: 1\n  e: 1\n",
            ),
            ("a: {b: 1, c: {d: 1}, e: 1}", "a: {b: 1, e: 1}"),
            ("a: {b: 1, c: 2}", "a: {b: 1}"),
            ("a: {c: 2}", "a: {}"),
        ] {
            let mut draft = draft(text);
            draft.remove(&["a"], "c");
            assert_eq!(draft.finish(), expected);
        }
    }

    #[test]
    fn items_come_and_go_and_the_rest_stays() {
        let names = ["x", "new", "q"].map(str::to_owned);
        for (text, expected) in [
            ("a: [x, c, q]", "a: [x, new, q]"),
            ("a: [c, x, q] # end", "a: [x, new, q] # end"),
            ("a: [c, q]", "a: [x, new, q]"),
            ("z: &c [q]\na: *c # end", "z: &c [q]\na: [x, new, q] # end"),
            ("a: &c [c] # end", "a: &c [x, new, q] # end"),
            ("a:\n- x # one\n- c # two\n# three\n- q\nz: 1\n", "a:\n- x # one\n- new\n# three\n- q\nz: 1\n"),
            ("a:\n  - c\n  # yes\n  - q # y\nz: 1\n", "a:\n  # yes\n  - x\n  - new\n  - q # y\nz: 1\n"),
            ("a:\n# all\n- c # c\nz: 1\n", "a:\n# all\n- x\n- new\n- q # c\nz: 1\n"),
            ("a:\n  - c\n  - d\nz: 1\n", "a:\n  - x\n  - new\n  - q\nz: 1\n"),
        ] {
            let mut draft = draft(text);
            draft.set_items(&["a"], &names);
            assert_eq!(draft.finish(), expected);
        }
        let mut none = draft("a:\n- c\n- d\nz: 1\n");
        none.set_items(&["a"], &[]);
        assert_eq!(none.finish(), "a: []\nz: 1\n");
    }
}
