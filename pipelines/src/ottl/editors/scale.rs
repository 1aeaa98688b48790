//! `scale_metric`: every value of a metric, multiplied. Integers are cut off.

use crate::batch::data::{Exemplar, Histogram, Summary};
use crate::batch::{MetricKind, Number, Path};
use crate::ottl::check::call::{Argument, Call};
use crate::ottl::run::Args;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::cut;

use super::Work;

pub(super) fn run(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let Some(Some(Argument::Double(by))) = call.arguments.first() else {
        return Err(Failure("a multiplier is missing"));
    };
    let unit = {
        let row = work.row();
        let args = Args { call, row: &row };
        if args.has(1) { Some(args.text(1)?.into_owned()) } else { None }
    };
    let metric = work.metric();
    match metric.kind {
        MetricKind::None | MetricKind::ExponentialHistogram => {
            return Err(Failure("this kind of metric is not scaled"));
        }
        _ => {}
    }
    for point in metric.points.range() {
        scale_point(work, Path { point, ..work.at }, metric.kind, *by);
    }
    if let Some(unit) = unit {
        let unit = work.batch.intern(String::from_utf8_lossy(&unit).as_bytes());
        work.batch.edit_metric(work.at, |metric| metric.unit = unit);
    }
    Ok(())
}

fn scale_point(work: &mut Work<'_>, at: Path, kind: MetricKind, by: f64) {
    let point = *work.batch.point_at(at.point);
    let raw = match kind {
        MetricKind::Histogram => {
            let mut read = Histogram::read(work.batch.bytes(point.raw));
            histogram(&mut read, by);
            work.batch.intern_with(|out| read.write(out))
        }
        MetricKind::Summary => {
            let mut read = Summary::read(work.batch.bytes(point.raw));
            read.sum *= by;
            read.quantiles.iter_mut().for_each(|(_, value)| *value *= by);
            work.batch.intern_with(|out| read.write(out))
        }
        _ => point.raw,
    };
    work.batch.edit_point(at, |point| {
        point.raw = raw;
        point.value = match point.value {
            Number::None => Number::None,
            Number::Int(value) => Number::Int(cut(value as f64 * by)),
            Number::Double(value) => Number::Double(value * by),
        };
    });
}

/// Scales everything of a histogram that is a value, exemplars included.
pub(crate) fn histogram(point: &mut Histogram, by: f64) {
    for value in [&mut point.sum, &mut point.min, &mut point.max].into_iter().flatten() {
        *value *= by;
    }
    point.bounds.iter_mut().for_each(|bound| *bound *= by);
    exemplars(&mut point.exemplars, by);
}

/// Scales encoded exemplars.
pub(crate) fn exemplars(exemplars: &mut [Vec<u8>], by: f64) {
    for encoded in exemplars {
        let mut exemplar = Exemplar::read(encoded);
        exemplar.scale(by);
        encoded.clear();
        exemplar.write(encoded);
    }
}
