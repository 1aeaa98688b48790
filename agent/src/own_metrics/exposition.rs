//! The agent's own metrics, read out of the text in which `/metrics` shows them, so that what is sent is what is shown there.
//!
//! The text is this process's own: what it cannot have is left out, and nothing here panics.

/// Metrics of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// Name as OTLP has it: without `_total`.
    pub name: String,
    /// Help, for a person.
    pub help: String,
    /// Kind.
    pub kind: Kind,
    /// Points, one for each set of labels.
    pub points: Vec<Point>,
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    #[default]
    Gauge,
    /// It only grows.
    Sum,
    /// Counts of values, by bucket.
    Histogram,
}

/// Names and values of labels.
pub type Labels = Vec<(String, String)>;

/// Value of a set of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Names and values.
    pub labels: Labels,
    /// Value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Any other.
    Double(f64),
    /// A distribution.
    Histogram(Histogram),
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Sum of all values.
    pub sum: f64,
    /// Number of values.
    pub count: u64,
    /// Upper bounds of all buckets but the last, which has none.
    pub bounds: Vec<f64>,
    /// Values in each bucket, the last included.
    pub buckets: Vec<u64>,
}

/// Reads a text.
pub fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            families.push(Family { name: name.to_owned(), help: help.to_owned(), ..Family::default() });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            if let Some((family, (_, kind))) = families.last_mut().zip(rest.split_once(' ')) {
                family.kind = match kind {
                    // What only grows under a name that does not end in `_total` has no type there.
                    "counter" | "unknown" => Kind::Sum,
                    "histogram" => Kind::Histogram,
                    _ => Kind::Gauge,
                };
            }
        } else if !line.starts_with('#')
            && let Some((family, (name, labels, number))) = families.last_mut().zip(sample(line))
        {
            family.add(name, labels, number);
        }
    }
    for family in &mut families {
        family.finish();
    }
    families.retain(|family| !family.points.is_empty());
    families
}

impl Family {
    fn add(&mut self, name: &str, mut labels: Labels, number: &str) {
        if self.kind != Kind::Histogram {
            let value = number.parse().map(Value::Int).or_else(|_| number.parse().map(Value::Double));
            self.points.extend(value.ok().map(|value| Point { labels, value }));
            return;
        }
        let bound = labels.iter().position(|(name, _)| name == "le").map(|at| labels.remove(at).1);
        if self.points.last().is_none_or(|last| last.labels != labels) {
            self.points.push(Point { labels, value: Value::Histogram(Histogram::default()) });
        }
        let Some(Point { value: Value::Histogram(histogram), .. }) = self.points.last_mut() else { return };
        match (bound, name.strip_prefix(&self.name).unwrap_or_default()) {
            (Some(bound), "_bucket") => {
                histogram.buckets.push(number.parse().unwrap_or_default());
                histogram.bounds.extend(bound.parse().ok().filter(|bound: &f64| bound.is_finite()));
            }
            (None, "_sum") => histogram.sum = number.parse().unwrap_or_default(),
            (None, "_count") => histogram.count = number.parse().unwrap_or_default(),
            _ => {}
        }
    }

    /// Makes the counts of buckets, which hold those before them in the text, their own.
    fn finish(&mut self) {
        for point in &mut self.points {
            let Value::Histogram(histogram) = &mut point.value else { continue };
            let mut before = 0;
            for bucket in &mut histogram.buckets {
                let up_to = std::mem::replace(&mut before, *bucket);
                *bucket = bucket.saturating_sub(up_to);
            }
        }
        if self.kind == Kind::Sum
            && let Some(plain) = self.name.strip_suffix("_total")
        {
            self.name = plain.to_owned();
        }
    }
}

/// Name, labels and number of a line.
fn sample(line: &str) -> Option<(&str, Labels, &str)> {
    let name_ends = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_ends);
    let Some(mut rest) = rest.strip_prefix('{') else { return Some((name, Vec::new(), rest.trim())) };
    let mut labels = Vec::new();
    while !rest.starts_with('}') {
        let (label, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        labels.push((label.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some((name, labels, rest[1..].trim()))
}

/// Text up to the next quote that is not escaped, and what stands behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::EncodeLabelSet;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family as Labeled;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram as Times;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Rule {
        processor: String,
        rule: String,
    }

    fn read(registry: &Registry) -> Vec<Family> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
        families(&text)
    }

    #[test]
    fn a_rule_may_have_any_text_in_it() {
        let dropped = Labeled::<Rule, Counter>::default();
        let rule = "metric.name == \"a{b}\" and\n\\d = \"1,2\"} 7".to_owned();
        dropped.get_or_create(&Rule { processor: "filter/a".into(), rule: rule.clone() }).inc_by(3);
        let mut registry = Registry::default();
        registry.register("dropped_points", "Points dropped", dropped);
        let [family] = &read(&registry)[..] else { panic!("one family") };
        assert_eq!((family.name.as_str(), family.kind), ("dropped_points", Kind::Sum));
        let labels = vec![("processor".to_owned(), "filter/a".to_owned()), ("rule".to_owned(), rule)];
        assert_eq!(family.points, [Point { labels, value: Value::Int(3) }]);
    }

    #[test]
    fn what_has_no_points_is_no_metric_and_numbers_are_what_they_are() {
        let (level, share) = (Gauge::<i64>::default(), Gauge::<f64, std::sync::atomic::AtomicU64>::default());
        level.set(-4);
        share.set(2.0);
        let mut registry = Registry::default();
        registry.register("level", "Level", level);
        registry.register("share", "Share", share);
        registry.register("none", "None", Labeled::<Rule, Counter>::default());
        let found: Vec<_> =
            read(&registry).into_iter().map(|family| (family.name, family.points[0].value.clone())).collect();
        assert_eq!(found, [("level".into(), Value::Int(-4)), ("share".into(), Value::Double(2.0))]);
    }

    #[test]
    fn buckets_have_their_own_values_alone() {
        let times = Labeled::<Rule, Times>::new_with_constructor(|| Times::new([0.5, 1.0]));
        for processor in ["a", "b"] {
            let times = times.get_or_create_owned(&Rule { processor: processor.into(), rule: String::new() });
            [0.1, 0.2, 0.7, 9.0].into_iter().for_each(|time| times.observe(time));
        }
        let mut registry = Registry::default();
        registry.register("times_seconds", "Times", times);
        let [family] = &read(&registry)[..] else { panic!("one family") };
        assert_eq!(family.points.len(), 2);
        for point in &family.points {
            let Value::Histogram(histogram) = &point.value else { panic!("{point:?}") };
            assert_eq!((&histogram.bounds[..], &histogram.buckets[..]), (&[0.5, 1.0][..], &[2, 1, 1][..]));
            assert_eq!((histogram.count, histogram.sum), (4, 10.0));
            assert_eq!(point.labels.len(), 2, "le is none");
        }
    }

    #[test]
    fn what_is_no_line_of_metrics_is_left_out() {
        for text in ["", "a", "a{", "a{b=\"c\\", "# HELP a\n# TYPE a\na{b} 1\na nothing\n", "a 1\n# EOF"] {
            assert_eq!(families(text), [], "{text}");
        }
    }
}
