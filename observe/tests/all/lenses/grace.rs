//! Grace: where a stage gathers state, a group counts from its birth, a hold and one scrape on, and no later.

use super::*;

#[test]
fn where_a_stage_holds_points_a_young_group_is_not_lost_and_held_increases_are_tolerance() {
    let settings = |function| Settings {
        lenses: vec![by_team(function)],
        hold_nanos: 20 * SECOND,
        ..Settings::default()
    };
    let mut panel = Panel::with(Kind::Gauge, settings(LensFunction::Sum));
    for second in (1..=91).step_by(10) {
        panel.both(second, &[at("a", 1, second, 8.0)]);
        if second == 81 {
            panel.at(second, &[at("b", 2, second, 8.0)], &[]);
        }
    }
    let lens = panel.lens();
    assert_eq!((lens.groups_lost, lens.limit.as_ref().map(|limit| limit.violated)), (0, Some(false)));
    assert!(!lens.named().any(|group| group.group == "b" && group.instants > 0), "it has just come up");

    // The candidate delivers every 20 s what the baseline delivers every 10 s.
    let mut panel = Panel::with(Kind::Counter, settings(LensFunction::Sum));
    for second in (1..=121).step_by(10) {
        let point = [counted(1, second, second as f64)];
        panel.at(second, &point, if second % 20 == 1 { &point } else { &[] });
    }
    let halves = [panel.lens_of(&panel.windows[..5].iter().collect::<Vec<_>>()), panel.lens()];
    for lens in halves {
        assert!(lens.total.tolerance >= lens.total.difference(), "{:?}", lens.total);
        assert!(!lens.limit.expect("a limit").violated, "{:?}", lens.total);
    }
    let all = panel.lens().total;
    assert!(all.tolerance - all.newborn <= 20.0, "it telescopes: {all:?}");
}

/// Group `b` comes up in the fifth window of a candidate whose stages have their state after three scrapes, and the candidate
/// shows it so many windows later; the lens, and the gaps of `b`.
fn late_by(windows: u64) -> (LensReport, Option<u64>) {
    let settings =
        Settings { lenses: vec![by_team(LensFunction::Sum)], warm_up_scrapes: 3, ..Settings::default() };
    let mut panel = Panel::with(Kind::Gauge, settings);
    for second in (1..=151).step_by(10) {
        let all = [at("a", 1, second, 8.0), at("b", 2, second, 8.0)];
        let young = &all[..1 + usize::from(second >= 41)];
        let shown = &all[..1 + usize::from(second >= 41 + 10 * windows)];
        panel.at(second, young, shown);
    }
    let lens = panel.lens();
    let gaps = lens.named().find(|one| one.group == "b").map(|one| one.gaps);
    (lens, gaps)
}

#[test]
fn a_gap_after_one_scrape_is_told_however_many_scrapes_stages_gather_state() {
    assert_eq!(late_by(1).1, Some(0), "within the scrape of grace");
    assert_eq!(late_by(2).1, Some(1));
    let (lens, gaps) = late_by(3);
    assert_eq!(gaps, Some(2), "within the three scrapes of the warm-up");
    assert_eq!(lens.limit.map(|limit| limit.violated), Some(true), "2 of 10 instants are past 1 %");
}

#[test]
fn a_group_that_the_baseline_ceases_to_show_and_the_candidate_does_not_counts_after_one_scrape() {
    let lens = Lens { lookback: Duration::from_secs(10), ..by_team(LensFunction::Sum) };
    let settings = Settings { lenses: vec![lens], warm_up_scrapes: 3, ..Settings::default() };
    let mut panel = Panel::with(Kind::Gauge, settings);
    for second in (1..=121).step_by(10) {
        let all = [at("a", 1, second, 8.0), at("b", 2, second, 8.0)];
        panel.at(second, &all[..1 + usize::from(second < 51)], &all);
    }
    let lens = panel.lens();
    let group = lens.named().find(|one| one.group == "b").expect("it differs");
    // The baseline shows it at the instants 10 to 50, the candidate at 10 to 120; 10, its birth, does not count.
    assert_eq!((group.shown, group.instants), ([4, 11], 11));
}
