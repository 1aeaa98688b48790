//! `/api/v1/audit`: who changed what.

use api::{
    AnchorMisfit, AnchorState, AttestedVerdict, AuditAnchor, AuditEntry, ChainState, EvidenceState,
    Fingerprint, Page, Problem, SignatureState, Timestamp,
};
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::shapes::time;
use crate::actions::anchors::{self, Compared, Misfit};
use crate::actions::recheck::{self, Agreement, Attestation, Rechecked};
use crate::anchor::Anchor;
use crate::audit::{self, Chain, Signatures};
use crate::auth::Actor;
use crate::chain_keys::Signature;
use crate::experiment::ExperimentId;
use crate::http::{Access, Json, PageQuery, Query, Routes, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::audit::{self as rows, Entry, Filter};

pub(super) fn routes(routes: Routes) -> Routes {
    let admin = Access::AtLeast(Role::Admin);
    routes.add(admin, __path_list, list).add(admin, __path_verify, verify).add(
        admin,
        __path_evidence,
        evidence,
    )
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        let Entry { seq, at, actor, action, object, detail, previous_hash, hash, signature } = entry;
        let detail = serde_json::from_str(&detail).unwrap_or(Value::String(detail));
        let (key_id, mac) = signature.map(|Signature { key_id, mac }| (key_id, mac)).unzip();
        Self { seq, at: at.into(), actor, action, object, detail, previous_hash, hash, key_id, mac }
    }
}

/// Query of changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those of this author, such as `user/018f4f9e-0000-7000-8000-000000000000` or `control-plane`.
    actor: Option<String>,
    /// Those of this action, such as `experiment.promote`.
    action: Option<String>,
    /// Those of this thing, such as `experiment/018f4f9e-0000-7000-8000-000000000000`.
    object: Option<String>,
    /// Those not before this time, in RFC 3339.
    from: Option<Timestamp>,
    /// Those before this time, in RFC 3339.
    to: Option<Timestamp>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Number of items at most; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The changes of one's own tenant, oldest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(Which),
    responses((status = 200, body = Page<AuditEntry>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(which): Query<Which>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let Which { actor: author, action, object, from, to, after, limit } = which;
    let asked = PageQuery { after, limit };
    let (after, limit) = (asked.after()?.unwrap_or(0), asked.limit()?);
    let from = from.map(|at| time("from", &at)).transpose()?;
    let to = to.map(|at| time("to", &at)).transpose()?;
    let filter = Filter { actor: author, action, object, from, to };
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found = rows::filtered(&mut reader, actor.tenant_id, &filter, (after, limit + 1)).await?;
    Ok(Json(page(found, limit, |entry| entry.seq.to_string())))
}

impl From<Compared> for AnchorState {
    fn from(Compared { anchors, last_seq, unreadable, misfit }: Compared) -> Self {
        Self { compared: anchors, last_seq, unreadable, misfit: misfit.map(Into::into) }
    }
}

impl From<Misfit> for AnchorMisfit {
    fn from(Misfit { line, anchor, found }: Misfit) -> Self {
        let Anchor { tenant_id, seq, hash, at } = anchor;
        Self { line, anchor: AuditAnchor { tenant_id: tenant_id.0, seq, hash, at: at.into() }, found }
    }
}

impl From<Signatures> for SignatureState {
    fn from(Signatures { signed, unsigned, unfit }: Signatures) -> Self {
        let (unfit_at, because) = unfit.map(|(seq, why)| (seq, why.to_string())).unzip();
        Self { signed, unsigned, unfit_at, because }
    }
}

/// Checks that the chain of one's own tenant is as it was written: by its hashes, by its signatures if the process that is asked
/// has keys, and by the anchors of it that lie outside the database, if that process keeps some.
#[utoipa::path(
    get, path = "/api/v1/audit/chain", tag = "audit", responses((status = 200, body = ChainState))
)]
async fn verify(State(state): State<AppState>, actor: Actor) -> Result<Json<ChainState>, Refusal> {
    let tenant = actor.tenant_id;
    let kept = anchors::beginning(&state).await?;
    let mut reader = state.store.read(tenant).await?;
    let (chain, signatures) = audit::verify(&mut reader, tenant, state.store.chain_keys()).await?;
    let (entries, broken_at) = match chain {
        Chain::Intact { rows } => (Some(rows), None),
        Chain::Broken { seq } => (None, Some(seq)),
    };
    let anchors: Option<AnchorState> = match kept {
        Some(kept) => Some(anchors::compare(&mut reader, tenant, kept).await?.into()),
        None => None,
    };
    let fits = anchors.as_ref().is_none_or(|anchors| anchors.misfit.is_none());
    let vouched = signatures.as_ref().is_none_or(|signatures| signatures.unfit.is_none());
    let (intact, signatures) = (broken_at.is_none() && vouched && fits, signatures.map(Into::into));
    Ok(Json(ChainState { tenant_id: tenant.0, intact, entries, broken_at, signatures, anchors }))
}

