//! Files of an adoption: the one that is read, and the two that are written.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pipelines::division::{Division, Embedded};

/// The most bytes that are read: a config is kilobytes.
const MOST: u64 = 16 << 20;
/// Value of a variable that is not set here: read as a number or as text. The files keep the variable itself.
const STAND_IN: &str = "1";

/// Variables of this process. One that is not set has the default that the config says, or else something stands in its place:
/// the file is divided where it will not run.
pub fn variables(config: &str) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let has_default = || config.contains(&format!("${{env:{name}:-"));
        std::env::var(name).ok().or_else(|| (!has_default()).then(|| STAND_IN.to_owned()))
    }
}

/// A document and the config in it.
pub struct Source {
    /// Name for messages.
    pub name: String,
    path: PathBuf,
    text: String,
    embedded: Option<Embedded>,
    /// True if its lines end as on Windows; the text has plain ends.
    crlf: bool,
}

/// Paths of the halves.
pub struct Written {
    /// The Collector's half on its own, if there is one.
    pub collector: Option<PathBuf>,
    /// The document with the Collector's half in it, where the config came out of one.
    pub document: Option<PathBuf>,
    pub agent: PathBuf,
}

impl Source {
    /// Reads a document, and the config at a path of it.
    pub fn read(path: &Path, at: Option<&str>) -> anyhow::Result<Self> {
        let shown = path.display();
        let length = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
        if length > MOST {
            anyhow::bail!("{shown} has {length} bytes; expected a Collector file of at most {MOST}");
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))?;
        let crlf = text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
        let text = if crlf { text.replace("\r\n", "\n") } else { text };
        if let (None, [place, ..]) = (at, Embedded::places(&text).as_slice()) {
            anyhow::bail!("{shown} is no Collector file, but has one at {place}; say --at {place}");
        }
        let embedded = at.map(|at| Embedded::find(&shown.to_string(), &text, at)).transpose()?;
        let name = at.map_or_else(|| shown.to_string(), |at| format!("{shown} at {at}"));
        Ok(Self { name, path: path.to_owned(), text, embedded, crlf })
    }

    /// Text of the config.
    pub fn config(&self) -> &str {
        self.embedded.as_ref().map_or(&self.text, |embedded| embedded.text())
    }

    /// Writes both halves to a folder, which is made. The file that was read is never written over.
    pub fn write(&self, out: &Path, division: &Division) -> anyhow::Result<Written> {
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let agent = self.put(out, "phoenix-agent.yaml", &division.agent)?;
        let collector = division.collector.as_deref();
        let collector_path = collector.map(|text| self.put(out, "collector.yaml", text)).transpose()?;
        let document = match (&self.embedded, collector, self.path.file_name()) {
            (Some(embedded), Some(text), Some(name)) => {
                let name = format!("adopted-{}", name.to_string_lossy());
                Some(self.put(out, &name, &embedded.with(text))?)
            }
            _ => None,
        };
        Ok(Written { collector: collector_path, document, agent })
    }

    /// The document with another config in it.
    pub fn with(&self, config: &str) -> String {
        let document = self.embedded.as_ref().map(|embedded| embedded.with(config));
        self.ended(document.as_deref().unwrap_or(config)).into_owned()
    }

    /// Writes a text to a file, unless that is the one that was read.
    pub fn put_at(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        if self.is_at(path) {
            anyhow::bail!("{} is the file that was read: say --out with another one", path.display());
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn put(&self, out: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = out.join(name);
        if self.is_at(&path) {
            anyhow::bail!("{} is the file that is divided: say --out with another folder", path.display());
        }
        std::fs::write(&path, self.ended(text).as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A text whose lines end as those of the file that was read.
    fn ended<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.crlf { text.replace('\n', "\r\n").into() } else { text.into() }
    }

    fn is_at(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|there| self.path.canonicalize().is_ok_and(|own| own == there))
    }
}
