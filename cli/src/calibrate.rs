//! `phoenix calibrate`: the table of false alarms and power, reproduced.

use std::process::ExitCode;

use calibration::{Alpha, Kind, Row, Scenario, table};
use serde_json::json;

use crate::runner::{self, Progress};
use crate::{output, table as tables};

/// Reproduce the table of false alarms and power of the sequential tests, by simulation through the same code.
///
/// Exits with 1 if a row of 1,000 runs or more breaks what is promised: at most 5 % of days with a false alarm (upper end
/// of the 95 % interval at most 6 %), and 99.5 % of shifts found.
#[derive(clap::Args)]
pub struct Args {
    /// Runs of each row; without it 2,000 where nothing is wrong, and 1,000 of a shift
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    runs: Option<u64>,
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
    let runs =
        |scenario: &Scenario| args.runs.unwrap_or(if scenario.kind() == Kind::AA { 2_000 } else { 1_000 });
    let progress = Progress::new(scenarios.iter().map(runs).sum());
    let rows = scenarios.iter().map(|scenario| {
        let outcomes = runner::outcomes(scenario, args.seed, runs(scenario), &progress)?;
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
        output::line(&tables::render("False alarms and power, α = 0.05", &HEADER, 2, cells))?;
    }
    let broken: Vec<&Row> = rows.iter().filter(|row| row.keeps_its_promise() == Some(false)).collect();
    for row in &broken {
        eprintln!("phoenix: {} breaks what is promised", row.scenario);
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

const HEADER: [&str; 6] =
    ["scenario", "kind", "runs", "alarms (95 % interval)", "median time", "looked at for"];

fn cells(row: &Row) -> [String; 6] {
    let share = row.false_alarm_rate.or(row.found_rate).unwrap_or_default();
    [
        row.scenario.clone(),
        if row.kind == Kind::AA { "A/A".to_owned() } else { "shift".to_owned() },
        row.runs.to_string(),
        runner::rate(share, row.interval),
        row.median_minutes.map_or_else(|| "–".to_owned(), |minutes| format!("{minutes:.0} min")),
        runner::minutes(row.horizon_minutes),
    ]
}

fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(&HEADER.map(str::to_owned)), "|---|---|---:|---:|---:|---:|".to_owned()];
    lines.extend(rows.iter().map(|row| line(&cells(row))));
    lines.join("\n")
}
