//! Editors of one value: `set`, replacements, and lists that grow and shrink.

use std::borrow::Cow;

use crate::cost::Allowance;
use crate::ottl::check::call::{Argument, Call, Target};
use crate::ottl::check::expr::Expr;
use crate::ottl::functions::{
    Kind, ParamType, Parameter, Preparation, Signature, TARGET, editor, fixed_text, optional,
    prepare_pattern, required, sprintf, with_pattern,
};
use crate::ottl::glob;
use crate::ottl::pattern::{Pattern, Replacement};
use crate::ottl::run::Args;
use crate::ottl::run::eval::{Evaluated, Failure, Row};
use crate::ottl::run::getters::{self, is_raw};
use crate::ottl::run::value::{List, Val};

use super::maps::plain_items;
use super::{Work, assign};

pub(in crate::ottl) const TABLE: &[Signature] = &[
    editor("set", &[TARGET, required("value", ParamType::Any)], assign::set),
    editor(
        "replace_pattern",
        &[
            TARGET,
            required("regex_pattern", ParamType::Text),
            required("replacement", ParamType::Text),
            optional("function", ParamType::Function),
            optional("replacement_format", ParamType::Text),
        ],
        replace_pattern,
    )
    .compiled(prepare_replace),
    editor(
        "replace_match",
        &[
            TARGET,
            required("pattern", ParamType::Text),
            required("replacement", ParamType::Text),
            optional("function", ParamType::Function),
            optional("replacement_format", ParamType::Text),
        ],
        replace_match,
    )
    .compiled(prepare_glob::<1>),
    editor(
        "append",
        &[TARGET, optional("value", ParamType::Any), optional("values", ParamType::Values(&ParamType::Any))],
        append,
    )
    .prepared(check_append),
    editor(
        "delete_index",
        &[TARGET, required("start_index", ParamType::Int), optional("end_index", ParamType::Int)],
        delete_index,
    ),
];

/// A glob that stands in the config is compiled when it is read.
pub(super) fn prepare_glob<const PLACE: usize>(
    call: &Call,
    allowance: &mut Allowance,
) -> Result<Preparation, String> {
    match fixed_text(call, PLACE) {
        Some(text) => glob::compile(&String::from_utf8_lossy(text), allowance).map(Preparation::Pattern),
        None => allowance.recent().map(Preparation::Brought),
    }
}

fn read<'a>(target: &'a Target, row: &Row<'a>) -> Evaluated<Val<'a>> {
    if let Some(value) = target.field.plain(&target.keys, row) {
        return Ok(value.into());
    }
    let value = target.field.read(row).ok_or(Failure("the row that a path begins at is missing"))?;
    crate::ottl::run::eval::index(value, &target.keys, row, crate::ottl::run::eval::MissingKey::IsNil)
}

/// Replacement of matches: by a template, and perhaps by what a function makes of it.
pub(super) struct Replacer<'c> {
    call: &'c Call,
    pattern: &'c Pattern,
    template: Replacement,
    function: usize,
}

impl<'c> Replacer<'c> {
    pub(super) fn new(call: &'c Call, pattern: &'c Pattern, template: &[u8], function: usize) -> Self {
        Self { call, pattern, template: pattern.replacement(template), function }
    }

    /// The text with every match replaced.
    pub(super) fn all(&self, text: &[u8], row: &Row<'_>) -> Evaluated<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len());
        let Some(Some(Argument::Function(function))) = self.call.arguments.get(self.function) else {
            self.pattern.replace_all(text, &self.template, &mut out);
            return Ok(out);
        };
        let mut from = 0;
        for captures in self.pattern.captured(text) {
            let whole = captures.whole();
            let mut expanded = Vec::new();
            self.template.expand(&captures, &mut expanded);
            out.extend_from_slice(&text[from..whole.start]);
            out.extend(applied(self.call, function, &expanded, self.function + 1, row)?);
            from = whole.end;
        }
        out.extend_from_slice(&text[from..]);
        Ok(out)
    }
}

/// Puts what a function makes of a text into the format that stands at `format`.
fn applied(
    call: &Call,
    function: &'static Signature,
    text: &[u8],
    format: usize,
    row: &Row<'_>,
) -> Evaluated<Vec<u8>> {
    let takes_text = matches!(function.parameters, [Parameter { takes: ParamType::Text, .. }]);
    let Kind::Converter(run) = function.kind else { return Err(Failure("an editor replaces nothing")) };
    if !takes_text {
        return Err(Failure("a function that does not take one text"));
    }
    let arguments = vec![Some(Argument::Expr(Expr::Text(text.into())))];
    let one = Call { signature: function, arguments, prepared: Preparation::Nothing };
    let made = getters::text(run(&Args { call: &one, row })?)?.into_owned();
    let args = Args { call, row };
    if !args.has(format) {
        return Ok(made);
    }
    let format = args.text(format)?;
    let format = String::from_utf8_lossy(&format);
    let verbs: Vec<&str> = format.split('%').skip(1).collect();
    if verbs.is_empty() || !verbs.iter().all(|verb| verb.starts_with('s')) || format.contains('\n') {
        return Err(Failure("a format with something else than %s"));
    }
    Ok(sprintf(&format, &[Val::text(made)])?.into_bytes())
}

