//! Previews: agents are asked to run a candidate beside their baseline on the last requests that they have kept, and their answers
//! are added up.
//!
//! What always holds: an agent is in one preview at a time; whoever asks waits no longer than was said, whatever agents do; what
//! agents answered is kept until then and no longer; and once whoever asked is gone, its agents are free and told to stop. Questions
//! and answers go by the store, so that each agent is reached through the replica that it is connected to.

use std::collections::HashMap;
use std::time::Duration;

use api::CreateExperiment;
use observe::offline::OfflinePolicy;
use proto::generation::Baseline;
use proto::preview::{PreviewAnswer, PreviewRequest, Previewed, Stretch};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::create;
use crate::audit;
use crate::auth::{Actor, Credential};
use crate::clock::UnixMillis;
use crate::experiment::preview::{Preview, PreviewOutcome, PreviewedAgent};
use crate::experiment::{Spec, Step};
use crate::hash::sha256_of;
use crate::id::{AgentUid, TenantId};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::agents::{self, Agent};
use crate::store::previews::{self, Asked, PreviewId};
use crate::store::sessions::CONNECTED;
use crate::store::{StoreError, Tx};

/// The most agents of a preview: each answers in full.
const MOST: usize = 200;
/// Time within which it is answered: the answer to whoever asks has to leave within half a minute.
const WAIT: Duration = Duration::from_secs(15);
const SHORTEST: Duration = Duration::from_secs(1);
/// Time of it that is left for answers to come in, and the part of it if that is less.
const GRACE: Duration = Duration::from_secs(1);
const PART: u32 = 4;
/// Time between two looks for answers that nobody told of.
const LOOK: Duration = Duration::from_millis(250);
/// Seconds after which an agent that is in a preview may be free again, though it need not be over.
const RETRY_AFTER: u64 = 5;

/// A preview that somebody waits for. Where they are gone, its agents are released.
struct Waiting<'a> {
    state: &'a AppState,
    tenant: TenantId,
    id: PreviewId,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Ok(runtime) = Handle::try_current()
            && !self.is_over
        {
            let (state, tenant, id) = (self.state.clone(), self.tenant, self.id);
            runtime.spawn(async move {
                match release(&state, tenant, id).await {
                    Ok(()) => tracing::info!(preview = %id, "nobody waits for a preview any more: it is stopped"),
                    Err(error) => {
                        tracing::warn!(preview = %id, %error, "a preview that nobody waits for is not stopped");
                    }
                }
            });
        }
    }
}

/// Forgets a preview, and wakes the agents that work on it, so that they are told to stop.
async fn release(state: &AppState, tenant: TenantId, id: PreviewId) -> Result<(), StoreError> {
    let mut tx = state.store.begin(tenant).await?;
    let working = previews::waiting(&mut tx, tenant, id).await?;
    previews::delete(&mut tx, tenant, id).await?;
    tx.commit().await?;
    for agent in working {
        state.hub.preview(tenant, agent);
    }
    Ok(())
}

/// Runs a preview on the agents that are meant: a candidate as in an experiment that only observes. It is over within `wait`, a
/// duration in words.
///
/// # Errors
/// Those of a new experiment; 409 if no agent is meant; 422 for too many; 429 if one is in a preview already; the store's.
pub async fn run(
    state: &AppState,
    actor: &Actor,
    asked: CreateExperiment,
    wait: Option<String>,
) -> Result<(PreviewId, Preview), Refusal> {
    let wait = waiting_time(wait)?;
    let due = Instant::now() + wait;
    let spec = create::specify(state, actor, asked).await?;
    let (tenant, id) = (actor.tenant_id, PreviewId(state.entropy.uuid(state.clock.now())));
    let mut waiting = Waiting { state, tenant, id, is_over: false };
    // What was refused has nobody to release.
    let meant = ask(state, actor, &spec, (id, wait)).await.inspect_err(|_| waiting.is_over = true)?;
    for (agent, _) in meant.iter().filter(|(_, is_asked)| *is_asked) {
        state.hub.preview(tenant, agent.uid);
    }
    wait_for(state, tenant, id, due).await?;
    let answers = previews::answers(&mut *state.store.read(tenant).await?, tenant, id).await?;
    release(state, tenant, id).await?;
    waiting.is_over = true;
    let mut answers: HashMap<AgentUid, Vec<u8>> = answers.into_iter().collect();
    let agents = meant.into_iter().map(|(agent, is_asked)| {
        let outcome = if is_asked { outcome(answers.remove(&agent.uid), wait) } else { unasked(&agent) };
        PreviewedAgent { uid: agent.uid, host: agent.host, last_seen: agent.last_seen, outcome }
    });
    let policy = OfflinePolicy { lenses: spec.lenses, critical: spec.critical, ..OfflinePolicy::default() };
    Ok((id, Preview::of(agents.collect(), &policy)))
}

