//! Specifications: what is wrong with one, by field and all at once.

use std::time::Duration;

use super::spec;
use crate::experiment::Spec;
use crate::refusal::Refusal;

#[test]
fn what_is_not_right_in_a_specification_is_told_by_field() {
    spec().check().expect("right");
    let wrong = |change: fn(&mut Spec)| {
        let mut spec = spec();
        change(&mut spec);
        spec.check().expect_err("wrong").to_string()
    };
    assert!(wrong(|s| s.name.clear()).contains("name"));
    assert!(
        wrong(|s| s.weights_bp = vec![5_000, 2_500, 10_000]).contains("weights_bp: 2500 comes after 5000")
    );
    let unfinished = wrong(|s| s.weights_bp = vec![5_000]);
    assert!(
        unfinished.contains("weights_bp: the last weight is 5000, and a rollout ends with 10000 (100 %)")
    );
    assert!(wrong(|s| s.weights_bp = vec![0, 10_000]).contains("weights_bp: the first weight is 0"));
    assert!(wrong(|s| s.weights_bp = (1..=15).chain([10_000]).collect()).contains("there are 16 weights"));
    assert!(wrong(|s| s.window = Duration::ZERO).contains("window"));
    assert!(wrong(|s| s.report_every = Duration::from_secs(9)).contains("report_every"));
    assert!(
        wrong(|s| s.policy.max_series_loss = Some(1.1)).contains("max_series_loss: 1.1; expected a share")
    );
    assert!(wrong(|s| s.policy.max_unseen = Some(-0.1)).contains("policy.max_unseen"));
    let none = wrong(|s| s.lenses[0].lookback = Duration::ZERO);
    let week = wrong(|s| s.lenses[0].lookback = Duration::from_secs(7 * 86_400));
    for said in [none, week] {
        assert!(said.contains("lookback") && said.contains("above 0 and at most 24h"), "{said}");
    }
    assert!(wrong(|s| s.policy.min_horizons = 0).contains("min_horizons"));
    assert!(wrong(|s| s.candidate = s.candidate.replace("filter", "filtre")).contains("candidate:"));
    let host = "processors: { groupbyattrs: { keys: [a] } }\nservice: { pipelines: { metrics: { processors: [groupbyattrs] } } }\n";
    let mut cuts = spec();
    cuts.candidate = host.into();
    assert!(cuts.clone().check().expect_err("half of a roll-up").to_string().contains("unit"));
    cuts.unit = vec!["host".into()];
    cuts.check().expect("whole hosts");
}

#[test]
fn all_that_is_not_right_in_a_specification_is_told_at_once() {
    let mut wrong = spec();
    wrong.weights_bp = vec![5_000];
    wrong.window = Duration::ZERO;
    wrong.candidate = wrong.candidate.replace("filter", "filtre");
    wrong.policy.max_unseen = Some(3.0);
    wrong.policy.alpha = 1.0;
    let refusal = Refusal::from(wrong.check().expect_err("wrong"));
    let fields: Vec<_> =
        refusal.mistakes().iter().map(|one| one.field.as_deref().unwrap_or_default()).collect();
    for field in ["candidate", "weights_bp", "window", "policy.max_unseen", "policy.alpha"] {
        assert!(fields.contains(&field), "{field}: {fields:?}");
    }
    assert_eq!(refusal.detail(), format!("the request has {} mistakes", fields.len()));
    let place = refusal.mistakes().iter().find(|one| one.field.as_deref() == Some("candidate"));
    assert!(place.is_some_and(|one| one.place.is_some()), "{refusal:?}");
}
