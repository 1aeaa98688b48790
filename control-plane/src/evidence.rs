//! Evidence: all that the agents of a step have reported, as the store has it.

use proto::Findings;

use crate::clock::UnixMillis;
use crate::experiment::{AgentEvidence, Evidence, Measured, Run};
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::generations::{self, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError, windows};

/// Findings of the agents of a step; with `since`, only those after it.
///
/// # Errors
/// The store's.
pub async fn evidence(
    reader: &mut Connection,
    experiment: &Experiment,
    run: &Run,
    since: Option<UnixMillis>,
) -> Result<Evidence, StoreError> {
    let members = sessions::of_tenant(reader, experiment.tenant_id).await?;
    let mut agents = Vec::with_capacity(run.agents.len());
    for uid in &run.agents {
        let member = members.iter().find(|member| member.uid == *uid);
        agents.push(agent(reader, experiment, run, since, (*uid, member)).await?);
    }
    Ok(Evidence { agents })
}

async fn agent(
    reader: &mut Connection,
    experiment: &Experiment,
    run: &Run,
    since: Option<UnixMillis>,
    (uid, member): (AgentUid, Option<&Member>),
) -> Result<AgentEvidence, StoreError> {
    let tenant = experiment.tenant_id;
    let step = run.step.to_string();
    let latest = generations::latest(reader, tenant, uid).await?;
    let latest =
        latest.filter(|l| l.experiment_id == Some(experiment.id) && l.step.as_deref() == Some(&step));
    let since_nanos = since.map_or(0, |since| since.0.saturating_mul(1_000_000));
    let found = windows::of_step(reader, (tenant, experiment.id), uid, &step, since_nanos).await?;
    let digest = |body: &Vec<u8>| proto::generation::config_hash(body);
    let read = found.bodies.iter().filter_map(|body| Findings::decode(body, &digest(body)).ok());
    // What the split lost of is no evidence.
    let (horizons, void): (Vec<_>, Vec<_>) = read.partition(|found| found.horizon.missing.count == 0);
    let voided = u32::try_from(void.len()).unwrap_or(u32::MAX);
    let current =
        member.zip(latest.as_ref()).filter(|(member, latest)| member.generation == latest.generation);
    Ok(AgentEvidence {
        uid,
        host: member.map_or_else(|| uid.to_string(), |member| member.host.clone()),
        applied: latest.as_ref().is_some_and(|latest| latest.status == Status::Applied),
        failed: latest
            .as_ref()
            .filter(|latest| latest.status == Status::Failed)
            .map(|latest| latest.error.clone().unwrap_or_else(|| "it does not say why".to_owned())),
        cut: current.and_then(|(member, _)| member.candidate_cut.clone()),
        last_seen: Some(found.received_at.unwrap_or(run.since).max(since.unwrap_or(run.since))),
        horizons,
        count: found.count.saturating_sub(voided),
        void: void.into_iter().flat_map(|found| found.horizon.missing.names).collect(),
        measured: measured(reader, experiment, uid).await?,
    })
}

/// Figures that varied by chance, if a guardrail asks: one of each horizon, where a restart or a step made two begin in it.
async fn measured(
    reader: &mut Connection,
    experiment: &Experiment,
    uid: AgentUid,
) -> Result<Vec<Measured>, StoreError> {
    if !experiment.spec.policy.all_guardrails().any(|guardrail| guardrail.quantity.varies()) {
        return Ok(Vec::new());
    }
    let length = i64::try_from(experiment.spec.report_every.as_nanos()).unwrap_or(i64::MAX).max(1);
    let varied = windows::varied(reader, (experiment.tenant_id, experiment.id), uid).await?;
    let mut measured: Vec<Measured> = Vec::with_capacity(varied.len());
    for windows::Varied { start, mirror, nanos_per_point, latency_p99 } in varied {
        let horizon = u64::try_from(start / length).unwrap_or(0);
        if measured.last().is_none_or(|last| last.horizon < horizon) {
            measured.push(Measured { horizon, mirror, nanos_per_point, latency_p99 });
        }
    }
    Ok(measured)
}
