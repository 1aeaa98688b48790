//! Lenses of a sample: met where the whole interval is within the limit and the policy accepts what none of the sample shows,
//! violated where the whole is beyond it, else not measured.

use observe::{Reach, Sample, Sampled, Unnamed};

use super::answers::{decided, two};
use super::*;
use crate::experiment::{Direction, Guardrail, Quantity, Scope, Severity};

/// Error of a sample: what the candidate has of the baseline's 100, and how far one entity may have it off.
pub fn error(group: &str, candidate: f64, norm: f64) -> LensError {
    let spread = Reach { norm, most: norm / 10.0 };
    let candidate_reach = Reach { norm: 1e9, most: 1e9 };
    let sampled = Sampled {
        sums: [100.0, candidate],
        difference: spread,
        candidate: candidate_reach,
        baseline: Reach::default(),
    };
    LensError { sampled: Some(sampled), ..LensError::of(group.to_owned(), 100.0, candidate) }
}

/// Findings of an agent that follows 300 entities.
pub fn of(change: impl Fn(&mut LensReport)) -> Comparison {
    let sample = Some(Sample { one_in: 8, entities: 300.0, ..Sample::default() });
    let mut found = Comparison { exact: false, sample, ..good() };
    found.lenses[0].total = error("", 100.0, 0.0);
    change(&mut found.lenses[0]);
    found
}

fn guardrail(quantity: Quantity, scope: Scope, severity: Severity) -> Guardrail {
    let lens = Some(good().lenses[0].name.clone());
    let (name, direction) = ("the lens".to_owned(), Direction::Either);
    Guardrail { name, quantity, lens, scope, direction, margin: 0.05, severity }
}

fn judged(quantity: Quantity, max_unseen: Option<f64>, agents: Vec<AgentEvidence>) -> Criterion {
    let asked = asking(|policy| {
        policy.guardrails = vec![guardrail(quantity, Scope::Fleet, Severity::Blocking)];
        policy.max_unseen = max_unseen;
    });
    criterion(&decided(agents, &asked, Step::Mirror), "the lens")
}

fn total(candidate: f64, norm: f64, max_unseen: Option<f64>) -> Criterion {
    judged(Quantity::LensTotal, max_unseen, two(|| of(|lens| lens.total = error("", candidate, norm))))
}

#[test]
fn a_total_is_met_only_with_its_whole_interval_and_violated_only_with_it() {
    const ACCEPTS: Option<f64> = Some(0.0125);
    // √(2 ln 40) × norm + ln 40 × norm / 10, of 100: 3.09 % for a norm of 1.
    let answers = [
        (98.5, 1.0, Answer::Met),
        (97.0, 1.0, Answer::NotMeasured),
        (92.0, 1.0, Answer::NotMeasured),
        (91.0, 1.0, Answer::Violated),
        (103.0, 5.0, Answer::NotMeasured),
        (109.0, 1.0, Answer::Violated),
    ];
    for (candidate, norm, answer) in answers {
        let told = total(candidate, norm, ACCEPTS);
        assert_eq!(told.answer, answer, "{candidate}: {}", told.finding.sentence);
    }
    let met = total(98.5, 1.0, ACCEPTS).finding.sentence;
    assert!(
        met.starts_with(
            "the lens: the error of memory by executable, of the sample, is -1.50 % (of all entities like those it lies \
             between -4.59 % and +1.59 %, at 95 %); ±5.00 % is the limit. What none of those followed is, up to 1.22 % of \
             all series may be (95 %): `max_unseen` accepts 1.25 %. On host-1, host-2 the sample is 1 in 8 entities."
        ),
        "{met}"
    );
    let open = total(97.0, 1.0, ACCEPTS).finding.sentence;
    assert!(
        open.contains("±5.00 % is the limit. This sample cannot tell whether it is past the limit: an agent"),
        "{open}"
    );
    let past = total(91.0, 1.0, None).finding.sentence;
    assert!(past.contains("(of all entities it lies between -12.09 % and -5.91 %, at 95 %)"), "{past}");
}

