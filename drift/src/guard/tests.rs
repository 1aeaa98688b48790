use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const MIRROR: u64 = 300;

type Host = &'static str;

fn alpha() -> Alpha {
    Alpha::new(0.05).unwrap()
}

fn question(margin: f64) -> Question {
    Question { side: HarmDirection::Higher, margin, reach: Reach::Fleet }
}

/// Noise of a tenth on every host, and what the candidate does besides, by host and window.
struct Fleet {
    hosts: Vec<Host>,
    rng: Pcg64Mcg,
    at: u64,
}

impl Fleet {
    fn new(hosts: &[Host]) -> Self {
        Self { hosts: hosts.to_vec(), rng: Pcg64Mcg::seed_from_u64(5), at: 0 }
    }

    fn next(&mut self, effect: impl Fn(Host) -> f64) -> (u64, Vec<(Host, f64)>) {
        let Self { hosts, rng, at } = self;
        *at += 1;
        let noise = |rng: &mut Pcg64Mcg| -> f64 { StandardNormal.sample(rng) };
        (*at - 1, hosts.iter().map(|host| (*host, 0.1 * noise(rng) + effect(host))).collect())
    }

    fn mirror(&mut self, windows: u64) -> Mirror<Host> {
        let mut mirror = Mirror::new(MINUTE);
        for _ in 0..windows {
            let (at, seen) = self.next(|_| 0.0);
            mirror.observe(at, &seen).unwrap();
        }
        mirror
    }

    fn watch(&mut self, guard: &mut Guard<Host>, windows: u64, effect: impl Fn(Host) -> f64) -> Judgement {
        let mut guards = [Some(guard.clone())];
        for _ in 0..windows {
            let (at, seen) = self.next(&effect);
            if guards[0].as_mut().unwrap().observe(at, &seen).unwrap() {
                look(&mut guards, alpha());
            }
        }
        let [watched] = guards;
        *guard = watched.unwrap();
        guard.judgement(alpha())
    }
}

fn started(fleet: &mut Fleet, question: Question) -> Guard<Host> {
    let mirror = fleet.mirror(MIRROR);
    Guard::start(&mirror, question, fleet.hosts.clone(), MIRROR).unwrap()
}

#[test]
fn what_stays_inside_the_margin_is_met_and_not_before_there_are_blocks_enough() {
    let mut fleet = Fleet::new(&["a", "b"]);
    let mut guard = started(&mut fleet, question(0.2));
    let early = fleet.watch(&mut guard, 6 * 30, |_| 0.0);
    assert_eq!(early, Judgement::NotMeasured { reason: Missing::TooFewBlocks, blocks: 6, needed: 7 });
    assert_eq!(fleet.watch(&mut guard, 4 * 30, |_| 0.0), Judgement::Met);
}

#[test]
fn what_lies_at_the_margin_is_neither_met_nor_violated() {
    let mut fleet = Fleet::new(&["a", "b"]);
    let mut guard = started(&mut fleet, question(0.2));
    let judgement = fleet.watch(&mut guard, 48 * 30, |_| 0.2);
    assert_eq!(judgement, Judgement::NotMeasured { reason: Missing::NotShown, blocks: 48, needed: 7 });
}

#[test]
fn harm_that_begins_late_and_ends_is_told_with_its_stretch_and_stays_found() {
    let mut fleet = Fleet::new(&["a", "b"]);
    let mut guard = started(&mut fleet, question(0.2));
    assert_eq!(fleet.watch(&mut guard, 40 * 30, |_| 0.0), Judgement::Met);
    fleet.watch(&mut guard, 20 * 30, |_| 0.5);
    let Judgement::Violated { stretch } = fleet.watch(&mut guard, 60 * 30, |_| 0.0) else {
        panic!("{:?}", guard.judgement(alpha()));
    };
    assert_eq!(stretch, Stretch { from: MIRROR + 40 * 30, to: MIRROR + 60 * 30 - 1 });
    assert_eq!(guard.told(alpha()).harmed, ["a", "b"]);
}

#[test]
fn one_host_past_the_margin_is_found_though_the_mean_is_inside() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut fleet = Fleet::new(&names);
    let mut guard = started(&mut fleet, question(0.2));
    let judgement = fleet.watch(&mut guard, 48 * 30, |host| if host == "c" { 0.5 } else { 0.0 });
    assert!(matches!(judgement, Judgement::Violated { .. }), "{judgement:?}");
    assert_eq!(guard.told(alpha()).harmed, ["c"]);
}

