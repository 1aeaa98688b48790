//! Fates of the baseline's series over the wire.

use observe::{AttributeFates, InterruptedFates, MetricFates, PartCounts, SeriesFates};

use super::{Invalid, MAX_ROWS, count, number, read_count, rows};
use crate::v1;

pub(super) fn fates(from: &SeriesFates) -> v1::SeriesFates {
    v1::SeriesFates {
        of: Some(count(from.of)),
        as_it_is: from.as_it_is,
        renamed: from.renamed,
        fewer_attributes: from.fewer_attributes,
        merged: from.merged,
        merged_into: from.merged_into,
        split: from.split,
        lost: from.lost,
        not_followed: from.not_followed,
        parts: Some(parts(from.parts)),
        by_metric: from.by_metric.iter().take(MAX_ROWS).map(metric).collect(),
        by_attribute: from.by_attribute.iter().take(MAX_ROWS).map(attribute).collect(),
        interrupted: Some(&from.interrupted)
            .filter(|of| **of != InterruptedFates::default())
            .map(interrupted),
    }
}

fn interrupted(from: &InterruptedFates) -> v1::InterruptedFates {
    let InterruptedFates { as_it_is, others, metrics } = from.clone();
    v1::InterruptedFates { as_it_is, others, metrics }
}

fn read_interrupted(from: v1::InterruptedFates) -> Result<InterruptedFates, Invalid> {
    let v1::InterruptedFates { as_it_is, others, metrics } = from;
    let metrics = rows(metrics, Ok)?;
    Ok(InterruptedFates { as_it_is: number(as_it_is)?, others: number(others)?, metrics })
}

pub(super) fn read_fates(from: v1::SeriesFates) -> Result<SeriesFates, Invalid> {
    let read = SeriesFates {
        of: read_count(from.of)?,
        as_it_is: number(from.as_it_is)?,
        renamed: number(from.renamed)?,
        fewer_attributes: number(from.fewer_attributes)?,
        merged: number(from.merged)?,
        merged_into: number(from.merged_into)?,
        split: number(from.split)?,
        lost: number(from.lost)?,
        not_followed: number(from.not_followed)?,
        parts: read_parts(from.parts.unwrap_or_default())?,
        by_metric: rows(from.by_metric, read_metric)?,
        by_attribute: rows(from.by_attribute, read_attribute)?,
        interrupted: read_interrupted(from.interrupted.unwrap_or_default())?,
    };
    if read.interrupted.as_it_is > read.as_it_is {
        return Err(Invalid::Value("more series are interrupted than stay as they are"));
    }
    let told = [read.as_it_is, read.renamed, read.fewer_attributes, read.merged, read.split, read.lost];
    if read.of.exact && told.iter().sum::<u64>() + read.not_followed != read.of.value {
        return Err(Invalid::Value("the fates of the series do not add up to the baseline's series"));
    }
    Ok(read)
}

fn metric(from: &MetricFates) -> v1::MetricFates {
    v1::MetricFates {
        metric: from.metric.clone(),
        as_it_is: from.as_it_is,
        renamed: from.renamed,
        fewer_attributes: from.fewer_attributes,
        merged: from.merged,
        split: from.split,
        lost: from.lost,
        not_followed: from.not_followed,
        parts: Some(from.parts).filter(|of| *of != PartCounts::default()).map(parts),
    }
}

fn read_metric(from: v1::MetricFates) -> Result<MetricFates, Invalid> {
    Ok(MetricFates {
        metric: from.metric,
        as_it_is: number(from.as_it_is)?,
        renamed: number(from.renamed)?,
        fewer_attributes: number(from.fewer_attributes)?,
        merged: number(from.merged)?,
        split: number(from.split)?,
        lost: number(from.lost)?,
        not_followed: number(from.not_followed)?,
        parts: read_parts(from.parts.unwrap_or_default())?,
    })
}

fn parts(from: PartCounts) -> v1::PartCounts {
    let PartCounts { name, unit, kind, resource, scope, attributes, unknown } = from;
    v1::PartCounts { name, unit, r#type: kind, resource, scope, attributes, unknown }
}

fn read_parts(from: v1::PartCounts) -> Result<PartCounts, Invalid> {
    Ok(PartCounts {
        name: number(from.name)?,
        unit: number(from.unit)?,
        kind: number(from.r#type)?,
        resource: number(from.resource)?,
        scope: number(from.scope)?,
        attributes: number(from.attributes)?,
        unknown: number(from.unknown)?,
    })
}

fn attribute(from: &AttributeFates) -> v1::AttributeFates {
    let AttributeFates { attribute, fewer_attributes, others, rewritten } = from.clone();
    v1::AttributeFates { attribute, fewer_attributes, others, rewritten }
}

fn read_attribute(from: v1::AttributeFates) -> Result<AttributeFates, Invalid> {
    let v1::AttributeFates { attribute, fewer_attributes, others, rewritten } = from;
    Ok(AttributeFates {
        attribute,
        fewer_attributes: number(fewer_attributes)?,
        others: number(others)?,
        rewritten: number(rewritten)?,
    })
}
