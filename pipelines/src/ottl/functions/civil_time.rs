//! Times and durations.

use crate::ottl::run::civil::{self, Civil, civil};
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::{Moment, Val};
use crate::yaml::parse_duration;

use super::{Args, Call, ParamType, Preparation, Signature, converter, fixed_text, optional, required};

mod format;
mod scan;

pub(in crate::ottl) use format::Format;

const TIME: &[super::Parameter] = &[required("time", ParamType::Time)];
const DURATION: &[super::Parameter] = &[required("duration", ParamType::Duration)];

pub(super) const TABLE: &[Signature] = &[
    converter(
        "Time",
        &[
            required("time", ParamType::Text),
            required("format", ParamType::FixedText),
            optional("location", ParamType::FixedText),
            optional("locale", ParamType::FixedText),
        ],
        time,
    )
    .prepared(prepare_time)
    .by_the_clock(),
    converter(
        "FormatTime",
        &[required("time", ParamType::Time), required("format", ParamType::FixedText)],
        |args| match &args.call.prepared {
            Preparation::Times(format) => Ok(Val::text(format.write(&args.time(0)?))),
            _ => Err(Failure("a format is missing")),
        },
    )
    .prepared(|call| {
        let format = String::from_utf8_lossy(fixed_text(call, 1).unwrap_or_default()).into_owned();
        Ok(Preparation::Times(Box::new(Format::parse(&format)?)))
    }),
    converter(
        "Unix",
        &[required("seconds", ParamType::Int), optional("nanoseconds", ParamType::Int)],
        |args| {
            let nanoseconds = if args.has(1) { args.integer(1)? } else { 0 };
            let at = i128::from(args.integer(0)?) * 1_000_000_000 + i128::from(nanoseconds);
            Ok(Val::Time(Moment::utc(at)))
        },
    ),
    converter("Now", &[], |args| Ok(Val::Time(Moment::utc(args.row.now.into())))).by_the_clock(),
    converter("UnixSeconds", TIME, |args| since_1970(args, 1_000_000_000)),
    converter("UnixMilli", TIME, |args| since_1970(args, 1_000_000)),
    converter("UnixMicro", TIME, |args| since_1970(args, 1_000)),
    converter("UnixNano", TIME, |args| since_1970(args, 1)),
    converter("Year", TIME, |args| field(args, |civil| civil.year)),
    converter("Month", TIME, |args| field(args, |civil| civil.month.into())),
    converter("Day", TIME, |args| field(args, |civil| civil.day.into())),
    converter("Weekday", TIME, |args| field(args, |civil| civil.weekday.into())),
    converter("Hour", TIME, |args| field(args, |civil| civil.hour.into())),
    converter("Minute", TIME, |args| field(args, |civil| civil.minute.into())),
    converter("Second", TIME, |args| field(args, |civil| civil.second.into())),
    converter("Nanosecond", TIME, |args| field(args, |civil| civil.nanosecond.into())),
    converter(
        "TruncateTime",
        &[required("time", ParamType::Time), required("duration", ParamType::Duration)],
        truncate,
    ),
    converter("Duration", &[required("duration", ParamType::Text)], |args| {
        let text = args.text(0)?;
        let nanoseconds = std::str::from_utf8(&text).ok().and_then(parse_duration);
        Ok(Val::Duration(nanoseconds.ok_or(Failure("a text that is no duration"))?))
    }),
    converter("Nanoseconds", DURATION, |args| Ok(Val::Int(args.duration(0)?))),
    converter("Microseconds", DURATION, |args| Ok(Val::Int(args.duration(0)? / 1_000))),
    converter("Milliseconds", DURATION, |args| Ok(Val::Int(args.duration(0)? / 1_000_000))),
    converter("Seconds", DURATION, |args| in_units(args, 1_000_000_000)),
    converter("Minutes", DURATION, |args| in_units(args, 60_000_000_000)),
    converter("Hours", DURATION, |args| in_units(args, 3_600_000_000_000)),
];

fn since_1970<'a>(args: &Args<'a, '_>, unit: i128) -> Evaluated<Val<'a>> {
    Ok(Val::Int(args.time(0)?.at.div_euclid(unit) as i64))
}

fn field<'a>(args: &Args<'a, '_>, field: impl Fn(Civil) -> i64) -> Evaluated<Val<'a>> {
    let time = args.time(0)?;
    Ok(Val::Int(field(civil(time.local()))))
}

/// Whole units and the rest apart, so that large durations keep their precision.
fn in_units<'a>(args: &Args<'a, '_>, unit: i64) -> Evaluated<Val<'a>> {
    let duration = args.duration(0)?;
    Ok(Val::Double((duration / unit) as f64 + (duration % unit) as f64 / unit as f64))
}

/// Rounds down to a multiple of the duration since the year 1.
fn truncate<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let (time, duration) = (args.time(0)?, args.duration(1)?);
    if duration <= 0 {
        return Ok(Val::Time(time));
    }
    let since_year_1 = time.at + civil::YEAR_1;
    Ok(Val::Time(Moment { at: time.at - since_year_1.rem_euclid(duration.into()), ..time }))
}

/// Times without a zone are in the given one, or in UTC: here the machine's own zone makes no difference.
fn prepare_time(call: &Call) -> Result<Preparation, String> {
    let format = String::from_utf8_lossy(fixed_text(call, 1).unwrap_or_default()).into_owned();
    let mut format = Format::parse(&format)?;
    if let Some(locale) = fixed_text(call, 3)
        && !locale.to_ascii_lowercase().starts_with(b"en")
    {
        return Err(format!("times are not read in {:?} here", String::from_utf8_lossy(locale)));
    }
    if let Some(name) = fixed_text(call, 2).filter(|name| !name.is_empty()) {
        format.zone = Some(format::zone(&String::from_utf8_lossy(name))?);
    }
    Ok(Preparation::Times(Box::new(format)))
}

fn time<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let Preparation::Times(format) = &args.call.prepared else { return Err(Failure("a format is missing")) };
    let text = args.text(0)?;
    let text = std::str::from_utf8(&text).ok().filter(|text| !text.is_empty());
    let text = text.ok_or(Failure("an empty text is no time"))?;
    let read = scan::scan(format, text, args.row.now);
    read.map(Val::Time).ok_or(Failure("a text that is no time of this format"))
}