#[test]
fn what_none_of_the_sample_shows_is_not_said_to_be_within_a_limit_unless_the_policy_accepts_it() {
    for (max_unseen, answer) in
        [(None, Answer::NotMeasured), (Some(0.005), Answer::NotMeasured), (Some(0.0125), Answer::Met)]
    {
        assert_eq!(total(100.0, 0.0, max_unseen).answer, answer, "{max_unseen:?}");
        let groups = of(|lens| lens.worst = vec![error("java", 100.0, 0.0)]);
        assert_eq!(judged(Quantity::LensGroup, max_unseen, two(|| groups.clone())).answer, answer);
    }
    let said = total(100.0, 0.0, None).finding.sentence;
    assert!(
        said.contains(
            "up to 1.22 % of all series may be (95 %): this sample cannot tell less, and a `max_unseen`"
        ),
        "{said}"
    );
    assert_eq!(total(90.0, 0.5, None).answer, Answer::Violated, "what it shows needs nobody's leave");
}

#[test]
fn each_group_is_held_to_the_limit_with_its_interval_and_those_without_a_name_too() {
    let look = |change: fn(&mut LensReport)| {
        judged(Quantity::LensGroup, Some(0.0125), vec![agent(1, &[of(change), of(change)])])
    };
    let unnamed = |within| Unnamed { groups: 2, errors: Some([0.0; 2]), within, ..Unnamed::default() };
    let met = look(|lens| lens.worst = vec![error("java", 99.0, 0.5), error("bash", 101.0, 0.5)]);
    assert_eq!(met.answer, Answer::Met, "{met:?}");
    let open = look(|lens| lens.worst = vec![error("java", 99.0, 0.5), error("bash", 97.0, 2.0)]);
    assert_eq!(open.answer, Answer::NotMeasured, "{open:?}");
    let past = look(|lens| lens.worst = vec![error("java", 99.0, 0.5), error("bash", 50.0, 2.0)]);
    assert_eq!((past.answer, past.finding.groups), (Answer::Violated, vec!["bash".to_owned()]));
    let with = |within: Option<[f64; 2]>| {
        let found = of(|lens| {
            lens.worst = vec![error("java", 100.0, 0.0)];
            lens.unnamed = unnamed(within);
        });
        judged(Quantity::LensGroup, Some(0.0125), two(|| found.clone())).answer
    };
    let both = judged(
        Quantity::LensGroup,
        Some(0.0125),
        two(|| of(|lens| lens.worst = vec![error("java", 99.0, 0.1)])),
    );
    assert!(both.finding.sentence.contains(", at 95 % on each host);"), "{both:?}");
    assert_eq!(with(Some([-0.01, 0.02])), Answer::Met);
    assert_eq!(with(Some([-0.06, 0.02])), Answer::NotMeasured);
    assert_eq!(with(Some([-0.01, f64::MAX])), Answer::NotMeasured);
    assert_eq!(with(None), Answer::NotMeasured, "one of them has no interval");
    // One entity tells nothing of the others of its group.
    let one = look(|lens| {
        let mut alone = error("java", 99.0, 1.0);
        alone.sampled =
            alone.sampled.map(|of| Sampled { baseline: Reach { norm: 100.0, most: 100.0 }, ..of });
        lens.worst = vec![alone];
    });
    assert_eq!(one.answer, Answer::NotMeasured);
    assert!(one.finding.sentence.contains("(the sample has too few to tell that of all)"), "{one:?}");
}

#[test]
fn of_many_groups_none_is_past_the_limit_by_an_interval_that_holds_for_one_alone() {
    let with = |groups: usize| {
        let found = of(|lens| {
            lens.worst = (0..groups).map(|at| error(&format!("g{at}"), 100.0, 0.0)).collect();
            lens.worst[0] = error("g0", 91.0, 1.0);
            lens.groups = groups as u64;
        });
        judged(Quantity::LensGroup, None, vec![agent(1, &[found.clone(), found])]).answer
    };
    assert_eq!((with(1), with(100)), (Answer::Violated, Answer::NotMeasured));
}

#[test]
fn an_agent_that_follows_all_is_past_the_limit_whatever_another_ones_sample_leaves_open() {
    let mut whole = good();
    whole.lenses[0].total = LensError::of(String::new(), 100.0, 50.0);
    whole.lenses[0].worst = vec![LensError::of("java".into(), 100.0, 50.0)];
    let open = of(|lens| {
        lens.total = error("", 97.0, 50.0);
        lens.worst = vec![error("bash", 97.0, 50.0)];
    });
    let agents = || vec![agent(1, &[whole.clone(), whole.clone()]), agent(2, &[open.clone(), open.clone()])];
    let groups = judged(Quantity::LensGroup, None, agents());
    assert_eq!((groups.answer, groups.finding.hosts), (Answer::Violated, vec!["host-1".to_owned()]));
    let asked = asking(|policy| {
        policy.guardrails = vec![guardrail(Quantity::LensTotal, Scope::Host, Severity::Blocking)];
    });
    let hosts = criterion(&decided(agents(), &asked, Step::Mirror), "the lens");
    assert_eq!((hosts.answer, hosts.finding.hosts), (Answer::Violated, vec!["host-1".to_owned()]));
    // Of the fleet together the open one decides.
    assert_eq!(judged(Quantity::LensTotal, None, agents()).answer, Answer::NotMeasured);
}

