//! Experiments under way as a monitoring sees them: the verdict of the last look, and how many criteria have which answer.
//!
//! Whoever may scrape sees all tenants', so an experiment is its id here and nothing else. One that ends because of what was
//! found is shown for an hour more, over a restart as well: a rollback takes a moment, and an alert on it must find it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::clock::UnixMillis;

/// Time for which one that has ended is still shown.
pub const SHOWN: Duration = Duration::from_secs(60 * 60);
const VERDICT: &str = "1 for the verdict of the last look at an experiment under way, by the replica that decides; one that was rolled back, or would not be promoted, is shown for an hour more";
const CRITERIA: &str = "Criteria that hold or roll back, by answer at the last look at the experiment";

/// One of them at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its id.
    pub experiment: String,
    /// Its step.
    pub step: String,
    /// The verdict's verb.
    pub verb: &'static str,
    /// True if the verdict ends it because of what was found.
    pub is_end: bool,
    /// Quantity and answer of each criterion that holds or rolls back.
    pub criteria: Vec<(String, &'static str)>,
}

/// Looks by experiment, with the time at which each that has ended was seen last.
#[derive(Debug, Default)]
pub struct Experiments(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    looks: BTreeMap<String, (Look, Option<UnixMillis>)>,
    /// True once those that had ended before this replica began to decide are among them.
    recalled: bool,
}

impl Experiments {
    /// Tells whether those that had ended before are still to be recalled.
    pub fn forgets(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).recalled
    }

    /// Adds those that had ended before this replica began to decide, each with the time of its end.
    pub fn recall(&self, ended: impl IntoIterator<Item = (Look, UnixMillis)>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.recalled = true;
        for (look, at) in ended {
            shown.looks.entry(look.experiment.clone()).or_insert((look, Some(at)));
        }
    }

    /// Puts the looks at all that are under way in place of those before.
    pub fn show(&self, looks: Vec<Look>, now: UnixMillis) {
        let shown = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).looks;
        for (_, ended) in shown.values_mut() {
            ended.get_or_insert(now);
        }
        for look in looks {
            shown.insert(look.experiment.clone(), (look, None));
        }
        shown.retain(|_, (look, ended)| ended.is_none_or(|ended| look.is_end && now < ended.plus(SHOWN)));
    }

    /// Shows none: another replica decides.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Shown::default();
    }
}

impl Collector for Experiments {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let shown = &self.0.lock().unwrap_or_else(PoisonError::into_inner).looks;
        if shown.is_empty() {
            return Ok(());
        }
        let mut verdicts =
            encoder.encode_descriptor("phoenix_experiment_verdict", VERDICT, None, MetricType::Gauge)?;
        for (look, _) in shown.values() {
            let (id, step) = (look.experiment.as_str(), look.step.as_str());
            let labels = [("experiment", id), ("step", step), ("verb", look.verb)];
            ConstGauge::new(1).encode(verdicts.encode_family(&labels)?)?;
        }
        let mut criteria =
            encoder.encode_descriptor("phoenix_experiment_criteria", CRITERIA, None, MetricType::Gauge)?;
        for (look, _) in shown.values() {
            let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
            for (quantity, answer) in &look.criteria {
                *counts.entry((quantity, answer)).or_default() += 1;
            }
            for ((quantity, answer), count) in counts {
                let id = look.experiment.as_str();
                let labels = [("experiment", id), ("criterion", quantity), ("answer", answer)];
                ConstGauge::new(count).encode(criteria.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(experiment: &str, verb: &'static str, is_end: bool) -> Look {
        let criteria = vec![("collisions".to_owned(), "violated"), ("collisions".to_owned(), "violated")];
        Look { experiment: experiment.to_owned(), step: "50 %".to_owned(), verb, is_end, criteria }
    }

    fn ids(experiments: &Experiments) -> Vec<String> {
        experiments.0.lock().unwrap().looks.keys().cloned().collect()
    }

    #[test]
    fn what_was_rolled_back_is_shown_for_an_hour_and_what_was_stopped_or_promoted_no_more() {
        let (shown, now) = (Experiments::default(), UnixMillis(1_000_000));
        shown.show(
            vec![look("a", "roll_back", true), look("b", "hold", false), look("c", "promote", false)],
            now,
        );
        assert_eq!(ids(&shown), ["a", "b", "c"]);
        let next = now.plus(Duration::from_secs(1));
        shown.show(Vec::new(), next);
        assert_eq!(ids(&shown), ["a"]);
        shown.show(Vec::new(), next.plus(SHOWN - Duration::from_millis(1)));
        assert_eq!(ids(&shown), ["a"]);
        shown.show(Vec::new(), next.plus(SHOWN));
        assert_eq!(ids(&shown), Vec::<String>::new());
    }

    #[test]
    fn what_had_ended_before_is_recalled_once_for_the_rest_of_its_hour_and_never_in_place_of_a_look() {
        let (shown, now) = (Experiments::default(), UnixMillis(10_000_000));
        assert!(shown.forgets());
        shown.show(vec![look("a", "hold", false)], now);
        let before = now.before(SHOWN / 2);
        shown.recall([(look("a", "roll_back", true), before), (look("b", "roll_back", true), before)]);
        assert!(!shown.forgets());
        assert_eq!(shown.0.lock().unwrap().looks["a"].0.verb, "hold");
        shown.show(Vec::new(), before.plus(SHOWN - Duration::from_millis(1)));
        assert_eq!(ids(&shown), ["b"]);
        shown.show(Vec::new(), before.plus(SHOWN));
        assert_eq!(ids(&shown), Vec::<String>::new());
        shown.clear();
        assert!(shown.forgets(), "another replica may have decided meanwhile");
    }

    #[test]
    fn criteria_of_one_quantity_and_answer_are_counted_and_none_shown_is_no_family() {
        let shown = std::sync::Arc::new(Experiments::default());
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(std::sync::Arc::clone(&shown)));
        let text = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        assert_eq!(text(), "# EOF\n");
        shown.show(vec![look("a", "roll_back", true)], UnixMillis(0));
        let said = text();
        let verdict = r#"phoenix_experiment_verdict{experiment="a",step="50 %",verb="roll_back"} 1"#;
        let criteria =
            r#"phoenix_experiment_criteria{experiment="a",criterion="collisions",answer="violated"} 2"#;
        assert!(
            said.lines().any(|line| line == verdict) && said.lines().any(|line| line == criteria),
            "{said}"
        );
        shown.clear();
        assert_eq!(text(), "# EOF\n");
    }
}
