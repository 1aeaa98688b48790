//! What an agent says that it runs, as it is kept: texts by name, without what may be a secret.
//!
//! A Collector reports its whole file, with every header and key in it. Nothing of that is kept: a line is cut behind the first
//! key whose value may be a secret, and what stands beneath such a key is left out.

use std::collections::BTreeMap;

use pipelines::yaml::printable;
use proto::generation::KEY;
use proto::opamp::EffectiveConfig;

/// The most files that are kept of an agent, the most bytes of all, and the most lines of one.
const MAX_FILES: usize = 32;
const MAX_BYTES: usize = 128 << 10;
const MAX_LINES: usize = 4_096;
/// The longest name of a file.
const MAX_NAME: usize = 255;
/// No files.
pub const NONE: &str = "{}";
/// Line in the place of what is left out past a bound.
const LEFT_OUT: &str = "# the rest is not kept: it is too long";

/// Files by name, JSON. Nothing if the agent runs what it was pushed alone, which is known.
pub fn files(config: &EffectiveConfig) -> Option<String> {
    let map = &config.config_map.as_ref()?.config_map;
    let sorted: BTreeMap<&String, _> = map.iter().filter(|(name, _)| *name != KEY).collect();
    if sorted.is_empty() && !map.is_empty() {
        return None;
    }
    let (mut left, mut kept) = (MAX_BYTES, BTreeMap::new());
    for (name, file) in sorted.into_iter().take(MAX_FILES) {
        let text = shown(&String::from_utf8_lossy(&file.body), left);
        left = left.saturating_sub(text.len());
        kept.insert(name.chars().filter(|c| *c != '\0').take(MAX_NAME).collect::<String>(), text);
    }
    serde_json::to_string(&kept).ok()
}

fn shown(text: &str, most: usize) -> String {
    let (text, most) = (text.replace('\0', ""), most.max(LEFT_OUT.len()));
    let lines = text.lines().take(MAX_LINES).scan(0, |bytes: &mut usize, line| {
        *bytes += line.len() + 1;
        (*bytes <= most).then_some(line)
    });
    let fitting: Vec<&str> = lines.collect();
    let whole = fitting.len() == text.lines().count();
    let mut shown = printable(&fitting.join("\n"));
    if !whole {
        shown.push_str(LEFT_OUT);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proto::opamp::{AgentConfigFile, AgentConfigMap};

    use super::*;

    fn kept(files_of: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
        let file = |body: &str| AgentConfigFile { body: body.into(), content_type: String::new() };
        let config_map = files_of.iter().map(|(name, body)| ((*name).to_owned(), file(body))).collect();
        let config = EffectiveConfig { config_map: Some(AgentConfigMap { config_map }) };
        files(&config).map(|json| serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn what_may_be_a_secret_is_not_kept() {
        let text = "exporters:\n  otlp:\n    endpoint: https://me:hush@there:4317\n    headers:\n      x: hush\n    api:\n      key: 0123456789abcdef0123456789abcdef\n  file: { path: out }\n";
        let shown = &kept(&[("", text)]).unwrap()[""];
        assert!(!shown.contains("hush") && !shown.contains("0123456789abcdef"), "{shown}");
        assert!(shown.contains("file: { path: out }") && shown.contains("@there:4317"), "{shown}");
    }

    #[test]
    fn what_was_pushed_is_known_and_what_is_too_long_is_cut() {
        assert!(kept(&[(KEY, "generation: 1")]).is_none());
        assert_eq!(kept(&[]).unwrap().len(), 0, "it runs nothing, and that is news");
        let long = "a: b\n".repeat(100_000);
        let shown = kept(&[("one", &long), ("two", &long)]).unwrap();
        assert!(shown.values().map(String::len).sum::<usize>() < MAX_BYTES + 1_000);
        assert!(shown.values().all(|text| text.ends_with(LEFT_OUT)));
        assert!(kept(&[("", "a: \0b")]).unwrap()[""].contains("a: b"));
    }
}
