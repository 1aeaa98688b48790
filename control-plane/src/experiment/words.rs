//! Numbers and lists as sentences have them: one place, so that every sentence says them alike.

/// A count with separators: 3,624.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&String::from_utf8_lossy(group));
    }
    text
}

/// A count and its noun: "1 agent", "3 agents".
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The verb of a number of things: "1 is", "2 are".
pub fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// The same of what they have: "1 has", "2 have".
pub fn have(number: u64) -> &'static str {
    if number == 1 { "has" } else { "have" }
}

/// A share in percent, without a sign. What is not zero is never shown as zero, and what is not all never as all.
pub fn percent(share: f64) -> String {
    let share = share.abs();
    let decimals = if share >= 0.1 { 1 } else { 2 };
    let text = format!("{:.decimals$} %", 100.0 * share);
    if share > 0.0 && share < 0.000_05 {
        "less than 0.01 %".to_owned()
    } else if share < 1.0 && text == "100.0 %" {
        "over 99.9 %".to_owned()
    } else {
        text
    }
}

/// Two shares in percent, with as many decimals as it takes to tell them apart where they are not equal.
pub fn apart(shares: [f64; 2]) -> [String; 2] {
    let plain = shares.map(percent);
    let with = |decimals: usize| shares.map(|share| format!("{:.decimals$} %", 100.0 * share.abs()));
    if shares[0] == shares[1] || plain[0] != plain[1] {
        return plain;
    }
    (2..=12).map(with).find(|texts| texts[0] != texts[1]).unwrap_or(plain)
}

/// Amounts of money, with as many decimals as it takes to show each, and to tell them apart where they are not equal.
pub fn dollars(amounts: [f64; 2]) -> [String; 2] {
    let least = amounts.into_iter().map(f64::abs).filter(|amount| *amount > 0.0).fold(1.0, f64::min);
    let shown = (1.0 - least.log10().floor()).clamp(2.0, 12.0) as usize;
    let with = |decimals: usize| amounts.map(|amount| format!("{amount:.decimals$} USD"));
    let is_told = |texts: &[String; 2]| texts[0] != texts[1] || amounts[0] == amounts[1];
    (shown..=12).map(with).find(is_told).unwrap_or_else(|| with(shown))
}

/// A change in words: "3.20 % more", "1.00 % less", "unchanged".
pub fn change(relative: f64, [more, less]: [&str; 2]) -> String {
    if relative == 0.0 {
        return "unchanged".to_owned();
    }
    format!("{} {}", percent(relative), if relative > 0.0 { more } else { less })
}

/// A relative error with its sign: "+3.20 %".
pub fn signed(relative: f64) -> String {
    let sign = if relative > 0.0 {
        "+"
    } else if relative < 0.0 {
        "−"
    } else {
        return "0 %".to_owned();
    };
    let text = percent(relative);
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        format!("{sign}{text}")
    } else {
        format!("{text} ({sign})")
    }
}

/// Names in a sentence, the first five of them.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        few if few.len() <= 5 => few.join(", "),
        many => format!("{} and {} more", many[..4].join(", "), many.len() - 4),
    }
}

/// Names in order, each once.
pub fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_write_them() {
        assert_eq!(
            [0, 7, 999, 1_000, 3_624, 1_234_567].map(count).join(" "),
            "0 7 999 1,000 3,624 1,234,567"
        );
        assert_eq!((counted(1, "agent"), counted(2, "agent")), ("1 agent".to_owned(), "2 agents".to_owned()));
    }

    #[test]
    fn what_is_not_nothing_is_never_said_to_be_nothing_nor_what_is_not_all_to_be_all() {
        assert_eq!(percent(0.0), "0.00 %");
        assert_eq!(percent(0.000_001), "less than 0.01 %");
        assert_eq!((percent(1.0), percent(0.999_9)), ("100.0 %".to_owned(), "over 99.9 %".to_owned()));
        assert_eq!((signed(0.5), signed(-0.005)), ("+50.0 %".to_owned(), "−0.50 %".to_owned()));
        assert_eq!(signed(-0.000_000_1), "less than 0.01 % (−)");
        assert_eq!(change(-0.2, ["more", "fewer"]), "20.0 % fewer");
        assert_eq!(change(0.2, ["more", "fewer"]), "20.0 % more");
        assert_eq!(change(0.0, ["more", "fewer"]), "unchanged");
    }

    #[test]
    fn shares_that_differ_are_never_said_alike() {
        assert_eq!(apart([0.1, 0.1]), ["10.0 %", "10.0 %"]);
        assert_eq!(apart([0.2, 0.1]), ["20.0 %", "10.0 %"]);
        assert_eq!(apart([0.100_04, 0.1]), ["10.004 %", "10.000 %"]);
        assert_eq!(apart([0.000_01, 0.000_02]), ["0.001 %", "0.002 %"]);
    }

    #[test]
    fn money_is_never_said_to_be_none_nor_alike_where_it_is_not() {
        assert_eq!(dollars([0.8, 0.64]), ["0.80 USD", "0.64 USD"]);
        assert_eq!(dollars([0.0, 12.5]), ["0.00 USD", "12.50 USD"]);
        assert_eq!(dollars([0.04, 0.032]), ["0.040 USD", "0.032 USD"], "20 % less, not 25");
        assert_eq!(dollars([0.0045, 0.0037]), ["0.0045 USD", "0.0037 USD"]);
        assert_eq!(dollars([1000.001, 1000.002]), ["1000.001 USD", "1000.002 USD"]);
    }

    #[test]
    fn many_names_are_cut_and_counted() {
        let names: Vec<String> = (1..=7).map(|at| at.to_string()).collect();
        assert_eq!(listed(&names), "1, 2, 3, 4 and 3 more");
        assert_eq!(listed(&names[..5]), "1, 2, 3, 4, 5");
        assert_eq!(listed(&[]), "none");
    }
}