fn waiting_time(text: Option<String>) -> Result<Duration, Refusal> {
    let Some(text) = text else { return Ok(WAIT) };
    let expected = "a duration from 1s to 15s";
    let wait = humantime::parse_duration(&text)
        .map_err(|error| Refusal::invalid_field("wait", format!("{text:?}: {error}"), expected))?;
    if (SHORTEST..=WAIT).contains(&wait) {
        return Ok(wait);
    }
    Err(Refusal::invalid_field("wait", format!("{text:?} is too short or too long"), expected))
}

/// Writes down what agents are asked for. Returns those that are meant, each with true if it is asked.
async fn ask(
    state: &AppState,
    actor: &Actor,
    spec: &Spec,
    (id, wait): (PreviewId, Duration),
) -> Result<Vec<(Agent, bool)>, Refusal> {
    let (now, tenant) = (state.clock.now(), actor.tenant_id);
    let body = spec.generation(&id.to_string(), &Baseline::Current, Step::Mirror, 0).write();
    let mut tx = state.store.begin(tenant).await?;
    let meant = agents::matching(&mut tx, tenant, &spec.selector).await?;
    if meant.is_empty() {
        return Err(Refusal::conflict(
            "no agent matches the selector; `phoenix agent list` shows the labels of each",
        ));
    }
    if meant.len() > MOST {
        let message = format!("{} agents match it", meant.len());
        return Err(Refusal::invalid_field("selector", message, format!("one of at most {MOST} agents")));
    }
    let with_word = |agent: Agent| {
        let is_asked = is_there(&agent);
        (agent, is_asked)
    };
    let meant: Vec<(Agent, bool)> = meant.into_iter().map(with_word).collect();
    previews::forget_overdue(&mut tx, tenant, now).await?;
    free(&mut tx, tenant, &meant, now).await?;
    let asked = Asked { id, body, due_at: now.plus(wait) };
    let uids: Vec<AgentUid> =
        meant.iter().filter(|(_, is_asked)| *is_asked).map(|(agent, _)| agent.uid).collect();
    previews::insert(&mut tx, tenant, (&asked, &name(actor)), &uids).await?;
    let detail = json!({
        "selector": spec.selector,
        "candidate_sha256": hex::encode(sha256_of(spec.candidate.as_bytes())),
        "agents": uids.len(),
    });
    audit::record(&mut tx, now, tenant, actor, "preview.run", &format!("preview/{id}"), &detail).await?;
    tx.commit().await?;
    Ok(meant)
}

/// Name of whoever asks, for others.
fn name(actor: &Actor) -> String {
    match &actor.credential {
        Credential::Session(_) => actor.email.clone(),
        Credential::Key(key) => format!("{} (API key {})", actor.email, key.id),
    }
}

fn is_there(agent: &Agent) -> bool {
    agent.status == CONNECTED && agent.own_credential
}

/// Refuses, to be asked again, where one of these is in a preview.
async fn free(
    tx: &mut Tx,
    tenant: TenantId,
    meant: &[(Agent, bool)],
    now: UnixMillis,
) -> Result<(), Refusal> {
    let busy = previews::busy(tx, tenant).await?;
    let is_meant = |uid| meant.iter().find(|(agent, is_asked)| *is_asked && agent.uid == uid);
    let mut taken = busy.iter().filter_map(|busy| Some((is_meant(busy.agent)?, busy)));
    let Some(((agent, _), first)) = taken.next() else { return Ok(()) };
    let more = match taken.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let left = now.until(first.due_at).as_millis().div_ceil(1_000);
    let retry_after = RETRY_AFTER.min(u64::try_from(left).unwrap_or(RETRY_AFTER)).max(1);
    Err(Refusal::too_many(
        format!(
            "the agent on {}{more} is in a preview of {}, which ends at {} at the latest, and an agent runs one at a time; try again \
             in {retry_after} s",
            agent.host, first.asked_by, first.due_at
        ),
        retry_after,
    ))
}

