//! Documents of files: what each is about, and its body as REST takes it.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// The most documents of all files.
const MOST: usize = 1_000;

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

/// Mistakes in files.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    /// Notes what is wrong at a place, if anything is.
    fn keep<T>(&mut self, place: impl FnOnce() -> String, found: anyhow::Result<T>) -> Option<T> {
        found.map_err(|error| self.0.push(format!("{}: {error:#}", place()))).ok()
    }

    /// All of them as one error.
    fn end(self) -> anyhow::Result<()> {
        match &self.0[..] {
            [] => Ok(()),
            [only] => bail!("{only}"),
            all => bail!("{} mistakes in the files, so that nothing is sent:\n{}", all.len(), all.join("\n")),
        }
    }
}

/// All documents of files, templates first, each kind in the order in which it is written.
///
/// # Errors
/// All files that cannot be read or are no YAML, and all documents that have no name, another kind, or the name of one before.
pub fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let (mut all, mut mistakes) = (Vec::new(), Mistakes::default());
    for file in files {
        let Some(text) = mistakes.keep(|| shown(file), text(file)) else { continue };
        let dir = if is_stdin(file) { Path::new(".") } else { file.parent().unwrap_or(Path::new(".")) };
        let values = serde_saphyr::from_multiple::<Spanned<Written>>(&text);
        let values = values.context("it is no YAML or JSON");
        let Some(values) = mistakes.keep(|| shown(file), values) else { continue };
        for (at, written) in values.into_iter().enumerate() {
            let place = |line: u64| format!("{}:{line}, document {}", shown(file), at + 1);
            let (line, document) = document(written, dir, (&place, &mut mistakes));
            all.extend(document.map(|document| (document, place(line))));
        }
    }
    for (at, (document, place)) in all.iter().enumerate() {
        let same =
            |(before, _): &&(Document, String)| before.kind == document.kind && before.name == document.name;
        if let Some((_, before)) = all[..at].iter().find(same) {
            let Document { kind, name, .. } = document;
            mistakes.0.push(format!(
                "{place}: {kind} {name} is written twice, before at {before}; leave one of the documents out"
            ));
        }
    }
    mistakes.end()?;
    if all.is_empty() {
        bail!("nothing to apply: the files hold no document");
    }
    if all.len() > MOST {
        bail!("the files hold {} documents; at most {MOST} are applied at once", all.len());
    }
    let mut all: Vec<Document> = all.into_iter().map(|(document, _)| document).collect();
    all.sort_by_key(|document| document.kind);
    Ok(all)
}

/// The line at which a document names its resource, and the document, if nothing is wrong with it. Each mistake is noted with its
/// place.
fn document(
    written: Spanned<Written>,
    dir: &Path,
    (place, mistakes): (&dyn Fn(u64) -> String, &mut Mistakes),
) -> (u64, Option<Document>) {
    let first = written.referenced.line();
    let Some(fields) = written.value.0 else {
        let wrong = anyhow::anyhow!("expected a mapping with kind, name and the fields of the resource");
        return (first, mistakes.keep(|| place(first), Err(wrong)));
    };
    let lines: Vec<(String, u64)> =
        fields.iter().map(|(name, value)| (name.clone(), value.referenced.line())).collect();
    let line = |field: &str| lines.iter().find(|(name, _)| name == field).map_or(first, |(_, line)| *line);
    let mut body: Map<String, Value> = fields.into_iter().map(|(name, value)| (name, value.value)).collect();
    let kind = mistakes.keep(|| place(line("kind")), kind(&mut body));
    let name = body.get("name").and_then(Value::as_str).map(str::to_owned);
    let name = name.context("name: expected a text, such as checkout-cheaper");
    let name = mistakes.keep(|| place(line("name")), name);
    let (at, text) = match kind {
        Some(Kind::Template) => ("file", template_text(&mut body, dir)),
        Some(Kind::Experiment) => ("candidate", candidate(&mut body, dir)),
        None => ("kind", Ok(())),
    };
    let text = mistakes.keep(|| place(line(at)), text);
    let document = || Some(Document { kind: kind?, name: name?, body: text.map(|()| body)? });
    (line("name"), document())
}

fn kind(body: &mut Map<String, Value>) -> anyhow::Result<Kind> {
    match body.remove("kind") {
        None => Ok(Kind::Experiment),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("experiment") => Ok(Kind::Experiment),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("template") => Ok(Kind::Template),
        Some(kind) => bail!("kind: {kind} (expected experiment or template)"),
    }
}

fn template_text(body: &mut Map<String, Value>, dir: &Path) -> anyhow::Result<()> {
    include(body, "text", dir)?;
    if !body.get("text").is_some_and(Value::is_string) {
        bail!("the template has neither text nor file");
    }
    Ok(())
}

fn candidate(body: &mut Map<String, Value>, dir: &Path) -> anyhow::Result<()> {
    match body.get_mut("candidate") {
        Some(Value::Object(candidate)) => include(candidate, "config", dir).context("candidate"),
        _ => Ok(()),
    }
}

