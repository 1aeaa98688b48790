//! Evidence of verdicts, as `phoenix audit verify` tells of it: what is as the audit chain says, what is not, and what is not kept.

use anyhow::{Context as _, bail};
use api::{Agreement, AttestedVerdict, EvidenceState, Page};
use client::{Client, Error};

/// Experiments that are checked by one request.
const PAGE: usize = 5;
/// The most experiments that a message names.
const NAMED: usize = 20;

/// Evidence of all experiments of the tenant, in the order in which they were begun. A control plane of before there were
/// fingerprints has none.
pub(super) async fn of_all(client: &Client) -> anyhow::Result<Vec<EvidenceState>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/audit/evidence?limit={PAGE}{after}");
        let answer = match client.get(&path).await {
            Err(Error::Refused { status: 404, .. }) => return Ok(all),
            answer => answer?,
        };
        let page: Page<EvidenceState> =
            serde_json::from_value(answer).context("the answer is not as expected")?;
        all.extend(page.items);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(all),
        }
    }
}

/// A number of things.
fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    let number: u64 = number.try_into().unwrap_or(u64::MAX);
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// What is so, in sentences that say no more than was looked at.
pub(super) fn sentences(all: &[EvidenceState]) -> Vec<String> {
    let named = |state: &&EvidenceState| !state.verdicts.is_empty();
    let count = |which: Agreement| {
        let verdicts = all.iter().flat_map(|state| &state.verdicts);
        verdicts.filter(|one| one.agreement == which).count()
    };
    let (agree, changed, gone) =
        (count(Agreement::Agrees), count(Agreement::Changed), count(Agreement::NotStored));
    let experiments = all.iter().filter(named).count();
    if experiments == 0 {
        return vec!["no verdict is named in the chain, so that no evidence was compared".to_owned()];
    }
    let of = |get: fn(&EvidenceState) -> u64| all.iter().map(get).sum::<u64>();
    let (horizons, reports, uncovered) =
        (of(|state| state.horizons), of(|state| state.reports), of(|state| state.uncovered));
    let mut said = vec![format!(
        "the chain names {} on {}: the evidence of {agree} is as it was",
        counted(agree + changed + gone, "verdict"),
        counted(experiments, "experiment")
    )];
    if changed > 0 {
        said.push(format!("the evidence of {changed} is not as it was"));
    }
    if gone > 0 {
        said.push(format!("the evidence of {gone} is not kept any more: their experiments were deleted"));
    }
    said.push(format!(
        "it is of {}: of {reports} the reports are kept, and are as they came{}",
        counted(horizons, "horizon"),
        if reports < horizons { "; of the others, their digests alone" } else { "" }
    ));
    if uncovered > 0 {
        said.push(format!(
            "in no fingerprint: {}, which came after the last verdict, or to a release that took none",
            counted(uncovered, "horizon")
        ));
    }
    said
}

/// # Errors
/// Every experiment with a verdict whose evidence is not as it was, and what is not; the first ones, if they are many.
pub(super) fn agrees(all: &[EvidenceState]) -> anyhow::Result<()> {
    let changed: Vec<String> = all.iter().filter_map(changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let more = match changed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  {more} more experiments; `-o json` names all"),
    };
    let changed: Vec<String> = changed.into_iter().take(NAMED).collect();
    bail!("the evidence of verdicts was changed:\n  {}{more}", changed.join("\n  "))
}

/// What is not as it was of an experiment, by the first of its verdicts that rests on that.
fn changed(EvidenceState { experiment_id, changes, verdicts, .. }: &EvidenceState) -> Option<String> {
    let is_changed = |one: &&AttestedVerdict| one.agreement == Agreement::Changed;
    if let Some(AttestedVerdict { entry, at, because, .. }) = verdicts.iter().find(is_changed) {
        let because = because.as_deref().unwrap_or_default();
        let others = verdicts.iter().filter(is_changed).count() - 1;
        let others = match others {
            0 => String::new(),
            others => format!(", and {} after it", counted(others, "other")),
        };
        return Some(format!(
            "experiment {experiment_id}, named by entry {entry} of the chain at {at}{others}: {because}"
        ));
    }
    changes.first().map(|change| format!("experiment {experiment_id}: {change}"))
}
