//! Editors of maps.

use std::borrow::Cow;

use crate::cost::Allowance;
use crate::ottl::check::call::{Call, Target};
use crate::ottl::functions::{
    ParamType, Preparation, Signature, TARGET, brought_pattern, editor, fixed_text, optional,
    prepare_pattern, required, shown, with_pattern,
};
use crate::ottl::pattern::Pattern;
use crate::ottl::run::Args;
use crate::ottl::run::eval::{Evaluated, Failure, Row};
use crate::ottl::run::getters;
use crate::ottl::run::value::{List, Map, Val};

use super::assign::{PlannedValue, map_of};
use super::texts::{Replacer, prepare_glob};
use super::tree::{Step, descend, entry, name, steps};
use super::{Work, flatten};

pub(in crate::ottl) const TABLE: &[Signature] = &[
    editor("delete_key", &[TARGET, required("key", ParamType::Text)], delete_key),
    editor("delete_matching_keys", &[TARGET, required("pattern", ParamType::Text)], |call, work| {
        let target = call.target(0)?;
        matching(call, work, |pattern, work| work.retain(target, |key| !pattern.is_match(key)))
    })
    .compiled(prepare_pattern::<1>),
    editor("keep_matching_keys", &[TARGET, required("pattern", ParamType::Text)], |call, work| {
        let target = call.target(0)?;
        matching(call, work, |pattern, work| work.retain(target, |key| pattern.is_match(key)))
    })
    .compiled(prepare_pattern::<1>),
    editor("keep_keys", &[TARGET, required("keys", ParamType::Values(&ParamType::Text))], keep_keys),
    editor(
        "limit",
        &[TARGET, required("limit", ParamType::FixedInt), required("priority_keys", ParamType::FixedTexts)],
        limit,
    )
    .prepared(check_limit),
    editor(
        "merge_maps",
        &[TARGET, required("source", ParamType::Map), required("strategy", ParamType::FixedText)],
        merge,
    )
    .prepared(check_merge),
    editor(
        "flatten",
        &[
            TARGET,
            optional("prefix", ParamType::FixedText),
            optional("depth", ParamType::FixedInt),
            optional("resolve_conflicts", ParamType::FixedBool),
        ],
        flatten::run,
    )
    .prepared(flatten::check),
    editor(
        "truncate_all",
        &[
            TARGET,
            required("limit", ParamType::FixedInt),
            optional("utf8_safe", ParamType::FixedBool),
            optional("truncation_marker", ParamType::FixedText),
        ],
        truncate,
    )
    .prepared(check_truncate),
    editor("stringify_all", &[TARGET], |call, work| {
        work.edit_map(call.target(0)?, |_, entries| {
            for (_, value) in entries.iter_mut().filter(|(_, value)| !matches!(value, Val::Text(_))) {
                *value = Val::text(shown(value));
            }
            Ok(())
        })
    }),
    editor(
        "replace_all_patterns",
        &[
            TARGET,
            required("mode", ParamType::FixedText),
            required("regex_pattern", ParamType::Text),
            required("replacement", ParamType::Text),
            optional("function", ParamType::Function),
            optional("replacement_format", ParamType::Text),
        ],
        replace_patterns,
    )
    .compiled(check_mode),
    editor(
        "replace_all_matches",
        &[
            TARGET,
            required("pattern", ParamType::Text),
            required("replacement", ParamType::Text),
            optional("function", ParamType::Function),
            optional("replacement_format", ParamType::Text),
        ],
        replace_matches,
    )
    .compiled(prepare_glob::<1>),
];

type Pairs<'a> = Vec<(Cow<'a, [u8]>, Val<'a>)>;

impl Work<'_> {
    /// Edits a map as a whole.
    pub(super) fn edit_map(
        &mut self,
        target: &Target,
        edit: impl for<'r> FnOnce(&Row<'r>, &mut Pairs<'r>) -> Evaluated<()>,
    ) -> Evaluated<()> {
        self.assign(target.field, target, |row, target| {
            let steps = steps(&target.keys, row)?;
            let mut root = map_of(target.field, row)?.entries();
            if steps.is_empty() {
                edit(row, &mut root)?;
                return Ok(PlannedValue::whole(root));
            }
            let (key, rest) = name(&steps)?;
            if !root.iter().any(|(known, _)| known == key) {
                return Err(NO_MAP);
            }
            let top = entry(&mut root, key);
            let Val::Map(map) = existing(top, rest)? else { return Err(NO_MAP) };
            let mut inner = map.entries();
            edit(row, &mut inner)?;
            *descend(top, rest)? = Val::Map(Map::Made(inner));
            Ok(PlannedValue::entry(key.clone(), std::mem::replace(top, Val::Nil)))
        })
    }

    /// Keeps the keys of a map for which `keep` holds.
    fn retain(&mut self, target: &Target, mut keep: impl FnMut(&[u8]) -> bool) -> Evaluated<()> {
        match self.owner(target.field).filter(|_| target.keys.is_empty()) {
            Some(owner) => {
                self.batch.retain_attributes(owner, |batch, row| keep(batch.bytes(row.key)));
                Ok(())
            }
            None => self.edit_map(target, |_, entries| {
                entries.retain(|(key, _)| keep(key));
                Ok(())
            }),
        }
    }
}

