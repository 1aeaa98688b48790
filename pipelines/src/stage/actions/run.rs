//! Actions carried out.

use sha2::{Digest, Sha256};

use crate::batch::{AttrRow, AttributeList, Batch, Cell, Owner, Span, Value};
use crate::ottl::{Pattern, Val, double_text, json_text};
use crate::stage::config::Constant;

use super::config::{Action, PutCondition, Source, Target};

/// Actions with what their config says put into one batch.
#[derive(Debug)]
pub(crate) struct BatchActions<'c> {
    actions: Vec<(&'c Action, Spans)>,
    list: AttributeList,
}

/// Value that an action writes, where the batch can point to it.
#[derive(Debug, Default)]
struct Spans {
    key: Span,
    value: Cell,
    names: Vec<Span>,
    /// The whole attribute, encoded, where the config says all of it.
    whole: Option<AttrRow>,
}

impl<'c> BatchActions<'c> {
    pub(crate) fn new(batch: &mut Batch, actions: &'c [Action]) -> Self {
        let actions = actions.iter().map(|action| (action, Spans::of(batch, action)));
        Self { actions: actions.collect(), list: AttributeList::default() }
    }

    /// Carries out every action, in order, on the attributes of one row; false if that changed nothing.
    pub(crate) fn run(&mut self, batch: &mut Batch, owner: Owner) -> bool {
        let Self { actions, list } = self;
        batch.rewrite_attributes(owner, list, |batch, list| {
            for (action, spans) in actions.iter() {
                apply(action, spans, batch, list);
            }
        })
    }
}

impl Spans {
    fn of(batch: &mut Batch, action: &Action) -> Self {
        let mut cell = |constant: &Constant| constant.cell(|bytes| batch.intern(bytes));
        match action {
            Action::Put { key, value: value_of, .. } => {
                let value = match value_of {
                    Source::Constant(constant) | Source::Attribute { default: Some(constant), .. } => {
                        cell(constant)
                    }
                    Source::Attribute { default: None, .. } | Source::Nowhere => Cell::Empty,
                };
                let constant = matches!(value_of, Source::Constant(_));
                let whole = constant.then(|| batch.intern_attribute(key.as_bytes(), value));
                Self { key: batch.intern(key.as_bytes()), value, names: Vec::new(), whole }
            }
            Action::Extract { names, .. } => {
                let names = names.iter().map(|name| batch.intern(name.as_bytes())).collect();
                Self { names, ..Self::default() }
            }
            Action::Convert { key, .. } => Self { key: batch.intern(key.as_bytes()), ..Self::default() },
            Action::Delete { .. } | Action::Hash { .. } => Self::default(),
        }
    }
}

fn apply(action: &Action, spans: &Spans, batch: &mut Batch, list: &mut AttributeList) {
    match action {
        Action::Put { key, when, value } => {
            let row = match value {
                Source::Constant(_) => Some(spans.whole.unwrap_or(AttrRow::bare(spans.key, spans.value))),
                Source::Nowhere => None,
                Source::Attribute { key, default } => {
                    let value = list.get(batch, key.as_bytes()).or(default.is_some().then_some(spans.value));
                    value.map(|value| AttrRow::bare(spans.key, value))
                }
            };
            let place = list.find(batch, key.as_bytes());
            let wanted = match when {
                PutCondition::Missing => place.is_none(),
                PutCondition::Present => place.is_some(),
                PutCondition::Always => true,
            };
            if let Some(row) = row.filter(|_| wanted) {
                list.put(batch, place, row);
            }
        }
        Action::Delete { key, pattern } => list.remove(|row| selects(key, pattern, batch.bytes(row.key))),
        Action::Hash { key, pattern } => list.replace(|row| {
            let text = selects(key, pattern, batch.bytes(row.key)).then(|| hash(batch.value(row.value)))?;
            Some(Cell::Text(batch.intern(text.as_bytes())))
        }),
        Action::Extract { key, pattern, .. } => extract(key, pattern, spans, batch, list),
        Action::Convert { key, to } => {
            if let Some(value) = list.get(batch, key.as_bytes()).and_then(|value| convert(batch, value, *to))
            {
                list.set(batch, spans.key, value);
            }
        }
    }
}

fn selects(key: &Option<String>, pattern: &Option<Pattern>, name: &[u8]) -> bool {
    key.as_ref().is_some_and(|key| key.as_bytes() == name)
        || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name))
}

/// SHA-256 in hexadecimal; of lists, maps, bytes and nothing the empty text.
fn hash(value: Value<'_>) -> String {
    let digest = match value {
        Value::Text(text) => Sha256::digest(text),
        Value::Int(number) => Sha256::digest(number.to_le_bytes()),
        Value::Double(number) => Sha256::digest(number.to_bits().to_le_bytes()),
        Value::Bool(bit) => Sha256::digest([u8::from(bit)]),
        Value::Empty | Value::Bytes(_) | Value::List(_) | Value::Map(_) => return String::new(),
    };
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A group that took no part becomes the empty text.
fn extract(key: &str, pattern: &Pattern, spans: &Spans, batch: &mut Batch, list: &mut AttributeList) {
    let Some(Cell::Text(text)) = list.get(batch, key.as_bytes()) else { return };
    let Some(captures) = pattern.captures(batch.bytes(text)) else { return };
    let groups = (1..=spans.names.len()).map(|group| captures.get(group).map(<[u8]>::to_vec));
    let groups: Vec<Vec<u8>> = groups.map(Option::unwrap_or_default).collect();
    for (name, group) in spans.names.iter().zip(groups) {
        let value = Cell::Text(batch.intern(&group));
        list.set(batch, *name, value);
    }
}

/// None where the value stays: it has the kind already, or does not convert.
fn convert(batch: &mut Batch, value: Cell, to: Target) -> Option<Cell> {
    let number = |text| std::str::from_utf8(text).ok();
    Some(match (to, batch.value(value)) {
        (Target::Text, Value::Text(_))
        | (Target::Int, Value::Int(_))
        | (Target::Double, Value::Double(_)) => {
            return None;
        }
        (Target::Text, other) => {
            let text = text_of(other);
            Cell::Text(batch.intern(text.as_bytes()))
        }
        (Target::Int, Value::Double(value)) => Cell::Int(value as i64),
        (Target::Int, Value::Bool(bit)) => Cell::Int(bit.into()),
        (Target::Int, Value::Text(text)) => Cell::Int(number(text)?.parse().ok()?),
        (Target::Double, Value::Int(value)) => Cell::Double(value as f64),
        (Target::Double, Value::Bool(bit)) => Cell::Double(u8::from(bit).into()),
        (Target::Double, Value::Text(text)) => Cell::Double(number(text)?.parse().ok()?),
        (Target::Int | Target::Double, _) => return None,
    })
}

/// A value as the Collector writes it where a text is wanted.
fn text_of(value: Value<'_>) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Bool(bit) => bit.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => double_text(number),
        Value::Bytes(bytes) => base64(bytes),
        other => json_text(&Val::from(other)).unwrap_or_default(),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
