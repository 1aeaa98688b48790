//! Both pipelines side by side: volume and cost, the aggregates people look at, and what the agents cost.

use observe::{Comparison, LensFunction, LensReport, VariantReport};

use super::Act;
use super::verdict::saved;
use crate::demo::numbers::{bytes, dollars, error, nanos, percent, short};
use crate::table::{clip, render};

type Quantity = (&'static str, fn(&VariantReport) -> f64, fn(f64) -> String);

const QUANTITIES: [Quantity; 5] = [
    ("points", |side| side.output.points as f64, short),
    ("bytes", |side| side.output.bytes as f64, bytes),
    ("distinct series", |side| side.series.value as f64, short),
    ("active series", |side| side.active_series as f64, short),
    ("USD a month", |side| side.monthly_usd, dollars),
];

/// Points, bytes, series and cost of all agents, and what each saves.
pub fn side_by_side(act: &Act) -> String {
    let row = |(name, of, text): &Quantity| {
        let pair = |side: &Comparison| [of(&side.baseline), of(&side.candidate)];
        let pairs: Vec<[f64; 2]> = act.agents.iter().map(|agent| pair(&agent.comparison)).collect();
        let all = pairs.iter().fold([0.0, 0.0], |sum, pair| [sum[0] + pair[0], sum[1] + pair[1]]);
        let cells = [(*name).to_owned(), text(all[0]), text(all[1]), percent(saved(all))];
        cells.into_iter().chain(pairs.into_iter().map(|pair| percent(saved(pair)))).collect()
    };
    let names: Vec<String> = act.agents.iter().map(|agent| format!("on {}", agent.name)).collect();
    let header = ["", "baseline", "candidate", "saved"].into_iter().chain(names.iter().map(String::as_str));
    let rows = QUANTITIES.iter().map(row).collect();
    let caption = "Side by side: what each pipeline made of the whole input, all agents together";
    let table = render(caption, &header.collect::<Vec<_>>(), 1, rows);
    let price = act.agents.first().map(|agent| &agent.comparison.price);
    let price = price.map_or_else(String::new, |price| {
        format!(
            "\n  Price model, an example to give a scale: {} USD a month for 1,000 active series, {} USD for a GB.",
            price.usd_per_1000_active_series, price.usd_per_gigabyte
        )
    });
    table + &price
}

/// Memory and CPU, by executable and by host.
pub fn lenses(act: &Act) -> String {
    let mut rows = Vec::new();
    let names = act.agents.first().map(|agent| agent.comparison.lenses.iter().map(|lens| lens.name.clone()));
    for name in names.into_iter().flatten() {
        for agent in &act.agents {
            let lens = agent.comparison.lenses.iter().find(|lens| lens.name == name);
            rows.extend(lens.map(|lens| lens_row(&agent.name, lens)));
        }
    }
    let header = ["total", "agent", "baseline", "candidate", "error", "differ", "worst"];
    let caption = "What people look at: totals over all processes seen, the ended ones included";
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
    let worst = worst.map(|worst| format!("{} {}", clip(&worst.group), error(worst.relative_error)));
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

/// Critical coverage, what each pipeline takes a point, and what the agent takes of its host.
pub fn agents(act: &Act) -> String {
    let rows = act.agents.iter().map(|agent| {
        let Comparison { coverage, baseline, candidate, .. } = &agent.comparison;
        let kept = |kept: u64| match coverage.critical {
            0 => "none seen".to_owned(),
            critical => format!("{kept} of {critical}"),
        };
        let took = |side: &VariantReport| side.nanos_per_point.map_or_else(|| "–".to_owned(), nanos);
        vec![
            agent.name.clone(),
            kept(coverage.baseline),
            kept(coverage.candidate),
            took(baseline),
            took(candidate),
            nanos(candidate.latency.p99 as f64),
            percent(Some(agent.own.cores)),
            bytes(agent.own.resident_bytes as f64),
        ]
    });
    let header = [
        "agent",
        "critical: baseline",
        "candidate",
        "point: baseline",
        "candidate",
        "p99 batch",
        "CPU",
        "memory",
    ];
    render(
        "Critical processes shown; time in the pipelines; what the agents take, CPU in percent of a core",
        &header,
        1,
        rows.collect(),
    )
}

/// The saving of series, in words.
pub fn series_saving(comparison: &Comparison) -> String {
    percent(saved([comparison.baseline.series.value as f64, comparison.candidate.series.value as f64]))
}
