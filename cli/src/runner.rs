//! Many runs of a simulated scenario, on all cores, with progress on standard error.
//!
//! A run depends on the seed and its own number alone, so the threads may take them in any order.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};

use calibration::{Error, Outcome, Scenario, run};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Shows how far a number of runs has got: a bar where somebody watches, else a line a scenario.
pub struct Progress {
    bar: ProgressBar,
    watched: bool,
}

impl Progress {
    pub fn new(runs: u64) -> Self {
        let watched = std::io::stderr().is_terminal();
        let bar = if watched { ProgressBar::new(runs) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left  {msg}") {
            bar.set_style(style);
        }
        Self { bar, watched }
    }

    /// Names what is being run.
    pub fn begin(&self, scenario: &str) {
        self.bar.set_message(scenario.to_owned());
        if !self.watched {
            output::tell(&format!("running {scenario}"));
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Runs a scenario so often, with the numbers from 0; outcomes in the order of their numbers.
pub fn outcomes(
    scenario: &Scenario,
    seed: u64,
    runs: u64,
    progress: &Progress,
) -> Result<Vec<Outcome>, Error> {
    progress.begin(&scenario.name);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let work = || {
        let mut mine = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                return Ok(mine);
            }
            mine.push((number, run(scenario, seed, number)?));
            progress.bar.inc(1);
        }
    };
    let mut all: Vec<(u64, Outcome)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = workers.into_iter().map(|worker| {
            // What a worker panicked with goes on in whoever asked.
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        parts.collect::<Result<Vec<_>, Error>>().map(|parts| parts.into_iter().flatten().collect())
    })?;
    all.sort_unstable_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, outcome)| outcome).collect())
}

/// A time in minutes as people say it: 1 d, 4 h 30 min.
pub fn minutes(minutes: f64) -> String {
    let seconds = (minutes * 60.0).round() as u64;
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

/// A share that was seen and its interval.
pub fn rate(share: f64, [low, high]: [f64; 2]) -> String {
    format!("{:.2} % ({:.2} to {:.2})", 100.0 * share, 100.0 * low, 100.0 * high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_units() {
        assert_eq!(
            [0.0, 0.5, 270.0, 1440.0, 1501.0].map(minutes),
            ["0 s", "30 s", "4 h 30 min", "1 d", "1 d 1 h 1 min"]
        );
    }
}
