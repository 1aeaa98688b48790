//! Anchors of the audit chains: the end of each, once it has moved on, goes to where the database cannot change it.
//!
//! Each process keeps anchors in its own file; the one that decides tells the log, and the webhooks that name the event.
//! Before that it looks whether the chain still has the row of the anchor before: who rewrites a chain is noticed then, and
//! not only once somebody asks.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use serde_json::json;

use crate::anchor::{Anchor, AnchorFile, Place};
use crate::id::TenantId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::deliveries::{self, News};
use crate::store::{Across, Connection, Reader, StoreError, audit as rows, webhooks};
use crate::webhook::ANCHOR;

/// Ends of chains that are looked at at once.
const AT_ONCE: u32 = 1_000;
/// The longest time that the end of the process waits for this.
const AT_THE_END: Duration = Duration::from_secs(10);

/// Looks once at the ends of all chains.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    let mut after = None;
    loop {
        let mut reader = state.store.read(Across::Reconcile).await?;
        let heads = rows::heads(&mut reader, after, AT_ONCE).await?;
        let now = state.clock.now();
        let anchors = heads.into_iter().filter(|(_, seq, _)| *seq > 0);
        let anchors = anchors.map(|(tenant_id, seq, hash)| Anchor { tenant_id, seq, hash, at: now });
        let anchors: Vec<Anchor> = anchors.collect();
        let Some(last) = anchors.last() else { return Ok(state.anchors.every) };
        after = Some(last.tenant_id);
        keep(state, &mut reader, &anchors).await?;
        if state.replica.epoch().is_some() {
            tell(state, reader, anchors).await?;
        }
    }
}

/// Looks at them once more when the process ends.
pub async fn at_the_end(state: &AppState) {
    match tokio::time::timeout(AT_THE_END, once(state)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "the audit chains are not anchored at their ends"),
        Err(_) => tracing::error!("the audit chains are not anchored at their ends: that took too long"),
    }
}

/// Those whose chains are not as they were when they were anchored last.
fn moved(anchors: &[Anchor], last: &HashMap<TenantId, Anchor>) -> Vec<(Anchor, Option<Anchor>)> {
    let before = |anchor: &Anchor| last.get(&anchor.tenant_id).cloned();
    let all = anchors.iter().map(|anchor| (anchor.clone(), before(anchor)));
    all.filter(|(anchor, before)| {
        before.as_ref().is_none_or(|before| (before.seq, &before.hash) != (anchor.seq, &anchor.hash))
    })
    .collect()
}

/// Appends to the file what is new.
async fn keep(state: &AppState, reader: &mut Connection, anchors: &[Anchor]) -> Result<(), StoreError> {
    let Some(file) = state.anchors.file.clone() else { return Ok(()) };
    let moved = moved(anchors, &state.anchors.last().kept);
    if moved.is_empty() {
        return Ok(());
    }
    for before in moved.iter().filter_map(|(_, before)| before.as_ref()) {
        check(state, reader, before).await?;
    }
    let new: Vec<Anchor> = moved.into_iter().map(|(anchor, _)| anchor).collect();
    // Noted with the append: whoever waits for it may go when the process ends, and what is kept is not kept again then.
    let noted = state.clone();
    let append = move || {
        file.append(&new)?;
        new.iter().for_each(|_| noted.metrics.anchored("kept"));
        noted.anchors.last().kept.extend(new.into_iter().map(|anchor| (anchor.tenant_id, anchor)));
        Ok(())
    };
    match off_the_runtime(append).await {
        Ok(()) => {}
        Err(error) => {
            state.metrics.anchored("failed");
            tracing::error!(%error, "the file of --audit-anchors takes nothing; this is tried again");
        }
    }
    Ok(())
}

/// Says so if the chain is another one than the one of an anchor.
async fn check(state: &AppState, reader: &mut Connection, anchor: &Anchor) -> Result<(), StoreError> {
    let Anchor { tenant_id: tenant, seq, hash, at } = anchor;
    let found = rows::hashes(reader, *tenant, &[*seq]).await?.remove(seq);
    if found.as_ref() != Some(hash) {
        state.metrics.anchored("unfit");
        let found = found.unwrap_or_else(|| "none".to_owned());
        tracing::error!(
            %tenant, seq, hash, %at, found,
            "the audit chain was cut short or written anew: it has not the entry that it ended with at that time"
        );
    }
    Ok(())
}

