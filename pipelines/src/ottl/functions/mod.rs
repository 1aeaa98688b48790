//! Converters and editors: what they take, and what they do.
//!
//! Each is a row of a table: its name, its parameters in order, what is made of fixed arguments when the config
//! is read, and the function that runs. Tables are grouped by subject.

mod case;
mod civil_time;
mod collections;
mod convert;
mod encode;
mod format;
mod grok;
mod hashes;
mod network;
mod parse;
mod text;
mod types;
mod url;

pub(super) use case::camel;
pub(super) use collections::shown;
pub(super) use format::sprintf;

use std::sync::Arc;

use crate::aggregate::Aggregation;
use crate::cost::{Allowance, RecentPatterns};
use crate::ottl::check::call::Call;
use crate::ottl::context::Level;
use crate::ottl::editors::{self, Work};
use crate::ottl::pattern::{Pattern, Replacement};
use crate::ottl::run::Args;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::Val;

/// Kind of value that a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParamType {
    /// Any value.
    Any,
    /// A text.
    Text,
    /// An integer.
    Int,
    /// A double.
    Double,
    /// A boolean.
    Bool,
    /// A map.
    Map,
    /// A list.
    List,
    /// A time.
    Time,
    /// A duration.
    Duration,
    /// Anything that converts to a text.
    TextLike,
    /// Anything that converts to an integer.
    IntLike,
    /// Anything that converts to a double.
    DoubleLike,
    /// Anything that converts to a boolean.
    BoolLike,
    /// Anything that has bytes.
    BytesLike,
    /// A list written as such, of values of one kind.
    Values(&'static ParamType),
    /// A text that stands in the config.
    FixedText,
    /// An integer that stands in the config.
    FixedInt,
    /// A double that stands in the config.
    FixedDouble,
    /// A boolean that stands in the config.
    FixedBool,
    /// A list of texts that stand in the config.
    FixedTexts,
    /// A list of doubles that stand in the config.
    FixedDoubles,
    /// A path that is written.
    Target,
    /// A converter, by its name.
    Function,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub takes: ParamType,
    pub optional: bool,
}

impl Parameter {
    /// The parameter as a message shows it.
    pub(super) fn shown(&self) -> String {
        if self.optional { format!("[{}]", self.name) } else { self.name.to_owned() }
    }
}

/// A parameter that every call has.
pub(super) const fn required(name: &'static str, takes: ParamType) -> Parameter {
    Parameter { name, takes, optional: false }
}

/// A parameter that calls may leave out.
pub(super) const fn optional(name: &'static str, takes: ParamType) -> Parameter {
    Parameter { name, takes, optional: true }
}

/// Parameter of an editor: the path that it edits.
pub(super) const TARGET: Parameter = required("target", ParamType::Target);

/// Places where a function is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Availability {
    /// In every context.
    Everywhere,
    /// In statements on metrics.
    Metric,
    /// In statements on data points.
    DataPoint,
    /// In conditions on metrics that are no part of a statement.
    MetricCondition,
}

/// Kind of a function.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Function that gives a value.
    Converter(for<'a, 'r> fn(&Args<'a, 'r>) -> Evaluated<Val<'a>>),
    /// Function that changes data.
    Editor(fn(&Call, &mut Work<'_>) -> Evaluated<()>),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Converter(_)) { "Converter" } else { "Editor" })
    }
}

/// Result of reading a call's fixed arguments when the config was read.
#[derive(Debug, Clone, Default)]
pub(crate) enum Preparation {
    /// Nothing.
    #[default]
    Nothing,
    /// A regular expression, or a glob as one.
    Pattern(Pattern),
    /// The last regular expressions that the data has brought: it brings this one.
    Brought(Arc<RecentPatterns>),
    /// A regular expression and what replaces what it matches.
    Replace(Box<(Pattern, Replacement)>),
    /// Networks.
    Networks(Vec<network::Network>),
    /// A format of times, and the time zone of those that say none.
    Times(Box<civil_time::Format>),
    /// A grok expression.
    Grok(Box<grok::Grok>),
    /// A function that merges points.
    Aggregation(Aggregation),
}

/// Reading of a call's fixed arguments when the config is read.
#[derive(Clone, Copy)]
pub(super) enum Prepare {
    /// They need none.
    Nothing,
    /// They are checked, or read at once.
    Read(fn(&Call) -> Result<Preparation, String>),
    /// They are compiled, which costs some of the pipeline's allowance.
    Compile(fn(&Call, &mut Allowance) -> Result<Preparation, String>),
}

impl Prepare {
    pub(super) fn run(self, call: &Call, allowance: &mut Allowance) -> Result<Preparation, String> {
        match self {
            Self::Nothing => Ok(Preparation::Nothing),
            Self::Read(read) => read(call),
            Self::Compile(compile) => compile(call, allowance),
        }
    }
}

impl std::fmt::Debug for Prepare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Read(_) => "Read",
            Self::Compile(_) => "Compile",
        })
    }
}

/// A function.
#[derive(Debug)]
pub(super) struct Signature {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    pub kind: Kind,
    pub prepare: Prepare,
    pub known: Availability,
    /// Level of what it reads by itself, apart from its arguments.
    pub reads: Level,
    /// True if what it gives depends on the time.
    pub clock: bool,
}

