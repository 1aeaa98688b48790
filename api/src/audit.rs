//! `/api/v1/audit`: who changed what.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the tenant's chain, from 1.
    pub seq: i64,
    /// Time.
    pub at: Timestamp,
    /// Author: `user/<id>`, `agent/<uid>` or `control-plane`.
    pub actor: String,
    /// Action, as `thing.verb`.
    pub action: String,
    /// To what, as `thing/id`.
    pub object: String,
    /// The rest.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The hash of the entry before it; empty for the first.
    pub previous_hash: String,
    /// SHA-256 over all the above.
    pub hash: String,
    /// Id of the key that the entry is signed under, which is not in the database; left out of entries of before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// HMAC-SHA-256 under that key over the key's id, tenant, place and hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// Result of a walk over the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainState {
    /// Tenant whose chain it is.
    pub tenant_id: Uuid,
    /// True if the entries fit each other, their signatures, and all anchors that were compared.
    pub intact: bool,
    /// Number of entries, if they fit each other. Those of a chain that was written anew as a whole do as well: signatures and
    /// anchors tell the two apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<i64>,
    /// The first place at which they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<i64>,
    /// Look at the signatures of the entries; left out where the process that was asked has no keys of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signatures: Option<SignatureState>,
    /// Comparison with the anchors of this chain outside the database; left out where none are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<AnchorState>,
}

/// Look at the signatures of the chain's entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureState {
    /// Number of entries whose signature is right.
    pub signed: i64,
    /// Number of entries without a signature. Where all is as it was written they are the first ones, of before there was a key,
    /// and the entry behind them holds them as they were then.
    pub unsigned: i64,
    /// The first entry that is not signed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfit_at: Option<i64>,
    /// Reason for that, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Comparison of the chain with anchors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnchorState {
    /// Number of anchors that were compared; none after the first that does not fit.
    pub compared: u64,
    /// The last entry that an anchor holds. What comes behind it, the chain alone holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<i64>,
    /// Number of lines of the file that are no anchors, such as one that a crash left as a part.
    pub unreadable: u64,
    /// The first anchor that does not fit: the chain was written anew or cut short, or an older copy of the database was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfit: Option<AnchorMisfit>,
}

/// Anchor that the chain does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnchorMisfit {
    /// Its line in the file, from 1.
    pub line: u64,
    /// It.
    pub anchor: AuditAnchor,
    /// Hash of the entry in its place; nothing where the chain ends before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// End of the chain at a time, as it is kept outside the database: a line of JSON of the file of `--audit-anchors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditAnchor {
    /// Tenant whose chain it is.
    pub tenant_id: Uuid,
    /// The last entry.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
    /// Time at which it was the last.
    pub at: Timestamp,
}

/// Evidence of an experiment's verdicts, compared with what the audit chain says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceState {
    /// The experiment.
    pub experiment_id: Uuid,
    /// False if it was deleted, and its evidence with it.
    pub stored: bool,
    /// Number of horizons that fingerprints cover.
    pub horizons: u64,
    /// Number of those whose reports are kept, and are as they came. Of the others there is what a merge leaves: that they were there,
    /// and the digests of their reports.
    pub reports: u64,
    /// Number of horizons that no fingerprint covers: they came after the last one, or to a release that knew none.
    pub uncovered: u64,
    /// Things that are not as they were, in words; the first twenty.
    pub changes: Vec<String>,
    /// Verdicts that the chain names, the oldest first; the latest five hundred.
    pub verdicts: Vec<AttestedVerdict>,
}

/// Agreement of what is kept with what an entry of the audit chain says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// It is as it was.
    Agrees,
    /// It is not as it was.
    Changed,
    /// It is not kept any more.
    NotStored,
}

/// Verdict that the audit chain names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttestedVerdict {
    /// Place of the entry that names it.
    pub entry: i64,
    /// Time.
    pub at: Timestamp,
    /// Action of the entry, such as `experiment.advance`; `experiment.verdict` where nothing was done.
    pub action: String,
    /// Step that it is about; left out where there was no verdict yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Kind of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// Fingerprint of its evidence.
    pub fingerprint: Fingerprint,
    /// Agreement of what is kept with it.
    pub agreement: Agreement,
    /// Reason for which it does not agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Digest over all horizons of an experiment that had come by a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// Its number, from 1; 0 where no horizon had come.
    pub number: i64,
    /// Number of horizons that it covers.
    pub horizons: i64,
    /// SHA-256, in hexadecimal; empty where no horizon had come.
    pub digest: String,
}

/// Entry of the audit chain that names the last verdict of an experiment and its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attested {
    /// Place of the entry.
    pub entry: i64,
    /// Time. A verdict that says the same with other figures is not named anew.
    pub at: Timestamp,
    /// Fingerprint of the evidence.
    pub fingerprint: Fingerprint,
}