#[test]
fn a_margin_for_each_host_is_met_only_if_each_host_is_inside() {
    for (reach, met) in [(Reach::Fleet, true), (Reach::EachHost, false)] {
        let mut fleet = Fleet::new(&["a", "b", "c", "d"]);
        let mut guard = started(&mut fleet, Question { reach, ..question(0.2) });
        let judgement = fleet.watch(&mut guard, 48 * 30, |host| if host == "a" { 0.2 } else { 0.0 });
        assert_eq!(judgement == Judgement::Met, met, "{reach:?}: {judgement:?}");
    }
}

#[test]
fn a_lower_side_is_the_mirror_image_of_the_higher_one() {
    let mut fleet = Fleet::new(&["a"]);
    let lower = Question { side: HarmDirection::Lower, ..question(0.2) };
    let mut guard = started(&mut fleet, lower);
    assert_eq!(fleet.watch(&mut guard.clone(), 20 * 30, |_| 0.5), Judgement::Met);
    let mut fleet = Fleet::new(&["a"]);
    let _ = fleet.mirror(MIRROR);
    let judgement = fleet.watch(&mut guard, 20 * 30, |_| -0.5);
    assert!(matches!(judgement, Judgement::Violated { .. }), "{judgement:?}");
}

#[test]
fn a_mirror_too_short_goes_on_and_says_how_much_longer() {
    let mut fleet = Fleet::new(&["a", "b"]);
    let mut mirror = fleet.mirror(29);
    assert_eq!(mirror.lacks(), Some(Missing::MirrorTooShort { windows: 29, needed: 240 }));
    for _ in 29..239 {
        let (at, seen) = fleet.next(|_| 0.0);
        mirror.observe(at, &seen).unwrap();
    }
    assert!(!mirror.is_enough());
    let refused = Guard::start(&mirror, question(0.2), ["a", "b"], 239).unwrap_err();
    assert_eq!(refused, Missing::MirrorTooShort { windows: 239, needed: 240 });
    let (at, seen) = fleet.next(|_| 0.0);
    mirror.observe(at, &seen).unwrap();
    assert!(mirror.is_enough() && mirror.lacks().is_none());
}

#[test]
fn a_longer_memory_needs_a_longer_mirror() {
    let (mut rng, mut x) = (Pcg64Mcg::seed_from_u64(2), 0.0);
    let mut mirror = Mirror::new(MINUTE);
    for at in 0..400 {
        let noise: f64 = StandardNormal.sample(&mut rng);
        x = 0.97 * x + noise;
        mirror.observe(at, &[("a", x)]).unwrap();
    }
    let Some(Missing::MirrorTooShort { windows: 400, needed }) = mirror.lacks() else {
        panic!("{:?}", mirror.lacks())
    };
    assert!((800..4000).contains(&needed), "{needed}");
}

#[test]
fn a_host_without_a_mirror_takes_the_pooled_scale_and_switches_no_other_off() {
    let mut fleet = Fleet::new(&["a", "b"]);
    let mirror = fleet.mirror(MIRROR);
    fleet.hosts.push("new");
    let guard = Guard::start(&mirror, question(0.2), fleet.hosts.clone(), MIRROR).unwrap();
    assert_eq!(fleet.watch(&mut guard.clone(), 20 * 30, |_| 0.0), Judgement::Met);
    let mut fleet = Fleet::new(&["a", "b", "new"]);
    fleet.at = MIRROR;
    let mut harmed = guard;
    let judgement = fleet.watch(&mut harmed, 48 * 30, |host| if host == "new" { 0.9 } else { 0.0 });
    assert!(matches!(judgement, Judgement::Violated { .. }), "{judgement:?}");
    assert_eq!(harmed.told(alpha()).harmed, ["new"]);
}

#[test]
fn a_host_that_joins_late_is_shown_and_weighs_nothing() {
    let mut fleet = Fleet::new(&["a", "b"]);
    let mut guard = started(&mut fleet, question(0.2));
    fleet.hosts.push("late");
    let judgement = fleet.watch(&mut guard, 48 * 30, |host| if host == "late" { 9.0 } else { 0.0 });
    assert_eq!(judgement, Judgement::Met);
    assert_eq!(guard.told(alpha()).harmed, ["late"]);
}

