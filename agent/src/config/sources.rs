//! Places that the config is read from: files, variables, and texts of the command line, each put over those before it.

use std::io::{self, Read as _};

use pipelines::yaml::Source;
use thiserror::Error;

/// The most bytes of one text.
const MOST_BYTES: u64 = 32 << 20;

/// Places as the command line names them.
#[derive(Clone, Debug, Default)]
pub struct ConfigSources {
    /// Values of `--config`.
    pub config: Vec<String>,
    /// Values of `--set`, put over all of those.
    pub set: Vec<String>,
}

/// Failure to read one.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Error of the system.
        source: io::Error,
    },
    /// It is not named as it has to be.
    #[error("{0}")]
    Named(String),
}

impl ConfigSources {
    /// Reads all of them, in the order in which they go over each other. `variable` finds those of the environment.
    ///
    /// # Errors
    /// [`SourceError`] for the first that cannot be read.
    pub fn read(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<Source>, SourceError> {
        let config = self.config.iter().map(|named| read(named, &variable));
        config.chain(self.set.iter().map(|set| property(set))).collect()
    }

    /// Paths of those that are files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.config.iter().filter_map(|named| match scheme(named) {
            None => Some(named.as_str()),
            Some((scheme, path)) => (scheme == "file").then_some(path),
        })
    }

    /// Their names, for a person.
    pub fn names(&self) -> String {
        let set = self.set.iter().map(|set| format!("--set {}", set.split('=').next().unwrap_or_default()));
        self.config.iter().map(|named| shown(named)).chain(set).collect::<Vec<_>>().join(", ")
    }
}

/// The name of a source; of a text that stands on the command line only that it does.
fn shown(named: &str) -> String {
    match scheme(named) {
        Some(("yaml", _)) => "yaml:…".to_owned(),
        Some(("file", path)) => path.to_owned(),
        _ => named.to_owned(),
    }
}

/// Scheme and rest of what is named as the Collector names it, such as `env:NAME`; a path has none.
fn scheme(named: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = named.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    is_scheme.then_some((scheme, rest))
}

fn read(named: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<Source, SourceError> {
    let name = shown(named);
    let text = match scheme(named) {
        None => file(named)?,
        Some(("file", path)) => file(path)?,
        Some(("yaml", text)) => text.to_owned(),
        Some(("env", of)) => {
            let missing = || SourceError::Named(format!("--config {named}: the variable {of} is not set"));
            variable(of).ok_or_else(missing)?
        }
        Some((scheme, _)) => {
            let message = format!(
                "--config {named}: nothing is read from {scheme:?}; expected: a path, file:, env: or yaml:"
            );
            return Err(SourceError::Named(message));
        }
    };
    Ok(Source { name, text })
}

fn file(path: &str) -> Result<String, SourceError> {
    let failed = |source| SourceError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // A pipe does not say its length.
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        let message = format!("{path}: too long; expected: at most {MOST_BYTES} bytes");
        return Err(SourceError::Named(message));
    }
    Ok(text)
}

/// The text that `--set KEY=VALUE` stands for; a dot in the key leads a level down.
fn property(set: &str) -> Result<Source, SourceError> {
    let Some((key, value)) = set.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
        let message = "--set without a key; expected: KEY=VALUE, for example processors.batch.timeout=2s";
        return Err(SourceError::Named(message.to_owned()));
    };
    let text = format!("{}: {}\n", key.trim().replace('.', "::"), value.trim());
    Ok(Source { name: format!("--set {}", key.trim()), text })
}
