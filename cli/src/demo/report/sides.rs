//! Both pipelines side by side: volume and cost, the aggregates people look at, and what the agents cost.

use observe::{Comparison, LensReport, Variant, VariantReport};

use super::Act;
use super::table::render;
use super::verdict::saved;
use crate::demo::numbers::{bytes, dollars, error, nanos, percent, short};

type Quantity = (&'static str, fn(&VariantReport) -> f64, fn(f64) -> String);

const QUANTITIES: [Quantity; 5] = [
    ("points", |side| side.output.points as f64, short),
    ("bytes", |side| side.output.bytes as f64, bytes),
    ("distinct series", |side| side.series.value as f64, short),
    ("active series", |side| side.active_series as f64, short),
    ("USD a month", |side| side.monthly_usd, dollars),
];

/// Points, bytes, series and cost: baseline → candidate, and what that saves.
pub fn side_by_side(act: &Act) -> String {
    let row = |(name, of, text): &Quantity| {
        let pairs: Vec<[f64; 2]> = act
            .agents
            .iter()
            .map(|agent| [of(&agent.comparison.baseline), of(&agent.comparison.candidate)])
            .collect();
        let all = pairs.iter().fold([0.0, 0.0], |sum, pair| [sum[0] + pair[0], sum[1] + pair[1]]);
        let cell = |[baseline, candidate]: [f64; 2]| {
            let saving = (baseline > 0.0).then(|| candidate / baseline - 1.0);
            let saving = saving.map_or_else(|| "–".to_owned(), |share| format!("{:+.0} %", share * 100.0));
            format!("{} → {} {saving:>6}", text(baseline), text(candidate))
        };
        let cells = pairs.into_iter().chain([all]).map(cell);
        [(*name).to_owned()].into_iter().chain(cells).collect()
    };
    let names = act.agents.iter().map(|agent| agent.name.as_str());
    let header: Vec<&str> = [""].into_iter().chain(names).chain(["all"]).collect();
    let rows = QUANTITIES.iter().map(row).collect();
    let table = render("Baseline → candidate, each over the whole input", &header, 1, rows);
    let price = act.agents.first().map(|agent| &agent.comparison.price);
    let price = price.map_or_else(String::new, |price| {
        format!(
            "\n  Price model: {} USD a month for 1,000 active series, {} USD for a GB. An example; bring your own.",
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
    let header = ["total of", "agent", "baseline", "candidate", "error", "groups", "differ", "worst group"];
    let caption = "What people look at: totals over all processes seen, the ended ones included";
    render(caption, &header, 2, rows)
}

fn lens_row(agent: &str, lens: &LensReport) -> Vec<String> {
    let unit = |value: f64| match lens.metric.as_str() {
        "process.cpu.time" => format!("{value:.2} s"),
        "process.memory.usage" => bytes(value),
        _ => short(value),
    };
    let worst = lens.worst.first();
    let worst = worst.map(|worst| format!("{} {}", worst.group, error(worst.relative_error)));
    vec![
        lens.name.clone(),
        agent.to_owned(),
        unit(lens.total.baseline),
        unit(lens.total.candidate),
        error(lens.total.relative_error),
        lens.groups.to_string(),
        lens.groups_that_differ.to_string(),
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
            format!("{:.1} % of a core", agent.own.cores * 100.0),
            bytes(agent.own.resident_bytes as f64),
        ]
    });
    let header = [
        "agent",
        "critical kept by baseline",
        "by candidate",
        "ns/point base",
        "cand",
        "p99 batch",
        "agent CPU",
        "memory",
    ];
    render("Critical processes, and what the agents themselves cost", &header, 1, rows.collect())
}

/// The saving of series, in words.
pub fn series_saving(comparison: &Comparison) -> String {
    let [baseline, candidate] = Variant::BOTH.map(|variant| match variant {
        Variant::Baseline => comparison.baseline.series.value,
        Variant::Candidate => comparison.candidate.series.value,
    });
    percent(saved([baseline, candidate]))
}
