//! `phoenix preview`: what a candidate would make of the last requests that agents have kept.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use api::{Answer, Preview, PreviewAgent, PreviewCheck, PreviewLens, PreviewState};
use client::Client;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::show::{Show, cell, line, table};
use crate::report::numbers::{error, short};
use crate::report::sides::group;
use crate::report::{self, Measured, broken};
use crate::table::render;

/// The longest line of a sentence.
const WIDTH: usize = 100;
/// Characters of the end of an id that tell agents of one host apart.
const END: usize = 8;

/// Try a candidate on the last requests that agents have kept, beside what they run; nothing is pushed or delivered
///
/// It decides nothing. Exits with 0 if any agent has compared both pipelines, else with 1.
#[derive(clap::Args)]
pub struct Args {
    /// Collector file of the pipeline that is tried, or its processors and their order alone; `-` for standard input
    #[arg(short, long, value_name = "CONFIG")]
    file: PathBuf,
    /// The agents it runs on, by label; all if not given
    #[arg(long, value_name = "LABELS")]
    selector: Option<String>,
    /// The pipeline of metrics that it is about, where agents' files have several
    #[arg(long, value_name = "ID")]
    pipeline: Option<String>,
    /// Time within which it is answered, 1s to 15s; agents may work on it until shortly before
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
}

/// Runs a preview and shows it.
///
/// # Errors
/// A file that cannot be read, the control plane's refusals, an answer of another shape.
pub async fn run(args: Args, client: &Client, show: Show) -> anyhow::Result<ExitCode> {
    let answer = client.post("/preview", &Value::Object(args.body()?)).await?;
    if let Some(preview) = show.read::<Preview>(&answer)? {
        told(&preview)?;
    }
    let measured = Preview::deserialize(&answer).context("the answer is not as expected")?.measured;
    Ok(if measured > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    fn body(self) -> anyhow::Result<Map<String, Value>> {
        let text = if self.file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
        } else {
            std::fs::read_to_string(&self.file)
                .with_context(|| format!("cannot read {}", self.file.display()))?
        };
        let mut body = Map::new();
        body.insert("candidate".to_owned(), json!({ "config": text }));
        for (field, value) in [("selector", self.selector), ("pipeline", self.pipeline), ("wait", self.wait)]
        {
            if let Some(value) = value {
                body.insert(field.to_owned(), value.into());
            }
        }
        Ok(body)
    }
}

fn told(preview: &Preview) -> anyhow::Result<()> {
    let agents: Vec<Named<'_>> = named(&preview.agents);
    table(
        &agents,
        &[
            ("agent", |named| named.name.clone()),
            ("preview", |named| word(named.agent.state).to_owned()),
            ("requests", |named| named.agent.requests.to_string()),
            ("time", |named| time(named.agent)),
            ("scrapes", |named| named.agent.scrapes.to_string()),
            ("series lost", |named| {
                cell(named.agent.comparison.as_ref().map(|found| found.lost_by_candidate.value))
            }),
        ],
    )?;
    sentences(&reasons(&agents))?;
    line("")?;
    sentences(std::slice::from_ref(&preview.sentence))?;
    let hosts: Vec<_> = agents.iter().filter_map(Named::measured).collect();
    if !hosts.is_empty() {
        line(&tables(preview, &hosts))?;
        line("\n  What `phoenix compare` would say of it, which decides nothing here:")?;
        sentences(&preview.checks.iter().map(checked).collect::<Vec<_>>())?;
    }
    if !preview.not_measured.is_empty() {
        line("\n  Not told by a preview:")?;
        sentences(&preview.not_measured)?;
    }
    Ok(())
}

fn checked(check: &PreviewCheck) -> String {
    let word = match check.answer {
        Answer::Met => "pass",
        Answer::Violated => "FAIL",
        Answer::NotMeasured => "FAIL (not measured)",
        Answer::NotApplicable => "does not apply",
    };
    format!("{word}  {}: {}", check.rule, check.sentence)
}

fn sentences(all: &[String]) -> anyhow::Result<()> {
    all.iter().flat_map(|sentence| broken(sentence, WIDTH)).try_for_each(|part| line(&format!("  {part}")))
}

fn word(state: PreviewState) -> &'static str {
    match state {
        PreviewState::Measured => "measured",
        PreviewState::NotMeasured => "not measured",
        PreviewState::Refused => "refused",
        PreviewState::Busy => "busy",
        PreviewState::Failed => "failed",
        PreviewState::Unanswered => "did not answer",
        PreviewState::Away => "not connected",
    }
}

/// An agent, and what it is called among the others.
struct Named<'a> {
    name: String,
    agent: &'a PreviewAgent,
}

impl Named<'_> {
    fn measured(&self) -> Option<Measured<'_>> {
        Some(Measured::of(&self.name, self.agent.comparison.as_ref()?))
    }
}

