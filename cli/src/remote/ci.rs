//! `phoenix ci`: applies and starts an experiment, waits until it is decided, and tells the verdict as Markdown.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use api::{Criterion, Outcome, Phase, Promotion, Status};
use client::{Client, Error};
use serde::Deserialize as _;

use super::apply::{self, Kind};
use super::explain;
use crate::output;
use crate::report::criteria::in_order;

/// Time between two looks.
const BETWEEN: Duration = Duration::from_secs(2);
/// Time for which the control plane may not be reached.
const PATIENCE: Duration = Duration::from_secs(300);

/// Exit codes: 0 in favor of the candidate, 1 against it, 3 if not all agents run it that it was promoted for, 2 for anything else.
#[derive(clap::Args)]
#[command(after_help = "Exit codes:
  0  the candidate was promoted, or would be (an experiment that only observes)
  1  the candidate was rolled back, or would not be promoted
  2  nothing was found out: it ended inconclusive or not measured, it could not be applied, it was cancelled, it is not decided
     within --timeout, or the command itself failed
  3  the candidate was promoted, and not on all agents: some have refused it, or have not taken it within --timeout. Agents that
     are not connected take it when they come back, and are only named")]
pub struct Args {
    /// File of YAML or JSON, as for `phoenix apply`, with one experiment; may be given several times
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Time after which it stops waiting; the experiment goes on
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// File for the Markdown, in place of standard output
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Runs it, and returns the exit code. What goes wrong is told on standard error.
pub async fn run(args: &Args) -> ExitCode {
    let outcome = async {
        let client = super::session::client().await?;
        decide(args, &client).await
    };
    match outcome.await {
        Ok(Decision::Favor) => ExitCode::SUCCESS,
        Ok(Decision::Against) => ExitCode::from(1),
        Ok(Decision::None) => ExitCode::from(2),
        Ok(Decision::Partly) => ExitCode::from(3),
        Err(error) => output::failed(&error, ExitCode::from(2)),
    }
}

/// Decision about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Favor,
    Against,
    None,
    /// It was promoted, and not all agents that are there run it.
    Partly,
}

impl Decision {
    fn of(status: &Status) -> Self {
        match status.outcome {
            Some(Outcome::Promoted) if !status.not_promoted.is_empty() || !is_settled(status) => Self::Partly,
            Some(Outcome::Promoted | Outcome::WouldPromote) => Self::Favor,
            Some(Outcome::RolledBack | Outcome::WouldNot) => Self::Against,
            Some(Outcome::Inconclusive | Outcome::NotMeasured) | None => Self::None,
        }
    }
}

/// Tells whether every agent that is connected has taken or refused what was promoted, if anything was.
fn is_settled(status: &Status) -> bool {
    status.promotion.as_ref().is_none_or(|Promotion { on, of, refused, away, .. }| on + refused + away >= *of)
}

async fn decide(args: &Args, client: &Client) -> anyhow::Result<Decision> {
    let documents = apply::read(&args.files, client).await?;
    let experiments = documents.iter().filter(|document| document.kind == Kind::Experiment).count();
    if experiments != 1 {
        bail!("the files hold {experiments} experiments; `phoenix ci` waits for one");
    }
    if documents.len() > 1 {
        apply::check(&documents, client).await?;
    }
    let mut last = None;
    for document in &documents {
        let mut applied = apply::apply(document, &documents, client, false).await?;
        output::note(&format!("{} {}: {}", applied.kind, applied.name, applied.state))?;
        if document.kind == Kind::Experiment {
            apply::start(&mut applied, client).await?;
        }
        last = Some(applied);
    }
    let applied = last.context("the files hold no document")?;
    let id = applied.id.context("the experiment has no id")?;
    let status = wait(&format!("/experiments/{id}/status"), args.timeout, client).await?;
    let text = markdown(&applied.name, &status);
    match &args.markdown {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => output::text(&text)?,
    }
    Ok(Decision::of(&status))
}

