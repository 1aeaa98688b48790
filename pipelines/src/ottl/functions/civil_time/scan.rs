//! Reading times: numbers may lack their leading zeros, spaces may stand before them, and months and weekdays
//! may be in either case.

use jiff::tz::TimeZone;

use crate::ottl::run::civil::{civil, days, nanoseconds};
use crate::ottl::run::value::{Moment, offset_of};

use super::format::{Format, MONTHS, Piece, WEEKDAYS, zone};

#[derive(Debug, Default)]
struct ScannedTime {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    afternoon: Option<bool>,
    offset: Option<i32>,
    zone: Option<TimeZone>,
}

/// Reads a time; one without a year is of the year of `now`, or the one before if that is a week ahead.
pub(super) fn scan(format: &Format, text: &str, now: u64) -> Option<Moment> {
    let (mut scanned, mut rest) = (ScannedTime::default(), text);
    for (place, piece) in format.pieces.iter().enumerate() {
        rest = match piece {
            Piece::Literal(literal) => skip(rest, literal)?,
            Piece::Fraction(..) => scanned.fraction(rest),
            Piece::Date => {
                let day = scanned.field('m', rest)?.strip_prefix('/')?;
                let year = scanned.field('d', day)?.strip_prefix('/')?;
                match scanned.field('Y', year) {
                    Some(rest) => rest,
                    None => scanned.field('y', year)?,
                }
            }
            Piece::Field(letter) => {
                let rest = scanned.field(*letter, rest)?;
                // Seconds may have a fraction that the format does not say.
                let follows = matches!(format.pieces.get(place + 1), Some(Piece::Fraction(..)));
                if *letter == 'S' && !follows { scanned.fraction(rest) } else { rest }
            }
        };
    }
    rest.is_empty().then(|| scanned.moment(format.zone.as_ref(), now)).flatten()
}

/// Skips a literal, in which a space stands for any number of them.
fn skip<'t>(mut text: &'t str, literal: &str) -> Option<&'t str> {
    let mut literal = literal;
    while let Some(first) = literal.chars().next() {
        if first == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(first)?;
        literal = &literal[first.len_utf8()..];
    }
    Some(text)
}

/// A number of `min` to `max` digits.
fn number(text: &str, min: usize, max: usize) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let digits = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if digits < min {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = if short { &name[..3] } else { name };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name).then(|| (index, &text[name.len()..]))
    })
}

