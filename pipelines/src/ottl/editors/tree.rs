//! Values changed from the inside: lists and maps below an attribute.

use std::borrow::Cow;

use crate::ottl::check::expr::Key;
use crate::ottl::run::eval::{Evaluated, Failure, Row};
use crate::ottl::run::value::{List, Map, Val};

/// Number of elements a list may be filled up with.
const MAX_FILLED: i64 = 1 << 16;

/// A key, evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step<'a> {
    Text(Cow<'a, [u8]>),
    Index(i64),
}

const NO_KEY: Failure = Failure("a key is a text or an integer");

/// Evaluates keys, in order.
pub(super) fn steps<'a>(keys: &'a [Key], row: &Row<'a>) -> Evaluated<Vec<Step<'a>>> {
    keys.iter().map(|key| step(key, row)).collect()
}

pub(super) fn step<'a>(key: &'a Key, row: &Row<'a>) -> Evaluated<Step<'a>> {
    Ok(match key {
        Key::Text(text) => Step::Text(Cow::Borrowed(text)),
        Key::Index(index) => Step::Index(*index),
        Key::Computed(expr) => match expr.eval(row)? {
            Val::Text(text) => Step::Text(text),
            Val::Int(index) => Step::Index(index),
            _ => return Err(NO_KEY),
        },
    })
}

/// The first key, which must be a text.
pub(super) fn name<'s, 'a>(steps: &'s [Step<'a>]) -> Evaluated<(&'s Cow<'a, [u8]>, &'s [Step<'a>])> {
    match steps {
        [Step::Text(text), rest @ ..] => Ok((text, rest)),
        _ => Err(Failure("a map is indexed by a text")),
    }
}

/// The entries of a map, to be changed.
pub(super) fn entries<'v, 'a>(map: &'v mut Map<'a>) -> &'v mut Vec<(Cow<'a, [u8]>, Val<'a>)> {
    if !matches!(map, Map::Made(_)) {
        *map = Map::Made(map.entries());
    }
    match map {
        Map::Made(entries) => entries,
        _ => unreachable!("made above"),
    }
}

/// The entry of a map, which is made where it is missing.
pub(super) fn entry<'v, 'a>(
    entries: &'v mut Vec<(Cow<'a, [u8]>, Val<'a>)>,
    key: &Cow<'a, [u8]>,
) -> &'v mut Val<'a> {
    let place = entries.iter().position(|(name, _)| name == key);
    let place = place.unwrap_or_else(|| {
        entries.push((key.clone(), Val::Nil));
        entries.len() - 1
    });
    &mut entries[place].1
}

/// Goes down to a value, making maps and lists of what is empty on the way.
pub(super) fn descend<'v, 'a>(value: &'v mut Val<'a>, steps: &[Step<'a>]) -> Evaluated<&'v mut Val<'a>> {
    let mut value = value;
    for step in steps {
        if let Val::Nil = value {
            *value = match step {
                Step::Text(_) => Val::Map(Map::Made(Vec::new())),
                Step::Index(index) if *index > MAX_FILLED => {
                    return Err(Failure("a list that would be too long"));
                }
                Step::Index(index) => {
                    let filled = vec![Val::Nil; usize::try_from(*index).unwrap_or(0) + 1];
                    Val::List(List::Made(filled))
                }
            };
            if let (Val::List(List::Made(items)), Step::Index(_)) = (&mut *value, step) {
                // A negative index of a new list is its only element.
                let last = items.len() - 1;
                value = match value {
                    Val::List(List::Made(items)) => &mut items[last],
                    _ => unreachable!("made above"),
                };
                continue;
            }
        }
        value = match (value, step) {
            (Val::Map(map), Step::Text(key)) => entry(entries(map), key),
            (Val::List(list), Step::Index(index)) => {
                let items = items(list);
                let index = usize::try_from(*index).ok().filter(|index| *index < items.len());
                &mut items[index.ok_or(Failure("an index past the end of a list"))?]
            }
            (Val::Map(_), Step::Index(_)) => return Err(Failure("a map is indexed by a text")),
            (Val::List(_), Step::Text(_)) => return Err(Failure("a list is indexed by an integer")),
            _ => return Err(Failure("only a map or a list can be indexed")),
        };
    }
    Ok(value)
}

fn items<'v, 'a>(list: &'v mut List<'a>) -> &'v mut Vec<Val<'a>> {
    if !matches!(list, List::Made(_)) {
        *list = List::Made(list.items());
    }
    match list {
        List::Made(items) => items,
        _ => unreachable!("made above"),
    }
}

/// Gives a value another one. What an attribute cannot hold is an error and changes nothing; inside of a list
/// it leaves an empty element, and only the last element's error counts.
pub(super) fn set<'a>(slot: &mut Val<'a>, value: Val<'a>) -> Evaluated<()> {
    *slot = match value {
        Val::List(List::Raw(items)) => {
            let mut outcome = Ok(());
            let mut made = Vec::with_capacity(items.len());
            for item in items {
                let mut element = Val::Nil;
                outcome = set(&mut element, item);
                made.push(element);
            }
            *slot = Val::List(List::Made(made));
            return outcome;
        }
        Val::Time(_) | Val::Duration(_) | Val::Counts(_) | Val::Id(_) | Val::Part(..) => {
            return Err(Failure("a value that no attribute can hold"));
        }
        value => value,
    };
    Ok(())
}