/// Waits until an experiment is over, and what it has promoted has come to the agents, so long at most. Tells on standard error
/// where it is.
async fn wait(path: &str, timeout: Duration, client: &Client) -> anyhow::Result<Status> {
    let began = Instant::now();
    let (mut heard, mut place) = (began, None);
    loop {
        match client.get(path).await {
            Ok(answer) => {
                heard = Instant::now();
                let status = Status::deserialize(&answer).context("the answer is not as expected")?;
                if status.phase.is_over() && is_settled(&status) || began.elapsed() >= timeout {
                    return Ok(status);
                }
                let now = (status.phase, status.step, status.promotion.map(|promotion| promotion.sentence));
                if place.as_ref() != Some(&now) {
                    let (phase, step, promotion) = &now;
                    let more = step.as_deref().or(promotion.as_deref()).unwrap_or_default();
                    output::note(&format!("{phase} {more}"))?;
                    place = Some(now);
                }
            }
            // A key that was revoked never comes back; a control plane that restarts does.
            Err(error @ Error::Refused { status: 400..=499, .. }) => return Err(error.into()),
            Err(error) if heard.elapsed() >= PATIENCE => return Err(error.into()),
            Err(_) => {}
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Headline of a status.
fn headline(status: &Status) -> String {
    match (status.outcome, status.phase) {
        _ if Decision::of(status) == Decision::Partly => {
            "the candidate was promoted, and not on all agents".to_owned()
        }
        (Some(Outcome::Promoted), _) => "the candidate was promoted".to_owned(),
        (Some(Outcome::RolledBack), _) => "the candidate was rolled back".to_owned(),
        (Some(Outcome::Inconclusive), _) => "nothing was found out; the baseline stays".to_owned(),
        (Some(Outcome::WouldPromote), _) => {
            "the candidate would be promoted; it was only observed".to_owned()
        }
        (Some(Outcome::WouldNot), _) => {
            "the candidate would not be promoted; it was only observed".to_owned()
        }
        (Some(Outcome::NotMeasured), _) => {
            "not everything that was asked for was measured; the candidate was only observed".to_owned()
        }
        (None, Phase::Failed) => "the experiment could not be applied".to_owned(),
        (None, Phase::Cancelled) => "the experiment was cancelled".to_owned(),
        (None, phase) => format!("not decided yet: the experiment is {phase}"),
    }
}

/// A comment about a status.
fn markdown(name: &str, status: &Status) -> String {
    let mut text = format!("### Phoenix: {} — {}\n\n", escaped(name), headline(status));
    if let Some(promotion) = &status.promotion {
        text.push_str(&format!("{}\n\n", escaped(&promotion.sentence)));
    }
    for agent in &status.not_promoted {
        let place = escaped(&explain::place(agent));
        text.push_str(&format!("- Not promoted on {place}: {}\n", escaped(&agent.reason)));
    }
    if !status.not_promoted.is_empty() {
        text.push('\n');
    }
    for reason in &status.reasons {
        text.push_str(&format!("{}\n\n", escaped(&reason.sentence)));
    }
    let Some(verdict) = &status.verdict else {
        text.push_str("There is no verdict: nothing was looked at.\n");
        return text;
    };
    text.push_str("| answer | criterion | because |\n|---|---|---|\n");
    for (word, Criterion { finding, .. }) in in_order(&verdict.criteria) {
        let (quantity, sentence) = (escaped(&finding.quantity), escaped(&finding.sentence));
        text.push_str(&format!("| {word} | {quantity} | {sentence} |\n"));
    }
    if !verdict.basis.sentences.is_empty() {
        text.push_str("\n<details><summary>What it rests on</summary>\n\n");
        for sentence in &verdict.basis.sentences {
            text.push_str(&format!("- {}\n", escaped(sentence)));
        }
        text.push_str("\n</details>\n");
    }
    text
}

/// Text in Markdown, on one line. Names in it come from telemetry: none of it is markup, a link or a mention.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '@' => escaped.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' | '$' => {
                escaped.extend(['\\', one]);
            }
            one if one.is_control() => escaped.push(' '),
            one => escaped.push(one),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use api::{Answer, Basis, Effect, NotPromoted, Reason, Verb, Verdict};
    use uuid::Uuid;

    use super::*;

    fn status(phase: Phase, outcome: Option<Outcome>) -> Status {
        Status {
            id: Uuid::nil(),
            phase,
            outcome,
            observe_only: false,
            step: None,
            weight_bp: None,
            since: None,
            agents: Vec::new(),
            not_promoted: Vec::new(),
            promotion: None,
            horizon: None,
            verdict: None,
            attested: None,
            reasons: Vec::new(),
            frozen: None,
            ended_at: None,
            uncounted: None,
        }
    }

    #[test]
    fn only_what_ended_is_a_decision() {
        let of = |outcome| Decision::of(&status(Phase::Completed, Some(outcome)));
        assert_eq!((of(Outcome::Promoted), of(Outcome::WouldPromote)), (Decision::Favor, Decision::Favor));
        assert_eq!((of(Outcome::RolledBack), of(Outcome::WouldNot)), (Decision::Against, Decision::Against));
        assert_eq!((of(Outcome::Inconclusive), of(Outcome::NotMeasured)), (Decision::None, Decision::None));
        for phase in [Phase::Running, Phase::Failed, Phase::Cancelled, Phase::Pending] {
            assert_eq!(Decision::of(&status(phase, None)), Decision::None);
        }
        assert!(
            headline(&status(Phase::Running, None)).contains("not decided yet: the experiment is running")
        );
    }

    #[test]
    fn a_promotion_that_agents_refuse_or_have_not_taken_is_told_and_has_an_exit_code_of_its_own() {
        let promotion = |on, refused, away| {
            let sentence = format!("Promoted on {on} of 3 agents; refused on node_2.");
            Promotion { on, of: 3, refused, away, sentence }
        };
        let promoted = |promotion, not_promoted| Status {
            promotion,
            not_promoted,
            ..status(Phase::Completed, Some(Outcome::Promoted))
        };
        let refused = || {
            let (host, reason) = ("node_2".to_owned(), "another baseline".to_owned());
            vec![NotPromoted { uid: Uuid::nil(), host, reason, gone: None }]
        };
        for (promotion, not_promoted, decision) in [
            (Some(promotion(3, 0, 0)), Vec::new(), Decision::Favor),
            (Some(promotion(2, 0, 1)), Vec::new(), Decision::Favor),
            (Some(promotion(2, 0, 0)), Vec::new(), Decision::Partly),
            (Some(promotion(2, 1, 0)), refused(), Decision::Partly),
            (None, refused(), Decision::Partly),
            (None, Vec::new(), Decision::Favor),
        ] {
            let status = promoted(promotion, not_promoted);
            assert_eq!(Decision::of(&status), decision, "{status:?}");
            let partly = markdown("e", &status).contains("the candidate was promoted, and not on all agents");
            assert_eq!(partly, decision == Decision::Partly);
        }
        let text = markdown("e", &promoted(Some(promotion(2, 1, 0)), refused()));
        let told = "Promoted on 2 of 3 agents; refused on node\\_2.\n\n- Not promoted on node\\_2: another baseline\n\n";
        assert!(text.contains(told), "{text}");
        let deleted = NotPromoted { gone: Some("no longer registered".to_owned()), ..refused().remove(0) };
        let text = markdown("e", &promoted(Some(promotion(2, 0, 0)), vec![deleted]));
        assert!(
            text.contains("- Not promoted on node\\_2 (no longer registered): another baseline"),
            "{text}"
        );
    }

    #[test]
    fn each_criterion_is_a_row_and_no_name_is_markup() {
        let finding = |quantity: &str, sentence: &str| Reason {
            quantity: quantity.to_owned(),
            sentence: sentence.to_owned(),
            ..Reason::default()
        };
        let one = |answer, quantity, sentence| Criterion {
            answer,
            effect: Effect::Hold,
            asked: true,
            finding: finding(quantity, sentence),
        };
        let verdict = Verdict {
            verb: Verb::RollBack,
            reasons: Vec::new(),
            criteria: vec![
                one(Answer::Met, "series", "It keeps all."),
                one(Answer::Violated, "lens memory", "a|b <img src=x> @ops\n# `x`"),
            ],
            basis: Basis { sentences: vec!["2 agents".to_owned()], ..Basis::default() },
        };
        let status = Status { verdict: Some(verdict), ..status(Phase::Completed, Some(Outcome::RolledBack)) };
        let text = markdown("e", &status);
        let expected = "### Phoenix: e — the candidate was rolled back\n\n| answer | criterion | because |\n|---|---|---|\n| \
                        violated | lens memory | a\\|b \\<img src=x\\> @\u{200b}ops \\# \\`x\\` |\n| met | series | It keeps \
                        all. |\n\n<details><summary>What it rests on</summary>\n\n- 2 agents\n\n</details>\n";
        assert_eq!(text, expected);
    }
}
