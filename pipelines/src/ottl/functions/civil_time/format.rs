//! Formats of times in the manner of `strptime`, with the Collector's directives.

use jiff::tz::TimeZone;

use crate::ottl::run::civil::civil;
use crate::ottl::run::value::Moment;

/// A piece of a format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// Text that stands for itself.
    Literal(String),
    /// A directive, by its letter.
    Field(char),
    /// The date of `%D` and `%x`: written with four digits of the year, read with four or two, as the Collector does.
    Date,
    /// A decimal sign and this many digits of a second at most.
    Fraction(char, usize),
}

/// A format, and the zone of times that say none.
#[derive(Debug, Clone)]
pub(in crate::ottl) struct Format {
    pub(super) pieces: Vec<Piece>,
    pub(super) zone: Option<TimeZone>,
}

/// Directives that stand for several.
const COMPOSED: [(char, &str); 6] = [
    ('F', "%Y-%m-%d"),
    ('T', "%H:%M:%S"),
    ('X', "%H:%M:%S"),
    ('r', "%I:%M:%S %P"),
    ('R', "%H:%M"),
    ('c', "%a %b %d %H:%M:%S %Y"),
];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A zone of the bundled database, so that no machine's own makes a difference.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "UTC" | "Local") {
        return Ok(TimeZone::UTC);
    }
    let database = jiff::tz::TimeZoneDatabase::bundled();
    database.get(name).map_err(|_| format!("the location {name:?} is not known"))
}

impl Format {
    /// Reads a format.
    pub(super) fn parse(format: &str) -> Result<Self, String> {
        if format.is_empty() {
            return Err("the format is empty".to_owned());
        }
        if format.contains(|c: char| c.is_ascii_digit()) {
            return Err("the format must not contain digits".to_owned());
        }
        let mut pieces = Vec::new();
        put(format, &mut pieces)?;
        Ok(Self { pieces, zone: None })
    }

    /// A time in this format.
    pub(super) fn write(&self, time: &Moment) -> String {
        let fields = civil(time.local());
        let mut out = String::new();
        let month = MONTHS[(fields.month as usize).saturating_sub(1) % 12];
        let weekday = WEEKDAYS[fields.weekday as usize % 7];
        let twelve = if fields.hour.is_multiple_of(12) { 12 } else { fields.hour % 12 };
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Date => {
                    out.push_str(&format!("{:02}/{:02}/{:04}", fields.month, fields.day, fields.year));
                }
                Piece::Fraction(sign, digits) => {
                    let fraction = format!("{:09}", fields.nanosecond);
                    let fraction = fraction[..*digits].trim_end_matches('0');
                    if !fraction.is_empty() {
                        out.push(*sign);
                        out.push_str(fraction);
                    }
                }
                Piece::Field(letter) => out.push_str(&match letter {
                    'Y' => format!("{:04}", fields.year),
                    'y' => format!("{:02}", fields.year.rem_euclid(100)),
                    'm' => format!("{:02}", fields.month),
                    // Go has no month padded with a space: the underscore stands for itself.
                    'o' => format!("_{}", fields.month),
                    'q' => fields.month.to_string(),
                    'b' | 'h' => month[..3].to_owned(),
                    'B' => month.to_owned(),
                    'd' => format!("{:02}", fields.day),
                    'e' => format!("{:2}", fields.day),
                    'g' => fields.day.to_string(),
                    'a' => weekday[..3].to_owned(),
                    'A' => weekday.to_owned(),
                    'H' => format!("{:02}", fields.hour),
                    'l' => twelve.to_string(),
                    'I' => format!("{twelve:02}"),
                    'p' => if fields.hour < 12 { "AM" } else { "PM" }.to_owned(),
                    'P' => if fields.hour < 12 { "am" } else { "pm" }.to_owned(),
                    'M' => format!("{:02}", fields.minute),
                    'S' => format!("{:02}", fields.second),
                    'Z' => time.zone_name().unwrap_or_else(|| offset('z', time.offset())),
                    letter => offset(*letter, time.offset()),
                }),
            }
        }
        out
    }
}

fn put(format: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        let Some(letter) = (c == '%').then(|| rest.next()).flatten() else {
            literal(pieces, c);
            continue;
        };
        match letter {
            '%' => literal(pieces, '%'),
            'n' => literal(pieces, '\n'),
            't' => literal(pieces, '\t'),
            'D' | 'x' => pieces.push(Piece::Date),
            'L' | 'f' | 's' => {
                let sign = match pieces.last_mut() {
                    Some(Piece::Literal(text)) if text.ends_with(['.', ',']) => text.pop(),
                    _ => None,
                };
                let sign = sign.ok_or_else(|| format!("%{letter} must follow a point or a comma"))?;
                pieces.push(Piece::Fraction(
                    sign,
                    match letter {
                        'L' => 3,
                        'f' => 6,
                        _ => 9,
                    },
                ));
            }
            letter if "YymoqbhBdegaAHlIpPMSZzwijk".contains(letter) => pieces.push(Piece::Field(letter)),
            letter => match COMPOSED.iter().find(|(known, _)| *known == letter) {
                Some((_, composed)) => put(composed, pieces)?,
                None => return Err(format!("unknown directive %{letter}")),
            },
        }
    }
    Ok(())
}

fn literal(pieces: &mut Vec<Piece>, c: char) {
    match pieces.last_mut() {
        Some(Piece::Literal(text)) => text.push(c),
        _ => pieces.push(Piece::Literal(c.to_string())),
    }
}

/// A zone's offset.
fn offset(letter: char, seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, seconds_left) = (size / 3600, size / 60 % 60, size % 60);
    match letter {
        'z' if seconds == 0 => "Z".to_owned(),
        'z' => format!("{sign}{hours:02}{minutes:02}"),
        'w' => format!("{sign}{hours:02}{minutes:02}{seconds_left:02}"),
        'i' => format!("{sign}{hours:02}"),
        'k' => format!("{sign}{hours:02}:{minutes:02}:{seconds_left:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    }
}