impl ScannedTime {
    fn fraction<'t>(&mut self, text: &'t str) -> &'t str {
        let Some(digits) = text.strip_prefix(['.', ',']) else { return text };
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return text;
        }
        let shown = &digits[..count.min(9)];
        self.nanosecond = format!("{shown:0<9}").parse().unwrap_or(0);
        &digits[count..]
    }

    fn field<'t>(&mut self, letter: char, text: &'t str) -> Option<&'t str> {
        let take = |slot: &mut u32, limits: std::ops::RangeInclusive<u32>| {
            let (value, rest) = number(text, 1, 2)?;
            *slot = value;
            limits.contains(&value).then_some(rest)
        };
        match letter {
            'H' => return take(&mut self.hour, 0..=23),
            'I' | 'l' => return take(&mut self.hour, 0..=12),
            'M' => return take(&mut self.minute, 0..=59),
            'S' => return take(&mut self.second, 0..=59),
            'm' | 'o' | 'q' => return take(self.month.insert(0), 1..=12),
            'd' | 'e' | 'g' => return take(self.day.insert(0), 0..=99),
            _ => {}
        }
        Some(match letter {
            'Y' => {
                let (year, rest) = number(text, 4, 4)?;
                self.year = Some(year.into());
                rest
            }
            'y' => {
                let (year, rest) = number(text, 2, 2)?;
                self.year = Some(i64::from(year) + if year >= 69 { 1900 } else { 2000 });
                rest
            }
            'b' | 'h' | 'B' => {
                let (index, rest) = name(text, &MONTHS, letter != 'B')?;
                self.month = Some(index as u32 + 1);
                rest
            }
            'a' | 'A' => name(text, &WEEKDAYS, letter == 'a')?.1,
            'p' | 'P' => {
                let names = if letter == 'p' { ["AM", "PM"] } else { ["am", "pm"] };
                let head = text.get(..2)?;
                self.afternoon = Some(names.iter().position(|name| *name == head)? == 1);
                &text[2..]
            }
            'Z' => self.zone_name(text)?,
            letter => self.zone_offset(letter, text)?,
        })
    }

    fn zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
        let (name, rest) = text.split_at(letters);
        if !(3..=5).contains(&letters) {
            return None;
        }
        self.zone = Some(zone(name).ok()?);
        Some(rest)
    }

    fn zone_offset<'t>(&mut self, letter: char, text: &'t str) -> Option<&'t str> {
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix('Z').filter(|_| letter == 'z') {
            self.offset = Some(0);
            return Some(rest);
        }
        let negative = match text.as_bytes().first()? {
            b'+' => false,
            b'-' => true,
            _ => return None,
        };
        // `%z` takes every way of writing an offset.
        let shapes: &[&[usize]] = match letter {
            'z' => &[&[2, 2], &[2, 1, 2], &[2]],
            'w' => &[&[2, 2, 2]],
            'i' => &[&[2]],
            'k' => &[&[2, 1, 2, 1, 2]],
            _ => &[&[2, 1, 2]],
        };
        let (seconds, rest) = shapes.iter().find_map(|shape| offset(&text[1..], shape))?;
        self.offset = Some(if negative { -seconds } else { seconds });
        Some(rest)
    }

    fn moment(mut self, zone: Option<&TimeZone>, now: u64) -> Option<Moment> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let leap = self.year.is_none_or(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
        let longest = match month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day < 1 || day > longest {
            return None;
        }
        let seconds = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        let year = self.year.filter(|year| *year > 0);
        let own = self.zone.clone();
        let at = |year| {
            let local = nanoseconds(days(year, month, day), seconds, self.nanosecond);
            let zone = own.as_ref().or(zone).cloned().unwrap_or(TimeZone::UTC);
            let of_zone =
                |offset: i32| Moment { at: local - i128::from(offset) * 1_000_000_000, zone: zone.clone() };
            let Some(offset) = self.offset else { return of_zone(offset_at(&zone, local)) };
            let moment = of_zone(offset);
            // An offset that is the zone's own is the zone.
            if moment.offset() == offset { moment } else { Moment { zone: fixed(offset), ..moment } }
        };
        let Some(year) = year else {
            let this = civil(now.into()).year;
            let moment = at(this);
            let ahead = moment.at > i128::from(now) + 7 * 86_400 * 1_000_000_000;
            return Some(if ahead { at(this - 1) } else { moment });
        };
        Some(at(year))
    }
}

/// Hours, minutes and seconds of two digits each; a 1 in the shape is a colon.
fn offset<'t>(text: &'t str, shape: &[usize]) -> Option<(i32, &'t str)> {
    let (mut seconds, mut unit, mut rest) = (0, 3600, text);
    for part in shape {
        if *part == 1 {
            rest = rest.strip_prefix(':')?;
            continue;
        }
        let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        seconds += digits.parse::<i32>().ok()? * unit;
        unit /= 60;
        rest = &rest[2..];
    }
    let ends = !rest.starts_with(|c: char| c.is_ascii_digit() || c == ':');
    ends.then_some((seconds, rest))
}

/// A zone without a name; UTC past a day.
fn fixed(offset: i32) -> TimeZone {
    jiff::tz::Offset::from_seconds(offset).map_or(TimeZone::UTC, TimeZone::fixed)
}

/// Returns how far a zone is ahead of UTC at a local time, in seconds.
fn offset_at(zone: &TimeZone, local: i128) -> i32 {
    // The offset at the time that a first guess leads to; the second is right outside of changes of the clock.
    let first = offset_of(zone, local);
    offset_of(zone, local - i128::from(first) * 1_000_000_000)
}