/// Puts the text of the file that `file` names, if it is there, in the place of `field`. What is not below the document's
/// folder is not read: who writes a document for somebody else's CI would get at keys of that machine.
fn include(body: &mut Map<String, Value>, field: &str, dir: &Path) -> anyhow::Result<()> {
    let Some(path) = body.remove("file") else { return Ok(()) };
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
    Ok(())
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
mod tests {
    use serde_json::json;

    use super::*;

    fn read_text(text: &str) -> anyhow::Result<Vec<Document>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cheaper.yaml"), "processors: {}\n").unwrap();
        let path = dir.path().join("all.yaml");
        std::fs::write(&path, text).unwrap();
        read(&[path])
    }

    fn refused(text: &str) -> String {
        format!("{:#}", read_text(text).unwrap_err())
    }

    #[test]
    fn templates_come_first_and_files_beside_are_read() {
        let text = "name: e\nselector: env=prod\ncandidate: { file: cheaper.yaml }\n---\nkind: Template\nname: t\nfile: \
                    cheaper.yaml\n";
        let all = read_text(text).unwrap();
        let found: Vec<_> = all.iter().map(|one| (one.kind, one.name.as_str())).collect();
        assert_eq!(found, [(Kind::Template, "t"), (Kind::Experiment, "e")]);
        assert_eq!(Value::Object(all[0].body.clone()), json!({ "name": "t", "text": "processors: {}\n" }));
        let experiment = json!({
            "name": "e", "selector": "env=prod", "candidate": { "config": "processors: {}\n" },
        });
        assert_eq!(Value::Object(all[1].body.clone()), experiment);
    }

    #[test]
    fn a_file_that_is_elsewhere_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, secret) = (dir.path().join("inside"), dir.path().join("secret.yaml"));
        std::fs::create_dir_all(inside.join("below")).unwrap();
        std::fs::write(&secret, "a key").unwrap();
        std::fs::write(inside.join("below/one.yaml"), "processors: {}\n").unwrap();
        std::os::unix::fs::symlink(&secret, inside.join("link.yaml")).unwrap();
        let path = inside.join("all.yaml");
        for file in ["../secret.yaml", secret.to_str().unwrap(), "link.yaml", "below/../../secret.yaml"] {
            std::fs::write(&path, format!("name: e\ncandidate: {{ file: {file} }}\n")).unwrap();
            let refused = format!("{:#}", read(std::slice::from_ref(&path)).unwrap_err());
            assert!(refused.contains("is not in the folder of the document"), "{file}: {refused}");
        }
        std::fs::write(&path, "name: e\ncandidate: { file: below/one.yaml }\n").unwrap();
        assert_eq!(read(&[path]).unwrap()[0].body["candidate"]["config"], "processors: {}\n");
    }

    #[test]
    fn json_is_read_as_yaml_is() {
        let all = read_text(r#"{"kind": "experiment", "name": "e", "weights_bp": [500, 10000], "aa": true}"#);
        let expected = json!({ "name": "e", "weights_bp": [500, 10_000], "aa": true });
        assert_eq!(Value::Object(all.unwrap().remove(0).body), expected);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_document() {
        for (text, said) in [
            (
                "name: e\n---\nkind: agent\nname: a\n",
                "document 2: kind: \"agent\" (expected experiment or template)",
            ),
            ("kind: template\n", "document 1: name: expected a text"),
            ("- 1\n", "document 1: expected a mapping"),
            ("", "the files hold no document"),
            ("name: e\n---\nname: e\n", "experiment e is written twice"),
            ("name: e\ncandidate: { file: gone.yaml }\n", "candidate: cannot read"),
            ("name: e\ncandidate: { file: cheaper.yaml, config: x }\n", "it has both file and config"),
            ("name: [\n", "all.yaml: it is no YAML or JSON"),
            (
                "name: e\n---\nkind: template\nname: t\n",
                "all.yaml:3, document 2: the template has neither text nor file",
            ),
        ] {
            assert!(refused(text).contains(said), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn all_mistakes_are_told_each_with_its_file_document_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.yaml", "b.yaml", "c.yaml", "none.yaml"].map(|name| dir.path().join(name));
        let text = "# a comment\n\nname: e\nselector: env=prod\n---\nname: 7\nkind: agent\n---\n- 1\n---\nname: f\ncandidate:\n  file: \
                    gone.yaml\n";
        std::fs::write(&paths[0], text).unwrap();
        std::fs::write(&paths[1], "name: [\n").unwrap();
        std::fs::write(&paths[2], "---\nname: e\n").unwrap();
        let told = format!("{:#}", read(&paths).unwrap_err());
        let told = told.replace(&format!("{}/", dir.path().display()), "");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "7 mistakes in the files, so that nothing is sent:", "{told}");
        for part in [
            "a.yaml:7, document 2: kind: \"agent\"",
            "a.yaml:6, document 2: name: expected a text",
            "a.yaml:9, document 3: expected a mapping",
            "a.yaml:13, document 4: candidate: cannot read",
            "b.yaml: it is no YAML or JSON",
            "none.yaml: cannot read",
            "c.yaml:2, document 1: experiment e is written twice, before at a.yaml:3, document 1",
        ] {
            assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {told}");
        }
    }
}
