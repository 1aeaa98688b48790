//! Tests that horizons of different agents are added up by their time.

use super::answers::decided;
use super::*;

#[test]
fn a_loss_in_one_horizon_is_not_made_good_by_the_horizons_before_it() {
    let kept = || Comparison { lost_by_candidate: count(0), ..good() };
    let agents = || {
        let mut lossy = agent(1, &[kept(), good()]);
        lossy.totals = vec![kept().into()];
        vec![lossy, agent(2, &[kept(), kept()])]
    };
    let strict = asking(|policy| policy.max_series_loss = Some(0.1));
    let verdict = decided(agents(), &strict, Step::Mirror);
    assert_eq!(verdict.verb, Verb::RollBack);
    let sentence = &verdict.reasons[0].sentence;
    assert!(
        sentence.contains("loses 400 of the baseline's 2,000 series in horizons that cover one time, 20.0 %"),
        "{sentence}"
    );
    assert_eq!(
        decided(agents(), &asking(|policy| policy.max_series_loss = Some(0.2)), Step::Mirror).verb,
        Verb::Advance
    );
}

#[test]
fn horizons_of_agents_are_added_up_by_their_time_and_not_by_their_place() {
    let kept = || Comparison { lost_by_candidate: count(0), ..good() };
    let first_loses = |by_a_minute: u64| {
        // The second agent came later, so that its first horizon is of the time of the other's second.
        let mut late = agent(2, &[kept()]);
        Arc::make_mut(&mut late.horizons[0]).window_end += by_a_minute * 60_000_000_000;
        let mut lossy = agent(1, &[good(), kept()]);
        lossy.totals = vec![kept().into()];
        let strict = asking(|policy| {
            policy.max_series_loss = Some(0.3);
            policy.min_horizons = 1;
        });
        decided(vec![lossy, late], &strict, Step::Mirror)
    };
    assert_eq!(first_loses(0).verb, Verb::Advance, "400 of 2,000");
    let verdict = first_loses(1);
    assert_eq!(verdict.verb, Verb::RollBack);
    assert!(verdict.reasons[0].sentence.contains("loses 400 of the baseline's 1,000 series"), "{verdict:?}");
}

/// Two agents whose horizons end half a minute, or a minute and a half, apart from each other: of the fleet together neither loses
/// too much.
#[test]
fn one_agent_is_not_the_fleet_at_a_time_of_which_another_ones_horizon_ends_a_little_later() {
    let kept = || Comparison { lost_by_candidate: count(0), ..good() };
    let strict = asking(|policy| policy.max_series_loss = Some(0.3));
    let with = |seconds: u64, long: f64| {
        let mut later = agent(2, &[kept(), kept(), kept()]);
        for found in later.horizons.iter_mut().map(Arc::make_mut) {
            found.window_end += seconds * 1_000_000_000;
            found.horizon.seconds = long;
        }
        decided(vec![agent(1, &[good(), good(), good()]), later], &strict, Step::Mirror)
    };
    for (seconds, long) in [(0, 60.0), (30, 60.0), (90, 150.0)] {
        let told = criterion(&with(seconds, long), "max_series_loss");
        assert_eq!(told.answer, Answer::Met, "{seconds}: {}", told.finding.sentence);
    }
}

#[test]
fn a_time_of_which_an_agent_is_still_to_tell_is_not_judged_without_it_unless_it_is_missing() {
    let kept = || Comparison { lost_by_candidate: count(0), ..good() };
    let strict = asking(|policy| (policy.max_series_loss, policy.min_horizons) = (Some(0.3), 1));
    let with = |silent_for: i64| {
        let mut lossy = agent(1, &[kept(), kept(), good()]);
        lossy.totals = vec![kept().into()];
        let mut other = agent(2, &[kept()]);
        let last = UnixMillis(NOW.0 - silent_for);
        (other.last_seen, other.heard) = (Some(last), last);
        criterion(&decided(vec![lossy, other], &strict, Step::Mirror), "max_series_loss").answer
    };
    assert_eq!(with(1_000), Answer::Met, "its horizon may make up for it");
    assert_eq!(with(600_000), Answer::Violated, "nobody waits for its word to act on harm");
}
