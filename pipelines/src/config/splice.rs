//! A file with other metrics processors, spliced into its text.
//!
//! What is not the pipeline's processors stays as it was written: comments, anchors, `$$`, layout. A processor that
//! only the pipeline used goes, one that others use stays. What is put in was read as it is written, aliases resolved
//! and variables not expanded. The result is read again and must hold the very stages that were asked for.

use crate::template::emit;
use crate::yaml::{self, Entry, Kind, Location, Lookup, Node};

use super::{CollectorFile, PipelineEntry, Section};
use crate::processors;

/// Reason why a file cannot have the processors.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    /// The fragment or the file has no such pipeline, or something is wrong with it.
    #[error("{0}")]
    Problems(#[from] yaml::Problems),
    /// Stages that a stock Collector lacks.
    #[error("a stock Collector lacks {}", .0.join(", "))]
    NotPortable(Vec<String>),
    /// A section is written in a way that is not spliced.
    #[error("{file}:{line}:{column}: {what}")]
    Layout {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
        /// Description of what stands there, and what was expected.
        what: &'static str,
    },
}

impl CollectorFile {
    /// The text of this file in which `pipeline` has the processors of `fragment`'s pipeline `from`, for a stock
    /// Collector. `lookup` is what both were read with.
    ///
    /// # Errors
    /// [`SpliceError`].
    pub fn with_processors(
        &self,
        pipeline: &str,
        fragment: &Self,
        from: &str,
        lookup: Lookup<'_>,
    ) -> Result<String, SpliceError> {
        let wanted = fragment.check(from)?;
        let missing: Vec<String> = wanted.not_portable().into_iter().map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(SpliceError::NotPortable(missing));
        }
        self.check_exists(pipeline)?;
        let Some(source) = fragment.pipeline(from) else { return Ok(self.text().to_owned()) };
        let entering = self.entering(pipeline, fragment, source)?;
        let tree = yaml::read_written(self.name(), self.text(), &[])?;
        let mut edits = Vec::new();
        let splice = Splice { file: self, pipeline, tree: &tree };
        splice.definitions(&entering, &mut edits)?;
        splice.references(&entering, &mut edits)?;
        let text = apply(self.text(), edits);
        let spliced = Self::parse(self.name(), &text, lookup)?.check(pipeline)?;
        let same =
            spliced.stages().iter().map(|stage| stage.digest).eq(wanted.stages().iter().map(|s| s.digest));
        if same {
            Ok(text)
        } else {
            Err(self.layout(Location::START, "the file cannot be spliced faithfully"))
        }
    }

    fn check_exists(&self, pipeline: &str) -> Result<(), yaml::Problems> {
        match self.pipeline(pipeline) {
            Some(_) => Ok(()),
            // Says which there are.
            None => self.check(pipeline).map(drop),
        }
    }

    /// The fragment's processors by the ids that they get here: where another pipeline uses a different one of the
    /// same id, a new name.
    fn entering(
        &self,
        pipeline: &str,
        fragment: &Self,
        source: &PipelineEntry,
    ) -> Result<Vec<AddedProcessor>, SpliceError> {
        let written = yaml::read_written(fragment.name(), fragment.text(), &[])?;
        let mut entering = Vec::new();
        for reference in &source.processors {
            let id = reference.id.as_str();
            let Some(theirs) = fragment.component(Section::Processors, id) else { continue };
            let kept = self.component(Section::Processors, id).filter(|_| self.used_elsewhere(pipeline, id));
            let same = kept.is_some_and(|ours| digest(ours) == digest(theirs));
            let name = match kept {
                Some(_) if !same => self.free_name(id, fragment),
                _ => id.to_owned(),
            };
            let config = find(&written, &["processors", id]).cloned();
            let config = config.unwrap_or_else(|| Node::null(Location::START));
            entering.push(AddedProcessor { name, config: (!same).then_some(config) });
        }
        Ok(entering)
    }

    fn used_elsewhere(&self, pipeline: &str, id: &str) -> bool {
        let others = self.pipelines().iter().filter(|entry| entry.id != pipeline);
        others.flat_map(|entry| &entry.processors).any(|reference| reference.id.as_str() == id)
    }

    fn free_name(&self, id: &str, fragment: &Self) -> String {
        let taken = |name: &str| {
            [self, fragment].iter().any(|file| file.component(Section::Processors, name).is_some())
        };
        let (kind, name) = id.split_once('/').unwrap_or((id, "phoenix"));
        let mut names =
            (1..).map(|n| if n == 1 { format!("{kind}/{name}") } else { format!("{kind}/{name}-{n}") });
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    fn layout(&self, at: Location, what: &'static str) -> SpliceError {
        SpliceError::Layout { file: self.name().to_owned(), line: at.line, column: at.column, what }
    }
}

