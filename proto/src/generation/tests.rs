//! Tests: a written generation reads back as the same, and one that no server may push is refused with its place.

use std::time::Duration;

use observe::{Critical, Lens, LensFunction, Price};
use pipelines::split::{Split, Unit, Weight};
use proptest::prelude::*;

use super::{Baseline, Candidate, Experiment, Fragment, Generation, Guardrails};

const FRAGMENT: &str = r#"processors:
  filter/small: { metrics: { datapoint: ['metric.name == "process.memory.virtual"'] } }
service: { pipelines: { metrics: { processors: [filter/small] } } }
"#;

/// Lenses as they are by default, and one with all that can be said of one.
fn lenses() -> Vec<Lens> {
    let mut lenses = Lens::defaults();
    lenses.push(Lens {
        lookback: Duration::from_millis(7_750),
        max_error: Some(0.05),
        min_group_share: Some(0.02),
        max_groups_lost: Some(3),
        absolute_margin: Some(1.5),
        ..Lens::new("limited", "process.memory.usage", "host.name", LensFunction::Min)
    });
    lenses
}

fn generation(config: &str, salt: &str, unit: Unit) -> Generation {
    Generation {
        number: 7,
        pipeline: None,
        baseline: Baseline::Given(Fragment::new(FRAGMENT)),
        experiment: Some(Experiment {
            id: "0193".into(),
            split: Split { unit, weight: Weight::from_bp(2_500).expect("legal"), salt: salt.into() },
            candidate: Candidate::Given(Fragment::new(config)),
            window: Duration::from_secs(10),
            report_every: Duration::from_millis(60_500),
            lenses: lenses(),
            critical: vec![Critical::default()],
            price: Price::default(),
            guardrails: Guardrails { max_batch_latency: Some(Duration::from_millis(250)) },
        }),
    }
}

#[test]
fn a_plain_baseline_reads_back() {
    let plain = Generation { number: 1, pipeline: None, baseline: Baseline::Current, experiment: None };
    assert_eq!(Generation::read(&plain.write()).expect("reads"), plain);
    let mut aa = generation(FRAGMENT, "s", Unit::Process);
    if let Some(experiment) = &mut aa.experiment {
        experiment.candidate = Candidate::Baseline;
    }
    assert_eq!(Generation::read(&aa.write()).expect("reads"), aa);
}

#[test]
fn a_pipeline_that_is_named_is_in_the_body_and_one_that_is_not_leaves_it_as_it_was() {
    let unnamed = generation(FRAGMENT, "s", Unit::Process);
    assert!(!unnamed.write().contains("\"pipeline\""));
    let named = Generation { pipeline: Some("metrics/host".into()), ..unnamed.clone() };
    assert_eq!(Generation::read(&named.write()).expect("reads"), named);
    assert_ne!(named.content(), unnamed.content());
    for wrong in ["traces", "metrics/", "", "metrics /a"] {
        let body = named.write().replace("metrics/host", wrong);
        let refused = Generation::read(&body).map(|read| read.pipeline).expect_err(wrong).to_string();
        assert!(
            refused.contains("is no pipeline of metrics") && refused.contains("phoenix.yaml:"),
            "{refused}"
        );
    }
}

#[test]
fn another_number_is_the_same_content_and_another_weight_is_not() {
    let mut a = generation(FRAGMENT, "s", Unit::Process);
    let content = a.content();
    a.number = 8;
    assert_eq!(a.content(), content);
    if let Some(experiment) = &mut a.experiment {
        experiment.split.weight = Weight::ALL;
    }
    assert_ne!(a.content(), content);
}

#[test]
fn a_body_that_says_anything_else_is_refused_with_its_place() {
    let body = generation(FRAGMENT, "s", Unit::Host).write();
    let with = |from: &str, to: &str| {
        Generation::read(&body.replacen(from, to, 1)).expect_err("refused").to_string()
    };
    assert!(with("\"salt\"", "\"slat\"").contains("did you mean \"salt\""));
    assert!(with("2500", "10001").contains("0 to 10000 basis points"));
    assert!(with("memory.virtual", "memory.usage").contains("sha256 is not that of the config"));
    assert!(with("{\n", "{\n  \"exporters\": {},\n").contains("phoenix.yaml:2:"));
    assert!(with("\"7750000000ns\"", "\"0s\"").contains("the lookback of the lens"));
    assert!(with("\"7750000000ns\"", "\"168h\"").contains("at most 24h"));
    assert!(with("\"max_groups_lost\"", "\"max_group_lost\"").contains("did you mean"));
    assert!(with("\"generation\": 7", "\"generation\": -7").contains("0 or more"));
    assert!(Generation::read(&" ".repeat(super::MAX_BODY + 1)).is_err());
}

#[test]
fn a_unit_is_refused_under_a_version_of_the_split_that_does_not_assign_it() {
    let body = generation(FRAGMENT, "s", Unit::Entity).write();
    assert!(body.contains("\"split\": 2"), "{body}");
    let read = Generation::read(&body).expect("reads").experiment.expect("an experiment");
    assert_eq!(read.split.unit, Unit::Entity);
    let refused = |body: String| Generation::read(&body).expect_err("refused").to_string();
    assert!(refused(body.replace("\"split\": 2", "\"split\": 3")).contains("split: 2"));
    assert!(
        refused(body.replace("\"split\": 2,", "")).contains("version 1 of the split, with the unit entity")
    );
    assert!(refused(body.replace("\"entity\"", "\"process\"")).contains("split: 1"));
    // An agent of the earlier version neither has the word nor the field.
    let earlier = generation(FRAGMENT, "s", Unit::Process).write();
    assert!(!earlier.contains("\"split\""), "{earlier}");
}

#[test]
fn a_fragment_brings_a_pipeline_of_metrics_and_nothing_else() {
    assert_eq!(Fragment::new(FRAGMENT).plan("candidate").expect("checks").stages().len(), 1);
    let refused = |text: String| Fragment::new(text).plan("candidate").expect_err("refused").to_string();
    assert!(
        refused(format!("exporters: {{ otlp: {{ endpoint: evil:1 }} }}\n{FRAGMENT}"))
            .contains("candidate:1:")
    );
    let secret = FRAGMENT.replace("process.memory.virtual", "${env:TOKEN}");
    assert!(refused(secret).contains("reads no environment"));
    assert!(refused("processors: {}\n".into()).contains("no pipeline of metrics"));
    assert!(refused(FRAGMENT.replace("filter/small:", "filtre/small:")).contains("candidate:"));
}

proptest! {
    #[test]
    fn whatever_stands_in_it_reads_back(config in "\\PC{0,80}", salt in "\\PC{0,20}", names in prop::collection::vec("\\PC{1,12}", 1..4)) {
        for config in [config.clone(), format!("{config}\n\t: # ${{env:HOME}} $$ \u{0}&a *a }}{config}")] {
            let written = generation(&config, &salt, Unit::Attributes(names.clone()));
            let read = Generation::read(&written.write());
            prop_assert_eq!(read.map_err(|problems| problems.to_string()), Ok(written));
        }
    }

    #[test]
    fn reading_never_panics(body in "\\PC{0,200}") {
        let _either = Generation::read(&body);
    }
}
