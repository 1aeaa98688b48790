//! `phoenix audit verify`: the chain by its own hashes, and by anchors of it that lie outside the database; and the evidence of
//! verdicts by what the chain says of it.
//!
//! Anchors that a person brings are compared here, with the entries that the control plane shows.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use api::{AnchorMisfit, AnchorState, AuditAnchor, AuditEntry, ChainState, SignatureState, Timestamp};
use client::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::show::{Show, line};
use super::evidence;
use crate::output;

/// Entries that are asked for at once.
const PAGE: usize = 200;
/// The most bytes of a line.
const LONGEST: u64 = 64 << 10;

/// Message of a webhook with an anchor.
#[derive(Deserialize)]
struct Message {
    timestamp: Timestamp,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    tenant_id: Uuid,
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    seq: i64,
    hash: String,
}

pub(super) async fn run(own: Option<&Path>, client: &Client, show: Show) -> anyhow::Result<()> {
    let answer = client.get("/audit/chain").await?;
    let state: ChainState =
        serde_json::from_value(answer.clone()).context("the answer is not as expected")?;
    let own = match own {
        Some(path) => {
            let (anchors, unreadable) =
                read(path, state.tenant_id).with_context(|| path.display().to_string())?;
            Some(compare(anchors, unreadable, client).await?)
        }
        None => None,
    };
    // A chain that is not as it was written says nothing of evidence.
    let evidence = if state.intact { Some(evidence::of_all(client).await?) } else { None };
    if show.is_for_programs() {
        let mut all = answer;
        if let Some(own) = &own {
            all["own_anchors"] = json!(own);
        }
        if let Some(evidence) = &evidence {
            all["evidence"] = json!(evidence);
        }
        show.say(&all)?;
    } else {
        sentences(&state, own.as_ref()).iter().try_for_each(|sentence| line(sentence))?;
        let of_evidence = evidence.as_deref().map(evidence::sentences).unwrap_or_default();
        of_evidence.iter().try_for_each(|sentence| line(sentence))?;
    }
    if let Some(seq) = state.broken_at {
        bail!("the chain is not as it was written, from entry {seq} on");
    }
    if let Some(SignatureState { unfit_at: Some(seq), because, .. }) = &state.signatures {
        let because = because.as_deref().unwrap_or_default();
        bail!("the chain is not vouched for from entry {seq} on: {because}");
    }
    let files = [(state.anchors, "the control plane's file of anchors"), (own, "the file")];
    for (compared, file) in files {
        let Some(compared) = compared else { continue };
        if compared.unreadable > 0 {
            output::note(&format!("lines of {file} that are no anchors: {}", compared.unreadable))?;
        }
        if let Some(misfit) = compared.misfit {
            bail!("{}", misfit_sentence(&misfit, file));
        }
    }
    evidence.as_deref().map_or(Ok(()), evidence::agrees)
}

/// What is so, in sentences that say no more than was looked at.
fn sentences(state: &ChainState, own: Option<&AnchorState>) -> Vec<String> {
    let Some(entries) = state.entries else { return Vec::new() };
    let all: Vec<&AnchorState> = state.anchors.iter().chain(own).collect();
    let compared: u64 = all.iter().map(|anchors| anchors.compared).sum();
    let mut said = vec![format!("{entries} entries fit each other")];
    let signed = match &state.signatures {
        Some(SignatureState { unfit_at: Some(_), .. }) => return said,
        Some(SignatureState { unsigned: 0, .. }) => "all of them are signed".to_owned(),
        Some(SignatureState { unsigned, .. }) => format!(
            "the first {unsigned} have no signature, being of before there was a key; all others are signed, and hold those as they \
             were then"
        ),
        None => "they are not signed: this control plane has no keys of the audit chains".to_owned(),
    };
    said.push(signed);
    if all.iter().any(|anchors| anchors.misfit.is_some()) {
        return said;
    }
    if compared == 0 {
        let unknown = match state.signatures {
            Some(_) => "one that was cut short, or is of an older copy, would not be found",
            None => "one that was written anew as a whole would not be found",
        };
        said.push(format!("there were no anchors of the chain to compare: {unknown}"));
        return said;
    }
    let last = all.iter().filter_map(|anchors| anchors.last_seq).max().unwrap_or(0);
    let behind = if last < entries { "; those behind it, the chain alone holds" } else { "" };
    said.push(format!("{compared} anchors of the chain fit it, the last one at entry {last}{behind}"));
    said
}

fn misfit_sentence(AnchorMisfit { line, anchor, found }: &AnchorMisfit, file: &str) -> String {
    let AuditAnchor { seq, hash, at, .. } = anchor;
    let now = match found {
        Some(found) => format!("has the hash {found} now"),
        None => "is not there now".to_owned(),
    };
    format!(
        "the chain is not the one that was anchored: by line {line} of {file} it ended at {at} with entry {seq} and the hash \
         {hash}, and that entry {now}; the chain was written anew or cut short, or an older copy of the database was restored"
    )
}

/// A tenant's anchors in a file, with their lines, and the number of lines that are none.
fn read(path: &Path, tenant: Uuid) -> anyhow::Result<(Vec<(u64, AuditAnchor)>, u64)> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut anchors, mut unreadable, mut text, mut number) = (Vec::new(), 0, Vec::new(), 0);
    loop {
        text.clear();
        if (&mut reader).take(LONGEST).read_until(b'\n', &mut text)? == 0 {
            return Ok((anchors, unreadable));
        }
        number += 1;
        match anchor(&text) {
            Some(anchor) if anchor.tenant_id == tenant => anchors.push((number, anchor)),
            Some(_) => {}
            None if text.trim_ascii().is_empty() => {}
            None => unreadable += 1,
        }
    }
}

fn anchor(text: &[u8]) -> Option<AuditAnchor> {
    let of_message = |Message { timestamp, data: Data { tenant_id, detail } }| AuditAnchor {
        tenant_id,
        seq: detail.seq,
        hash: detail.hash,
        at: timestamp,
    };
    serde_json::from_slice(text).ok().or_else(|| serde_json::from_slice(text).ok().map(of_message))
}

/// Compares anchors with the entries in their places.
async fn compare(
    mut anchors: Vec<(u64, AuditAnchor)>,
    unreadable: u64,
    client: &Client,
) -> anyhow::Result<AnchorState> {
    anchors.sort_by_key(|(_, anchor)| anchor.seq);
    let mut state = AnchorState { compared: 0, last_seq: None, unreadable, misfit: None };
    let mut page: Vec<AuditEntry> = Vec::new();
    for (line, anchor) in anchors {
        state.compared += 1;
        let behind = page.last().is_none_or(|last| last.seq < anchor.seq);
        if behind {
            let answer: Value = client.get(&format!("/audit?limit={PAGE}&after={}", anchor.seq - 1)).await?;
            page =
                serde_json::from_value(answer["items"].clone()).context("the answer is not as expected")?;
        }
        let found = page.iter().find(|entry| entry.seq == anchor.seq).map(|entry| entry.hash.clone());
        if found.as_ref() == Some(&anchor.hash) {
            state.last_seq = state.last_seq.max(Some(anchor.seq));
        } else if state.misfit.as_ref().is_none_or(|first| line < first.line) {
            state.misfit = Some(AnchorMisfit { line, anchor, found });
        }
    }
    Ok(state)
}