fn digest(component: &super::Component) -> super::Digest {
    super::Digest::of(processors::canonical(component.id.kind()), &component.config)
}

/// A processor that comes in; without a config it is there already.
struct AddedProcessor {
    name: String,
    config: Option<Node>,
}

/// Lines from `first` on, before `end`, become `with`; both count from 0.
struct LineEdit {
    first: usize,
    end: usize,
    with: String,
}

struct Splice<'a> {
    file: &'a CollectorFile,
    pipeline: &'a str,
    tree: &'a Node,
}

impl Splice<'_> {
    /// Puts the definitions in, and takes those out that nobody else uses.
    fn definitions(&self, entering: &[AddedProcessor], edits: &mut Vec<LineEdit>) -> Result<(), SpliceError> {
        let lines: Vec<&str> = self.file.text().lines().collect();
        let section = entry(self.tree, "processors").filter(|entry| !entry.value.is_null());
        let Some(section) = section else {
            let new = block(entering, 2);
            let existing = entry(self.tree, "processors").map(|entry| entry.key.location.line as usize);
            let (first, end) = existing.map_or((0, 0), |line| (line - 1, line));
            edits.push(LineEdit { first, end, with: format!("processors:\n{new}") });
            return Ok(());
        };
        let Kind::Map(defined) = &section.value.kind else { return Ok(()) };
        let Some(first) = defined.first() else {
            let line = section.key.location.line as usize;
            edits.push(LineEdit {
                first: line - 1,
                end: line,
                with: format!("processors:\n{}", block(entering, 2)),
            });
            return Ok(());
        };
        if lines.get(section.key.location.line as usize - 1).is_some_and(|line| line.contains('{'))
            || first.key.location.line == section.key.location.line
        {
            return Err(self
                .file
                .layout(section.key.location, "processors written in one line, expected a block"));
        }
        let mut last = section.key.location.line as usize;
        for entry in defined {
            // What came by a merge key stands elsewhere.
            let at = entry.key.location;
            if at.column != first.key.location.column || at.line <= section.key.location.line {
                continue;
            }
            let begin = at.line as usize - 1;
            let end = end_of(&lines, begin, at.column as usize - 1);
            last = last.max(end);
            let id = entry.key.text.as_str();
            let ours = self.file.pipeline(self.pipeline).is_some_and(|pipeline| {
                pipeline.processors.iter().any(|reference| reference.id.as_str() == id)
            });
            let anchor = lines[begin..end].iter().any(|line| line.contains('&'));
            let replaced = entering.iter().any(|new| new.name == id && new.config.is_some());
            if replaced || ours && !anchor && !self.file.used_elsewhere(self.pipeline, id) {
                edits.push(LineEdit { first: begin, end, with: String::new() });
            }
        }
        let with = block(entering, first.key.location.column as usize - 1);
        edits.push(LineEdit { first: last, end: last, with });
        Ok(())
    }

    /// Rewrites the pipeline's list.
    fn references(&self, entering: &[AddedProcessor], edits: &mut Vec<LineEdit>) -> Result<(), SpliceError> {
        let lines: Vec<&str> = self.file.text().lines().collect();
        let names: Vec<String> = entering.iter().map(|new| new.name.clone()).collect();
        let list = format!("[{}]", names.join(", "));
        let Some(pipeline) = find(self.tree, &["service", "pipelines", self.pipeline]) else { return Ok(()) };
        let Some(written) = entry(pipeline, "processors") else {
            let Some(first) = pipeline.entries().ok().and_then(<[Entry]>::first) else { return Ok(()) };
            let at = first.key.location;
            let (line, column) = (at.line as usize - 1, at.column as usize - 1);
            let flow = lines[line].chars().take(column).any(|c| c == '{');
            let with = if flow { format!("processors: {list}, ") } else { String::new() };
            let text = insert(lines[line], column, &with);
            let before =
                if flow { String::new() } else { format!("{}processors: {list}\n", " ".repeat(column)) };
            edits.push(LineEdit { first: line, end: line + 1, with: format!("{before}{text}\n") });
            return Ok(());
        };
        let at = written.key.location;
        let line = at.line as usize - 1;
        let value = written.value.location;
        let flow =
            lines.get(value.line as usize - 1).and_then(|line| line.chars().nth(value.column as usize - 1));
        if flow == Some('[') {
            let (end_line, end_column) = close_of(&lines, value)
                .ok_or_else(|| self.file.layout(value, "a list of processors that is not closed"))?;
            let begin = value.line as usize - 1;
            let head: String = lines[begin].chars().take(value.column as usize - 1).collect();
            let tail: String = lines[end_line].chars().skip(end_column + 1).collect();
            edits.push(LineEdit { first: begin, end: end_line + 1, with: format!("{head}{list}{tail}\n") });
            return Ok(());
        }
        let end = end_of(&lines, line, at.column as usize - 1);
        edits.push(LineEdit {
            first: line,
            end,
            with: format!("{}processors: {list}\n", " ".repeat(at.column as usize - 1)),
        });
        Ok(())
    }
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    node.entries().ok()?.iter().find(|entry| entry.key.text == key)
}