/// Tells the log and the webhooks what is new.
async fn tell(state: &AppState, mut reader: Reader, anchors: Vec<Anchor>) -> Result<(), StoreError> {
    let moved = moved(&anchors, &state.anchors.last().told);
    let mut listened = Vec::new();
    for (anchor, _) in &moved {
        let all = webhooks::list(&mut reader, anchor.tenant_id, ("", deliveries::MOST)).await?;
        listened.push(all.iter().any(|webhook| webhook.is_told(ANCHOR)));
    }
    if state.anchors.file.is_none() {
        for before in moved.iter().filter_map(|(_, before)| before.as_ref()) {
            check(state, &mut reader, before).await?;
        }
    }
    drop(reader);
    for ((anchor, _), listened) in moved.into_iter().zip(listened) {
        let Anchor { tenant_id: tenant, seq, hash, at } = &anchor;
        if listened {
            let sentence = format!("entry {seq} of the audit chain has the hash {hash}");
            let detail = json!({ "seq": seq, "hash": hash, "sentence": sentence });
            let mut tx = state.store.begin(*tenant).await?;
            if !state.decides(&mut tx).await? {
                return Ok(());
            }
            let news = News { event: ANCHOR, at: *at, about: &json!({}), detail: &detail };
            deliveries::tell(&mut tx, *tenant, news).await?;
            tx.commit().await?;
            state.hub.happened();
        }
        tracing::info!(%tenant, seq, hash, "end of the audit chain");
        state.anchors.last().told.insert(*tenant, anchor);
    }
    Ok(())
}

/// Comparison of a chain with the anchors of this process's file.
#[derive(Debug, Default)]
pub struct Compared {
    /// Number of anchors of the chain that were compared.
    pub anchors: u64,
    /// The furthest row of those that fit.
    pub last_seq: Option<i64>,
    /// Number of lines of the file that are no anchors.
    pub unreadable: u64,
    /// The first anchor that does not fit.
    pub misfit: Option<Misfit>,
}

/// Anchor that a chain does not fit.
#[derive(Debug)]
pub struct Misfit {
    /// Its line in the file, from 1.
    pub line: u64,
    /// It.
    pub anchor: Anchor,
    /// Hash of the row in its place; nothing where there is none.
    pub found: Option<String>,
}

/// Begin of this process's file, as long as it is now; nothing where there is no file. Whatever is anchored by then is in the
/// database, so a chain that is read afterward has it.
///
/// # Errors
/// The system's.
pub async fn beginning(state: &AppState) -> Result<Option<(AnchorFile, Place)>, Refusal> {
    let Some(file) = state.anchors.file.clone() else { return Ok(None) };
    let of_file = file.clone();
    let place = off_the_runtime(move || of_file.beginning()).await.map_err(Refusal::internal)?;
    Ok(Some((file, place)))
}

/// Compares a tenant's chain with its anchors, in the order in which they were written, up to the first that it does not fit.
///
/// # Errors
/// The store's and the system's.
pub async fn compare(
    connection: &mut Connection,
    tenant: TenantId,
    (file, beginning): (AnchorFile, Place),
) -> Result<Compared, Refusal> {
    let (mut compared, mut next) = (Compared::default(), Some(beginning));
    while let Some(place) = next {
        let file = file.clone();
        let part =
            off_the_runtime(move || file.part(place, Some(tenant))).await.map_err(Refusal::internal)?;
        compared.unreadable += part.unreadable;
        let seqs: Vec<i64> = part.anchors.iter().map(|(_, anchor)| anchor.seq).collect();
        let mut hashes = rows::hashes(connection, tenant, &seqs).await?;
        for (line, anchor) in part.anchors {
            compared.anchors += 1;
            if hashes.get(&anchor.seq) != Some(&anchor.hash) {
                let found = hashes.remove(&anchor.seq);
                compared.misfit = Some(Misfit { line, anchor, found });
                return Ok(compared);
            }
            compared.last_seq = compared.last_seq.max(Some(anchor.seq));
        }
        next = part.next;
    }
    Ok(compared)
}

/// Runs what waits for a disk beside the runtime.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
