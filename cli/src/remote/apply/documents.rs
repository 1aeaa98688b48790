//! Documents of files: what each is about, and its body as REST takes it.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Map, Value};

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

/// All documents of files, templates first, each kind in the order in which it is written.
///
/// # Errors
/// A file that cannot be read, text that is no YAML, and a document that has no name, another kind, or the name of one before.
pub fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut all = Vec::new();
    for file in files {
        let text = text(file)?;
        let dir = if is_stdin(file) { Path::new(".") } else { file.parent().unwrap_or(Path::new(".")) };
        let values: Vec<Value> = serde_saphyr::from_multiple(&text)
            .with_context(|| format!("{} is no YAML or JSON", shown(file)))?;
        for (at, value) in values.into_iter().enumerate() {
            let place = || format!("{}, document {}", shown(file), at + 1);
            all.push(document(value, dir).with_context(place)?);
        }
    }
    if all.is_empty() {
        bail!("nothing to apply: the files hold no document");
    }
    if all.len() > MOST {
        bail!("the files hold {} documents; at most {MOST} are applied at once", all.len());
    }
    all.sort_by_key(|document| document.kind);
    for (at, document) in all.iter().enumerate() {
        let twice = |before: &Document| before.kind == document.kind && before.name == document.name;
        if all[..at].iter().any(twice) {
            bail!("{} {} is written twice; leave one of the documents out", document.kind, document.name);
        }
    }
    Ok(all)
}

fn document(value: Value, dir: &Path) -> anyhow::Result<Document> {
    let Value::Object(mut body) = value else {
        bail!("expected a mapping with kind, name and the fields of the resource")
    };
    let kind = match body.remove("kind") {
        None => Kind::Experiment,
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("experiment") => Kind::Experiment,
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("template") => Kind::Template,
        Some(kind) => bail!("kind: {kind} (expected experiment or template)"),
    };
    let Some(name) = body.get("name").and_then(Value::as_str).map(str::to_owned) else {
        bail!("name: expected a text, such as checkout-cheaper")
    };
    match kind {
        Kind::Template => include(&mut body, "text", dir)?,
        Kind::Experiment => {
            if let Some(Value::Object(candidate)) = body.get_mut("candidate") {
                include(candidate, "config", dir).context("candidate")?;
            }
        }
    }
    Ok(Document { kind, name, body })
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
            ("name: [\n", "is no YAML or JSON"),
        ] {
            assert!(refused(text).contains(said), "{text}: {}", refused(text));
        }
    }
}
