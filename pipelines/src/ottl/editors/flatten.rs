//! `flatten`: what is nested moves to the top, under keys joined by points.

use std::borrow::Cow;

use crate::ottl::check::call::{Argument, Call};
use crate::ottl::functions::{Preparation, fixed_text};
use crate::ottl::run::eval::Evaluated;
use crate::ottl::run::value::Val;

use super::Work;
use super::tree::entry;

pub(super) fn check(call: &Call) -> Result<Preparation, String> {
    match call.arguments.get(2) {
        Some(Some(Argument::Int(depth))) if *depth < 1 => Err("the depth must be above 0".to_owned()),
        _ => Ok(Preparation::Nothing),
    }
}

pub(super) fn run(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let prefix = fixed_text(call, 1).unwrap_or_default();
    let depth = match call.arguments.get(2) {
        Some(Some(Argument::Int(depth))) => *depth,
        _ => i64::MAX,
    };
    let resolve = matches!(call.arguments.get(3), Some(Some(Argument::Bool(true))));
    work.edit_map(call.target(0)?, |_, entries| {
        let mut flat = FlatMap { made: Vec::new(), taken: Vec::new(), resolve, depth };
        flat.map(std::mem::take(entries), prefix, 0);
        *entries = flat.made;
        Ok(())
    })
}

struct FlatMap<'a> {
    made: Vec<(Cow<'a, [u8]>, Val<'a>)>,
    /// Number of conflicts each key had.
    taken: Vec<(Vec<u8>, usize)>,
    resolve: bool,
    depth: i64,
}

impl<'a> FlatMap<'a> {
    fn map(&mut self, entries: Vec<(Cow<'a, [u8]>, Val<'a>)>, prefix: &[u8], at: i64) {
        let prefix = if prefix.is_empty() { Vec::new() } else { [prefix, b"."].concat() };
        for (key, value) in entries {
            self.value(&key, value, at, &prefix);
        }
    }

    fn value(&mut self, key: &[u8], value: Val<'a>, at: i64, prefix: &[u8]) {
        let whole = [prefix, key].concat();
        match value {
            Val::Map(map) if at < self.depth => self.map(map.entries(), &whole, at + 1),
            Val::List(list) if at < self.depth => {
                for (place, item) in list.items().into_iter().enumerate() {
                    self.item(&whole, place, item, at);
                }
            }
            value => self.put(whole, value),
        }
    }

    fn item(&mut self, key: &[u8], place: usize, item: Val<'a>, at: i64) {
        let numbered = [key, b".", place.to_string().as_bytes()].concat();
        match item {
            Val::Map(map) if at + 1 < self.depth => self.map(map.entries(), &numbered, at + 2),
            // A list inside of a list is numbered without a point.
            Val::List(list) if at + 1 < self.depth => {
                for (place, item) in list.items().into_iter().enumerate() {
                    self.value(place.to_string().as_bytes(), item, at + 3, &numbered);
                }
            }
            // Where conflicts are resolved, elements are conflicts of their list's key.
            item if self.resolve => self.put(key.to_vec(), item),
            item => self.put(numbered, item),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Val<'a>) {
        if !self.resolve || !self.made.iter().any(|(known, _)| **known == key[..]) {
            if self.resolve {
                self.taken.retain(|(known, _)| *known != key);
                self.taken.push((key.clone(), 0));
            }
            *entry(&mut self.made, &Cow::Owned(key)) = value;
            return;
        }
        let place = self.taken.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.taken.push((key.clone(), 0));
            self.taken.len() - 1
        });
        let count = &mut self.taken[place].1;
        let numbered = [key.as_slice(), b".", count.to_string().as_bytes()].concat();
        *count += 1;
        *entry(&mut self.made, &Cow::Owned(numbered)) = value;
    }
}