const NO_MAP: Failure = Failure("a map was expected");

/// The value below some steps, which must all be there.
pub(super) fn existing<'a>(value: &Val<'a>, steps: &[Step<'a>]) -> Evaluated<Val<'a>> {
    let mut value = value.clone();
    for step in steps {
        value = match (&value, step) {
            (Val::Map(map), Step::Text(key)) => map.get(key).unwrap_or(Val::Nil),
            (Val::List(list), Step::Index(index)) => {
                list.get(*index).ok_or(Failure("an index past the end of a list"))?
            }
            _ => return Err(NO_MAP),
        };
    }
    Ok(value)
}

fn delete_key(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let target = call.target(0)?;
    match fixed_text(call, 1) {
        Some(key) => work.retain(target, |known| known != key),
        None => {
            let key = Args { call, row: &work.row() }.text(1)?.into_owned();
            work.retain(target, |known| known != key)
        }
    }
}

/// Runs with the call's pattern, which the data may bring.
fn matching<'b, T>(
    call: &Call,
    work: &mut Work<'b>,
    run: impl FnOnce(&Pattern, &mut Work<'b>) -> Evaluated<T>,
) -> Evaluated<T> {
    if let Preparation::Pattern(pattern) = &call.prepared {
        return run(pattern, work);
    }
    let pattern = brought_pattern(&Args { call, row: &work.row() }, 1)?;
    run(&pattern, work)
}

fn keep_keys(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let keys: Vec<Vec<u8>> = {
        let row = work.row();
        let args = Args { call, row: &row };
        let keys = args.exprs(1).iter().map(|key| Ok(getters::text(key.eval(&row)?)?.into_owned()));
        keys.collect::<Evaluated<_>>()?
    };
    work.retain(call.target(0)?, |known| keys.iter().any(|key| key == known))
}

fn fixed_int(call: &Call, place: usize) -> i64 {
    match call.arguments.get(place) {
        Some(Some(crate::ottl::check::call::Argument::Int(number))) => *number,
        _ => 0,
    }
}

fn check_limit(call: &Call) -> Result<Preparation, String> {
    let limit = fixed_int(call, 1);
    let keys = match call.arguments.get(2) {
        Some(Some(crate::ottl::check::call::Argument::Texts(texts))) => texts.len(),
        _ => 0,
    };
    match usize::try_from(limit) {
        Err(_) => Err("the limit cannot be negative".to_owned()),
        Ok(limit) if limit < keys => Err("the limit is less than the number of priority keys".to_owned()),
        Ok(_) => Ok(Preparation::Nothing),
    }
}

fn limit(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let (limit, target) = (fixed_int(call, 1) as usize, call.target(0)?);
    let keep: &[Box<[u8]>] = match call.arguments.get(2) {
        Some(Some(crate::ottl::check::call::Argument::Texts(texts))) => texts,
        _ => &[],
    };
    let wanted = |key: &[u8]| keep.iter().any(|known| **known == *key);
    let (len, mut count) = {
        let row = work.row();
        let Val::Map(map) = crate::ottl::run::eval::index(
            Val::Map(map_of(target.field, &row)?),
            &target.keys,
            &row,
            crate::ottl::run::eval::MissingKey::IsNil,
        )?
        else {
            return Err(NO_MAP);
        };
        (map.len(), keep.iter().filter(|key| map.get(key).is_some()).count())
    };
    if len <= limit {
        return Ok(());
    }
    work.retain(target, |key| {
        if wanted(key) {
            return true;
        }
        let fits = count < limit;
        count += usize::from(fits);
        fits
    })
}

fn check_merge(call: &Call) -> Result<Preparation, String> {
    match fixed_text(call, 2) {
        Some(b"insert" | b"update" | b"upsert") => Ok(Preparation::Nothing),
        _ => Err("the strategy must be insert, update or upsert".to_owned()),
    }
}

fn merge(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let strategy = fixed_text(call, 2).unwrap_or_default();
    work.edit_map(call.target(0)?, |row, entries| {
        // Read for as long as the row is: the arguments are the statement's.
        let source = owned_map(call, row)?;
        for (key, value) in source {
            let place = entries.iter().position(|(known, _)| *known == key);
            match (place, strategy) {
                (Some(place), b"update" | b"upsert") => entries[place].1 = value,
                (None, b"insert" | b"upsert") => entries.push((key, value)),
                _ => {}
            }
        }
        Ok(())
    })
}

/// The source of a merge, apart from the row that it was read from.
fn owned_map<'r>(call: &Call, row: &Row<'_>) -> Evaluated<Pairs<'r>> {
    let map = Args { call, row }.map(1)?;
    let owned = crate::ottl::run::value::owned(map.entries());
    Ok(owned.into_iter().collect())
}