/// Returns once all have answered, or the time is over.
async fn wait_for(state: &AppState, tenant: TenantId, id: PreviewId, due: Instant) -> Result<(), StoreError> {
    let mut answers = state.hub.previews.subscribe();
    loop {
        answers.mark_unchanged();
        let waiting = previews::waiting(&mut *state.store.read(tenant).await?, tenant, id).await?;
        if waiting.is_empty() || Instant::now() >= due {
            return Ok(());
        }
        let look = due.min(Instant::now() + LOOK);
        let _either = tokio::time::timeout_at(look, answers.changed()).await;
    }
}

fn outcome(answer: Option<Vec<u8>>, wait: Duration) -> PreviewOutcome {
    let Some(answer) = answer else {
        let wait = humantime::format_duration(wait);
        return PreviewOutcome::Unanswered(format!(
            "it did not answer within {wait}: it is busy or stopped, has lost its connection, or is an agent that is not asked over a \
             WebSocket"
        ));
    };
    match PreviewAnswer::decode(&answer) {
        Ok(PreviewAnswer { stretch, previewed, .. }) => PreviewOutcome::Answered(stretch, previewed),
        Err(invalid) => PreviewOutcome::Unanswered(format!("its answer cannot be read: {invalid}")),
    }
}

/// Outcome of it on an agent that was not asked.
fn unasked(agent: &Agent) -> PreviewOutcome {
    if agent.own_credential {
        return PreviewOutcome::Away;
    }
    refused(
        "it came by a token over OpAMP and has no credential of its own yet, so that it is asked for nothing",
    )
}

fn refused(why: &str) -> PreviewOutcome {
    PreviewOutcome::Answered(Stretch::default(), Previewed::Refused(why.to_owned()))
}

/// Word to an agent about previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is to run this one.
    Ask(PreviewId, PreviewRequest),
    /// Nobody waits for this one any more.
    Stop(PreviewId),
}

/// Word that is new to an agent which was `told` of a preview last: the question that it has not answered yet, or that the one it
/// works on is over. An agent of a release that runs none is not asked, and that is its answer.
///
/// # Errors
/// The store's.
pub async fn word(
    state: &AppState,
    (tenant, agent): (TenantId, AgentUid),
    knows_previews: bool,
    told: Option<PreviewId>,
) -> Result<Option<Word>, StoreError> {
    let asked = previews::asked(&mut *state.store.read(tenant).await?, tenant, agent).await?;
    let Some(Asked { id, body, due_at }) = asked else { return Ok(told.map(Word::Stop)) };
    if Some(id) == told {
        return Ok(None);
    }
    let left = state.clock.now().until(due_at);
    let patience = left.saturating_sub(GRACE.min(left / PART));
    if knows_previews {
        return Ok(Some(Word::Ask(id, PreviewRequest { id: id.to_string(), body, patience })));
    }
    let why = "it runs no previews: it is of an earlier release, or no agent of Phoenix".to_owned();
    let answer =
        PreviewAnswer { id: id.to_string(), stretch: Stretch::default(), previewed: Previewed::Refused(why) };
    answered(state, (tenant, agent), &answer.encode()).await?;
    Ok(None)
}

/// Keeps an agent's answer for whoever waits for it. One that nobody waits for is nothing to anybody.
///
/// # Errors
/// The store's.
pub async fn answered(
    state: &AppState,
    (tenant, agent): (TenantId, AgentUid),
    answer: &[u8],
) -> Result<(), StoreError> {
    let Ok(read) = PreviewAnswer::decode(answer) else {
        tracing::warn!(%agent, "an agent's answer to a preview cannot be read, and is dropped");
        return Ok(());
    };
    let Ok(id) = read.id.parse() else { return Ok(()) };
    let mut tx = state.store.begin(tenant).await?;
    if previews::answer(&mut tx, tenant, (id, agent), answer).await? {
        tx.commit().await?;
        state.hub.previewed();
    }
    Ok(())
}
