//! Limits of a lens where an agent follows a sample: met with every interval, violated only for sure, else not measured.

use observe::{Lens, Reach, Sampled};

use super::answers::{decided, two};
use super::intervals::{error, of};
use super::*;

/// Findings over a stretch that is longer than a look-back and a horizon.
fn long(change: impl Fn(&mut LensReport)) -> Comparison {
    let mut found = of(change);
    found.seconds = 600.0;
    found
}

fn asked(max_unseen: Option<f64>, change: impl Fn(&mut Lens)) -> Spec {
    let mut spec = asking(|policy| policy.max_unseen = max_unseen);
    let name = good().lenses[0].name.clone();
    let lens = spec.lenses.iter_mut().find(|lens| lens.name == name).expect("the lens");
    lens.max_error = Some(0.05);
    change(lens);
    spec
}

fn told(spec: &Spec, agents: Vec<AgentEvidence>) -> Criterion {
    let verdict = decided(agents, spec, Step::Mirror);
    criterion(&verdict, "max_lens_error")
}

fn one(found: Comparison) -> Vec<AgentEvidence> {
    vec![agent(1, &[found.clone(), found])]
}

const ACCEPTS: Option<f64> = Some(0.0125);

#[test]
fn a_limit_is_met_only_where_the_total_and_each_group_are_within_it_whatever_is_not_followed() {
    let with = |total: f64, group: f64, norm: f64, max_unseen| {
        let found = long(|lens| {
            lens.total = error("", total, norm);
            lens.worst = vec![error("java", group, norm)];
        });
        told(&asked(max_unseen, |_| {}), two(|| found.clone()))
    };
    let met = with(99.0, 98.5, 0.8, ACCEPTS);
    assert_eq!(met.answer, Answer::Met, "{met:?}");
    let said = &met.finding.sentence;
    assert!(said.contains("Of all entities like those followed the total lies between −"), "{said}");
    assert!(said.contains("and each group between −") && said.contains("5.00 % is the limit."), "{said}");
    assert!(said.contains("`max_unseen` accepts 1.25 %"), "{said}");
    for (total, group, norm, max_unseen) in [
        (99.0, 98.5, 0.8, None),
        (99.0, 96.0, 0.8, ACCEPTS),
        (96.0, 99.0, 0.8, ACCEPTS),
        (99.0, 80.0, 0.8, ACCEPTS),
    ] {
        let open = with(total, group, norm, max_unseen);
        assert_eq!(open.answer, Answer::NotMeasured, "{total}, {group}: {open:?}");
    }
    let few = long(|lens| {
        lens.total = error("", 100.0, 0.0);
        let mut alone = error("java", 99.0, 1.0);
        alone.sampled =
            alone.sampled.map(|of| Sampled { baseline: Reach { norm: 100.0, most: 100.0 }, ..of });
        lens.worst = vec![alone];
    });
    let said = told(&asked(ACCEPTS, |_| {}), one(few)).finding.sentence;
    assert!(said.contains("of some groups the sample has too few to tell"), "{said}");
}

#[test]
fn a_total_past_the_limit_for_sure_violates_it_and_one_of_a_mean_only_where_one_agent_tells_of_it() {
    let past = long(|lens| lens.total = error("", 90.0, 1.0));
    let told_by = |agents| told(&asked(None, |_| {}), agents);
    let violated = told_by(two(|| past.clone()));
    assert_eq!(violated.answer, Answer::Violated, "{violated:?}");
    let said = &violated.finding.sentence;
    assert!(
        said.contains("Of all entities the total lies between −") && said.contains("past 5.00 %."),
        "{said}"
    );
    let mean = |lens: &mut LensReport| {
        lens.function = observe::LensFunction::Avg;
        lens.total = LensError { divisor: error("", 100.0, 0.1).sampled, ..error("", 90.0, 0.1) };
    };
    let told_of_mean = |agents| told(&asked(None, |lens| lens.function = observe::LensFunction::Avg), agents);
    assert_eq!(told_of_mean(one(long(mean))).answer, Answer::Violated);
    let same = |lens: &mut LensReport| {
        lens.function = observe::LensFunction::Avg;
        lens.total = LensError { divisor: error("", 100.0, 0.1).sampled, ..error("", 100.0, 0.1) };
    };
    // The other agent may have most of it.
    let open = told_of_mean(vec![agent(1, &[long(mean), long(mean)]), agent(2, &[long(same), long(same)])]);
    assert_eq!(open.answer, Answer::NotMeasured, "{open:?}");
    assert!(open.finding.sentence.contains("may be within it on all agents together"), "{open:?}");
    let margin = told(&asked(None, |lens| lens.absolute_margin = Some(1e9)), one(past.clone()));
    assert_eq!(margin.answer, Answer::NotMeasured, "a margin allows it, whatever its share");
}

#[test]
fn a_group_past_the_limit_for_sure_violates_it_if_it_surely_has_the_share_of_one_that_is_judged() {
    let with = |whole: f64, agents: usize| {
        let found = long(|lens| {
            lens.groups = 1;
            lens.total = error("", 100.0, 0.0);
            lens.total.sampled = lens.total.sampled.map(|of| Sampled { sums: [whole; 2], ..of });
            lens.worst = vec![error("java", 50.0, 1.0)];
        });
        told(&asked(None, |_| {}), two(|| found.clone()).split_off(2 - agents))
    };
    let violated = with(1_000.0, 1);
    assert_eq!(violated.answer, Answer::Violated, "{violated:?}");
    assert_eq!(violated.finding.groups, ["java"]);
    let said = &violated.finding.sentence;
    assert!(said.contains("Whatever is not followed of them, past 5.00 % is java (95 %)."), "{said}");
    assert_eq!(with(100_000.0, 1).answer, Answer::NotMeasured, "a tenth of a percent of all");
    assert_eq!(with(1_000.0, 2).answer, Answer::NotMeasured, "two agents may have it between them");
}

#[test]
fn of_lost_groups_what_is_not_followed_may_be_there() {
    let lost = |count: u64| {
        long(move |lens| {
            lens.total = error("", 100.0, 0.0);
            lens.groups_lost = count;
        })
    };
    let spec = asked(ACCEPTS, |_| {});
    let open = told(&spec, one(lost(1)));
    assert_eq!(open.answer, Answer::NotMeasured, "{open:?}");
    let said = &open.finding.sentence;
    assert!(
        said.contains("Of what is followed 1 group is lost, and 0 may be; the rest of it may be there."),
        "{said}"
    );
    assert_eq!(
        told(&asked(ACCEPTS, |lens| lens.max_groups_lost = Some(1)), one(lost(1))).answer,
        Answer::Met
    );
    // It went in the last horizon.
    let mut since = agent(1, &[lost(0), lost(2)]);
    since.totals = vec![lost(0).into()];
    assert_eq!(told(&spec, vec![since]).answer, Answer::NotMeasured);
    let groups_alone = |max_unseen| {
        let spec = asked(max_unseen, |lens| (lens.max_error, lens.max_groups_lost) = (None, Some(0)));
        let verdict = decided(one(lost(0)), &spec, Step::Mirror);
        let name = good().lenses[0].name.clone();
        let mut all = verdict.criteria.into_iter().filter(|one| one.finding.names == [name.clone()]);
        all.next_back().expect("its criterion")
    };
    let met = groups_alone(ACCEPTS);
    assert_eq!(met.answer, Answer::Met, "{met:?}");
    assert!(met.finding.sentence.contains("Of the groups that are followed none is lost."), "{met:?}");
    assert_eq!(groups_alone(None).answer, Answer::NotMeasured);
}
