//! `phoenix experiment results`: what was found, as the control plane has it.

use api::{Figures, Outcome, Results, ResultsLeftOut, ResultsMerge, ResultsRow};
use serde_json::Value;

use super::explain;
use super::show::{Column, Show, cell, fields, line, reasons, table};
use crate::report::{self, Measured};

const OUTCOME: [Column<Results>; 1] = [("outcome", |results| cell(results.outcome))];

const COLUMNS: [Column<Results>; 9] = [
    OUTCOME[0],
    ("agents", |results| results.total.agents.to_string()),
    ("exact", |results| exact(&results.total)),
    ("series that came in", |results| results.total.series_in.to_string()),
    ("series, baseline", |results| results.total.series[0].to_string()),
    ("series, candidate", |results| results.total.series[1].to_string()),
    ("series lost", |results| results.total.lost.to_string()),
    ("collisions", |results| results.total.collisions.to_string()),
    ("critical in, baseline, candidate", |results| {
        results.total.critical.map(|processes| processes.to_string()).join(", ")
    }),
];

const ROWS: [Column<ResultsRow>; 16] = [
    ("step", |row| cell(row.step.as_ref())),
    ("agent", |row| cell(row.host.as_ref())),
    ("from", |row| row.from.to_string()),
    ("to", |row| row.to.to_string()),
    ("merged", |row| match row.merged {
        None => String::new(),
        Some(ResultsMerge::FiveMinutes) => "5m".to_owned(),
        Some(ResultsMerge::Hour) => "1h".to_owned(),
        Some(ResultsMerge::Step) => "step".to_owned(),
    }),
    ("horizons", |row| match row.kept {
        kept if kept == row.horizons => kept.to_string(),
        kept => format!("{kept} of {}", row.horizons),
    }),
    ("exact", |row| exact(&row.figures)),
    ("points in", |row| row.figures.points_in.to_string()),
    ("series as of", |row| cell(row.series_to.as_ref())),
    ("series, baseline", |row| row.figures.series[0].to_string()),
    ("series, candidate", |row| row.figures.series[1].to_string()),
    ("active saved", |row| share(row.figures.saving_active)),
    ("bytes saved", |row| share(row.figures.saving_bytes)),
    ("lost", |row| row.figures.lost.to_string()),
    ("collisions", |row| row.figures.collisions.to_string()),
    ("undelivered, candidate", |row| format!("{} of {}", row.figures.undelivered[1], row.figures.settled[1])),
];

/// Words for whether counts are exact.
fn exact(figures: &Figures) -> String {
    let word = if figures.at_most { "false: distinct series at most" } else { "false" };
    if figures.exact { "true" } else { word }.to_owned()
}

fn share(share: Option<f64>) -> String {
    cell(share.map(|share| format!("{:.1} %", share * 100.0)))
}

/// Sentence about rows of several horizons, whose figures are not all of the same time.
const OF_SEVERAL: &str = "Of several horizons, points and bytes are added up; series, and what is saved of active ones, are those of each agent's last \
                          one with traffic, which ends at \"series as of\"; lost series and collisions are the most of any one.";

/// Tells whether a row is of several horizons of an agent.
fn is_of_several(row: &ResultsRow) -> bool {
    row.series_to.is_some() && row.kept > row.figures.agents
}

/// Rows by what was asked for.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn rows(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(results) = show.read::<Results>(answer)? else { return Ok(()) };
    match results.rows.unwrap_or_default().as_slice() {
        [] => line(nothing(results.outcome))?,
        rows => {
            table(rows, &ROWS)?;
            if rows.iter().any(is_of_several) {
                line(OF_SEVERAL)?;
            }
        }
    }
    explain::uncounted(results.uncounted.as_ref())?;
    results.left_out.into_iter().flat_map(left_out).try_for_each(|sentence| line(&sentence))
}

/// Sentences about what no row has.
fn left_out(ResultsLeftOut { horizons, points_in }: ResultsLeftOut) -> impl Iterator<Item = String> {
    let counted = |number: u64, what: &str| match number {
        1 => format!("1 {what} is"),
        _ => format!("{} {what}s are", report::numbers::exact(number)),
    };
    let horizons = (horizons > 0).then(|| {
        let number = u64::from(horizons);
        format!("{} in no row: of a large fleet the latest are read.", counted(number, "horizon"))
    });
    let points = (points_in > 0).then(|| {
        format!(
            "{} in the total and in no row: between the last whole horizon of a step and the next step, or in horizons that \
             count for nothing or were not read.",
            counted(points_in, "point")
        )
    });
    horizons.into_iter().chain(points)
}

/// The sums and the reasons, then tables of what the agents have measured since the experiment began.
///
/// # Errors
/// An answer of another shape; standard output is gone.
pub fn show(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(results) = show.read::<Results>(answer)? else { return Ok(()) };
    // What nobody has measured has no figures: a zero would be one.
    let is_empty = results.agents.is_empty();
    fields(&results, if is_empty { &OUTCOME[..] } else { &COLUMNS[..] })?;
    match &results.verdict {
        Some(verdict) if results.reasons.is_empty() => reasons(&verdict.reasons)?,
        _ => reasons(&results.reasons)?,
    }
    explain::uncounted(results.uncounted.as_ref())?;
    if is_empty {
        return line(nothing(results.outcome));
    }
    let hosts: Vec<_> = results.agents.iter().map(|agent| Measured::of(&agent.host, &agent.total)).collect();
    line(&tables(&hosts, results.uncounted.is_some()))
}

/// Sentence about an experiment of which no agent has reported anything.
fn nothing(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "No agent has reported anything yet.",
        Some(_) => "No agent has reported anything, so that nothing was measured.",
    }
}

fn tables(hosts: &[Measured<'_>], uncounted: bool) -> String {
    let parts = [
        report::sides::side_by_side(hosts),
        report::fates::series(hosts),
        report::named::vanished(hosts),
        report::named::collisions(hosts),
        report::sides::lenses(hosts),
        report::distributions(hosts),
        report::delivery(hosts, uncounted),
        report::rules(hosts),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_bounds_are_not_called_exact_and_what_nobody_reported_is_not_called_measured() {
        let said = |is_exact, at_most| exact(&Figures { exact: is_exact, at_most, ..Figures::default() });
        assert_eq!(said(true, false), "true");
        assert_eq!(said(false, false), "false");
        assert_eq!(said(false, true), "false: distinct series at most");
        assert!(nothing(None).ends_with("yet."));
        assert!(nothing(Some(Outcome::Promoted)).ends_with("nothing was measured."));
    }

    #[test]
    fn what_no_row_has_is_told_and_nothing_is_where_they_have_all() {
        let said = |horizons, points_in| left_out(ResultsLeftOut { horizons, points_in }).collect::<Vec<_>>();
        assert!(said(0, 0).is_empty());
        assert_eq!(said(1, 0), ["1 horizon is in no row: of a large fleet the latest are read."]);
        let both = said(1_200, 34_567);
        assert_eq!(both[0], "1,200 horizons are in no row: of a large fleet the latest are read.");
        assert!(both[1].starts_with("34,567 points are in the total and in no row: between"), "{both:?}");
    }
}
