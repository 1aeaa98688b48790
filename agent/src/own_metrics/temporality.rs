//! Time since which metrics count: the start of the process, or the last message.

use std::collections::HashMap;

use super::exposition::{Family, Histogram, Kind, Labels, Point, Value};
use super::message::Counted;

/// Counters that go on over the life of the data directory: since when they count is not known, and they are no deltas.
const LIFELONG: [&str; 2] = ["phoenix_points_lost", "phoenix_held_points_lost_at_most"];
/// Beginning of the names of counters that are read off elsewhere when they are sent.
const OBSERVED: &str = "otelcol_process_";

/// Preference of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// All counts since the start.
    #[default]
    Cumulative,
    /// Counts since the last message.
    Delta,
    /// Counts since the last message, but for those that are read off elsewhere.
    LowMemory,
}

impl Temporality {
    fn is_delta(self, family: &Family) -> bool {
        let is_observed = family.name.starts_with(OBSERVED);
        let counts = family.kind != Kind::Gauge && !LIFELONG.contains(&family.name.as_str());
        counts && (self == Self::Delta || self == Self::LowMemory && !is_observed)
    }
}

/// Name and labels.
type Series = (String, Labels);

/// Values that a receiver knows.
#[derive(Debug)]
pub struct Known {
    /// Time of them, in nanoseconds.
    at: u64,
    values: HashMap<Series, Value>,
}

impl Known {
    /// Nothing, at the start.
    pub fn nothing(start: u64) -> Self {
        Self { at: start, values: HashMap::new() }
    }

    /// Those of which deltas are told.
    pub fn of(families: &[Family], temporality: Temporality, at: u64) -> Self {
        let told = families.iter().filter(|family| temporality.is_delta(family));
        let values = told.flat_map(|family| {
            let of = |point: &Point| ((family.name.clone(), point.labels.clone()), point.value.clone());
            family.points.iter().map(of)
        });
        Self { at, values: values.collect() }
    }

    /// Metrics as a receiver that knows these values wants to be told them.
    pub fn counted(&self, families: Vec<Family>, temporality: Temporality, start: u64) -> Vec<Counted> {
        let counted = families.into_iter().map(|mut family| {
            let is_delta = temporality.is_delta(&family);
            if is_delta {
                self.take_away(&mut family);
            }
            let lifelong = LIFELONG.contains(&family.name.as_str());
            let since = if is_delta { self.at } else { start };
            Counted { family, is_delta, since: if lifelong { 0 } else { since } }
        });
        counted.collect()
    }

    fn take_away(&self, family: &mut Family) {
        for point in &mut family.points {
            let Some(known) = self.values.get(&(family.name.clone(), point.labels.clone())) else { continue };
            match (&mut point.value, known) {
                (Value::Int(now), Value::Int(known)) => *now = now.saturating_sub(*known).max(0),
                (Value::Double(now), Value::Double(known)) => *now = (*now - known).max(0.0),
                (Value::Histogram(now), Value::Histogram(known)) => now.take_away(known),
                _ => {}
            }
        }
    }
}

impl Histogram {
    fn take_away(&mut self, known: &Self) {
        self.sum -= known.sum;
        self.count = self.count.saturating_sub(known.count);
        for (bucket, known) in self.buckets.iter_mut().zip(&known.buckets) {
            *bucket = bucket.saturating_sub(*known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, kind: Kind, value: Value) -> Family {
        let points = vec![Point { labels: vec![("exporter".into(), "otlp".into())], value }];
        Family { name: name.into(), kind, points, help: String::new() }
    }

    fn sums(sent: i64) -> Vec<Family> {
        vec![
            family("otelcol_exporter_sent_metric_points", Kind::Sum, Value::Int(sent)),
            family("otelcol_process_uptime", Kind::Sum, Value::Double(sent as f64)),
            family("phoenix_points_lost", Kind::Sum, Value::Int(sent)),
            family("otelcol_exporter_queue_size", Kind::Gauge, Value::Int(sent)),
            family(
                "phoenix_batch_cpu_seconds",
                Kind::Histogram,
                Value::Histogram(Histogram {
                    sum: sent as f64,
                    count: sent as u64,
                    bounds: vec![1.0],
                    buckets: vec![1, sent as u64 - 1],
                }),
            ),
        ]
    }

    fn told(counted: &[Counted]) -> Vec<(bool, u64, f64)> {
        let number = |counted: &Counted| match &counted.family.points[0].value {
            Value::Int(int) => *int as f64,
            Value::Double(double) => *double,
            Value::Histogram(histogram) => histogram.count as f64,
        };
        counted.iter().map(|one| (one.is_delta, one.since, number(one))).collect()
    }

    #[test]
    fn a_receiver_of_deltas_is_told_what_was_added_since_what_it_knows() {
        let (start, first) = (100, 200);
        let nothing = Known::nothing(start);
        let at_first = nothing.counted(sums(5), Temporality::Delta, start);
        let (delta, whole) = ((true, start, 5.0), (false, 0, 5.0));
        assert_eq!(told(&at_first), [delta, delta, whole, (false, start, 5.0), delta]);
        let known = Known::of(&sums(5), Temporality::Delta, first);
        let then = known.counted(sums(7), Temporality::Delta, start);
        let delta = (true, first, 2.0);
        assert_eq!(told(&then), [delta, delta, (false, 0, 7.0), (false, start, 7.0), delta]);
        let Value::Histogram(histogram) = &then[4].family.points[0].value else { panic!("a histogram") };
        assert_eq!((histogram.sum, &histogram.buckets[..]), (2.0, &[0, 2][..]));
    }

    #[test]
    fn what_is_read_off_elsewhere_is_whole_where_memory_is_to_be_saved_and_all_is_by_default() {
        let known = Known::of(&sums(5), Temporality::LowMemory, 200);
        let low: Vec<_> =
            told(&known.counted(sums(7), Temporality::LowMemory, 100)).into_iter().map(|one| one.0).collect();
        assert_eq!(low, [true, false, false, false, true]);
        let known = Known::of(&sums(5), Temporality::Cumulative, 200);
        for (is_delta, since, number) in told(&known.counted(sums(7), Temporality::Cumulative, 100)) {
            assert!(!is_delta && number == 7.0 && (since == 100 || since == 0));
        }
    }
}
