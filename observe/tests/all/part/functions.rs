//! Means, counts and extremes of a part: what an interval has in it, and of what nothing is told.

use observe::LensFunction;

use super::*;

const EXECUTABLE: &str = "process.executable.name";
/// All processes of an executable together.
const TOGETHER: &str = "rollup/r: { drop: [process.pid] }";
/// Processes without what tells them apart, each by itself.
const NAMELESS: &str = "resource/n: { attributes: [ { key: process.pid, action: delete } ] }";
/// A twentieth more, of some.
const MORE: &str = "transform/m: { metric_statements: [ { context: datapoint, statements: \
    ['set(value_int, value_int + value_int / 20) where IsMatch(resource.attributes[\"process.executable.name\"], \"[5-9]$\")'] } ] }";

fn lenses() -> Vec<Lens> {
    let of = |name: &str, function| Lens::new(name, "process.memory.usage", EXECUTABLE, function);
    vec![
        of("mean", LensFunction::Avg),
        of("processes", LensFunction::Count),
        of("most", LensFunction::Max),
        of("least", LensFunction::Min),
        of("sum", LensFunction::Sum),
    ]
}

fn told(fleet: u64, stages: &[&str], one_in: u32) -> Vec<LensReport> {
    Beside::new(fleet, &[], stages).looking(lenses()).sampled(one_in).compared().lenses
}

#[test]
fn figures_of_all_lie_in_the_intervals_of_every_function_in_19_of_20_cases() {
    let mut covered = [[0_u32; 2]; 5];
    for fleet in 0..7 {
        for stages in [&[HALF][..], &[MORE], &[LOUD]] {
            for ((truth, found), covered) in
                told(fleet, stages, 1).iter().zip(told(fleet, stages, 4)).zip(&mut covered)
            {
                assert!(truth.total.sampled.is_none() && truth.total.ratios.is_none());
                for of in found.named().chain([&found.total]) {
                    let same = |one: &&LensError| one.group == of.group;
                    // Of those that differ least not all are named.
                    let truth = truth.named().chain([&truth.total]).find(same);
                    let Some((truth, [least, most])) = truth.zip(of.interval(1)) else { continue };
                    let covers = (least - 1e-9..=most + 1e-9).contains(&truth.error());
                    covered[usize::from(covers)] += 1;
                }
            }
        }
    }
    for (lens, [missed, covered]) in lenses().iter().zip(covered) {
        // The least of what is lost in part may be anything.
        let some = if lens.function == LensFunction::Min { 5 } else { 90 };
        assert!(covered >= some && missed * 20 <= covered, "{}: {covered}, and {missed} not", lens.name);
    }
}

#[test]
fn an_equal_candidate_differs_by_nothing_under_every_function() {
    for lens in told(3, &[], 8) {
        assert_eq!(lens.total.interval(1), Some([0.0; 2]), "{}", lens.name);
        assert!(lens.named().all(|group| group.interval(9) == Some([0.0; 2])), "{}", lens.name);
        let is_sure = lens.total.surely(1).is_some();
        assert_eq!(is_sure, !lens.function.is_of_one(), "{}", lens.name);
    }
}

#[test]
fn of_series_that_several_entities_make_together_nothing_is_told_of_all() {
    for stages in [&[TOGETHER], &[NAMELESS]] {
        for lens in told(4, stages, 4) {
            assert_eq!((lens.total.interval(1), lens.total.surely(1)), (None, None), "{}", lens.name);
            assert!(lens.named().all(|group| group.interval(1).is_none()), "{}", lens.name);
        }
    }
    // A state of one process is not another's: what one entity makes of several points is its own.
    let own = "metricstransform/m: { transforms: [ { include: process.memory.usage, action: update, operations: [ { action: \
               aggregate_labels, label_set: [], aggregation_type: sum } ] } ] }";
    assert!(told(4, &[own], 4).iter().all(|lens| lens.total.interval(1).is_some()));
}

#[test]
fn a_process_that_is_named_anew_is_not_counted_by_a_sample() {
    let other =
        "resource/o: { attributes: [ { key: process.executable.name, value: one, action: update } ] }";
    for lens in told(5, &[other], 4) {
        let is_told = lens.total.interval(1).is_some();
        assert_eq!(is_told, lens.function != LensFunction::Count, "{}: {:?}", lens.name, lens.total);
    }
}