#[test]
fn a_fatal_one_acts_on_a_horizon_only_where_no_look_of_so_many_shows_it_by_chance() {
    let asked = asking(|policy| {
        policy.guardrails = vec![guardrail(Quantity::LensTotal, Scope::Fleet, Severity::Fatal)];
        policy.max_unseen = Some(0.0125);
    });
    let with = |off: f64| {
        let even = || of(|lens| lens.total = error("", 100.0, 1.0));
        let mut horizons: Vec<Comparison> = (0..20).map(|_| even()).collect();
        horizons[3] = of(|lens| lens.total = error("", off, 1.0));
        criterion(&decided(vec![agent(1, &horizons)], &asked, Step::Mirror), "the lens").answer
    };
    assert_eq!(with(85.0), Answer::Violated);
    assert_eq!(with(91.0), Answer::Met, "past it in one look of twenty, by as much as chance brings");
}

#[test]
fn what_a_sample_does_not_tell_of_all_is_not_measured_and_the_sentence_says_why_and_what_helps() {
    let found = of(|lens| {
        lens.function = observe::LensFunction::Avg;
        lens.total = LensError::of(String::new(), 100.0, 100.0);
    });
    let told = judged(Quantity::LensTotal, Some(0.0125), two(|| found.clone()));
    assert_eq!(told.answer, Answer::NotMeasured);
    let said = &told.finding.sentence;
    assert!(said.contains("which does not tell that of all: several entities may be put together"), "{said}");
    assert!(said.contains("an agent follows all of at most 131,072 series"), "{said}");
}

#[test]
fn a_mean_is_held_to_its_limit_by_the_interval_of_its_sum_over_that_of_the_number_of_series() {
    let told = |candidate: f64, series: f64, norm: f64| {
        let found = of(|lens| {
            lens.function = observe::LensFunction::Avg;
            let divisor = error("", series, norm).sampled;
            lens.total = LensError { divisor, ..error("", candidate, norm) };
        });
        judged(Quantity::LensTotal, Some(0.0125), vec![agent(1, &[found.clone(), found])])
    };
    let answers = [
        // A sum and a number that fall alike are a mean that stays.
        (50.0, 50.0, 0.1, Answer::Met),
        (98.0, 100.0, 0.1, Answer::Met),
        (50.0, 50.0, 5.0, Answer::NotMeasured),
        (90.0, 100.0, 0.1, Answer::Violated),
        (100.0, 90.0, 0.1, Answer::Violated),
    ];
    for (candidate, series, norm, answer) in answers {
        let told = told(candidate, series, norm);
        assert_eq!(told.answer, answer, "{candidate} of {series}: {}", told.finding.sentence);
    }
}

#[test]
fn an_extreme_is_met_by_what_every_entity_followed_keeps_and_never_violated_by_a_sample() {
    let told = |ratios: [f64; 2], max_unseen| {
        let found = of(|lens| {
            lens.function = observe::LensFunction::Max;
            lens.total =
                LensError { ratios: Some(ratios), ..LensError::of(String::new(), 100.0, 100.0 * ratios[0]) };
        });
        judged(Quantity::LensTotal, max_unseen, two(|| found.clone()))
    };
    let met = told([0.96, 1.04], Some(0.0125));
    assert_eq!(met.answer, Answer::Met, "{met:?}");
    let said = &met.finding.sentence;
    assert!(
        said.contains("`max_unseen` accepts 1.25 %. One of those is enough to decide this figure."),
        "{said}"
    );
    assert_eq!(told([0.96, 1.04], None).answer, Answer::NotMeasured, "nobody accepts what is unseen");
    let open = told([0.4, 0.5], Some(0.0125));
    assert_eq!(open.answer, Answer::NotMeasured);
    let said = &open.finding.sentence;
    assert!(said.contains("One entity decides it, which need not be one of those followed"), "{said}");
}
