//! A Collector config inside another document: a Helm values file, a ConfigMap, an OpenTelemetryCollector resource.

use std::fmt;
use std::ops::Range;

use crate::yaml::{Form, Problems, Site, read_written, sites};

/// The most keys of a path at which a config is looked for.
const DEEPEST: usize = 8;

/// Keys of which a config has some.
const SECTIONS: [&str; 4] = ["receivers", "processors", "exporters", "service"];

/// Reason why no config is found at a path.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The document is not one.
    #[error("{0}")]
    Problems(#[from] Problems),
    /// Nothing stands there.
    #[error("{file} has nothing at {path}; expected the config there, as {} is", Places(places))]
    Nothing {
        /// The file.
        file: String,
        /// The path that was asked for.
        path: String,
        /// The paths at which it has a config.
        places: Vec<String>,
    },
    /// It is written in a way in which it cannot be put back.
    #[error(
        "{file}: what stands at {path} is neither a block of keys nor a text that begins with |; write it as one of them"
    )]
    Style {
        /// The file.
        file: String,
        /// The path.
        path: String,
    },
}

/// Paths in a sentence; those of common documents where there is none.
struct Places<'a>(&'a [String]);

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("config, data.relay or spec.config")
        } else {
            f.write_str(&self.0.join(" or "))
        }
    }
}

/// A config that was found, and the document around it.
#[derive(Clone, Debug)]
pub struct Embedded {
    before: String,
    after: String,
    indent: usize,
    text: String,
}

impl Embedded {
    /// Finds the config at a path of keys with dots between them; a key may have dots itself.
    ///
    /// # Errors
    /// [`EmbeddedError`].
    pub fn find(file: &str, document: &str, path: &str) -> Result<Self, EmbeddedError> {
        read_written(file, document, &[])?;
        let root = sites(document);
        let site = root.as_ref().and_then(|root| at(root, path));
        let (file, path) = (file.to_owned(), path.to_owned());
        let Some(site) = site.filter(|site| !site.is_null()) else {
            let places = root.as_ref().map(places).unwrap_or_default();
            return Err(EmbeddedError::Nothing { file, path, places });
        };
        Self::of(document, site).ok_or(EmbeddedError::Style { file, path })
    }

    /// The paths at which a document has a whole config; nothing of one that is itself a config, or cannot be read.
    #[must_use]
    pub fn places(document: &str) -> Vec<String> {
        let root = read_written("", document, &[]).ok().and_then(|_| sites(document));
        let is_config = |root: &Site| SECTIONS.iter().any(|section| at(root, section).is_some());
        root.as_ref().filter(|root| !is_config(root)).map(places).unwrap_or_default()
    }

    fn of(document: &str, site: &Site) -> Option<Self> {
        let lines = lines_of(document, &site.range)?;
        let begin = document[..site.range.start].rfind('\n').map_or(0, |at| at + 1);
        let indent = site.range.start - begin;
        let text: String = lines.lines().map(|line| format!("{}\n", without(line, indent))).collect();
        let is_block = match &site.form {
            Form::Map { flow, .. } => !flow,
            Form::Scalar { text: read, plain } => !plain && read.trim_end() == text.trim_end(),
            Form::List { .. } | Form::Alias => false,
        };
        let blank = document[begin..site.range.start].bytes().all(|byte| byte == b' ');
        (is_block && blank).then(|| Self {
            before: document[..begin].to_owned(),
            after: document[begin + lines.len()..].to_owned(),
            indent,
            text,
        })
    }

    /// Text of the config, as a file of its own.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document with another config in its place.
    #[must_use]
    pub fn with(&self, config: &str) -> String {
        let indent = " ".repeat(self.indent);
        let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") };
        let lines: String = config.trim_end().lines().map(line).collect();
        format!("{}{}{}", self.before, lines.trim_end_matches('\n'), self.after)
    }
}

/// Paths below a place at which pipelines of a service stand, or a text that has some.
fn places(root: &Site) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), root, DEEPEST)];
    while let Some((path, site, below)) = open.pop() {
        if !path.is_empty() && has_pipelines(site) {
            found.push(path);
        } else if let (Form::Map { entries, .. }, Some(below)) = (&site.form, below.checked_sub(1)) {
            let dot = if path.is_empty() { "" } else { "." };
            let inner = entries.iter().rev();
            open.extend(inner.map(|entry| (format!("{path}{dot}{}", entry.key), &entry.value, below)));
        }
    }
    found
}

