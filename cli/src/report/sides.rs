//! Both pipelines side by side: volume and cost, and the aggregates people look at.

use observe::{Comparison, LensError, LensFunction, LensReport, VariantReport};

use super::Measured;
use super::numbers::{bytes, dollars, error, percent, saved, short};
use crate::table::{clip, render};

type Quantity = (&'static str, fn(&VariantReport) -> f64, fn(f64) -> String);

const QUANTITIES: [Quantity; 5] = [
    ("points", |side| side.output.points as f64, short),
    ("bytes", |side| side.output.bytes as f64, bytes),
    ("distinct series", |side| side.series.value as f64, short),
    ("active series", |side| side.active_series as f64, short),
    ("USD a month", |side| side.monthly_usd, dollars),
];

/// Of more hosts than this only the sum is shown.
const SHOWN: usize = 3;

/// Points, bytes, series and cost of all agents, and what each saves where they are few.
pub fn side_by_side(hosts: &[Measured<'_>]) -> String {
    let few = if hosts.len() > SHOWN { &[] } else { hosts };
    let row = |(name, of, text): &Quantity| {
        let pair = |side: &Comparison| [of(&side.baseline), of(&side.candidate)];
        let pairs = hosts.iter().map(|host| pair(host.comparison));
        let all = pairs.fold([0.0, 0.0], |sum, pair| [sum[0] + pair[0], sum[1] + pair[1]]);
        let cells = [(*name).to_owned(), text(all[0]), text(all[1]), percent(saved(all))];
        cells.into_iter().chain(few.iter().map(|host| percent(saved(pair(host.comparison))))).collect()
    };
    let names: Vec<String> = few.iter().map(|host| format!("on {}", host.name)).collect();
    let header = ["", "baseline", "candidate", "saved"].into_iter().chain(names.iter().map(String::as_str));
    let rows = QUANTITIES.iter().map(row).collect();
    let caption = "Side by side: what each pipeline made of the whole input, all agents together";
    let table = render(caption, &header.collect::<Vec<_>>(), 1, rows);
    let price = hosts.first().map(|host| &host.comparison.price);
    let price = price.map_or_else(String::new, |price| {
        format!(
            "\n  Price model: {} USD a month for 1,000 active series, {} USD for a GB.\n  Its source: {}",
            price.usd_per_1000_active_series, price.usd_per_gigabyte, price.source
        )
    });
    table + &price
}

/// Memory and CPU, by executable and by host; of many hosts, of each total the one that is off most.
pub fn lenses(hosts: &[Measured<'_>]) -> String {
    let mut rows = Vec::new();
    let names = hosts.first().map(|host| host.comparison.lenses.iter().map(|lens| &lens.name));
    for name in names.into_iter().flatten() {
        let of = |host: &Measured<'_>| host.comparison.lenses.iter().position(|lens| lens.name == *name);
        let mut found: Vec<_> =
            hosts.iter().filter_map(|host| Some((host.name, &host.comparison.lenses[of(host)?]))).collect();
        if found.len() > SHOWN {
            let off = |lens: &LensReport| lens.total.relative_error.map_or(0.0, f64::abs);
            found.sort_by(|(_, a), (_, b)| off(b).total_cmp(&off(a)));
            found.truncate(1);
        }
        rows.extend(found.into_iter().map(|(host, lens)| lens_row(host, lens)));
    }
    let header = ["total", "agent", "baseline", "candidate", "error", "differ", "worst"];
    let caption =
        "What people look at: mean of values over the instants, nothing between them; increase of counters";
    render(caption, &header, 2, rows)
}

fn lens_row(agent: &str, lens: &LensReport) -> Vec<String> {
    let unit = |value: f64| match lens.metric.as_str() {
        _ if lens.function == LensFunction::Count => short(value),
        "process.cpu.time" => format!("{value:.2} s"),
        "process.memory.usage" => bytes(value),
        _ => short(value),
    };
    let worst = lens.worst.first();
    let worst = worst.map(|worst| group(&worst.group, worst.relative_error));
    if !lens.measured.is_measured() {
        let nothing = ["–", "–", "not measured", "–", "–"].map(str::to_owned);
        return [lens.name.clone(), agent.to_owned()].into_iter().chain(nothing).collect();
    }
    vec![
        lens.name.clone(),
        agent.to_owned(),
        unit(lens.total.baseline),
        unit(lens.total.candidate),
        error(lens.total.relative_error),
        format!("{} of {}", lens.groups_that_differ, lens.groups),
        worst.unwrap_or_else(|| "–".to_owned()),
    ]
}

/// A group of a lens and how far it is off.
pub fn group(name: &str, relative: Option<f64>) -> String {
    let name =
        if name == LensError::UNNAMED { "the series without that attribute".to_owned() } else { clip(name) };
    match relative {
        Some(0.0) => format!("{name}: at instants alone"),
        other => format!("{name} {}", error(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn a_group_without_a_name_and_one_without_an_error_are_told_in_words() {
        assert_eq!(group("nginx", Some(0.5)), "nginx +50.0 %");
        assert_eq!(group("(none)", None), "the series without that attribute –");
        assert_eq!(group("(none)", Some(0.0)), "the series without that attribute: at instants alone");
    }
}
