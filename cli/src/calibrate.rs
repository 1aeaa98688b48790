//! `phoenix calibrate`: the table of wrong answers and power, reproduced.

use std::process::ExitCode;

use calibration::{Alpha, Kind, Row, Scenario, table};
use serde_json::json;

use crate::runner::{self, Progress};
use crate::{output, table as tables};

/// Reproduce the table of wrong answers and power of the sequential tests, by simulation through the same code.
///
/// Exits with 1 if a row of 1,000 runs or more breaks what is promised: at most 5 % of runs with a wrong answer (upper end
/// of the 95 % interval at most 6 %), and 99.5 % with the right one.
#[derive(clap::Args)]
pub struct Args {
    /// Runs of each row
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    runs: u64,
    /// The same seed gives the same table, on any machine and on any number of cores
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the rows whose name has this in it
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Print one JSON document: {"rows": […]}
    #[arg(long)]
    json: bool,
    /// Print the table in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let scenarios = chosen(args.scenario.as_deref())?;
    let progress = Progress::new(args.runs.saturating_mul(scenarios.len() as u64));
    let rows = scenarios.iter().map(|scenario| {
        let outcomes = runner::outcomes(scenario, args.seed, args.runs, &progress)?;
        Ok(Row::of(scenario, &outcomes))
    });
    let rows = rows.collect::<anyhow::Result<Vec<Row>>>()?;
    progress.finish();
    if args.json {
        output::say(&json!({ "rows": rows }))?;
    } else if args.markdown {
        output::line(&markdown(&rows))?;
    } else {
        let cells = rows.iter().map(|row| cells(row).into()).collect();
        output::line(&tables::render("Wrong answers and power, α = 0.05", &HEADER, 2, cells))?;
    }
    let broken: Vec<&Row> = rows.iter().filter(|row| row.keeps_its_promise() == Some(false)).collect();
    for row in &broken {
        output::tell(&format!("{} breaks what is promised", row.scenario));
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(named: Option<&str>) -> anyhow::Result<Vec<Scenario>> {
    let mut all = table(Alpha::new(0.05)?);
    let Some(named) = named else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|scenario| scenario.name.clone()).collect();
    match all.iter().position(|scenario| scenario.name == named) {
        Some(exactly) => all = vec![all.swap_remove(exactly)],
        None => all.retain(|scenario| scenario.name.contains(named)),
    }
    if all.is_empty() {
        anyhow::bail!("no scenario has {named:?} in its name; there are: {}", names.join("; "));
    }
    Ok(all)
}

const HEADER: [&str; 8] = [
    "scenario",
    "kind",
    "answer",
    "runs",
    "share (95 % interval)",
    "median time",
    "median mirror",
    "looked at for",
];

fn cells(row: &Row) -> [String; 8] {
    let minutes =
        |minutes: Option<f64>| minutes.map_or_else(|| "–".to_owned(), |minutes| format!("{minutes:.0} min"));
    let (kind, answer) = match row.kind {
        Kind::AA => ("A/A", "violated"),
        Kind::AtMargin => ("at the margin", "met"),
        Kind::Harm => ("harm", "violated"),
        Kind::Harmless => ("harmless", "met"),
    };
    [
        row.scenario.clone(),
        kind.to_owned(),
        answer.to_owned(),
        row.runs.to_string(),
        runner::rate(row.rate, row.interval),
        minutes(row.median_minutes),
        minutes(row.mirror_minutes),
        runner::minutes(row.horizon_minutes),
    ]
}

fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines =
        vec![line(&HEADER.map(str::to_owned)), "|---|---|---|---:|---:|---:|---:|---:|".to_owned()];
    lines.extend(rows.iter().map(|row| line(&cells(row))));
    lines.join("\n")
}
