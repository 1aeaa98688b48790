//! Check of attested verdicts: whether what each rests on is still as it was when the audit chain named it.
//!
//! The fingerprints of an experiment are worked out again from the horizons that are kept, agent by agent, so that no more than one
//! agent's are held at once. What is not as it was is told by the fingerprint that has it: a verdict rests on all horizons before it,
//! so those before a change agree, and those after it do not. Reports that are kept are checked against their digests. What a merge
//! has left out cannot be, and is counted. All is read as it was at one moment.

use std::collections::BTreeMap;

use serde_json::Value;

use super::attest::Bases;
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::hash::{sha256, sha256_of};
use crate::id::{AgentUid, TenantId};
use crate::store::audit::{self as rows, Entry, Filter};
use crate::store::fingerprints::{self, Digester, Fingerprint, Item, Kept, item};
use crate::store::merges::{self, Horizon, Process};
use crate::store::{Connection, StoreError, experiments};

/// Rows that are read at once: entries, horizons with their reports, and merges.
const ENTRIES: u32 = 200;
const REPORTS: u32 = 64;
const MERGES: u32 = 8;
/// The most changes that are told one by one.
const CHANGES: usize = 20;
/// The most verdicts of an experiment that are told: the latest.
const VERDICTS: usize = 500;

/// An experiment and its tenant.
type Of = (TenantId, ExperimentId);

/// Outcome for an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rechecked {
    /// The experiment.
    pub id: ExperimentId,
    /// True if it is kept; one that was deleted took its evidence with it.
    pub stored: bool,
    /// Number of horizons that fingerprints cover.
    pub horizons: u64,
    /// Number of those whose reports are kept, and have their digests.
    pub reports: u64,
    /// Number of horizons that no fingerprint covers: they came since the last one, or were filed by a release that knew none.
    pub uncovered: u64,
    /// Things that are not as they were, in words; the first ones.
    pub changes: Vec<String>,
    /// Verdicts that the audit chain names, the oldest first.
    pub verdicts: Vec<Attestation>,
}

/// Verdict that the audit chain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Place of its entry.
    pub entry: i64,
    /// Time.
    pub at: UnixMillis,
    /// Action of the entry.
    pub action: String,
    /// Step and verb; empty where there was no verdict yet.
    pub verdict: [String; 2],
    /// Number of the fingerprint of its evidence, horizons that it covers, and its digest.
    pub fingerprint: (i64, i64, String),
    /// Agreement of what is kept with it.
    pub agreement: Agreement,
    /// Digest of the verdict's text.
    text: Option<String>,
    /// Digests of policy and candidate.
    bases: [String; 2],
}

/// Agreement of what is kept with what an entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// It is as it was.
    Agrees,
    /// It is not, for this reason.
    Changed(String),
    /// It is not kept any more.
    NotStored,
}

/// Checks an experiment of which the chain has an entry.
///
/// # Errors
/// The store's.
pub async fn recheck(connection: &mut Connection, of: Of) -> Result<Rechecked, StoreError> {
    let named = Named::of(connection, of).await?;
    let mut verdicts = named.verdicts;
    let mut all = Rechecked {
        id: of.1,
        stored: false,
        horizons: 0,
        reports: 0,
        uncovered: 0,
        changes: Vec::new(),
        verdicts: Vec::new(),
    };
    let Some(texts) = fingerprints::texts(connection, of).await? else {
        all.verdicts = verdicts;
        return Ok(all);
    };
    let mut looked = Looked::of(fingerprints::all(connection, of).await?);
    for agent in fingerprints::agents(connection, of).await? {
        looked.look(connection, of, agent).await?;
    }
    let wrong = looked.wrong();
    let last_of_text = verdicts.iter().rposition(|one| one.text.is_some());
    let stored = texts.verdict.as_deref().map(sha256);
    let ((ended, outcome), bases) = (end(connection, of).await?, Bases::of(&texts.spec));
    let outcome_is_other = (outcome != named.outcome).then(|| {
        let [kept, named] = [&outcome, &named.outcome].map(|it| it.as_deref().unwrap_or("none"));
        format!("the outcome that is kept, {kept}, is not the one that the chain names last, {named}")
    });
    let last = verdicts.len();
    for (place, one) in (1..).zip(verdicts.iter_mut()) {
        let verdict_is_other = ended && Some(place - 1) == last_of_text && one.text != stored;
        let other = if verdict_is_other {
            Some("the verdict that is kept is not the one that the entry names".to_owned())
        } else {
            outcome_is_other.clone().filter(|_| place == last)
        };
        one.agreement = agreement(one, &looked, &wrong, (&bases, other));
    }
    Ok(Rechecked {
        stored: true,
        horizons: looked.horizons,
        reports: looked.reports,
        uncovered: looked.uncovered,
        changes: wrong.into_iter().map(|(_, why)| why).take(CHANGES).collect(),
        verdicts,
        ..all
    })
}

