//! Mistakes in a body of JSON, all at once: each with its field, what was expected, and the known name nearest to one that is not.
//!
//! serde stops at the first mistake. So that one is put right in a copy, an unknown field left out and a wrong value replaced by
//! one that its field takes, and the copy is read again, until nothing is wrong, nothing fits, or enough work was done.

mod words;

use std::fmt;

use pipelines::yaml::nearest;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::refusal::{Mistake, Refusal};

/// The most mistakes that are told.
const MOST: usize = 20;
/// The most bytes that are read for one body, over all readings of it.
const WORK: usize = 16 << 20;
/// The most readings of one body.
const READINGS: usize = 400;

/// Refusal of a body that is JSON and no `T`, with all of its mistakes. `said` is what serde says of the first.
pub fn refusal<T: DeserializeOwned>(body: &[u8], said: &str) -> Refusal {
    let mistakes = mistakes::<T>(body);
    let detail = match mistakes.as_slice() {
        [] => words::first(said),
        [Mistake { field, message, expected, .. }] => {
            let field = field.as_deref().unwrap_or("the body");
            let expected = expected.as_ref().map(|expected| format!(" (expected {expected})"));
            format!("{field}: {message}{}", expected.unwrap_or_default())
        }
        several if several.len() == MOST => format!("the body has {MOST} mistakes or more"),
        several => format!("the body has {} mistakes", several.len()),
    };
    Refusal::Invalid { detail, mistakes }
}

/// Mistakes of a body that is JSON and no `T`, at most [`MOST`] of them; none where they cannot be told apart.
fn mistakes<T: DeserializeOwned>(body: &[u8]) -> Vec<Mistake> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let mut work = READINGS.min(WORK / body.len().max(1)).max(1);
    let (mut found, mut own) = (Vec::new(), Vec::new());
    let mut wrong = read::<T>(&value);
    while let Some(now) = wrong
        && found.len() < MOST
    {
        // What is wrong in a value of our own was told with the one that it stands for.
        if !own.iter().any(|own| now.place.is_within(own)) {
            found.push(now.mistake());
        }
        if now.kind == Kind::Unknown {
            now.place.remove(&mut value);
            work -= 1;
            wrong = read::<T>(&value);
        } else {
            let Some(next) = repair::<T>(&mut value, &now, &mut work) else { break };
            wrong = next;
            own.push(now.place);
        }
        if work == 0 {
            break;
        }
    }
    found
}

/// Puts a value into a place that it takes. Returns what is wrong then; nothing if no value fits.
fn repair<T: DeserializeOwned>(value: &mut Value, now: &Wrong, work: &mut usize) -> Option<Option<Wrong>> {
    let simple = [
        Value::Null,
        "".into(),
        0.into(),
        false.into(),
        Value::Array(Vec::new()),
        Value::Object([].into_iter().collect()),
    ];
    let mut probes: Vec<Value> = simple.into_iter().rev().collect();
    let mut variant = now.variant();
    let mut without = now.kind == Kind::Wrong && now.place.is_of_object();
    loop {
        let (mut tried, mut has_parts) = (value.clone(), false);
        if std::mem::take(&mut without) {
            now.place.remove(&mut tried);
        } else if let Some(name) = variant.take() {
            probes.push(Value::Object([(name.clone(), Value::Null)].into_iter().collect()));
            probes.push(name.into());
            continue;
        } else {
            let probe = probes.pop()?;
            has_parts = probe.is_object();
            now.place.put(&mut tried, probe);
        }
        *work = work.checked_sub(1)?;
        let next = read::<T>(&tried);
        match &next {
            Some(next) if next.place == now.place => {
                // The value is none of these names: the first of them is one.
                if next.kind == Kind::Variant && now.kind != Kind::Variant && probes.len() < 6 {
                    variant = next.variant().filter(|name| !probes.contains(&name.as_str().into()));
                }
            }
            Some(next) if now.place.is_within(&next.place) => {}
            // A name alone, where it needs more.
            Some(next) if next.place.is_within(&now.place) && !has_parts => {}
            _ => {
                *value = tried;
                return Some(next);
            }
        }
    }
}