#[test]
fn a_host_that_remembers_much_longer_than_the_others_is_named_and_not_judged_by_their_blocks() {
    let names: [Host; 6] = ["a", "b", "c", "d", "e", "f"];
    let mut fleet = Fleet::new(&names);
    let mut mirror = Mirror::new(MINUTE);
    let mut walk = 0.0;
    for _ in 0..MIRROR {
        let (at, mut seen) = fleet.next(|_| 0.0);
        walk = 0.99 * walk + seen[3].1;
        seen[3].1 = walk;
        // The others' mean hides it.
        seen.iter_mut().filter(|(host, _)| *host != "d").for_each(|(_, value)| *value *= 30.0);
        mirror.observe(at, &seen).unwrap();
    }
    let guard = Guard::start(&mirror, question(0.2), names, MIRROR).unwrap();
    assert_eq!(guard.told(alpha()).unjudged, ["d"]);
}

#[test]
fn more_windows_clipped_on_the_harmful_side_than_in_mirror_hold_by_themselves() {
    let mut fleet = Fleet::new(&["a"]);
    let mut guard = started(&mut fleet, question(0.2));
    assert_eq!(fleet.watch(&mut guard, 20 * 30, |_| 0.0), Judgement::Met);
    let mut guards = [Some(guard)];
    for turn in 0..60 * 30 {
        // One window of five is a hundred times the margin; the clipped mean stays inside.
        let (at, seen) = fleet.next(|_| if turn % 5 == 0 { 20.0 } else { -0.1 });
        if guards[0].as_mut().unwrap().observe(at, &seen).unwrap() {
            look(&mut guards, alpha());
        }
    }
    let judgement = guards[0].as_ref().unwrap().judgement(alpha());
    let Judgement::NotMeasured { reason: Missing::MoreClipped { mirror, since }, .. } = judgement else {
        panic!("{judgement:?}");
    };
    assert!(mirror < 0.01 && since > 0.1, "{mirror} {since}");
    let told = guards[0].as_ref().unwrap().told(alpha());
    assert_eq!((told.clipped.windows, told.clipped.past), (80 * 30, 360));
}

#[test]
fn where_nothing_varied_in_mirror_the_margin_is_the_scale() {
    let mut mirror = Mirror::new(MINUTE);
    (0..MIRROR).for_each(|at| mirror.observe(at, &[("a", 0.0)]).unwrap());
    let judged = |value: f64| {
        let mut guards = [Guard::start(&mirror, question(0.1), ["a"], MIRROR).ok()];
        for at in MIRROR..MIRROR + 20 * 30 {
            if guards[0].as_mut().unwrap().observe(at, &[("a", value)]).unwrap() {
                look(&mut guards, alpha());
            }
        }
        guards[0].as_ref().unwrap().judgement(alpha())
    };
    assert_eq!(judged(0.0), Judgement::Met);
    assert!(matches!(judged(1999.0), Judgement::Violated { .. }));
    assert_eq!(Guard::start(&mirror, question(0.0), ["a"], MIRROR).unwrap_err(), Missing::NoScale);
}

#[test]
fn a_guard_without_a_scale_is_one_of_those_looked_at() {
    let mut fleet = Fleet::new(&["a"]);
    let mut guards = vec![Some(started(&mut fleet, question(0.0)))];
    let mut more = guards.clone();
    more.extend(std::iter::repeat_n(None, 1_000_000));
    let found = |guards: &mut [Option<Guard<Host>>]| {
        look(guards, alpha());
        matches!(guards[0].as_ref().unwrap().judgement(alpha()), Judgement::Violated { .. })
    };
    for _ in 0..12 * 30 {
        let (at, seen) = fleet.next(|_| 0.9);
        guards[0].as_mut().unwrap().observe(at, &seen).unwrap();
        more[0].as_mut().unwrap().observe(at, &seen).unwrap();
    }
    assert!(found(&mut guards) && !found(&mut more));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_windows_are_evidence_or_an_error(values in proptest::collection::vec(any::<f64>(), 1..200), margin in 0.0_f64..1.0) {
        let mut fleet = Fleet::new(&["a", "b"]);
        let mut guards = [Some(started(&mut fleet, question(margin)))];
        for (at, value) in (MIRROR..).zip(values) {
            if guards[0].as_mut().unwrap().observe(at, &[("a", value), ("b", 0.0)]).is_ok_and(|ended| ended) {
                look(&mut guards, alpha());
            }
        }
        let guard = guards[0].as_ref().unwrap();
        prop_assert!(guard.log_e().is_finite());
        let _ = guard.judgement(alpha());
    }
}