/// True if an experiment has ended, after which its last verdict changes no more; and its outcome, where it has one.
async fn end(connection: &mut Connection, of: Of) -> Result<(bool, Option<String>), StoreError> {
    let Some(experiment) = experiments::get(connection, of.0, of.1).await? else { return Ok((false, None)) };
    let outcome = serde_json::to_value(experiment.state.outcome()).unwrap_or_default();
    Ok((experiment.state.end().is_some(), outcome.as_str().map(str::to_owned)))
}

fn agreement(
    one: &Attestation,
    looked: &Looked,
    wrong: &[(i64, String)],
    (Bases { policy, candidate, .. }, other): (&Bases, Option<String>),
) -> Agreement {
    let (number, _, digest) = &one.fingerprint;
    let changed = |why: &str| Agreement::Changed(why.to_owned());
    if let Some((_, why)) = wrong.iter().find(|(at, _)| at <= number) {
        return Agreement::Changed(why.clone());
    }
    if *number > 0 && looked.fingerprints.get(number).map(|kept| &kept.digest) != Some(digest) {
        return Agreement::Changed(format!("fingerprint {number} is not the one that the entry names"));
    }
    match &one.bases {
        [was, _] if was != policy => changed("the policy is not the one that the entry names"),
        [_, was] if was != candidate => changed("the candidate is not the one that the entry names"),
        _ => other.map_or(Agreement::Agrees, Agreement::Changed),
    }
}

/// What the chain names of an experiment.
#[derive(Default)]
struct Named {
    /// Verdicts with their evidence, the oldest first.
    verdicts: Vec<Attestation>,
    /// The last outcome.
    outcome: Option<String>,
}

impl Named {
    async fn of(connection: &mut Connection, of: Of) -> Result<Self, StoreError> {
        let filter = Filter { object: Some(format!("experiment/{}", of.1)), ..Filter::default() };
        let (mut all, mut after) = (Self::default(), 0);
        loop {
            let page = rows::filtered(connection, of.0, &filter, (after, ENTRIES)).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.seq;
            for entry in page {
                let Ok(detail) = serde_json::from_str::<Value>(&entry.detail) else { continue };
                all.outcome = detail["outcome"].as_str().map(str::to_owned).or(all.outcome);
                all.verdicts.extend(attestation(entry, &detail));
            }
            let first = all.verdicts.len().saturating_sub(VERDICTS);
            all.verdicts.drain(..first);
        }
    }
}

fn attestation(entry: Entry, detail: &Value) -> Option<Attestation> {
    let evidence = detail.get("evidence")?;
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let number = |of: &Value| of.as_i64().unwrap_or_default();
    let verdict = &detail["verdict"];
    Some(Attestation {
        entry: entry.seq,
        at: entry.at,
        action: entry.action,
        verdict: [text(&verdict["step"]), text(&verdict["verb"])],
        fingerprint: (
            number(&evidence["fingerprint"]),
            number(&evidence["horizons"]),
            text(&evidence["digest"]),
        ),
        agreement: Agreement::NotStored,
        text: verdict["digest"].as_str().map(str::to_owned),
        bases: [text(&evidence["policy"]), text(&evidence["candidate"])],
    })
}

/// Horizons of an experiment as they are now, by the fingerprints that cover them.
struct Looked {
    fingerprints: BTreeMap<i64, Fingerprint>,
    digesters: BTreeMap<i64, (Digester, i64)>,
    horizons: u64,
    reports: u64,
    uncovered: u64,
    /// What is wrong, each with the number of the fingerprint that covers it.
    wrong: Vec<(i64, String)>,
}

impl Looked {
    fn of(fingerprints: BTreeMap<i64, Fingerprint>) -> Self {
        let before = |number: i64| {
            fingerprints.get(&(number - 1)).map(|before| before.digest.as_str()).unwrap_or_default()
        };
        let digesters =
            fingerprints.keys().map(|number| (*number, (Digester::after(before(*number)), 0))).collect();
        Self { digesters, fingerprints, horizons: 0, reports: 0, uncovered: 0, wrong: Vec::new() }
    }

