//! Ends of metrics' names, as a Prometheus reader of the Collector asks for them.

/// Ends that the Collector's names have; without any they are as its documentation lists them, which is its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameStyle {
    /// True if counters end in `_total`.
    pub has_type: bool,
    /// True if names end in their unit.
    pub has_units: bool,
}

impl NameStyle {
    /// Name of a counter whose unit is no part of names.
    pub fn counter(self, name: &str) -> String {
        self.counter_in(name, "")
    }

    /// Name of a counter in `unit`, such as `seconds`; a name that ends in it stays.
    pub fn counter_in(self, name: &str, unit: &str) -> String {
        let name = self.gauge_in(name, unit);
        if self.has_type { format!("{name}_total") } else { name }
    }

    /// Name of a gauge in `unit`.
    pub fn gauge_in(self, name: &str, unit: &str) -> String {
        if self.has_units && !name.ends_with(unit) { format!("{name}_{unit}") } else { name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_as_the_collectors_reader_has_them() {
        let [none, types, units, both] = [(false, false), (true, false), (false, true), (true, true)]
            .map(|(has_type, has_units)| NameStyle { has_type, has_units });
        let (points, cpu, rss) = (
            "otelcol_exporter_sent_metric_points",
            "otelcol_process_cpu_seconds",
            "otelcol_process_memory_rss",
        );
        assert_eq!(none.counter(points), points);
        assert_eq!(both.counter(points), "otelcol_exporter_sent_metric_points_total");
        assert_eq!(types.counter_in(cpu, "seconds"), "otelcol_process_cpu_seconds_total");
        assert_eq!(units.counter_in(cpu, "seconds"), cpu);
        assert_eq!(units.gauge_in(rss, "bytes"), "otelcol_process_memory_rss_bytes");
        assert_eq!(types.gauge_in(rss, "bytes"), rss);
        assert_eq!(
            both.counter_in("otelcol_process_uptime", "seconds"),
            "otelcol_process_uptime_seconds_total"
        );
    }
}
