//! Durations as Go writes them.

/// Reads `1h30m`, `-2.5s`, `250ms` or `0` to nanoseconds.
pub fn parse(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = (!rest.is_empty()).then_some(0_i64)?;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let unit = match &tail[..end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(part(number, unit)?)?;
        rest = &tail[end..];
    }
    Some(sign * total)
}

/// A number times a unit; what is less than a nanosecond is cut off.
fn part(number: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok() };
    // More digits than these are less than a nanosecond of any unit.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_f64.powi(fraction.len() as i32);
    let cut = (digits(fraction)? as f64 * (unit as f64 / scale)) as i64;
    digits(whole)?.checked_mul(unit)?.checked_add(cut)
}
