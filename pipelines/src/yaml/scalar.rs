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
    /// A whole number that 64 bits with a sign do not hold.
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

fn number(text: &str) -> Option<Plain> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let bare = text.replace('_', "");
    integer(&bare).or_else(|| is_decimal(&bare).then(|| bare.parse().map(Plain::Float).ok()).flatten())
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
    Some(i64::from_str_radix(&signed, radix).map_or(Plain::TooLarge, Plain::Int))
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
