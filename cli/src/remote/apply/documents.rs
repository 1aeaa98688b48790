//! Documents of files: what each is about, and its body as REST takes it.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::place::{Included, Place};

/// The most documents of all files.
const MOST: usize = 1_000;
/// Candidate that stands in the place of one that could not be read, while the rest of its document is checked.
const NOTHING: &str = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";

/// Kind of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A template, by its name.
    Template,
    /// An experiment, by its name.
    Experiment,
}

/// One document.
#[derive(Debug, PartialEq)]
pub struct Document {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its body, as REST takes it.
    pub body: Map<String, Value>,
    /// Its place.
    pub place: Place,
}

/// All that files say.
#[derive(Debug, Default)]
pub struct Read {
    /// Documents, templates first, each kind in the order in which it is written.
    pub documents: Vec<Document>,
    /// Mistakes, each with its place.
    pub mistakes: Vec<String>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Template => "template",
            Self::Experiment => "experiment",
        })
    }
}

/// A document as it is written: its fields, each with its place; nothing of what is no mapping.
struct Written(Option<Vec<(String, Spanned<Value>)>>);

/// Reader of a [`Written`].
struct Fields;

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fields).map(Self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Option<Vec<(String, Spanned<Value>)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with kind, name and the fields of the resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Some(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

impl Document {
    /// Its kind and name.
    pub fn called(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    /// Tells whether it is an experiment whose candidate is rendered from this template.
    pub fn is_of_template(&self, name: &str) -> bool {
        let of = self.body.get("candidate").and_then(|candidate| candidate["template"]["name"].as_str());
        self.kind == Kind::Experiment && of == Some(name)
    }
}

/// Reads files. What is wrong in one of them, or in a document, hides nothing of the others: files that cannot be read or are no
/// YAML, documents that have no name, another kind, or the name of one before, and a file that one names and that is not there.
pub fn read(files: &[PathBuf]) -> Read {
    let mut read = Read::default();
    for file in files {
        if let Err(error) = read.file(file) {
            read.mistakes.push(format!("{}: {error:#}", shown(file)));
        }
    }
    for (at, Document { kind, name, place, .. }) in read.documents.iter().enumerate() {
        let same = |before: &&Document| before.kind == *kind && before.name == *name;
        if let Some(before) = read.documents[..at].iter().find(same) {
            let (place, before) = (place.of("name"), before.place.of("name"));
            read.mistakes.push(format!(
                "{place}: {kind} {name} is written twice, before at {before}; leave one of the documents out"
            ));
        }
    }
    let found = read.documents.len();
    if found == 0 && read.mistakes.is_empty() {
        read.mistakes.push("nothing to apply: the files hold no document".to_owned());
    }
    if found > MOST {
        read.mistakes.push(format!("the files hold {found} documents; at most {MOST} are applied at once"));
        read.documents.clear();
    }
    read.documents.sort_by_key(|document| document.kind);
    read
}

impl Read {
    fn file(&mut self, file: &Path) -> anyhow::Result<()> {
        let text = text(file)?;
        let dir = if is_stdin(file) { Path::new(".") } else { file.parent().unwrap_or(Path::new(".")) };
        let values = match serde_saphyr::from_multiple::<Spanned<Written>>(&text) {
            Ok(values) => values,
            Err(error) => {
                let line = error.location().map_or(1, |at| at.line());
                self.mistakes.push(format!("{}:{line}: it is no YAML or JSON: {error}", shown(file)));
                return Ok(());
            }
        };
        for (at, written) in values.into_iter().enumerate() {
            let fields = written.value.0.as_deref().unwrap_or_default();
            let place = Place {
                file: shown(file),
                number: at + 1,
                first: written.referenced.line(),
                lines: fields.iter().map(|(name, value)| (name.clone(), value.referenced.line())).collect(),
                text: None,
            };
            let document = self.document(written.value.0, (dir, &text), place);
            self.documents.extend(document);
        }
        Ok(())
    }

    /// A document that can be sent to be checked, if there is one. Each mistake is noted with its place.
    fn document(
        &mut self,
        fields: Option<Vec<(String, Spanned<Value>)>>,
        (dir, source): (&Path, &str),
        place: Place,
    ) -> Option<Document> {
        let Some(fields) = fields else {
            let said = "expected a mapping with kind, name and the fields of the resource";
            self.mistakes.push(format!("{}: {said}", place.of("")));
            return None;
        };
        let mut body: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, value.value)).collect();
        let kind = self.keep(&place, "kind", kind(&mut body));
        let name = body.get("name").and_then(Value::as_str).map(str::to_owned);
        let name = self.keep(&place, "name", name.context("name: expected a text, such as checkout-cheaper"));
        let (field, text) = match kind? {
            Kind::Template => ("file", template_text(&mut body, dir)),
            Kind::Experiment => ("candidate", candidate(&mut body, dir)),
        };
        let included = self.keep(&place, field, text);
        let is_read = included.is_some();
        let (kind, name) = (kind?, name?);
        if !is_read && kind == Kind::Template {
            return None;
        }
        if !is_read {
            // It is right, so that what is said then is of the other fields.
            body.insert(field.to_owned(), json!({ "config": NOTHING }));
        }
        let text = match included.flatten() {
            Some(file) => Some(Included::File(shown(&file))),
            None => block(source, &body, &place),
        };
        Some(Document { kind, name, body, place: Place { text, ..place } })
    }

    fn keep<T>(&mut self, place: &Place, field: &str, found: anyhow::Result<T>) -> Option<T> {
        found.map_err(|error| self.mistakes.push(format!("{}: {error:#}", place.of(field)))).ok()
    }
}

fn kind(body: &mut Map<String, Value>) -> anyhow::Result<Kind> {
    match body.remove("kind") {
        None => Ok(Kind::Experiment),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("experiment") => Ok(Kind::Experiment),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("template") => Ok(Kind::Template),
        Some(kind) => bail!("kind: {kind} (expected experiment or template)"),
    }
}

/// The file that the text is of, if it is of one.
fn template_text(body: &mut Map<String, Value>, dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let file = include(body, "text", dir)?;
    if !body.get("text").is_some_and(Value::is_string) {
        bail!("the template has neither text nor file");
    }
    Ok(file)
}

/// As [`template_text`], of a candidate.
fn candidate(body: &mut Map<String, Value>, dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    match body.get_mut("candidate") {
        Some(Value::Object(candidate)) => include(candidate, "config", dir).context("candidate"),
        _ => Ok(None),
    }
}

/// Place of the text of a document in its file, if it stands there line by line: not where it is quoted or folded.
fn block(source: &str, body: &Map<String, Value>, place: &Place) -> Option<Included> {
    let of_candidate = || body.get("candidate").and_then(|candidate| candidate.get("config"));
    let text = body.get("text").or_else(of_candidate)?.as_str()?;
    let first = text.lines().next()?;
    let lines: Vec<&str> = source.lines().collect();
    let from = usize::try_from(place.first).ok()?.saturating_sub(1);
    (from..lines.len()).find_map(|at| {
        let indent = lines[at].strip_suffix(first)?;
        let is_indent = indent.chars().all(|letter| letter == ' ');
        let stands = |(line, own): (&str, &&str)| *own == format!("{indent}{line}") || line.trim().is_empty();
        let is_whole = at + text.lines().count() <= lines.len();
        let found = is_indent && is_whole && text.lines().zip(&lines[at..]).all(stands);
        found.then_some(Included::Block(at as u64, indent.len() as u64))
    })
}

/// Puts the text of the file that `file` names, if it is there, in the place of `field`, and returns that file. What is not below the document's
/// folder is not read: who writes a document for somebody else's CI would get at keys of that machine.
fn include(body: &mut Map<String, Value>, field: &str, dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(path) = body.remove("file") else { return Ok(None) };
    let Some(path) = path.as_str() else { bail!("file: {path} (expected the path of a file)") };
    if body.contains_key(field) {
        bail!("it has both file and {field}; leave one of them out");
    }
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let path = dir.join(path);
    let real = |path: &Path| path.canonicalize().with_context(|| format!("cannot read {}", path.display()));
    if !real(&path)?.starts_with(real(dir)?) {
        bail!("file: {} is not in the folder of the document, and is not read; put it there", path.display());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    body.insert(field.to_owned(), text.into());
    Ok(Some(path))
}

fn text(file: &Path) -> anyhow::Result<String> {
    if is_stdin(file) {
        return std::io::read_to_string(std::io::stdin()).context("cannot read standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn shown(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}

#[cfg(test)]
mod tests;
