//! Horizons: however the windows of a stretch are grouped into horizons, and in whatever order these come, what the fleet
//! says of it is the same.

use observe::FleetLens;

use super::*;

/// Windows of dirty traffic of which the candidate shows a part.
fn watched(points: Vec<(u64, usize, u64, f64, u32, bool)>, kind: Kind, settings: Settings) -> Panel {
    const TEAMS: [&str; 4] = ["a", "b", "c", "d"];
    let mut panel = Panel::with(kind, settings);
    for (second, team, process, value, flags, shown) in points {
        panel.roll(second);
        let point = [Point { flags: u32::from(flags == 0), ..at(TEAMS[team], process, second, value) }];
        panel.at(second, &point, if shown { &point } else { &[] });
    }
    (1..=12).for_each(|window| panel.roll(window * 10));
    panel
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn horizons_of_any_grouping_in_any_order_give_the_fleet_the_same_answer(
        mut points in dirty(),
        kind in prop_oneof![Just(Kind::Gauge), Just(Kind::Counter), Just(Kind::Delta)],
        function in prop_oneof![Just(LensFunction::Sum), Just(LensFunction::Avg), Just(LensFunction::Count)],
        (hold, warm_up_scrapes) in (0_u64..40, 0_u32..3),
        cuts in proptest::collection::btree_set(1_usize..12, 0..6),
        backward in any::<bool>(),
    ) {
        points.sort_by_key(|(second, ..)| *second);
        let lenses = vec![by_team(function)];
        let settings = Settings { lenses, hold_nanos: hold * SECOND, warm_up_scrapes, ..Settings::default() };
        let panel = watched(points, kind, settings);
        let windows: Vec<&Summary> = panel.windows.iter().collect();
        let limit = panel.settings.lenses[0].limit().expect("a limit");
        let last = windows.len();
        let edges: Vec<usize> = [0].into_iter().chain(cuts.into_iter().filter(|cut| *cut < last)).chain([last]).collect();
        let horizons = edges.windows(2).map(|of| (of[0], panel.lens_of(&windows[of[0]..of[1]])));
        // Of one in which all had just come up nothing is judged.
        let horizons: Vec<_> = horizons.skip_while(|(_, horizon)| !horizon.measured.is_measured()).collect();
        let first = horizons.first().map_or(0, |(first, _)| *first);
        let whole = panel.lens_of(&windows[first..]);
        let mut horizons: Vec<LensReport> = horizons.into_iter().map(|(_, horizon)| horizon).collect();
        // One in the midst at which nothing counts is left out of the fleet's figures, with all that rose in it.
        prop_assume!(!horizons.is_empty() && horizons.iter().all(|one| one.measured.is_measured()));
        if backward {
            horizons.reverse();
        }
        let one = FleetLens::of([("host", &whole)]);
        let many = FleetLens::of(horizons.iter().map(|horizon| ("host", horizon)));
        prop_assert_eq!(one.hosts, many.hosts);
        prop_assert_eq!(one.judge(&limit).answer, many.judge(&limit).answer, "{:?}\n{:?}", one, many);
        let alike = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
        prop_assert!(alike(one.total.baseline, many.total.baseline), "{:?}\n{:?}", one.total, many.total);
        prop_assert!(alike(one.total.candidate, many.total.candidate), "{:?}\n{:?}", one.total, many.total);
        prop_assert_eq!((one.total.gaps, one.total.instants), (many.total.gaps, many.total.instants));
    }
}