fn has_pipelines(site: &Site) -> bool {
    match &site.form {
        Form::Map { .. } => {
            at(site, "service.pipelines").is_some_and(|pipelines| matches!(pipelines.form, Form::Map { .. }))
        }
        Form::Scalar { text, plain: false } if text.contains("pipelines:") => {
            sites(text).is_some_and(|inner| matches!(inner.form, Form::Map { .. }) && has_pipelines(&inner))
        }
        Form::Scalar { .. } | Form::List { .. } | Form::Alias => false,
    }
}

/// Whole lines of a range, the last without its end.
fn lines_of<'t>(document: &'t str, range: &Range<usize>) -> Option<&'t str> {
    let begin = document[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let content = document.get(range.clone())?.trim_end();
    let end = range.start + content.len();
    let end = document[end..].find('\n').map_or(document.len(), |at| end + at);
    document.get(begin..end)
}

fn without(line: &str, indent: usize) -> &str {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    &line[blanks.min(indent)..]
}

fn at<'a>(site: &'a Site, path: &str) -> Option<&'a Site> {
    if path.is_empty() {
        return Some(site);
    }
    let Form::Map { entries, .. } = &site.form else { return None };
    entries.iter().find_map(|entry| {
        let rest = path.strip_prefix(entry.key.as_str())?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('.')? };
        at(&entry.value, rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "receivers:\n  otlp:\n\n# the service\nservice: {}\n";

    #[test]
    fn a_config_is_found_as_keys_or_as_text_and_put_back_where_it_was() {
        for (document, path) in [
            (
                "mode: daemonset\nconfig:\n  receivers:\n    otlp:\n\n  # the service\n  service: {}\nimage: {}\n",
                "config",
            ),
            (
                "kind: ConfigMap\ndata:\n  relay: |\n    receivers:\n      otlp:\n\n    # the service\n    service: {}\n",
                "data.relay",
            ),
            (
                "spec:\n  config:\n    receivers:\n      otlp:\n\n    # the service\n    service: {}",
                "spec.config",
            ),
            (
                "data:\n  relay.yaml: |-\n    receivers:\n      otlp:\n\n    # the service\n    service: {}\nkind: x\n",
                "data.relay.yaml",
            ),
        ] {
            let found = Embedded::find("values.yaml", document, path)
                .unwrap_or_else(|error| panic!("{error}\n{document}"));
            assert_eq!(found.text(), CONFIG);
            assert_eq!(found.with(found.text()), document);
            let edited = found.with(&CONFIG.replace("otlp:", "otlp: {}"));
            assert_eq!(edited, document.replace("otlp:", "otlp: {}"));
        }
    }

    #[test]
    fn the_paths_of_configs_are_told_where_they_stand_as_keys_or_as_text() {
        let config = "service:\n  pipelines:\n    metrics: {}\n";
        let within =
            |indent: &str| config.lines().map(|line| format!("{indent}{line}\n")).collect::<String>();
        let values =
            format!("mode: x\na:\n  config:\n{}b:\n  relay.yaml: |\n{}", within("    "), within("    "));
        assert_eq!(Embedded::places(&values), ["a.config", "b.relay.yaml"]);
        for none in [
            config,
            "a: 1\n",
            "a: { service: {} }\nb: { service: { pipelines: 7 } }\n",
            "a: \"pipelines: [\"\n",
            "[\n",
        ] {
            assert!(Embedded::places(none).is_empty(), "{none}");
        }
        let said = Embedded::find("f", &values, "config").unwrap_err().to_string();
        assert!(said.ends_with("expected the config there, as a.config or b.relay.yaml is"), "{said}");
    }

    #[test]
    fn what_is_not_there_or_cannot_be_put_back_is_refused_with_what_is_expected() {
        let said = |document: &str, path: &str| Embedded::find("f", document, path).unwrap_err().to_string();
        assert!(said("a: 1\n", "config").contains("f has nothing at config; expected"));
        assert!(said("config: {a: 1}\n", "config").contains("neither a block of keys nor a text"));
        assert!(said("config: \"a: 1\"\n", "config").contains("neither"));
        assert!(said("config: >\n  a: 1\n  b: 1\n", "config").contains("neither"));
        assert!(said("config: [\n", "config").contains("not valid YAML"));
    }
}
