//! A map being decoded: each key is asked for once, and what nobody asked for is an error.

use super::{Entry, Location, MAX_PROBLEMS, Node, Problem};

/// The entries of a map, and which of them were taken.
///
/// The keys asked for are the keys known, so that the list in a message cannot go stale.
#[derive(Debug)]
pub struct Fields<'a> {
    location: Location,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(location: Location, entries: &'a [Entry]) -> Self {
        Self { location, entries, known: Vec::new() }
    }

    /// Place at which the map begins.
    pub fn location(&self) -> Location {
        self.location
    }

    /// The value of an optional key; `null` is as good as leaving it out.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key.text == key);
        entry.map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// The place of a key's value that is null.
    fn null(&self, key: &str) -> Option<Location> {
        let entry = self.entries.iter().find(|entry| entry.key.text == key);
        entry.map(|entry| &entry.value).filter(|value| value.is_null()).map(|value| value.location)
    }

    /// Reports the keys of these whose value is null, which the Collector refuses here.
    pub fn refuse_null(&self, keys: &[&str], problems: &mut impl Extend<Problem>) {
        for (key, at) in keys.iter().filter_map(|key| Some((key, self.null(key)?))) {
            problems.extend([Problem::new(at, format!("{key} is null")).expected("a value, or no such key")]);
        }
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// The key is missing or null.
    pub fn required(&mut self, key: &'static str) -> Result<&'a Node, Problem> {
        self.take(key).ok_or_else(|| Problem::new(self.location, format!("{key:?} is missing")))
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, problems: &mut impl Extend<Problem>) {
        let unknown = self.entries.iter().filter(|entry| !self.known.contains(&entry.key.text.as_str()));
        for Entry { key, .. } in unknown.take(MAX_PROBLEMS) {
            problems.extend([Problem::unknown(key.location, "key", &key.text, self.known.iter().copied())]);
        }
    }
}
