//! Statuses: what agents tell of themselves, gathered while the store is busy and written together.
//!
//! Whoever brings one waits until it is stored, so that its agent is answered after that. A transaction has all that came while
//! the one before ran: with few agents each has its own, with many its price is shared. What says nothing but that its agent is
//! there is kept in the hub, and written down for all at once every few seconds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::json;

use crate::clock::UnixMillis;
use crate::experiment::{ExperimentId, Reason};
use crate::gather::{Brought, Gathered};
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::generations::Status;
use crate::store::statuses::{
    self, Became, ConfigStatus, Heard, Known, News, Runs, Said, SettingsStatus, StatusUpdate,
};
use crate::store::{StoreError, Tx, arrivals, experiments, nodes};

/// Those that wait to be written; more wait to be let in.
pub const WAITING: usize = 1_024;
/// The most that are written together.
const TOGETHER: usize = 512;

/// The most agents that an event names.
const NAMED: usize = 30;

type Stored = Result<Known, StoreError>;

/// Stores what an agent tells of itself, and wakes the reconcilers if it changes what they know.
///
/// # Errors
/// The store's.
pub async fn store(state: &AppState, agent: (TenantId, AgentUid), news: StatusUpdate) -> Stored {
    let heard = (agent.0, agent.1, state.clock.now(), news);
    state.statuses.bring(heard).await.unwrap_or(Err(StoreError::Ended))
}

/// Writes what was brought, until the process ends.
pub async fn run(state: AppState, mut gathered: Gathered<Heard, Stored>) {
    loop {
        let all = tokio::select! {
            all = gathered.take(TOGETHER) => all,
            () = state.stopped() => return,
        };
        let mut tenants: BTreeMap<TenantId, Vec<Brought<Heard, Stored>>> = BTreeMap::new();
        for one in all {
            tenants.entry(one.0.0).or_default().push(one);
        }
        for (tenant, all) in tenants {
            let (all, waiting): (Vec<Heard>, Vec<_>) = all.into_iter().unzip();
            let outcome = write(&state, tenant, &all).await.map_err(Arc::new);
            for (one, waiting) in all.iter().zip(waiting) {
                let own = match &outcome {
                    Ok(known) => Ok(known.get(&one.1).cloned().unwrap_or_default()),
                    Err(error) if error.is_busy() || error.is_away() || all.len() == 1 => {
                        Err(StoreError::Together(Arc::clone(error)))
                    }
                    // What is wrong may be wrong with one of them.
                    Err(_) => write(&state, tenant, std::slice::from_ref(one))
                        .await
                        .map(|mut known| known.remove(&one.1).unwrap_or_default()),
                };
                waiting.tell(own);
            }
        }
    }
}

/// Writes the statuses of a tenant's agents in one transaction.
async fn write(
    state: &AppState,
    tenant: TenantId,
    all: &[Heard],
) -> Result<HashMap<AgentUid, Known>, StoreError> {
    let now = state.clock.now();
    let mut tx = state.store.begin(tenant).await?;
    let uids: HashSet<AgentUid> = all.iter().map(|(_, uid, ..)| *uid).collect();
    let uids: Vec<AgentUid> = uids.into_iter().collect();
    let mut said = statuses::of(&mut tx, tenant, &uids).await?;
    let (mut heard, mut became, mut changed) = (HashMap::new(), BTreeMap::new(), false);
    for (_, uid, at, news) in all {
        let Some(said) = said.get_mut(uid) else { continue };
        let last: &mut UnixMillis = heard.entry(*uid).or_insert(*at);
        *last = (*at).max(*last);
        changed |= take_in(&mut tx, (tenant, *uid), said, news).await?;
        if let Some(ConfigStatus { hash, status, error }) = &news.config {
            let one = Became { agent: *uid, hash: hash.clone(), status: *status, error: error.clone() };
            became.insert((*uid, hash.clone()), one);
        }
    }
    let became: Vec<Became> = became.into_values().collect();
    let news = statuses::became(&mut tx, tenant, &became, now).await?;
    changed |= !news.is_empty();
    let answered = note_answers(&mut tx, (tenant, now), &said, &became, &news).await?;
    let kept: Vec<_> = said.iter().map(|(uid, said)| (*uid, heard[uid], said)).collect();
    statuses::keep(&mut tx, (tenant, &state.replica.id), &kept).await?;
    tx.commit().await?;
    if changed {
        state.hub.wake_analyze();
        state.hub.wake_push();
    }
    if answered {
        state.hub.happened();
    }
    let is_anothers = |said: &Said| said.replica.as_ref().is_some_and(|replica| *replica != state.replica.id);
    for (uid, _) in said.iter().filter(|(_, said)| is_anothers(said)) {
        // Its connection to that one is an earlier one, unless two agents have one credential.
        state.hub.moved(tenant, *uid);
    }
    for gone in uids.iter().filter(|uid| !said.contains_key(uid)) {
        // It was deleted, and this replica has not heard of it.
        state.hub.dismiss(tenant, *gone);
    }
    let known = |Said { offered_hash, lifting, .. }: Said| Known { offered_hash, lifting };
    Ok(said.into_iter().map(|(uid, said)| (uid, known(said))).collect())
}

