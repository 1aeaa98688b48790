//! Operations on labels, which are the attributes of points.

use crate::Batch;
use crate::aggregate::Aggregation;
use crate::batch::{AttrRow, Cell, MetricKind, Owner, Path};

use super::config::Transform;
use super::{put_text, text_of};

/// The points of a metric.
fn points(batch: &Batch, at: Path) -> impl Iterator<Item = Path> + use<> {
    batch.metric_at(at.metric).points.range().map(move |point| Path { point, ..at })
}

/// Adds a label where it is missing.
pub(super) fn add(batch: &mut Batch, at: Path, label: &str, value: &str) {
    let (key, value) = (batch.intern(label.as_bytes()), batch.intern(value.as_bytes()));
    for at in points(batch, at) {
        let attrs = batch.point_at(at.point).attrs;
        if batch.find_attribute(attrs, label.as_bytes()).is_none() {
            batch.set_attribute(Owner::Point(at), AttrRow::bare(key, Cell::Text(value)));
        }
    }
}

/// Deletes the points that have a label of this value.
pub(super) fn delete_value(batch: &mut Batch, at: Path, label: &str, value: &str) {
    batch.rework_points(at, |batch, _, point| {
        let has = batch.find_attribute(point.attrs, label.as_bytes()).is_some();
        (!has || text_of(batch, point.attrs, label) != value.as_bytes()).then_some(point)
    });
}

/// Aggregates over all labels but some.
pub(super) fn aggregate(batch: &mut Batch, at: Path, keep: &[String], by: Aggregation) {
    if batch.metric_at(at.metric).kind == MetricKind::Summary {
        return;
    }
    for at in points(batch, at) {
        batch.retain_attributes(Owner::Point(at), |batch, attr| {
            keep.iter().any(|key| key.as_bytes() == batch.bytes(attr.key))
        });
    }
    batch.aggregate(at, by);
}

/// Makes some values of a label one, and aggregates what has become equal.
pub(super) fn aggregate_values(
    batch: &mut Batch,
    at: Path,
    (label, values, new_value): (&str, &[String], &str),
    by: Aggregation,
) {
    if batch.metric_at(at.metric).kind == MetricKind::Summary {
        return;
    }
    let listed = |text: &[u8]| values.iter().any(|value| value.as_bytes() == text);
    batch.rename_values(at, label.as_bytes(), listed, new_value.as_bytes());
    batch.aggregate(at, by);
}

impl Transform {
    /// Renames a label, and values of it, where the point matches.
    pub(super) fn update_label(
        &self,
        batch: &mut Batch,
        at: Path,
        label: &str,
        new_label: &str,
        values: &[(String, String)],
    ) {
        for at in points(batch, at) {
            let point = *batch.point_at(at.point);
            let Some(found) = batch.find_attribute(point.attrs, label.as_bytes()) else { continue };
            if !self.matches_point(batch, &point) {
                continue;
            }
            let place = found - point.attrs.start as usize;
            let (owner, text) = (Owner::Point(at), text_of(batch, point.attrs, label).to_vec());
            let text = if new_label.is_empty() { text } else { rename(batch, owner, place, new_label, text) };
            let renamed = values.iter().find(|(value, _)| value.as_bytes() == text);
            if let Some((_, value)) = renamed {
                let key = if new_label.is_empty() { label } else { new_label };
                put_text(batch, owner, key, value);
            }
        }
    }
}

/// Renames the label at a place; the text by which its value is then looked up. That is its own, unless the new
/// label was there before: then the last label has moved to its place and is read, as it is in the Collector.
fn rename(batch: &mut Batch, owner: Owner, place: usize, new_label: &str, text: Vec<u8>) -> Vec<u8> {
    let mut rows = batch.attributes(batch.attrs_of(owner)).to_vec();
    let key = batch.intern(new_label.as_bytes());
    let known = rows.iter().position(|row| batch.bytes(row.key) == new_label.as_bytes());
    let value = if known == Some(place) { Cell::Empty } else { rows[place].value };
    match known {
        Some(known) => rows[known] = AttrRow::bare(key, value),
        None => rows.push(AttrRow::bare(key, value)),
    }
    let last = place + 1 == rows.len();
    rows.swap_remove(place);
    let read = match (known, rows.get(place).map(|row| batch.value(row.value))) {
        (None, _) => text,
        (Some(known), _) if last => {
            if known == place {
                Vec::new()
            } else {
                text
            }
        }
        (Some(_), Some(crate::batch::Value::Text(moved))) => moved.to_vec(),
        (Some(_), _) => Vec::new(),
    };
    batch.replace_attributes(owner, &rows);
    read
}