/// Reads a document. Returns what is wrong with it.
fn read<T: DeserializeOwned>(value: &Value) -> Option<Wrong> {
    let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
    let mut place = Place::of(error.path());
    let said = error.inner().to_string();
    let quoted = || said.split('`').nth(1).map(str::to_owned);
    let kind = if said.starts_with("unknown field") {
        Kind::Unknown
    } else if said.starts_with("missing field") {
        Kind::Missing
    } else if said.starts_with("unknown variant") {
        Kind::Variant
    } else {
        Kind::Wrong
    };
    if let (Kind::Missing, Some(name)) = (kind, quoted()) {
        place.0.push(Step::Key(name));
    }
    // The path ends with the unknown name, unless the fields were read as a whole.
    if let (Kind::Unknown, Some(name)) = (kind, quoted())
        && place.0.last() != Some(&Step::Key(name.clone()))
    {
        place.0.push(Step::Key(name));
    }
    Some(Wrong { place, said, kind })
}

/// Something that is wrong.
struct Wrong {
    place: Place,
    said: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Missing,
    Variant,
    Wrong,
}

impl Wrong {
    /// The first of the names that a value may be.
    fn variant(&self) -> Option<String> {
        let known = self.said.split_once(", expected ").filter(|_| self.kind == Kind::Variant)?.1;
        known.split('`').nth(1).map(str::to_owned)
    }

    fn mistake(&self) -> Mistake {
        let (message, expected) = match self.said.split_once(", expected ") {
            Some((message, expected)) => (message, Some(expected)),
            None => (self.said.as_str(), None),
        };
        let known = expected.unwrap_or_default().split('`').skip(1).step_by(2);
        let unknown = matches!(self.kind, Kind::Unknown | Kind::Variant).then(|| message.split('`').nth(1));
        let near = unknown.flatten().and_then(|name| nearest(name, known));
        Mistake {
            place: None,
            field: (!self.place.0.is_empty()).then(|| self.place.to_string()),
            message: words::came(message),
            expected: expected.map(words::expected),
            nearest: near.map(str::to_owned),
        }
    }
}

/// Place in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    At(usize),
}

impl Place {
    fn of(path: &serde_path_to_error::Path) -> Self {
        Self(
            path.iter()
                .filter_map(|segment| match segment {
                    Segment::Seq { index } => Some(Step::At(*index)),
                    Segment::Map { key } | Segment::Enum { variant: key } => Some(Step::Key(key.clone())),
                    Segment::Unknown => None,
                })
                .collect(),
        )
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    fn is_of_object(&self) -> bool {
        matches!(self.0.last(), Some(Step::Key(_)))
    }

    /// Object or list that holds the value here, if all on the way is there.
    fn above<'v>(&self, document: &'v mut Value) -> Option<&'v mut Value> {
        let (_, way) = self.0.split_last()?;
        way.iter().try_fold(document, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::At(index) => value.get_mut(index),
        })
    }

    fn remove(&self, document: &mut Value) {
        let above = self.above(document).and_then(Value::as_object_mut);
        if let (Some(above), Some(Step::Key(key))) = (above, self.0.last()) {
            above.remove(key);
        }
    }

    fn put(&self, document: &mut Value, new: Value) {
        let Some(last) = self.0.last() else {
            *document = new;
            return;
        };
        match (self.above(document), last) {
            (Some(Value::Object(fields)), Step::Key(key)) => {
                fields.insert(key.clone(), new);
            }
            (Some(Value::Array(items)), Step::At(index)) => {
                if let Some(item) = items.get_mut(*index) {
                    *item = new;
                }
            }
            _ => {}
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::At(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