/// Query of the evidence of experiments.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Evidence {
    /// That of this experiment alone, by its id.
    #[param(value_type = Option<String>, format = Uuid)]
    experiment: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Number of experiments at most; 20 if not given.
    #[param(minimum = 1, maximum = 20)]
    limit: Option<u32>,
}

/// The most experiments that are checked by one request.
const AT_ONCE: u32 = 20;

/// Checks the evidence of verdicts, experiment by experiment in the order in which they were begun: whether what each verdict rests on
/// is as it was when the audit chain named it.
#[utoipa::path(
    get, path = "/api/v1/audit/evidence", tag = "audit", params(Evidence),
    responses((status = 200, body = Page<EvidenceState>), (status = 422, body = Problem))
)]
async fn evidence(
    State(state): State<AppState>,
    actor: Actor,
    Query(Evidence { experiment, after, limit }): Query<Evidence>,
) -> Result<Json<Page<EvidenceState>>, Refusal> {
    let tenant = actor.tenant_id;
    let id = |text: String| {
        let unknown = |_| Refusal::invalid_field("experiment", "no id", "the id of an experiment");
        text.parse::<ExperimentId>().map_err(unknown)
    };
    let experiment = experiment.map(id).transpose()?;
    let after = PageQuery { after, limit: None }.after()?.unwrap_or(0);
    let limit = match limit.unwrap_or(AT_ONCE) {
        limit @ 1..=AT_ONCE => limit,
        other => {
            let found = format!("{other} items");
            return Err(Refusal::invalid_field("limit", found, format!("1 to {AT_ONCE}")));
        }
    };
    let mut reader = state.store.snapshot(tenant).await?;
    let mut begun = recheck::begun(&mut reader, tenant, experiment, (after, limit + 1)).await?;
    let more = begun.len() > limit as usize;
    begun.truncate(limit as usize);
    let next = begun.last().filter(|_| more).map(|(entry, _)| entry.to_string());
    let mut items = Vec::with_capacity(begun.len());
    for (_, id) in begun {
        items.push(recheck::recheck(&mut reader, (tenant, id)).await?.into());
    }
    Ok(Json(Page { items, next }))
}

impl From<Rechecked> for EvidenceState {
    fn from(found: Rechecked) -> Self {
        let Rechecked { id, stored, horizons, reports, uncovered, changes, verdicts } = found;
        let verdicts = verdicts.into_iter().map(Into::into).collect();
        Self { experiment_id: id.0, stored, horizons, reports, uncovered, changes, verdicts }
    }
}

impl From<Attestation> for AttestedVerdict {
    fn from(found: Attestation) -> Self {
        let Attestation { entry, at, action, verdict: [step, verb], fingerprint, agreement, .. } = found;
        let (number, horizons, digest) = fingerprint;
        let (agreement, because) = match agreement {
            Agreement::Agrees => (api::Agreement::Agrees, None),
            Agreement::Changed(why) => (api::Agreement::Changed, Some(why)),
            Agreement::NotStored => (api::Agreement::NotStored, None),
        };
        Self {
            entry,
            at: at.into(),
            action,
            step: Some(step).filter(|step| !step.is_empty()),
            verb: Some(verb).filter(|verb| !verb.is_empty()),
            fingerprint: Fingerprint { number, horizons, digest },
            agreement,
            because,
        }
    }
}