impl Signature {
    /// Returns whether it can be given by its name to a replacement.
    pub(super) fn takes_one_text(&self) -> bool {
        matches!(self.kind, Kind::Converter(_)) && self.parameters.len() == 1
    }
}

/// A converter whose arguments need no preparation.
const fn converter(
    name: &'static str,
    parameters: &'static [Parameter],
    run: for<'a, 'r> fn(&Args<'a, 'r>) -> Evaluated<Val<'a>>,
) -> Signature {
    Signature {
        name,
        parameters,
        kind: Kind::Converter(run),
        prepare: Prepare::Nothing,
        known: Availability::Everywhere,
        reads: Level::Constant,
        clock: false,
    }
}

/// An editor whose arguments need no preparation.
pub(super) const fn editor(
    name: &'static str,
    parameters: &'static [Parameter],
    run: fn(&Call, &mut Work<'_>) -> Evaluated<()>,
) -> Signature {
    Signature {
        name,
        parameters,
        kind: Kind::Editor(run),
        prepare: Prepare::Nothing,
        known: Availability::Everywhere,
        reads: Level::Constant,
        clock: false,
    }
}

impl Signature {
    pub(super) const fn prepared(self, read: fn(&Call) -> Result<Preparation, String>) -> Self {
        Self { prepare: Prepare::Read(read), ..self }
    }

    pub(super) const fn compiled(
        self,
        compile: fn(&Call, &mut Allowance) -> Result<Preparation, String>,
    ) -> Self {
        Self { prepare: Prepare::Compile(compile), ..self }
    }

    pub(super) const fn known(self, known: Availability) -> Self {
        Self { known, ..self }
    }

    const fn reads(self, reads: Level) -> Self {
        Self { reads, ..self }
    }

    const fn by_the_clock(self) -> Self {
        Self { clock: true, ..self }
    }
}

/// All functions.
pub(super) fn signatures() -> impl Iterator<Item = &'static Signature> {
    let tables: [&'static [Signature]; 16] = [
        types::TABLE,
        convert::TABLE,
        text::TABLE,
        case::TABLE,
        format::TABLE,
        hashes::TABLE,
        encode::TABLE,
        collections::TABLE,
        parse::TABLE,
        url::TABLE,
        network::TABLE,
        civil_time::TABLE,
        grok::TABLE,
        editors::maps::TABLE,
        editors::texts::TABLE,
        editors::metrics::TABLE,
    ];
    tables.into_iter().flatten()
}

/// The function of this name.
pub(super) fn lookup(name: &str) -> Option<&'static Signature> {
    signatures().find(|signature| signature.name == name)
}

/// Functions of OTTL that are not run, and why.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("UUID", "it is random, and the same input must give the same output"),
    ("UUIDv7", "it is random, and the same input must give the same output"),
    ("UserAgent", "it needs a catalog of browsers"),
    ("ParseXML", "XML is not read here"),
    ("ParseSimplifiedXML", "XML is not read here"),
    ("GetXML", "XML is not read here"),
    ("InsertXML", "XML is not read here"),
    ("RemoveXML", "XML is not read here"),
    ("ConvertAttributesToElementsXML", "XML is not read here"),
    ("ConvertTextToElementsXML", "XML is not read here"),
    ("ProfileID", "no metric has a profile"),
    ("IsRootSpan", "no metric has a span"),
];

/// Functions that take a lambda, which the Collector switches off.
pub(super) const LAMBDAS: &[&str] = &["All", "Any", "Filter", "Find", "MapEach", "MapKeys", "Reduce", "When"];

/// A regular expression that stands in the config is compiled when it is read.
pub(super) fn prepare_pattern<const PLACE: usize>(
    call: &Call,
    allowance: &mut Allowance,
) -> Result<Preparation, String> {
    match fixed_text(call, PLACE) {
        Some(text) => {
            let pattern = Pattern::new(&String::from_utf8_lossy(text), allowance);
            pattern.map(Preparation::Pattern).map_err(|error| error.to_string())
        }
        None => allowance.recent().map(Preparation::Brought),
    }
}

/// A text that stands in the config, whether it had to or not.
pub(super) fn fixed_text(call: &Call, place: usize) -> Option<&[u8]> {
    use crate::ottl::check::call::Argument;
    match call.arguments.get(place)?.as_ref()? {
        Argument::Text(text) | Argument::Expr(crate::ottl::check::expr::Expr::Text(text)) => Some(text),
        _ => None,
    }
}

/// The regular expression of a call, compiled now if the data brings it and has not brought it lately.
pub(super) fn with_pattern<'a, T>(
    args: &Args<'a, '_>,
    place: usize,
    run: impl FnOnce(&Pattern) -> Evaluated<T>,
) -> Evaluated<T> {
    if let Preparation::Pattern(pattern) = &args.call.prepared {
        return run(pattern);
    }
    run(&brought_pattern(args, place)?)
}

/// The regular expression that the data brings.
pub(super) fn brought_pattern(args: &Args<'_, '_>, place: usize) -> Evaluated<Pattern> {
    let Preparation::Brought(recent) = &args.call.prepared else { return Err(NO_PATTERN) };
    let compiled = Pattern::brought(&String::from_utf8_lossy(&args.text(place)?), recent);
    compiled.map_err(|_| NO_PATTERN)
}

const NO_PATTERN: Failure =
    Failure("a text of the data that is no regular expression, or is too large a one");