/// Agents by the names of their hosts; where several have one, with the end of their ids, or all of it where that repeats too.
fn named(agents: &[PreviewAgent]) -> Vec<Named<'_>> {
    let name = |agent: &PreviewAgent| {
        let uid = agent.uid.to_string();
        let end = |uid: &str| uid.chars().skip(uid.len() - END).collect::<String>();
        let mut same = agents.iter().filter(|other| other.host == agent.host && !std::ptr::eq(*other, agent));
        match same.clone().next() {
            None => agent.host.clone(),
            Some(_) if same.all(|other| end(&other.uid.to_string()) != end(&uid)) => {
                format!("{} (…{})", agent.host, end(&uid))
            }
            Some(_) => format!("{} ({uid})", agent.host),
        }
    };
    agents.iter().map(|agent| Named { name: name(agent), agent }).collect()
}

/// Time that its requests are of.
fn time(agent: &PreviewAgent) -> String {
    match agent.seconds {
        0.0 => "–".to_owned(),
        ..10.0 => format!("{:.1} s", agent.seconds),
        _ => format!("{:.0} s", agent.seconds),
    }
}

/// Each reason once, with the agents that have it.
fn reasons(agents: &[Named<'_>]) -> Vec<String> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for Named { name, agent } in agents {
        let Some(why) = agent.why.as_deref() else { continue };
        match all.iter_mut().find(|(known, _)| *known == why) {
            Some((_, hosts)) => hosts.push(name),
            None => all.push((why, vec![name])),
        }
    }
    all.into_iter().map(|(why, hosts)| format!("{}: {why}", hosts.join(", "))).collect()
}

fn tables(preview: &Preview, hosts: &[Measured<'_>]) -> String {
    let parts = [
        report::sides::side_by_side(hosts),
        report::fates::series(hosts),
        report::named::vanished(hosts),
        report::named::collisions(hosts),
        changed(preview),
        lenses(preview),
        report::rules(hosts),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn changed(preview: &Preview) -> String {
    match preview.figures.as_ref().map_or([0; 2], |figures| figures.changed) {
        [0, _] => String::new(),
        [points, series] => {
            format!("\n  {points} points of {series} series do not measure the same in both.")
        }
    }
}

/// Each lens's total over all agents, and the group that is furthest off.
fn lenses(preview: &Preview) -> String {
    let lenses = preview.figures.iter().flat_map(|figures| &figures.lenses);
    let header = ["total", "baseline", "candidate", "error", "furthest group"];
    render("What people look at, all agents together", &header, 1, lenses.map(lens).collect())
}

fn lens(lens: &PreviewLens) -> Vec<String> {
    if lens.not_measured.is_some() {
        let nothing = ["–", "–", "not measured", "–"].map(str::to_owned);
        return [lens.name.clone()].into_iter().chain(nothing).collect();
    }
    let worst = lens.worst.first().map(|worst| group(&worst.group, worst.relative_error));
    vec![
        lens.name.clone(),
        short(lens.baseline),
        short(lens.candidate),
        error(lens.relative_error),
        worst.unwrap_or_else(|| "–".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(host: &str, why: Option<&str>) -> PreviewAgent {
        PreviewAgent {
            uid: uuid::Uuid::nil(),
            host: host.to_owned(),
            state: PreviewState::Refused,
            why: why.map(str::to_owned),
            last_seen: None,
            requests: 0,
            bytes: 0,
            seconds: 0.0,
            scrapes: 0,
            comparison: None,
        }
    }

    #[test]
    fn a_reason_is_told_once_with_all_who_have_it() {
        let agents =
            [agent("a", Some("no")), agent("b", None), agent("c", Some("no")), agent("d", Some("later"))];
        assert_eq!(reasons(&named(&agents)), ["a, c: no", "d: later"]);
    }

    #[test]
    fn agents_of_one_host_are_told_apart_by_the_ends_of_their_ids() {
        let of =
            |host: &str, uid: u128| PreviewAgent { uid: uuid::Uuid::from_u128(uid), ..agent(host, None) };
        let names =
            |agents: &[PreviewAgent]| named(agents).into_iter().map(|one| one.name).collect::<Vec<_>>();
        let agents = [of("a", 0x1234_5678), of("b", 0x1234_5678), of("a", 0x1)];
        assert_eq!(names(&agents), ["a (…12345678)", "b", "a (…00000001)"]);
        let agents = [of("a", 1), of("a", 1 | 1 << 64)];
        assert_eq!(names(&agents)[0], "a (00000000-0000-0000-0000-000000000001)", "the ends are the same");
    }

    #[test]
    fn a_time_has_its_unit_and_a_short_one_is_not_rounded_away() {
        let of = |seconds| time(&PreviewAgent { seconds, ..agent("a", None) });
        assert_eq!([of(0.0), of(0.44), of(9.0), of(75.2)], ["–", "0.4 s", "9.0 s", "75 s"]);
    }

    #[test]
    fn the_file_is_the_candidate_and_what_is_not_given_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("next.yaml");
        std::fs::write(&file, "processors:\n").unwrap();
        let args = Args { file, selector: Some("a=b".into()), pipeline: None, wait: None };
        let body = args.body().unwrap();
        let expected = json!({ "candidate": { "config": "processors:\n" }, "selector": "a=b" });
        assert_eq!(Value::Object(body), expected);
    }
}