    /// Looks at all horizons of an agent, which is behind the one before.
    async fn look(&mut self, connection: &mut Connection, of: Of, agent: AgentUid) -> Result<(), StoreError> {
        let mut own = OfAgent::default();
        let mut after: Option<Kept> = None;
        loop {
            let page = fingerprints::kept(connection, (of.0, of.1, agent), after.as_ref(), REPORTS).await?;
            for kept in &page {
                own.add(&kept.step, &kept.process, &kept.horizon);
                self.check(agent, kept);
            }
            after = page.into_iter().next_back();
            if after.is_none() {
                break;
            }
        }
        let mut after = (String::new(), i64::MIN, i64::MIN);
        loop {
            let behind = (after.0.as_str(), after.1, after.2);
            let page = merges::behind(connection, (of.0, of.1, agent), behind, MERGES).await?;
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            for ((step, ..), merge) in &page {
                let processes = merge.horizons.iter();
                let all = processes.flat_map(|(process, all)| all.values().map(move |one| (process, one)));
                all.for_each(|(process, horizon)| own.add(step, process, horizon));
            }
        }
        let added_up = fingerprints::added_up(connection, of, agent).await?;
        self.end(agent, own, added_up);
        Ok(())
    }

    /// Checks a report against its digest.
    fn check(&mut self, agent: AgentUid, Kept { horizon, body, .. }: &Kept) {
        if body.is_empty() || !self.fingerprints.contains_key(&horizon.fingerprint) {
            return;
        }
        if hex::encode(sha256_of(body)) == horizon.digest {
            self.reports += 1;
        } else {
            let at = UnixMillis(horizon.start / 1_000_000);
            let why = format!("the report of agent {agent} that begins at {at} is not the one that came");
            self.wrong.push((horizon.fingerprint, why));
        }
    }

    fn end(&mut self, agent: AgentUid, own: OfAgent, [horizons, counted]: [i64; 2]) {
        // Of what an earlier release filed and merged there may be fewer than were added up.
        let is_covered = own.items.keys().all(|number| *number > 0);
        if is_covered && [own.horizons, own.counted] != [horizons, counted] {
            let number = own.items.keys().next().copied().unwrap_or_default();
            let why = format!(
                "the sums of agent {agent} have {horizons} horizons, in {counted} of which something came in; there are {}, and {}",
                own.horizons, own.counted
            );
            self.wrong.push((number, why));
        }
        let next = self.fingerprints.len() as i64 + 1;
        for (number, items) in own.items {
            let found = items.len();
            match self.digesters.get_mut(&number) {
                Some((digester, all)) => {
                    digester.add(agent, items);
                    *all += found as i64;
                    self.horizons += found as u64;
                }
                None if number == 0 || number == next => self.uncovered += found as u64,
                None => {
                    let why = format!(
                        "{found} horizons of agent {agent} name fingerprint {number}, which is not kept"
                    );
                    self.wrong.push((number, why));
                }
            }
        }
    }

    /// What is wrong, by the number of the fingerprint that covers it.
    fn wrong(&mut self) -> Vec<(i64, String)> {
        let mut horizons = 0;
        for (place, (number, (digester, found))) in (1..).zip(std::mem::take(&mut self.digesters)) {
            let kept = &self.fingerprints[&number];
            horizons += found;
            if number != place {
                self.wrong.push((number, format!("fingerprint {place} is not kept")));
            } else if digester.end() != kept.digest || horizons != kept.horizons {
                let came = match self.fingerprints.get(&(number - 1)) {
                    Some(before) => format!("after {} and until {}", before.until, kept.until),
                    None => format!("until {}", kept.until),
                };
                let why = match kept.horizons - (horizons - found) {
                    covered if covered == found => {
                        format!("the {covered} horizons that came {came} are not as they were")
                    }
                    covered => format!("{found} horizons are kept of the {covered} that came {came}"),
                };
                self.wrong.push((number, why));
                // Those behind are told by themselves.
                horizons = kept.horizons;
            }
        }
        let mut wrong = std::mem::take(&mut self.wrong);
        wrong.sort();
        wrong
    }
}

/// Horizons of one agent.
#[derive(Default)]
struct OfAgent {
    items: BTreeMap<i64, Vec<Item>>,
    horizons: i64,
    counted: i64,
}

impl OfAgent {
    fn add(&mut self, step: &str, process: &Process, horizon: &Horizon) {
        self.items.entry(horizon.fingerprint).or_default().push(item(step, process, horizon));
        self.horizons += 1;
        self.counted += i64::from(horizon.came_in);
    }
}

/// Experiments that were begun, behind an entry of the chain and by the entries in which they were, so many at most.
///
/// # Errors
/// The store's.
pub async fn begun(
    connection: &mut Connection,
    tenant: TenantId,
    experiment: Option<ExperimentId>,
    (after, limit): (i64, u32),
) -> Result<Vec<(i64, ExperimentId)>, StoreError> {
    let object = experiment.map(|id| format!("experiment/{id}"));
    let filter = Filter { action: Some("experiment.start".to_owned()), object, ..Filter::default() };
    let found = rows::filtered(connection, tenant, &filter, (after, limit)).await?;
    let id = |entry: &Entry| entry.object.strip_prefix("experiment/")?.parse().ok();
    Ok(found.iter().filter_map(|entry| Some((entry.seq, id(entry)?))).collect())
}
