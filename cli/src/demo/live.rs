//! What a person follows while it happens: a line for each agent and window, and a headline for each step.
//!
//! Lines are only ever added, so that a terminal, a pipe and a log show the same.

use std::io::Write;

use anyhow::Context;
use observe::WindowRow;

use super::numbers::{bytes, percent, short};

/// Where the lines go.
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
    pub fn step(&mut self, headline: &str) -> anyhow::Result<()> {
        self.say(&format!("\n{headline}"))?;
        self.say(&columns([
            "agent",
            "points/s",
            "bytes/s",
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

    /// One window of one agent.
    ///
    /// # Errors
    /// As [`View::say`].
    pub fn row(&mut self, agent: &str, row: &WindowRow) -> anyhow::Result<()> {
        let [baseline, candidate] = row.series_out;
        let [critical, _, kept] = row.critical;
        let sent = row.delivered[0] + row.delivered[1];
        let by_candidate = (sent > 0).then(|| row.delivered[1] as f64 / sent as f64);
        let texts = [
            short(row.points_per_second),
            bytes(row.bytes_per_second),
            short(row.series_in as f64),
            short(baseline as f64),
            short(candidate as f64),
            percent(row.saving),
            short(row.lost as f64),
            short(row.collisions as f64),
            if critical > 0 { format!("{kept}/{critical}") } else { "–".to_owned() },
            by_candidate.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        ];
        let mut cells = [agent; 11];
        for (cell, text) in cells[1..].iter_mut().zip(&texts) {
            *cell = text;
        }
        self.say(&columns(cells))
    }
}

/// Says what the columns of [`View::row`] mean.
pub const LEGEND: &str =
    "  series in, baseline, candidate: distinct series that came in, and that each pipeline made of them
  saving: share of the baseline's series that the candidate saves       lost: series it keeps nothing of
  collide: identities that several processes write                      critical: critical processes it shows
  by cand.: share of the points sent to the sink that the candidate's pipeline made";

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
        let row = WindowRow {
            points_per_second: 1_234_567.0,
            bytes_per_second: 123_456_789.0,
            saving: Some(0.123),
            series_in: 123_456,
            series_out: [123_456, 12_345],
            critical: [120, 120, 119],
            delivered: [1, 3],
            ..WindowRow::default()
        };
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
        view.step("Mirror").unwrap();
        view.row("this machine", &row).unwrap();
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
