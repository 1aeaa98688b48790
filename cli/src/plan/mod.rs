//! `phoenix plan`: how long an experiment will take, before anyone starts it.

mod series;

use std::process::ExitCode;
use std::time::Duration;

use calibration::{Alpha, Answer, Question};
use pipelines::split::Weight;
use serde_json::json;

use crate::output;
use crate::runner::{self, Progress};

/// Say how long until an effect is found, how often a false alarm rings, and by how much active series rise.
///
/// By simulation through the code that judges experiments.
#[derive(clap::Args)]
pub struct Args {
    /// Hosts of the fleet
    #[arg(long, default_value_t = 20)]
    hosts: usize,
    /// Length of a window
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    window: Duration,
    /// Autocorrelation of one window's difference with the next, from 0 to 0.999
    #[arg(long, default_value_t = 0.6)]
    autocorrelation: f64,
    /// The effect that must be found, on every host: a share of the quantity's mean, such as 5%
    #[arg(long, default_value = "5%", value_parser = share)]
    effect: f64,
    /// Standard deviation of one window's difference on one host, as a share of the quantity's mean
    #[arg(long, default_value = "25%", value_parser = share)]
    variability: f64,
    /// Probability of a false alarm that is accepted over all looks together
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
    let question = Question {
        hosts: args.hosts,
        window: args.window,
        phi: args.autocorrelation,
        effect: args.effect,
        variability: args.variability,
        alpha: Alpha::new(args.alpha)?,
    };
    let scenarios = question.scenarios()?;
    let weight = Weight::from_bp((args.weight * 10_000.0).round() as u64)
        .ok_or_else(|| anyhow::anyhow!("--weight: expected at most 100%"))?;
    anyhow::ensure!(args.renamed <= 1.0, "--renamed: expected at most 100%");
    let progress = Progress::new(2 * args.runs);
    let [nothing, effect] =
        scenarios.each_ref().map(|scenario| runner::outcomes(scenario, args.seed, args.runs, &progress));
    let answer = question.answer([&nothing?, &effect?])?;
    progress.finish();
    let rise = series::rise(weight, args.renamed, args.seed)?;
    if args.json {
        output::say(&json!({
            "question": {
                "hosts": args.hosts,
                "window_seconds": args.window.as_secs_f64(),
                "autocorrelation": args.autocorrelation,
                "effect": args.effect,
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
        output::line(&told(args, &answer, &rise))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(args: &Args, answer: &Answer, rise: &series::Rise) -> String {
    let percent = |share: f64| format!("{} %", (share * 1e6).round() / 1e4);
    let time = |minutes: Option<f64>| minutes.map_or_else(|| "never".to_owned(), runner::minutes);
    let (found, nothing) = (&answer.effect, &answer.nothing_wrong);
    let horizon = runner::minutes(found.horizon_minutes);
    let power = match answer.minutes_to_find_with_95_percent_power {
        Some(minutes) => format!("{}, with 95 % power", runner::minutes(minutes)),
        None => format!("not with 95 % power within {horizon}"),
    };
    let median = found.median_minutes.map_or_else(|| format!("more than {horizon}"), runner::minutes);
    let rate = |row: &calibration::Row| {
        runner::rate(row.false_alarm_rate.or(row.found_rate).unwrap_or_default(), row.interval)
    };
    [
        format!(
            "{} hosts, windows of {}, autocorrelation {} from window to window, α = {}",
            args.hosts,
            runner::minutes(args.window.as_secs_f64() / 60.0),
            args.autocorrelation,
            args.alpha
        ),
        format!(
            "An effect of {} of the mean on every host; a window's difference scatters by {} of it: {:.3}σ",
            percent(args.effect),
            percent(args.variability),
            args.effect / args.variability
        ),
        String::new(),
        format!("  Until it is found        {power}"),
        format!("    median                 {median}"),
        format!("    found within {horizon:<9} {}", rate(found)),
        format!(
            "  Minimum time to fire     {}, were every host at its bound",
            time(answer.minimum.everywhere_minutes)
        ),
        format!(
            "    for one host           {}, were the others no evidence",
            time(answer.minimum.one_host_minutes)
        ),
        format!("    looked at every        {}, a block", runner::minutes(answer.block_minutes)),
        format!("  False alarms in a day    {}", rate(nothing)),
        format!(
            "  Active series            +{:.1} % for 20 minutes after the step to {}",
            100.0 * rise.share,
            percent(args.weight)
        ),
        format!(
            "    of {} simulated processes {} move, and {} of their series get another identity",
            rise.units,
            rise.moved,
            percent(args.renamed)
        ),
        String::new(),
        format!(
            "{} simulated runs each, seed {}, after a mirror step of {}. Both variants process every point",
            args.runs,
            args.seed,
            runner::minutes(answer.mirror_minutes)
        ),
        "on every host in every step, so how soon an effect is found does not depend on the weight."
            .to_owned(),
    ]
    .join("\n")
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
