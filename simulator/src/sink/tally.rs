//! The counts themselves: bounded, and honest about their bounds.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde::{Deserialize, Serialize};

use super::series::{PointKey, point_keys};
use super::{Origin, SinkOptions};
use crate::scrape::point_count;

/// Most origins counted apart; the rest goes under `other`.
const MAX_ORIGINS: usize = 1_024;
/// Most executable names kept per variant.
const MAX_EXECUTABLES: usize = 65_536;

/// Arrivals from one variant and generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginCounts {
    /// Accepted requests of every signal.
    pub requests: u64,
    /// Metric data points.
    pub points: u64,
    /// Spans.
    pub spans: u64,
    /// Log records.
    pub log_records: u64,
    /// Size of the requests as uncompressed protobuf.
    pub bytes: u64,
}

/// Everything a sink has counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkCounts {
    /// Accepted requests, overall.
    pub requests: u64,
    /// Accepted metric data points, overall.
    pub points: u64,
    /// By variant and generation.
    pub origins: Vec<OriginEntry>,
    /// Different (series, timestamp) keys.
    pub distinct_points: u64,
    /// Points whose (series, timestamp) had already arrived.
    pub duplicate_points: u64,
    /// True if the two figures above saw every point: false once the set of keys is full.
    pub exact: bool,
    /// Names under `process.executable.name`, by variant.
    pub executables: BTreeMap<String, BTreeSet<String>>,
    /// True if no name was left out for want of room.
    pub executables_complete: bool,
    /// Requests refused or left unanswered, as failures were injected; none of them is counted above, except
    /// those that were accepted before the silence.
    pub failed_requests: u64,
    /// Reason for which the server ended, if it did so by itself.
    pub server_error: Option<String>,
}

/// One row of [`SinkCounts::origins`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginEntry {
    /// The variant and generation.
    #[serde(flatten)]
    pub origin: Origin,
    /// Counts of arrivals from there.
    #[serde(flatten)]
    pub counts: OriginCounts,
}

impl SinkCounts {
    /// Points of one variant, over all its generations.
    pub fn points_of(&self, variant: &str) -> u64 {
        self.origins.iter().filter(|e| e.origin.variant == variant).map(|e| e.counts.points).sum()
    }
}

/// One point that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedPoint {
    /// Its origin.
    pub origin: Origin,
    /// Identity of the point.
    pub key: PointKey,
}

#[derive(Debug)]
pub(super) struct Tally {
    options: SinkOptions,
    origins: BTreeMap<Origin, OriginCounts>,
    executables: BTreeMap<String, BTreeSet<String>>,
    names_left_out: bool,
    keys: HashSet<u128>,
    duplicates: u64,
    unchecked: u64,
    recorded: Vec<RecordedPoint>,
    failed_requests: u64,
    server_error: Option<String>,
}

impl Tally {
    pub fn new(options: SinkOptions) -> Self {
        Self {
            options,
            origins: BTreeMap::new(),
            executables: BTreeMap::new(),
            names_left_out: false,
            keys: HashSet::new(),
            duplicates: 0,
            unchecked: 0,
            recorded: Vec::new(),
            failed_requests: 0,
            server_error: None,
        }
    }

    /// Counts an accepted request that carried no metrics.
    pub fn add(&mut self, origin: Origin, counts: &OriginCounts) {
        let known = self.origins.contains_key(&origin) || self.origins.len() < MAX_ORIGINS;
        let total = self.origins.entry(if known { origin } else { Origin::other() }).or_default();
        total.requests += counts.requests;
        total.points += counts.points;
        total.spans += counts.spans;
        total.log_records += counts.log_records;
        total.bytes += counts.bytes;
    }

    /// Counts an accepted metrics request, whose points have these keys.
    pub fn add_metrics(&mut self, origin: Origin, metrics: &Metrics) {
        self.unchecked += metrics.points - metrics.keys.len() as u64;
        for key in &metrics.keys {
            self.see(*key);
            if self.recorded.len() < self.options.max_recorded {
                self.recorded.push(RecordedPoint { origin: origin.clone(), key: *key });
            }
        }
        self.name_executables(&origin.variant, &metrics.executables);
        let counts = OriginCounts {
            requests: 1,
            points: metrics.points,
            bytes: metrics.bytes,
            ..OriginCounts::default()
        };
        self.add(origin, &counts);
    }

    pub fn count_failed_request(&mut self) {
        self.failed_requests += 1;
    }

    pub fn server_failed(&mut self, error: &tonic::transport::Error) {
        self.server_error = Some(error.to_string());
    }

    pub fn recorded(&self) -> &[RecordedPoint] {
        &self.recorded
    }

    pub fn counts(&self) -> SinkCounts {
        let entry = |(origin, counts): (&Origin, &OriginCounts)| OriginEntry {
            origin: origin.clone(),
            counts: counts.clone(),
        };
        SinkCounts {
            requests: self.origins.values().map(|c| c.requests).sum(),
            points: self.origins.values().map(|c| c.points).sum(),
            origins: self.origins.iter().map(entry).collect(),
            distinct_points: self.keys.len() as u64,
            duplicate_points: self.duplicates,
            exact: self.unchecked == 0,
            executables: self.executables.clone(),
            executables_complete: !self.names_left_out,
            failed_requests: self.failed_requests,
            server_error: self.server_error.clone(),
        }
    }

    fn see(&mut self, key: PointKey) {
        let digest = key.digest();
        if self.keys.contains(&digest) {
            self.duplicates += 1;
        } else if self.keys.len() < self.options.max_keys {
            self.keys.insert(digest);
        } else {
            self.unchecked += 1;
        }
    }

    fn name_executables(&mut self, variant: &str, names: &BTreeSet<String>) {
        if !self.executables.contains_key(variant) && self.executables.len() >= MAX_ORIGINS {
            self.names_left_out = true;
            return;
        }
        let seen = self.executables.entry(variant.to_owned()).or_default();
        for name in names.iter().filter(|name| !seen.contains(*name)).collect::<Vec<_>>() {
            if seen.len() < MAX_EXECUTABLES {
                seen.insert(name.clone());
            } else {
                self.names_left_out = true;
            }
        }
    }
}

/// Figures of a metrics request that are worked out before the tally is locked.
pub(super) struct Metrics {
    points: u64,
    /// One a point, or none at all when nobody will look at them.
    keys: Vec<PointKey>,
    executables: BTreeSet<String>,
    bytes: u64,
}

impl Metrics {
    pub fn of(request: &ExportMetricsServiceRequest, options: &SinkOptions) -> Self {
        let keyed = options.max_keys > 0 || options.max_recorded > 0;
        let resources = request.resource_metrics.iter().filter_map(|r| r.resource.as_ref());
        let names = resources.flat_map(|r| &r.attributes).filter(|a| a.key == "process.executable.name");
        let texts = names.filter_map(|a| match a.value.as_ref()?.value.as_ref()? {
            Value::StringValue(name) => Some(name.clone()),
            _ => None,
        });
        Self {
            points: point_count(request),
            keys: if keyed { point_keys(request) } else { Vec::new() },
            executables: texts.collect(),
            bytes: prost::Message::encoded_len(request) as u64,
        }
    }
}
