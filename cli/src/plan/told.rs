//! Answer of a plan in words, with what was assumed, a line each.

use calibration::{Answer, Row};

use super::{Args, series};
use crate::runner;

pub fn told(args: &Args, answer: &Answer, rise: &series::Rise) -> String {
    let parts = [question(args), times(answer), active_series(args, rise), assumed(args, answer)];
    parts.into_iter().map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n")
}

fn question(args: &Args) -> Vec<String> {
    vec![
        format!(
            "{} hosts, horizons of {}, autocorrelation {} from horizon to horizon, α = {}",
            args.hosts,
            runner::minutes(args.window.as_secs_f64() / 60.0),
            args.autocorrelation,
            args.alpha
        ),
        format!(
            "An increase of {} of the mean is allowed, one of {} on every host must be found.",
            percent(args.margin),
            percent(args.effect)
        ),
        format!("A horizon's difference on one host scatters by {} of the mean.", percent(args.variability)),
    ]
}

fn times(answer: &Answer) -> Vec<String> {
    let at_least = |minutes: Option<f64>| minutes.map_or_else(|| "never".to_owned(), runner::minutes);
    let mirror = match answer.mirror_minutes_in_95_percent {
        Some(minutes) => format!("{}, in 95 % of runs", runner::minutes(minutes)),
        None => "longer than anyone waits".to_owned(),
    };
    vec![
        format!("  Mirror step              {mirror}"),
        format!("    at least               {}, for any guardrail", at_least(answer.least_mirror_minutes)),
        format!(
            "  Until it is met          {}",
            within(&answer.no_change, answer.minutes_to_meet_with_95_percent_power)
        ),
        format!("    median                 {}", median(&answer.no_change)),
        format!("    at least               {}", runner::minutes(answer.least_minutes_to_meet)),
        format!(
            "  Until harm is found      {}",
            within(&answer.effect, answer.minutes_to_find_with_95_percent_power)
        ),
        format!("    median                 {}", median(&answer.effect)),
        format!("    at least               {}", at_least(answer.least_minutes_to_find)),
        format!(
            "    on one host, at least  {}, were the others no evidence",
            at_least(answer.least_minutes_to_find_on_one_host)
        ),
        format!("  False alarms in a day    {}", rate(&answer.at_the_margin)),
        format!("  Looked at every          {}, a block, or more", runner::minutes(answer.block_minutes)),
    ]
}

fn active_series(args: &Args, rise: &series::Rise) -> Vec<String> {
    vec![
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
    ]
}

fn assumed(args: &Args, answer: &Answer) -> Vec<String> {
    vec![
        format!("Assumed, in {} simulated runs of each case, seed {}:", args.runs, args.seed),
        "  - Differences are normal and AR(1), alike on all hosts, and no host shares its noise with another.".to_owned(),
        "  - Their mean and their scatter stay as they are: no daily cycle, no drift, no change since mirror.".to_owned(),
        "  - Every horizon of every host arrives, and every host has mirrored from the beginning.".to_owned(),
        "  - It is the only guardrail on what varies. Beside others it finds harm later; each of them has to be met.".to_owned(),
        "  - To be met nothing changes at all; to be found the whole effect begins when mirror ends.".to_owned(),
        format!(
            "  - False alarms are counted where the mean lies exactly at the margin, for {}.",
            runner::minutes(answer.at_the_margin.horizon_minutes)
        ),
        format!(
            "  - Mirror goes on{} until it tells the memory and the scatter.",
            if args.mirror.is_zero() {
                String::new()
            } else {
                format!(" for {} at least, and", runner::minutes(args.mirror.as_secs_f64() / 60.0))
            }
        ),
        "  - Both variants process every point on every host in every step, so no time depends on the weight.".to_owned(),
    ]
}

fn within(row: &Row, minutes: Option<f64>) -> String {
    match minutes {
        Some(minutes) => format!("{}, with 95 % power", runner::minutes(minutes)),
        None => format!("not with 95 % power within {}", runner::minutes(row.horizon_minutes)),
    }
}

fn median(row: &Row) -> String {
    row.median_minutes
        .map_or_else(|| format!("more than {}", runner::minutes(row.horizon_minutes)), runner::minutes)
}

fn rate(row: &Row) -> String {
    runner::rate(row.rate, row.interval)
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use calibration::Outcome;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Plan {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_plan_says_the_margin_the_mirror_and_each_assumption_in_a_line() {
        let asked = ["plan", "--margin", "4%", "--effect", "9%", "--mirror", "10h"];
        let Plan { args } = Plan::parse_from(asked);
        let question = args.question().unwrap();
        let runs = |time| [Outcome { mirror: Some(600), time }];
        let answer = question.answer([&runs(None), &runs(Some(300)), &runs(Some(400))]).unwrap();
        let rise = series::Rise { share: 0.25, units: 100, moved: 25 };
        let text = told(&args, &answer, &rise);
        for words in
            ["4 % of the mean is allowed", "one of 9 %", "10 h, in 95 %", "for 10 h at least, and until"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("  - ")).count(), 8, "{text}");
    }
}