/// Notes as events which agents do not take what experiments have promoted, and which take it after all; tells whether there are
/// any.
async fn note_answers(
    tx: &mut Tx,
    (tenant, now): (TenantId, UnixMillis),
    said: &HashMap<AgentUid, Said>,
    became: &[Became],
    news: &[News],
) -> Result<bool, StoreError> {
    let host = |uid: &AgentUid| said.get(uid).map(|said| said.host.clone()).filter(|host| !host.is_empty());
    let named = |agents: &[AgentUid]| {
        agents.iter().take(NAMED).map(|uid| host(uid).unwrap_or_else(|| uid.to_string())).collect()
    };
    let told = |uid: &AgentUid| became.iter().find(|one| one.agent == *uid)?.error.clone();
    let refused = by_experiment(news, |news| news.not_promoted);
    let refused = refused.into_iter().map(|(of, agents)| {
        let why = agents.iter().find_map(told).unwrap_or_default();
        (of, "refused", not_taken(agents.len(), &why), agents)
    });
    let taken = by_experiment(news, |news| news.taken);
    let taken = taken.into_iter().map(|(of, agents)| (of, "taken", taken_now(agents.len()), agents));
    let mut any = false;
    for (experiment, kind, sentence, agents) in refused.chain(taken) {
        let reasons = [Reason::new("audit", "promotion", sentence).about(named(&agents), Vec::new())];
        let detail = json!({ "agents": agents.len(), "reasons": reasons });
        experiments::happened(tx, tenant, experiment, (now, kind, &detail)).await?;
        any = true;
    }
    Ok(any)
}

fn by_experiment(
    news: &[News],
    of: impl Fn(&News) -> Option<ExperimentId>,
) -> BTreeMap<ExperimentId, Vec<AgentUid>> {
    let mut all: BTreeMap<ExperimentId, Vec<AgentUid>> = BTreeMap::new();
    for one in news {
        of(one).into_iter().for_each(|experiment| all.entry(experiment).or_default().push(one.agent));
    }
    all
}

fn not_taken(agents: usize, why: &str) -> String {
    match agents {
        1 => format!("An agent does not take what was promoted: {why}"),
        many => {
            format!("{many} agents do not take what was promoted, one of them for this reason: {why}")
        }
    }
}

fn taken_now(agents: usize) -> String {
    match agents {
        1 => "An agent that had refused what was promoted has taken it now.".to_owned(),
        many => format!("{many} agents that had refused what was promoted have taken it now."),
    }
}

/// Takes in what one message says; tells whether it changes what the reconcilers know.
async fn take_in(
    tx: &mut Tx,
    (tenant, uid): (TenantId, AgentUid),
    said: &mut Said,
    news: &StatusUpdate,
) -> Result<bool, StoreError> {
    let mut changed = false;
    if let Some(described) = &news.described {
        changed |= said.describe(described)?;
        if let Some(node) = described.node.as_ref().filter(|node| said.node.as_deref() != Some(node.as_str()))
        {
            nodes::said(tx, tenant, uid, node).await?;
        }
    }
    if let Some(health) = &news.health {
        changed |= said.cut(health.candidate_cut.clone());
        said.health(&health.shown);
    }
    if let Some(takes) = news.takes_generations {
        changed |= said.takes_generations != takes;
        said.takes_generations = takes;
    }
    if let Some(version) = &news.version {
        said.version.clone_from(version);
    }
    if let Some(applied) = news.config.as_ref().filter(|config| config.status == Status::Applied) {
        said.effective_hash = Some(applied.hash.clone());
    }
    match &news.runs {
        Some(Runs::Own) => said.effective_hash = None,
        Some(Runs::Pushed(hash)) => said.effective_hash = Some(hash.clone()),
        None => {}
    }
    if let Some(files) = &news.files {
        arrivals::runs(tx, tenant, uid, files).await?;
    }
    if let Some(SettingsStatus { hash, status, error }) = &news.settings {
        arrivals::became(tx, tenant, uid, hash, (status, error.as_deref())).await?;
    }
    Ok(changed)
}

/// Writes down of which agents something was heard since the last time.
///
/// # Errors
/// The store's; then it is tried again with the next.
pub async fn note_heard(state: &AppState) -> Result<(), StoreError> {
    let mut tenants: BTreeMap<TenantId, Vec<(AgentUid, UnixMillis)>> = BTreeMap::new();
    for ((tenant, agent), at) in state.hub.take_heard() {
        tenants.entry(tenant).or_default().push((agent, at));
    }
    for (tenant, mut heard) in tenants {
        let mut tx = state.store.begin(tenant).await?;
        // One whose connection ends after this look is written down as such after this transaction.
        heard.retain(|(agent, _)| state.hub.is_connected(tenant, *agent));
        statuses::heard(&mut tx, (tenant, &state.replica.id), &heard).await?;
        tx.commit().await?;
    }
    Ok(())
}
