//! One variant's side over the wire and back.

use observe::{DeliveryReport, Repeats, RuleReport, VariantReport};

use super::{Invalid, count, number, read_count, read_volume, rows, volume};
use crate::v1;

pub fn variant(from: &VariantReport) -> v1::VariantReport {
    let latency = &from.latency;
    v1::VariantReport {
        output: Some(volume(from.output)),
        delivered: Some(volume(from.delivered)),
        series: Some(count(from.series)),
        active_series: from.active_series,
        monthly_usd: from.monthly_usd,
        lost: Some(count(from.lost)),
        collisions: Some(count(from.collisions)),
        duplicates: from.repeats.duplicates,
        conflicts: from.repeats.conflicts,
        assigned_points: from.assigned_points,
        units: Some(count(from.units)),
        units_delivered: Some(count(from.units_delivered)),
        nanos_per_point: from.nanos_per_point,
        latency: Some(waited(latency)),
        delivery: Some(delivery(&from.delivery)),
        failures: from.failures,
        rules: from.rules.iter().filter(|rule| rule.dropped + rule.changed > 0).take(20).map(rule).collect(),
    }
}

fn waited(from: &observe::LatencySummary) -> v1::Latency {
    let observe::LatencySummary { count, p50, p99, max } = *from;
    v1::Latency { count, p50, p99, max }
}

fn read_waited(from: v1::Latency) -> Result<observe::LatencySummary, Invalid> {
    let v1::Latency { count, p50, p99, max } = from;
    Ok(observe::LatencySummary {
        count: number(count)?,
        p50: number(p50)?,
        p99: number(p99)?,
        max: number(max)?,
    })
}

fn delivery(from: &DeliveryReport) -> v1::Delivery {
    let DeliveryReport { confirmed, rejected, failed, doubtful, retries, wire_bytes, latency } = *from;
    let latency = Some(waited(&latency));
    v1::Delivery { confirmed, rejected, failed, doubtful, retries, wire_bytes, latency }
}

fn read_delivery(from: v1::Delivery) -> Result<DeliveryReport, Invalid> {
    let v1::Delivery { confirmed, rejected, failed, doubtful, retries, wire_bytes, latency } = from;
    Ok(DeliveryReport {
        confirmed: number(confirmed)?,
        rejected: number(rejected)?,
        failed: number(failed)?,
        doubtful: number(doubtful)?,
        retries: number(retries)?,
        wire_bytes: number(wire_bytes)?,
        latency: read_waited(latency.unwrap_or_default())?,
    })
}

/// A rule in as few bytes as it is still understood by: a report is small.
fn rule(from: &RuleReport) -> v1::RuleReport {
    v1::RuleReport {
        stage: from.stage.clone(),
        rule: from.rule.chars().take(200).collect(),
        dropped: from.dropped,
        changed: from.changed,
        series: Some(count(from.series)),
        samples: from.samples.iter().take(3).cloned().collect(),
    }
}

fn read_rule(from: v1::RuleReport) -> Result<RuleReport, Invalid> {
    let v1::RuleReport { stage, rule, dropped, changed, series, mut samples } = from;
    samples.truncate(10);
    let (dropped, changed) = (number(dropped)?, number(changed)?);
    Ok(RuleReport { stage, rule, dropped, changed, series: read_count(series)?, samples })
}

pub fn read_variant(from: v1::VariantReport) -> Result<VariantReport, Invalid> {
    let latency = from.latency.unwrap_or_default();
    let finite = |value: f64| value.is_finite() && value >= 0.0;
    if !finite(from.monthly_usd) || !from.nanos_per_point.is_none_or(finite) {
        return Err(Invalid::Value("a cost is a number, 0 or more"));
    }
    Ok(VariantReport {
        output: read_volume(from.output)?,
        delivered: read_volume(from.delivered)?,
        series: read_count(from.series)?,
        active_series: number(from.active_series)?,
        monthly_usd: from.monthly_usd,
        lost: read_count(from.lost)?,
        collisions: read_count(from.collisions)?,
        repeats: Repeats { duplicates: number(from.duplicates)?, conflicts: number(from.conflicts)? },
        assigned_points: number(from.assigned_points)?,
        units: read_count(from.units)?,
        units_delivered: read_count(from.units_delivered)?,
        nanos_per_point: from.nanos_per_point,
        latency: read_waited(latency)?,
        delivery: read_delivery(from.delivery.unwrap_or_default())?,
        failures: number(from.failures)?,
        rules: rows(from.rules, read_rule)?,
    })
}
