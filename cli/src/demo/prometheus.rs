//! An agent's own counters, read from its `/metrics`.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

/// The samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Samples {
    /// Reads the Prometheus text format, comments left out.
    ///
    /// # Errors
    /// A line that is no sample, quoted.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| sample(line).with_context(|| format!("not a sample: {line:?}")));
        Ok(Self(samples.collect::<anyhow::Result<_>>()?))
    }

    /// The sum over all samples of this name that carry all of these labels; 0 if there is none, because a
    /// counter that never counted is not shown.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).map(|sample| sample.value).sum()
    }

    /// The same, of a counter of whole things.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels) as u64
    }

    /// Counts by the value of one label.
    pub fn by(&self, name: &str, labels: &[(&str, &str)], key: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for sample in self.of(name, labels) {
            let value = sample.labels.get(key).cloned().unwrap_or_default();
            *counts.entry(value).or_default() += sample.value as u64;
        }
        counts
    }

    fn of<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        let carries = |sample: &Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|found| found == value))
        };
        self.0.iter().filter(move |sample| sample.name == name && carries(sample))
    }
}

fn sample(line: &str) -> anyhow::Result<Sample> {
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (key, after) = rest.split_once("=\"").context("no label's value")?;
            let (value, after) = quoted(after).context("a label's value has no end")?;
            labels.insert(key.trim_start_matches(',').to_owned(), value);
            rest = after;
        }
    }
    match rest.trim().parse() {
        Ok(value) => Ok(Sample { name: name.to_owned(), labels, value }),
        Err(_) => bail!("no number"),
    }
}

/// Text before the closing quote, unescaped, and the rest after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_hold_quotes_braces_and_commas() {
        let text = "# HELP a b\na_total{rule=\"metric.name == \\\"x\\\" and {,}\",variant=\"candidate\"} 12\n\
                    a_total{rule=\"y\",variant=\"candidate\"} 3\na_total{rule=\"y\",variant=\"baseline\"} 5\nb 1.5\n";
        let samples = Samples::parse(text).unwrap();
        assert_eq!(samples.count("a_total", &[]), 20);
        assert_eq!(samples.count("a_total", &[("variant", "candidate")]), 15);
        let by = samples.by("a_total", &[("variant", "candidate")], "rule");
        assert_eq!(by.get("metric.name == \"x\" and {,}"), Some(&12));
        assert_eq!((samples.sum("b", &[]), samples.count("absent", &[])), (1.5, 0));
    }

    #[test]
    fn what_is_no_sample_is_quoted() {
        let error = Samples::parse("a{b=\"c} 1").unwrap_err();
        assert!(format!("{error:#}").contains("no end"), "{error:#}");
        assert!(Samples::parse("a x").is_err());
    }
}