fn find<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| entry(node, key).map(|entry| &entry.value))
}

fn insert(line: &str, column: usize, with: &str) -> String {
    let (head, tail): (String, String) =
        (line.chars().take(column).collect(), line.chars().skip(column).collect());
    format!("{head}{with}{tail}")
}

/// The definitions that come in, as a block at an indentation.
fn block(entering: &[AddedProcessor], indent: usize) -> String {
    let mut text = String::new();
    for new in entering {
        let Some(config) = &new.config else { continue };
        let key = yaml::Key { text: new.name.clone(), location: Location::START };
        let map = Node::new(Location::START, Kind::Map(vec![Entry { key, value: config.clone() }]));
        for line in emit::yaml(&map).lines() {
            text.push_str(&" ".repeat(indent));
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The line behind the entry whose key stands at `first` and `column`: what is indented further belongs to it, and
/// the items of a list at its own column; blank lines and comments behind it do not.
fn end_of(lines: &[&str], first: usize, column: usize) -> usize {
    let mut end = first + 1;
    for (at, line) in lines.iter().enumerate().skip(first + 1) {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let indent = line.len() - text.len();
        if indent < column || indent == column && !text.starts_with("- ") {
            break;
        }
        end = at + 1;
    }
    end
}

/// Finds where the bracket that opens at a place is closed: line and column from 0. Quotes and comments are stepped
/// over.
fn close_of(lines: &[&str], open: Location) -> Option<(usize, usize)> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, line) in lines.iter().enumerate().skip(open.line as usize - 1) {
        let skipped = if at + 1 == open.line as usize { open.column as usize - 1 } else { 0 };
        let mut before = ' ';
        for (column, c) in line.chars().enumerate().skip(skipped) {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                (None, '#') if before.is_whitespace() => break,
                (None, '[') => depth += 1,
                (None, ']') => {
                    depth -= 1;
                    if depth == 0 {
                        return Some((at, column));
                    }
                }
                _ => {}
            }
            before = c;
        }
    }
    None
}

fn apply(text: &str, mut edits: Vec<LineEdit>) -> String {
    edits.sort_by_key(|edit| (edit.first, edit.end));
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    let copy = |out: &mut String, from: usize, to: usize| {
        for line in lines.get(from..to).unwrap_or_default() {
            out.push_str(line);
            out.push('\n');
        }
    };
    for edit in edits {
        copy(&mut out, at, edit.first);
        out.push_str(&edit.with);
        at = edit.end.max(at);
    }
    copy(&mut out, at, lines.len());
    out
}

#[cfg(test)]
mod tests;
