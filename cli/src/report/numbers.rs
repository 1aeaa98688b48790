//! Numbers as people read them.

/// A count with its thousands apart: 1,234,567.
pub fn exact(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in three digits: 1.23 M.
pub fn short(count: f64) -> String {
    scaled(count, [" G", " M", " k", ""])
}

/// Bytes in three digits: 3.40 MB.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, [" GB", " MB", " kB", " B"])
}

fn scaled(number: f64, units: [&str; 4]) -> String {
    let steps = [1e9, 1e6, 1e3, 1.0];
    // What rounds up to 1,000 belongs to the next unit.
    let at = steps.iter().position(|step| number.abs() >= step * 0.9995).unwrap_or(3);
    let (value, unit) = (number / steps[at], units[at]);
    if at == 3 {
        return format!("{value:.0}{unit}");
    }
    let decimals = match value.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

/// Share of the first that the second saves.
pub fn saved([baseline, candidate]: [f64; 2]) -> Option<f64> {
    (baseline > 0.0).then(|| 1.0 - candidate / baseline)
}

/// A share in percent: 43.1 %; a dash where there is none.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A relative error: `none` only where there is not the least difference.
pub fn error(relative: Option<f64>) -> String {
    let Some(relative) = relative else { return "–".to_owned() };
    let percent = relative * 100.0;
    match percent.abs() {
        0.0 => "none".to_owned(),
        ..0.001 => "< 0.001 %".to_owned(),
        ..1.0 => format!("{percent:+.3} %"),
        _ => format!("{percent:+.1} %"),
    }
}

/// US dollars.
pub fn dollars(usd: f64) -> String {
    if usd.abs() < 1_000.0 { format!("{usd:.2}") } else { short(usd) }
}

/// A duration in nanoseconds.
pub fn nanos(nanos: f64) -> String {
    match nanos {
        ..1e3 => format!("{nanos:.0} ns"),
        ..1e6 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_every_digit_or_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(exact), ["0", "999", "1,000", "1,234,567"]);
        let rounded = [0.0, 999.0, 999.6, 1_234.0, 12_345.0, 999_900.0, 1_234_567.0].map(short);
        assert_eq!(rounded, ["0", "999", "1.00 k", "1.23 k", "12.3 k", "1.00 M", "1.23 M"]);
        assert_eq!([512.0, 3_400_000.0].map(bytes), ["512 B", "3.40 MB"]);
    }

    #[test]
    fn no_error_is_told_from_a_small_one() {
        let errors = [Some(0.0), Some(-1e-9), Some(-0.0012), Some(0.5), None].map(error);
        assert_eq!(errors, ["none", "< 0.001 %", "-0.120 %", "+50.0 %", "–"]);
        assert_eq!([Some(0.431), None].map(percent), ["43.1 %", "–"]);
    }
}
