//! Attestation of verdicts: an entry of the audit chain names a verdict, and digests of what it rests on.
//!
//! Each decision has one, in its own transaction: a step that is taken, an end, and a verdict that says something else than the last
//! one that was named. One that only holds on is not named again; one of the same verb whose reasons change is named once a minute
//! at most, so that the chain does not grow with a figure that goes up and down. The digests are those of the verdict's text, of
//! the policy, of the candidate, and the fingerprint of all horizons that were filed by then.

use std::time::Duration;

use serde_json::{Value, json};

use crate::audit::{self, By};
use crate::clock::UnixMillis;
use crate::experiment::{ExperimentId, Verdict};
use crate::hash::sha256;
use crate::id::TenantId;
use crate::store::experiments::Experiment;
use crate::store::fingerprints::{self, Attested, Fingerprint, Texts};
use crate::store::{StoreError, Tx};

/// The least time between two entries of verdicts of one verb in one step.
const PACE: Duration = Duration::from_secs(60);
/// The most baselines that an entry names.
const BASELINES: u32 = 16;
/// Action of an entry that is about a verdict alone.
pub const VERDICT: &str = "verdict";

/// An experiment and its tenant.
type Of = (TenantId, ExperimentId);

/// Digests of what a verdict rests on besides its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bases {
    /// SHA-256 of the policy, as it is kept.
    pub(super) policy: String,
    /// SHA-256 of the candidate's text.
    pub(super) candidate: String,
    /// SHA-256 of the text of the baseline that the experiment gives; nothing where agents run their own.
    pub(super) baseline: Option<String>,
}

impl Bases {
    /// Digests of a specification's text.
    pub(super) fn of(spec: &str) -> Self {
        let spec: Value = serde_json::from_str(spec).unwrap_or_default();
        // A text of before there were versions has no frame.
        let content = spec.get("content").unwrap_or(&spec);
        let text = |name: &str| content[name].as_str().map(sha256);
        Self {
            policy: sha256(&content["policy"].to_string()),
            candidate: text("candidate").unwrap_or_default(),
            baseline: text("baseline"),
        }
    }
}

/// Names the verdict on a step, unless the last one that was named says the same.
pub(super) async fn verdict(
    tx: &mut Tx,
    experiment: &Experiment,
    verdict: &Verdict,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let Some(run) = experiment.state.run() else { return Ok(()) };
    let step = run.step.to_string();
    let is_named = |last: &Attested| {
        let same = last.verdict == [step.as_str(), verdict.verb.name()];
        same && (last.answers == answers(verdict) || now < last.at.plus(PACE))
    };
    if experiment.attested.as_ref().is_some_and(is_named) {
        return Ok(());
    }
    // Another look may have named it since the experiment was read.
    let of = (experiment.tenant_id, experiment.id);
    if fingerprints::last_attested(tx, of).await?.as_ref().is_some_and(is_named) {
        return Ok(());
    }
    let because: Vec<String> =
        verdict.reasons.iter().map(|reason| format!("{}/{}", reason.layer, reason.quantity)).collect();
    let detail = json!({ "because": because });
    decided(tx, (experiment, Some(verdict)), &step, (By::ControlPlane, now), (VERDICT, detail)).await
}

/// SHA-256 of what a verdict answers, without its figures.
fn answers(verdict: &Verdict) -> String {
    let reasons = verdict.reasons.iter().map(|one| format!("{} {}", one.layer, one.quantity));
    let criteria =
        verdict.criteria.iter().map(|one| format!("{} {}", one.finding.quantity, one.answer.name()));
    sha256(&reasons.chain(criteria).collect::<Vec<_>>().join("\n"))
}

/// Writes the entry of a decision about a step, with the verdict that is in force and the digests of what it rests on.
pub(super) async fn decided(
    tx: &mut Tx,
    (experiment, verdict): (&Experiment, Option<&Verdict>),
    step: &str,
    (by, now): (By, UnixMillis),
    (action, mut detail): (&str, Value),
) -> Result<(), StoreError> {
    let of: Of = (experiment.tenant_id, experiment.id);
    let Some(Texts { spec, verdict: text }) = fingerprints::texts(tx, of).await? else { return Ok(()) };
    let fingerprint = fingerprints::take(tx, of).await?;
    let baselines = fingerprints::baselines(tx, of, BASELINES).await?;
    detail["verdict"] = match (verdict, text) {
        (Some(verdict), Some(text)) => said(verdict, step, &text),
        _ => Value::Null,
    };
    detail["evidence"] = evidence(&fingerprint, &Bases::of(&spec), &baselines);
    let (action, object) = (format!("experiment.{action}"), format!("experiment/{}", of.1));
    let entry = audit::record(tx, now, of.0, by, &action, &object, &detail).await?;
    let Fingerprint { number, horizons, digest, .. } = fingerprint;
    let attested = Attested {
        entry,
        at: now,
        verdict: verdict.map(|verdict| [step.to_owned(), verdict.verb.name().to_owned()]).unwrap_or_default(),
        answers: verdict.map(answers).unwrap_or_default(),
        fingerprint: number,
        horizons,
        digest,
    };
    fingerprints::attested(tx, of, &attested).await
}

fn said(verdict: &Verdict, step: &str, text: &str) -> Value {
    let criteria: Vec<Value> = verdict
        .criteria
        .iter()
        .map(|one| json!({ "quantity": one.finding.quantity, "answer": one.answer.name() }))
        .collect();
    json!({ "verb": verdict.verb, "step": step, "criteria": criteria, "digest": sha256(text) })
}

fn evidence(fingerprint: &Fingerprint, bases: &Bases, baselines: &[String]) -> Value {
    json!({
        "fingerprint": fingerprint.number,
        "horizons": fingerprint.horizons,
        "digest": fingerprint.digest,
        "policy": bases.policy,
        "candidate": bases.candidate,
        "baseline": bases.baseline,
        "baselines": baselines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_what_is_kept_and_each_is_of_its_own_part() {
        let spec = |policy: u32, candidate: &str| {
            let content = json!({ "name": "a", "policy": { "min_hosts": policy }, "candidate": candidate, "baseline": null });
            json!({ "version": 2, "content": content }).to_string()
        };
        let first = Bases::of(&spec(1, "c"));
        assert_eq!(first.candidate, sha256("c"));
        assert_eq!((first.policy.clone(), first.baseline.clone()), (sha256(r#"{"min_hosts":1}"#), None));
        assert_eq!(Bases::of(&spec(2, "c")).candidate, first.candidate);
        assert_ne!(Bases::of(&spec(2, "c")).policy, first.policy);
        assert_ne!(Bases::of(&spec(1, "d")).candidate, first.candidate);
        let unframed = json!({ "policy": { "min_hosts": 1 }, "candidate": "c", "baseline": null });
        assert_eq!(Bases::of(&unframed.to_string()), first);
    }
}