/// Pattern and replacement are read once where both stand in the config and no function has a part in it.
fn prepare_replace(call: &Call, allowance: &mut Allowance) -> Result<Preparation, String> {
    let replacement = fixed_text(call, 2).filter(|_| !matches!(call.arguments.get(3), Some(Some(_))));
    Ok(match (prepare_pattern::<1>(call, allowance)?, replacement) {
        (Preparation::Pattern(pattern), Some(template)) => {
            let replacement = pattern.replacement(template);
            Preparation::Replace(Box::new((pattern, replacement)))
        }
        (prepared, _) => prepared,
    })
}

/// `replace_pattern`: what is no text stays.
fn replace_pattern(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let target = call.target(0)?;
    let mut buffer = std::mem::take(&mut work.buffer);
    let changed = replaced(call, target, &work.row(), &mut buffer);
    let outcome = match changed {
        Ok(true) => work.write(target, &Val::Text(Cow::Borrowed(&buffer))),
        Ok(false) => Ok(()),
        Err(failure) => Err(failure),
    };
    work.buffer = buffer;
    outcome
}

/// Puts the replaced text into the buffer; false where nothing matches.
fn replaced(call: &Call, target: &Target, row: &Row<'_>, buffer: &mut Vec<u8>) -> Evaluated<bool> {
    let args = Args { call, row };
    let original = read(target, row)?;
    if matches!(original, Val::Nil) {
        return Ok(false);
    }
    if let Preparation::Replace(prepared) = &call.prepared {
        let (pattern, replacement) = &**prepared;
        return Ok(match original {
            Val::Text(text) if pattern.is_match(&text) => {
                buffer.clear();
                pattern.replace_all(&text, replacement, buffer);
                true
            }
            _ => false,
        });
    }
    let template = args.text(2)?;
    let Val::Text(text) = original else { return Ok(false) };
    with_pattern(&args, 1, |pattern| {
        if !pattern.is_match(&text) {
            return Ok(false);
        }
        buffer.clear();
        if args.has(3) {
            buffer.extend(Replacer::new(call, pattern, &template, 3).all(&text, row)?);
        } else {
            pattern.replace_all(&text, &pattern.replacement(&template), buffer);
        }
        Ok(true)
    })
}

const NO_GLOB: Failure = Failure("a text of the data that is no glob, or is too large a one");

/// The glob of a call and what replaces a whole text that it matches.
pub(super) fn whole(call: &Call, row: &Row<'_>, place: usize) -> Evaluated<(Pattern, Vec<u8>)> {
    let args = Args { call, row };
    let pattern = match &call.prepared {
        Preparation::Pattern(pattern) => pattern.clone(),
        Preparation::Brought(recent) => {
            let text = args.text(place)?;
            let compiled = glob::brought(&String::from_utf8_lossy(&text), recent);
            compiled.map_err(|_| NO_GLOB)?
        }
        _ => return Err(NO_GLOB),
    };
    let replacement = args.text(place + 1)?.into_owned();
    let replacement = match args.function(place + 2) {
        Some(function) => applied(call, function, &replacement, place + 3, row)?,
        None => replacement,
    };
    Ok((pattern, replacement))
}

fn replace_match(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let target = call.target(0)?;
    let replacement = {
        let row = work.row();
        let (glob, replacement) = whole(call, &row, 1)?;
        match read(target, &row)? {
            Val::Text(text) if glob.is_match(&text) => replacement,
            _ => return Ok(()),
        }
    };
    work.write(target, &Val::Text(Cow::Borrowed(&replacement)))
}

fn check_append(call: &Call) -> Result<Preparation, String> {
    let given = |place: usize| call.arguments.get(place).is_some_and(Option::is_some);
    match given(1) || given(2) {
        true => Ok(Preparation::Nothing),
        false => Err("value or values must be given".to_owned()),
    }
}

/// A value that is no list becomes the first element of one.
fn append(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let target = call.target(0)?;
    let items: Vec<Val<'static>> = {
        let row = work.row();
        let args = Args { call, row: &row };
        let mut items = plain_items(read(target, &row)?);
        if args.has(1) {
            items.push(args.value(1)?);
        }
        for expr in args.exprs(2) {
            items.push(expr.eval(&row)?);
        }
        if !items.iter().all(is_raw) {
            return Err(Failure("a value that no plain list holds"));
        }
        items.into_iter().map(Val::owned).collect()
    };
    work.write(target, &Val::List(List::Made(items)))
}

fn delete_index(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let target = call.target(0)?;
    let items: Vec<Val<'static>> = {
        let row = work.row();
        let args = Args { call, row: &row };
        let mut items = getters::list(read(target, &row)?)?;
        let start = args.integer(1)?;
        let end = if args.has(2) { args.integer(2)? } else { start.saturating_add(1) };
        let len = items.len() as i64;
        if start == 0 && end == len {
            items.clear();
        } else if !(0..len).contains(&start) || end < start || end > len {
            return Err(Failure("indexes that do not lie in the list"));
        } else {
            items.drain(start as usize..end as usize);
        }
        items.into_iter().map(Val::owned).collect()
    };
    work.write(target, &Val::List(List::Made(items)))
}
