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
    if at == 3 && value.fract() == 0.0 {
        return format!("{value:.0}{unit}");
    }
    let decimals = match value.abs() {
        ..0.9995 => significant(value),
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

/// Decimals that show three digits of a number below 1.
fn significant(number: f64) -> usize {
    if number == 0.0 { 0 } else { (2.0 - number.abs().log10().floor()).clamp(2.0, 12.0) as usize }
}

/// Share of the first that the second saves.
pub fn saved([baseline, candidate]: [f64; 2]) -> Option<f64> {
    (baseline > 0.0).then(|| 1.0 - candidate / baseline)
}

/// A share in percent: 43.1 %; a dash where there is none. What is not none or all is not shown so.
pub fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return "–".to_owned() };
    match share {
        0.999_5.. if share < 1.0 => "> 99.9 %".to_owned(),
        _ if share > 0.0 && share < 0.000_5 => "< 0.1 %".to_owned(),
        _ if share < 0.0 && share > -0.000_5 => "> −0.1 %".to_owned(),
        _ => format!("{:.1} %", share * 100.0),
    }
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
    match usd.abs() {
        ..0.1 => format!("{usd:.*}", significant(usd).saturating_sub(1).max(2)),
        ..1_000.0 => format!("{usd:.2}"),
        _ => short(usd),
    }
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

    #[test]
    fn what_is_not_nothing_is_never_shown_as_nothing_nor_what_is_not_all_as_all() {
        assert_eq!([0.0, 7.0, 0.25, 2.5, 0.001_234].map(short), ["0", "7", "0.250", "2.50", "0.00123"]);
        assert_eq!(
            [0.0, 0.8, 0.032, 0.0045, 12.0].map(dollars),
            ["0.00", "0.80", "0.032", "0.0045", "12.00"]
        );
        let shares = [0.0, 0.000_1, -0.000_1, 0.2, 0.999_9, 1.0].map(|share| percent(Some(share)));
        assert_eq!(shares, ["0.0 %", "< 0.1 %", "> −0.1 %", "20.0 %", "> 99.9 %", "100.0 %"]);
    }
}
