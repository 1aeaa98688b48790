//! Bytes of a merge: a message, deflated. They are read by this release and later ones alone, so that fields are only added.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use prost::Message;
use proto::Findings;

use super::merge::{Horizon, Merge, Process};
use crate::clock::UnixMillis;
use crate::experiment::{Horizons, HorizonsParts};
use crate::store::StoreError;

/// The most bytes that a merge inflates to: that of a step of a year at a horizon every ten seconds is far below.
const MAX: u64 = 1 << 30;
const TABLE: &str = "experiment_merges";

#[derive(Clone, PartialEq, Message)]
struct Whole {
    #[prost(message, repeated, tag = "1")]
    processes: Vec<OfProcess>,
    #[prost(message, optional, tag = "2")]
    figures: Option<Figures>,
}

#[derive(Clone, PartialEq, Message)]
struct OfProcess {
    #[prost(string, tag = "1")]
    boot_id: String,
    #[prost(int64, tag = "2")]
    generation: i64,
    #[prost(string, tag = "3")]
    plans: String,
    #[prost(string, tag = "4")]
    baseline: String,
    #[prost(sint64, tag = "5")]
    clock_offset: i64,
    #[prost(message, repeated, tag = "6")]
    horizons: Vec<One>,
}

#[derive(Clone, PartialEq, Message)]
struct One {
    /// From the begin of the one before.
    #[prost(sint64, tag = "1")]
    start: i64,
    #[prost(sint64, tag = "2")]
    length: i64,
    #[prost(bool, tag = "3")]
    came_in: bool,
    #[prost(sint64, tag = "4")]
    received_at: i64,
    #[prost(sint64, optional, tag = "5")]
    clock_ahead: Option<i64>,
    #[prost(double, optional, tag = "6")]
    nanos_per_point: Option<f64>,
    #[prost(double, optional, tag = "7")]
    latency_p99: Option<f64>,
    #[prost(string, tag = "8")]
    digest: String,
    #[prost(int64, tag = "9")]
    fingerprint: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Figures {
    #[prost(uint32, tag = "1")]
    kept: u32,
    #[prost(uint64, repeated, tag = "2")]
    sums: Vec<u64>,
    #[prost(bool, tag = "3")]
    inexact: bool,
    #[prost(sint64, tag = "4")]
    critical_at: i64,
    #[prost(sint64, tag = "5")]
    last_at: i64,
    /// Findings of which the horizon alone is told.
    #[prost(bytes = "vec", optional, tag = "6")]
    last: Option<Vec<u8>>,
}

/// Writes a merge.
pub(super) fn write(merge: &Merge) -> Result<Vec<u8>, StoreError> {
    let parts = merge.figures.parts();
    let last = parts.last.map(|horizon| Findings { horizon, ..Findings::default() }.encode().0);
    let whole = Whole {
        processes: merge
            .horizons
            .iter()
            .map(|(process, horizons)| of_process(process, horizons.values()))
            .collect(),
        figures: Some(Figures {
            kept: parts.kept,
            sums: parts.sums.to_vec(),
            inexact: parts.inexact,
            critical_at: parts.critical_at,
            last_at: parts.last_at,
            last,
        }),
    };
    let mut deflating = DeflateEncoder::new(Vec::new(), Compression::default());
    let written = deflating.write_all(&whole.encode_to_vec()).and_then(|()| deflating.finish());
    written.map_err(|error| StoreError::row(TABLE, error))
}

fn of_process<'a>(process: &Process, horizons: impl Iterator<Item = &'a Horizon>) -> OfProcess {
    let mut before = 0;
    let one = |horizon: &Horizon| {
        let start = horizon.start.wrapping_sub(before);
        before = horizon.start;
        One {
            start,
            length: horizon.end.wrapping_sub(horizon.start),
            came_in: horizon.came_in,
            received_at: horizon.received_at.0,
            clock_ahead: horizon.clock_ahead,
            nanos_per_point: horizon.varied[0],
            latency_p99: horizon.varied[1],
            digest: horizon.digest.clone(),
            fingerprint: horizon.fingerprint,
        }
    };
    OfProcess {
        boot_id: process.boot_id.clone(),
        generation: process.generation,
        plans: process.plans.clone(),
        baseline: process.baseline.clone(),
        clock_offset: process.clock_offset,
        horizons: horizons.map(one).collect(),
    }
}

/// Reads a merge.
pub(super) fn read(bytes: &[u8]) -> Result<Merge, StoreError> {
    let mut inflated = Vec::new();
    let mut inflating = DeflateDecoder::new(bytes).take(MAX);
    inflating.read_to_end(&mut inflated).map_err(|error| StoreError::row(TABLE, error))?;
    let whole = Whole::decode(inflated.as_slice()).map_err(|error| StoreError::row(TABLE, error))?;
    let mut merge = Merge::default();
    for process in whole.processes {
        let of = Process {
            boot_id: process.boot_id,
            generation: process.generation,
            plans: process.plans,
            baseline: process.baseline,
            clock_offset: process.clock_offset,
        };
        let mut before = 0_i64;
        for one in process.horizons {
            let start = before.wrapping_add(one.start);
            before = start;
            let horizon = Horizon {
                start,
                end: start.wrapping_add(one.length),
                came_in: one.came_in,
                received_at: UnixMillis(one.received_at),
                clock_ahead: one.clock_ahead,
                varied: [one.nanos_per_point, one.latency_p99],
                digest: one.digest,
                fingerprint: one.fingerprint,
            };
            merge.add(&of, horizon);
        }
    }
    if let Some(figures) = whole.figures {
        let read = |body: Vec<u8>| Findings::decode(&body, &proto::generation::config_hash(&body));
        let last = figures.last.map(read).transpose().map_err(|error| StoreError::row(TABLE, error))?;
        let mut sums = [0; HorizonsParts::SUMS];
        sums.iter_mut().zip(figures.sums).for_each(|(sum, one)| *sum = one);
        merge.figures = Horizons::of_parts(HorizonsParts {
            kept: figures.kept,
            sums,
            inexact: figures.inexact,
            critical_at: figures.critical_at,
            last_at: figures.last_at,
            last: last.map(|findings| findings.horizon),
        });
    }
    Ok(merge)
}
