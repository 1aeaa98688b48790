//! `phoenix plan`: how long an experiment will take, before anyone starts it.

mod series;
mod told;

use std::process::ExitCode;
use std::time::Duration;

use calibration::{Alpha, Question};
use pipelines::split::Weight;
use serde_json::json;

use crate::output;
use crate::runner::{self, Progress};

/// Say how long mirror takes, how long until a guardrail on what varies is met or finds harm, how often it alarms falsely,
/// and by how much active series rise.
///
/// By simulation through the code that judges experiments; what is assumed is said.
#[derive(clap::Args)]
pub struct Args {
    /// Hosts of the fleet
    #[arg(long, default_value_t = 20)]
    hosts: usize,
    /// Length of a horizon (`report_every` of an experiment)
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    window: Duration,
    /// Autocorrelation of one horizon's difference with the next, from 0 to 0.999
    #[arg(long, default_value_t = 0.6)]
    autocorrelation: f64,
    /// The increase that is allowed: a share of the quantity's mean, such as 5%
    #[arg(long, default_value = "5%", value_parser = share)]
    margin: f64,
    /// The increase that must be found, on every host, more than the margin: a share of the quantity's mean
    #[arg(long, default_value = "10%", value_parser = share)]
    effect: f64,
    /// The least length of the mirror step; without it, as long as it needs
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    mirror: Duration,
    /// Standard deviation of one horizon's difference on one host, as a share of the quantity's mean
    #[arg(long, default_value = "25%", value_parser = share)]
    variability: f64,
    /// Probability of a wrong answer that is accepted over all looks together
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// Share of the processes that the next step moves to the candidate
    #[arg(long, default_value = "25%", value_parser = share)]
    weight: f64,
    /// Share of the series that the candidate gives another identity
    #[arg(long, default_value = "100%", value_parser = share)]
    renamed: f64,
    /// Number of simulations of each case
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// The same seed gives the same answer
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let expected = || format!("expected a share such as 5% or 0.05, got {text:?}");
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_err(|_| expected())? / unit;
    if share.is_finite() && share >= 0.0 { Ok(share) } else { Err(expected()) }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let question = args.question()?;
    let scenarios = question.scenarios()?;
    let weight = Weight::from_bp((args.weight * 10_000.0).round() as u64)
        .ok_or_else(|| anyhow::anyhow!("--weight: expected at most 100%"))?;
    anyhow::ensure!(args.renamed <= 1.0, "--renamed: expected at most 100%");
    let progress = Progress::new(3 * args.runs);
    let [at_the_margin, no_change, effect] =
        scenarios.each_ref().map(|scenario| runner::outcomes(scenario, args.seed, args.runs, &progress));
    let answer = question.answer([&at_the_margin?, &no_change?, &effect?])?;
    progress.finish();
    let rise = series::rise(weight, args.renamed, args.seed)?;
    if args.json {
        output::say(&json!({
            "question": {
                "hosts": args.hosts,
                "window_seconds": args.window.as_secs_f64(),
                "autocorrelation": args.autocorrelation,
                "margin": args.margin,
                "effect": args.effect,
                "mirror_seconds": args.mirror.as_secs_f64(),
                "variability": args.variability,
                "alpha": args.alpha,
                "weight_bp": weight.bp(),
                "renamed": args.renamed,
                "seed": args.seed,
            },
            "answer": answer,
            "active_series": rise,
        }))?;
    } else {
        output::line(&told::told(args, &answer, &rise))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn question(&self) -> anyhow::Result<Question> {
        Ok(Question {
            hosts: self.hosts,
            window: self.window,
            phi: self.autocorrelation,
            margin: self.margin,
            effect: self.effect,
            variability: self.variability,
            mirror: self.mirror,
            alpha: Alpha::new(self.alpha)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_number() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.05"), Ok(0.05));
        for wrong in ["", "%", "-1%", "NaN", "inf", "five"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
