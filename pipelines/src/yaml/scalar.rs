//! Types of unquoted scalars: the rules of the Collector's YAML library.
//!
//! It is YAML 1.2's core schema, and from YAML 1.1 the underscores and the octals that begin with 0;
//! `yes`, `no`, `on` and `off` are text.

/// The kind of an unquoted scalar that is not text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plain {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// A whole number that 64 bits hold without a sign alone; what is larger still is a double.
    TooLarge,
}

/// Reads a plain scalar; `None` says that it is text.
pub(super) fn plain(text: &str) -> Option<Plain> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "true" | "True" | "TRUE" => Plain::Bool(true),
        "false" | "False" | "FALSE" => Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Plain::Float(f64::NEG_INFINITY),
        _ => return number(text),
    })
}

/// Tells whether the Collector's YAML library takes a plain scalar for a date, with or without a time.
pub(super) fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let within = |part: &str, most: u32| {
        (1..=2).contains(&part.len()) && digits(part).is_some_and(|number| (1..=most).contains(&number))
    };
    let date = year.len() == 4 && digits(year).is_some() && within(month, 12) && within(day, 31);
    date && time.is_none_or(|time| is_time(&time[1..], !time.starts_with(' ')))
}

/// `h:m:s` with a fraction; with a zone if it is `zoned`, without one if not.
fn is_time(text: &str, zoned: bool) -> bool {
    let zone = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone);
    let is_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            offset.len() == 5 && offset.split(':').all(|part| part.len() == 2 && digits(part).is_some())
        }
        None => zone == "Z",
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return false };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let within = |part: &str, most: u32| part.len() <= 2 && digits(part).is_some_and(|number| number <= most);
    let clock = within(hours, 23) && within(minutes, 59) && within(seconds, 59);
    clock
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && if zoned { is_zone } else { zone.is_empty() }
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn number(text: &str) -> Option<Plain> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let bare = text.replace('_', "");
    // What a double does not hold is text.
    let double = || bare.parse().ok().filter(|value: &f64| value.is_finite()).map(Plain::Float);
    integer(&bare).or_else(|| is_decimal(&bare).then(double).flatten())
}

fn integer(bare: &str) -> Option<Plain> {
    let (negative, digits) = match bare.as_bytes().first()? {
        b'-' => (true, &bare[1..]),
        b'+' => (false, &bare[1..]),
        _ => (false, bare),
    };
    let prefixed = |lower, upper| digits.strip_prefix(lower).or_else(|| digits.strip_prefix(upper));
    let (digits, radix) = if let Some(rest) = prefixed("0x", "0X") {
        (rest, 16)
    } else if let Some(rest) = prefixed("0o", "0O") {
        (rest, 8)
    } else if let Some(rest) = prefixed("0b", "0B") {
        (rest, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    if let Ok(value) = i64::from_str_radix(&signed, radix) {
        return Some(Plain::Int(value));
    }
    let is_unsigned = !negative && u64::from_str_radix(digits, radix).is_ok();
    // In other digits than ten it is no number of any kind.
    (is_unsigned || radix != 10).then_some(Plain::TooLarge)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(bare: &str) -> bool {
    let unsigned = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let bare = unsigned(bare);
    let (mantissa, exponent) = match bare.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (bare.as_str(), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_text_that_looks_like_them() {
        for date in [
            "2024-01-31",
            "2024-1-3",
            "2024-01-31T10:00:00Z",
            "2024-01-31t1:2:3.25+02:00",
            "2024-01-31 10:00:00",
        ] {
            assert!(is_timestamp(date), "{date}");
        }
        for text in [
            "2024-13-01",
            "2024-01",
            "24-01-31",
            "2024-01-31T10:00:00",
            "2024-01-31 10:00:00Z",
            "2024-01-31-a",
            "v2024-01-31",
            "2024-01-311",
            "",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
