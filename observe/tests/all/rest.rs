//! The last horizon of a generation by whose candidate units leave: what is left of it is told when it ends.

use std::sync::Arc;

use observe::{Evidence, Experiment, Observer, Settings, Summary, Variant};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;

#[test]
fn what_left_by_a_candidate_is_told_although_its_last_horizon_is_not_whole() {
    let settings = Arc::new(Settings { window_nanos: 5 * SECOND, warm_up_scrapes: 1, ..Settings::default() });
    let of = |weight_bp| Experiment { name: "e".into(), generation: 1, weight_bp, ..Experiment::default() };
    let mut observer = Observer::new(settings.clone(), START);
    let mut window = |closed: u64| {
        observer.delivered(Variant::Candidate, 10 * closed, 1);
        observer.roll(START + closed * 5 * SECOND).expect("a window")
    };
    let windows: Vec<Summary> = (1..=3).map(&mut window).collect();
    let ended = |weight_bp| {
        let mut evidence = Evidence::new(settings.clone(), of(weight_bp));
        for window in &windows {
            assert!(evidence.add(window.clone(), Some(10 * SECOND)).is_none(), "no horizon is whole");
        }
        let rest = evidence.take_rest();
        (rest, evidence.total().candidate.delivered.points)
    };
    let (rest, left) = ended(500);
    let rest = rest.expect("units left by the candidate");
    assert_eq!((rest.start, rest.end), (START + 10 * SECOND, START + 15 * SECOND), "but for the warm-up");
    assert!(rest.ended && rest.comparison.windows == 1);
    assert_eq!(
        (rest.comparison.candidate.delivered.points, left),
        (30, 60),
        "in the warm-up it delivered, too"
    );
    assert!(ended(0).0.is_none(), "nothing of the candidate leaves in mirror");
    let mut over = Evidence::new(settings.clone(), of(500));
    windows.iter().for_each(|window| drop(over.add(window.clone(), Some(10 * SECOND))));
    over.end();
    assert!(over.take_rest().is_none(), "it is told once");
}