fn check_truncate(call: &Call) -> Result<Preparation, String> {
    let marker = fixed_text(call, 3).unwrap_or_default().len();
    match usize::try_from(fixed_int(call, 1)) {
        Err(_) => Err("the limit cannot be negative".to_owned()),
        Ok(limit) if marker > limit => Err("the marker is longer than the limit".to_owned()),
        Ok(_) => Ok(Preparation::Nothing),
    }
}

/// Counts bytes; unless told otherwise no character is cut apart.
fn truncate(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let (limit, marker) = (fixed_int(call, 1) as usize, fixed_text(call, 3).unwrap_or_default());
    let safe = !matches!(call.arguments.get(2), Some(Some(crate::ottl::check::call::Argument::Bool(false))));
    work.edit_map(call.target(0)?, |_, entries| {
        for (_, value) in entries.iter_mut() {
            let Val::Text(text) = value else { continue };
            if text.len() <= limit {
                continue;
            }
            let mut end = limit - marker.len();
            while safe && end > 0 && text[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            *value = Val::text([&text[..end], marker].concat());
        }
        Ok(())
    })
}

fn check_mode(call: &Call, allowance: &mut Allowance) -> Result<Preparation, String> {
    match fixed_text(call, 1) {
        Some(b"key" | b"value") => prepare_pattern::<2>(call, allowance),
        _ => Err("the mode must be key or value".to_owned()),
    }
}

fn replace_patterns(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let keys = fixed_text(call, 1) == Some(b"key");
    work.edit_map(call.target(0)?, |row, entries| {
        let args = Args { call, row };
        let replacement = args.text(3)?.into_owned();
        with_pattern(&args, 2, |pattern| {
            let replace = Replacer::new(call, pattern, &replacement, 4);
            if !keys {
                for (_, value) in entries.iter_mut() {
                    if let Val::Text(text) = value
                        && pattern.is_match(text)
                        && let Ok(replaced) = replace.all(text, row)
                    {
                        *value = Val::text(replaced);
                    }
                }
                return Ok(());
            }
            let mut renamed = Pairs::with_capacity(entries.len());
            for (key, value) in entries.drain(..) {
                let key = if pattern.is_match(&key) {
                    // A key whose replacement fails is lost.
                    let Ok(replaced) = replace.all(&key, row) else { continue };
                    Cow::Owned(replaced)
                } else {
                    key
                };
                *entry(&mut renamed, &key) = value;
            }
            *entries = renamed;
            Ok(())
        })
    })
}

fn replace_matches(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    work.edit_map(call.target(0)?, |row, entries| {
        let (glob, replacement) = super::texts::whole(call, row, 1)?;
        for (_, value) in entries.iter_mut() {
            if matches!(value, Val::Text(text) if glob.is_match(text)) {
                *value = Val::text(replacement.as_slice());
            }
        }
        Ok(())
    })
}

/// A list as the Collector appends to it: plain, with what it holds.
pub(super) fn plain_items(value: Val<'_>) -> Vec<Val<'_>> {
    match value {
        Val::Nil => Vec::new(),
        Val::List(List::Raw(items)) => items,
        Val::List(list) => list.items().into_iter().map(getters::plain).collect(),
        Val::Texts(texts) => texts.into_iter().map(Val::Text).collect(),
        Val::Doubles(numbers) => numbers.into_iter().map(Val::Double).collect(),
        other => vec![other],
    }
}
