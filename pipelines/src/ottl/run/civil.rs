//! Times as people read them: fields of the calendar in UTC, and durations as Go writes them.

use std::fmt::Write as _;

use super::value::Moment;

/// Nanoseconds from the year 1 to 1970.
pub(crate) const YEAR_1: i128 = 62_135_596_800 * 1_000_000_000;

const DAY: i128 = 86_400 * 1_000_000_000;

/// A time in the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i64,
    /// Month, from 1.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanosecond: u32,
    /// Day of the week from 0, which is Sunday.
    pub weekday: u32,
}

/// Days since 1970 of a date in the Gregorian calendar.
pub(crate) fn days(year: i64, month: u32, day: u32) -> i64 {
    // Years begin in March here, so that a leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The calendar's fields of a time in nanoseconds since 1970.
pub(crate) fn civil(time: i128) -> Civil {
    let day = time.div_euclid(DAY) as i64;
    let rest = time.rem_euclid(DAY) as u64;
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (seconds, nanosecond) = (rest / 1_000_000_000, (rest % 1_000_000_000) as u32);
    let month_number = if month < 10 { month + 3 } else { month - 9 } as u32;
    Civil {
        year: year + era * 400 + i64::from(month_number <= 2),
        month: month_number,
        day: (of_year - (153 * month + 2) / 5 + 1) as u32,
        hour: (seconds / 3600) as u32,
        minute: (seconds / 60 % 60) as u32,
        second: (seconds % 60) as u32,
        nanosecond,
        weekday: (day + 4).rem_euclid(7) as u32,
    }
}

/// Nanoseconds since 1970 of a date and a time of day in UTC.
pub(crate) fn nanoseconds(date: i64, seconds_of_day: i64, nanosecond: u32) -> i128 {
    i128::from(date) * DAY + i128::from(seconds_of_day) * 1_000_000_000 + i128::from(nanosecond)
}

fn fraction(nanosecond: u32) -> String {
    if nanosecond == 0 {
        return String::new();
    }
    let digits = format!("{nanosecond:09}");
    format!(".{}", digits.trim_end_matches('0'))
}

/// `2026-01-01T00:00:00.5Z`, or with the offset of its zone `2026-01-01T02:00:00.5+02:00`
pub(crate) fn rfc3339(time: &Moment) -> String {
    let Civil { year, month, day, hour, minute, second, nanosecond, .. } = civil(time.local());
    let zone = match time.offset() {
        0 => "Z".to_owned(),
        seconds => {
            let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
            format!("{sign}{:02}:{:02}", size / 3600, size / 60 % 60)
        }
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}{zone}", fraction(nanosecond))
}

/// `2026-01-01 00:00:00.5 +0000 UTC`
pub(crate) fn shown(time: &Moment) -> String {
    let Civil { year, month, day, hour, minute, second, nanosecond, .. } = civil(time.local());
    let (fraction, seconds) = (fraction(nanosecond), time.offset());
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let offset = format!("{sign}{:02}{:02}", size / 3600, size / 60 % 60);
    let zone = time.zone_name().unwrap_or_else(|| offset.clone());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} {offset} {zone}")
}

/// `1h2m3.5s`
pub(crate) fn duration(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let mut text = String::new();
    if nanoseconds < 0 {
        text.push('-');
    }
    let decimal = |size: u64, unit: u64, width: usize| {
        let fraction = format!("{:0width$}", size % unit);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { (size / unit).to_string() } else { format!("{}.{fraction}", size / unit) }
    };
    match size {
        0 => return "0s".to_owned(),
        1..1_000 => text.push_str(&format!("{size}ns")),
        1_000..1_000_000 => text.push_str(&format!("{}µs", decimal(size, 1_000, 3))),
        1_000_000..1_000_000_000 => text.push_str(&format!("{}ms", decimal(size, 1_000_000, 6))),
        _ => {
            let seconds = size / 1_000_000_000;
            if seconds >= 3600 {
                let _ = write!(text, "{}h", seconds / 3600);
            }
            if seconds >= 60 {
                let _ = write!(text, "{}m", seconds / 60 % 60);
            }
            let _ = write!(text, "{}s", decimal(size % 60_000_000_000, 1_000_000_000, 9));
        }
    }
    text
}
