//! Live view for a person: a headline for each step, a line for each agent and horizon, decisions.
//!
//! Lines are only ever added, so that a terminal, a pipe and a log show the same.

use std::io::Write;

use anyhow::Context;
use api::Reason;
use observe::Comparison;

use crate::report::numbers::{bytes, percent, short};

/// Destination of the lines.
pub struct View {
    out: Box<dyn Write + Send>,
}

impl View {
    /// A view on standard output, or on standard error where standard output is a machine's.
    pub fn new(on_stderr: bool) -> Self {
        Self { out: if on_stderr { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) } }
    }

    /// Writes text and a line's end.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let written = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        written.context("cannot write what is seen")
    }

    /// Begins a step: its headline, and what the columns are.
    ///
    /// # Errors
    /// As [`View::say`].
    pub fn step(&mut self, at: f64, step: &str) -> anyhow::Result<()> {
        let about = match step {
            "mirror" => "both pipelines process every point, only the baseline's output leaves",
            "100 %" => "all that leaves is the candidate's, the baseline still runs beside it",
            _ => "of so many processes the candidate's output leaves instead of the baseline's",
        };
        self.say(&format!("\n── {at:.1} s  step {step}: {about}"))?;
        self.say(&columns([
            "agent",
            "points",
            "bytes",
            "series in",
            "baseline",
            "candidate",
            "saving",
            "lost",
            "collide",
            "critical",
            "by cand.",
        ]))
    }

    /// Line of one agent and one horizon.
    ///
    /// # Errors
    /// As [`View::say`].
    pub fn row(&mut self, agent: &str, found: &Comparison) -> anyhow::Result<()> {
        let Comparison { baseline, candidate, coverage, .. } = found;
        let sent = baseline.delivered.points + candidate.delivered.points;
        let by_candidate = (sent > 0).then(|| candidate.delivered.points as f64 / sent as f64);
        let texts = [
            short(found.input.points as f64),
            bytes(found.input.bytes as f64),
            short(found.input_series.value as f64),
            short(baseline.series.value as f64),
            short(candidate.series.value as f64),
            percent(found.saving.series),
            short(found.lost_by_candidate.value as f64),
            short(candidate.collisions.value as f64),
            if coverage.critical > 0 {
                format!("{}/{}", coverage.candidate, coverage.critical)
            } else {
                "–".to_owned()
            },
            by_candidate.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        ];
        let mut cells = [agent; 11];
        for (cell, text) in cells[1..].iter_mut().zip(&texts) {
            *cell = text;
        }
        self.say(&columns(cells))
    }

    /// Reasons of a decision, a line each, with some names.
    ///
    /// # Errors
    /// As [`View::say`].
    pub fn reasons(&mut self, reasons: &[Reason]) -> anyhow::Result<()> {
        for reason in reasons {
            self.say(&format!("           [{}] {}", reason.layer, reason.sentence))?;
            if !["critical_process_coverage", "collisions"].contains(&reason.quantity.as_str()) {
                continue;
            }
            for name in reason.names.iter().take(NAMED) {
                self.say(&format!("                 {name}"))?;
            }
        }
        Ok(())
    }
}

/// Names shown with a reason.
const NAMED: usize = 4;

/// Says what the columns of [`View::row`] mean.
pub const LEGEND: &str = "  a line for each agent and judged horizon; points, bytes, series in: what came in
  baseline, candidate: distinct series that each pipeline made of it      saving: share of them that is saved
  lost: series of which nothing is kept      collide: identities that several processes write
  critical: critical processes that the candidate shows      by cand.: its share of the points that left";

fn columns(cells: [&str; 11]) -> String {
    const WIDTHS: [usize; 10] = [9, 11, 10, 9, 10, 8, 7, 8, 9, 9];
    let mut line = format!("  {:<13}", cells[0]);
    for (cell, width) in cells[1..].iter().zip(WIDTHS) {
        line.push_str(&format!("{cell:>width$}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_wide_as_its_headline_and_fits() {
        let mut found = Comparison::default();
        (found.input.points, found.input.bytes, found.input_series.value) = (1_234_567, 123_456_789, 123_456);
        (found.baseline.series.value, found.candidate.series.value) = (123_456, 12_345);
        (found.baseline.delivered.points, found.candidate.delivered.points) = (1, 3);
        (found.coverage.critical, found.coverage.candidate) = (120, 119);
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut view = View { out: Box::new(Shared(seen.clone())) };
        view.step(1.0, "mirror").unwrap();
        view.row("this machine", &found).unwrap();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0].chars().count(), lines[1].chars().count());
        assert!(lines[1].chars().count() < 110);
        assert!(
            lines[1].contains("1.23 M") && lines[1].contains("119/120") && lines[1].ends_with("75 %"),
            "{text}"
        );
    }
}
