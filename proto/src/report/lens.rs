//! A lens over the wire and back. Groups are sent as columns of sums, of which the figures follow; a column that says nothing
//! new is left out.

use observe::{
    LensCounts, LensError, LensFunction, LensInstant, LensReport, Measured, Reach, Sampled, Unnamed,
    UnwatchedMetrics,
};

use super::{Invalid, MAX_READ_ROWS, number, rows};
use crate::v1;

/// The most groups of a lens without a limit.
const DESCRIBED: usize = 8;
/// Groups of all lenses without a limit together; of each of them at least one is named, if it differs.
const ALL_DESCRIBED: usize = 96;
/// Groups whose room a lens without a limit takes.
const TAKEN: usize = 3;
/// The most lenses: those that can be asked for, and those of what arrives.
const MAX_LENSES: usize = 32 + 50;
/// The most metrics without a lens that are named.
const MAX_UNWATCHED: usize = 20;
/// The most rows of which the worst instant is told.
const WITH_INSTANT: usize = 8;

/// Room that a comparison has for groups of lenses with a limit.
#[derive(Clone, Copy)]
pub(super) struct LensRoom {
    /// Groups of all such lenses together.
    groups: usize,
    /// The most of one.
    most: usize,
    /// True if what they come to of all entities has room, where they are of a sample.
    spreads: bool,
}

impl LensRoom {
    /// Horizons are what is added up: at most 200 groups of a lens, half of them the worst.
    pub const OF_A_HORIZON: Self = Self { groups: 300, most: 200, spreads: false };
    /// The total is looked at, and its horizons were sent.
    pub const OF_A_TOTAL: Self = Self { groups: 15, most: 3, spreads: true };

    pub fn lenses(self, from: &[LensReport]) -> Vec<v1::LensReport> {
        let from = &from[..from.len().min(MAX_LENSES)];
        let limited = from.iter().filter(|lens| lens.limit.is_some()).count();
        let describing = from.iter().filter(|lens| lens.limit.is_none() && !lens.worst.is_empty()).count();
        let described = (ALL_DESCRIBED / describing.max(1)).clamp(1, DESCRIBED).min(self.most);
        // What lenses without a limit take is not there for the others.
        let groups = self.groups.saturating_sub(TAKEN * (from.len() - limited)).max(self.groups / 3);
        let each = (groups / limited.max(1)).min(self.most);
        let of = |from: &LensReport| {
            let worst = from.worst.len().min(each).min(self.most.div_ceil(2));
            let room = if from.limit.is_some() { [worst, each - worst] } else { [described, 0] };
            lens(&from.clone().naming(room), self.spreads)
        };
        from.iter().map(of).collect()
    }
}

fn lens(from: &LensReport, spreads: bool) -> v1::LensReport {
    let columns =
        |rows: &[LensError]| Some(columns(rows, from, spreads)).filter(|rows| !rows.groups.is_empty());
    v1::LensReport {
        name: from.name.clone(),
        metric: from.metric.clone(),
        group_by: from.group_by.clone(),
        total: Some(lens_error(&from.total)),
        groups: from.groups,
        groups_that_differ: from.groups_that_differ,
        worst: from.worst.iter().take(3).map(lens_error).collect(),
        truncated: from.truncated,
        function: from.function.name().to_owned(),
        baseline_members: from.members[0],
        candidate_members: from.members[1],
        worst_rows: columns(&from.worst),
        largest_rows: columns(&from.largest),
        total_row: columns(std::slice::from_ref(&from.total)),
        increases: from.increases,
        start: from.start,
        end: from.end,
        seconds: from.seconds,
        groups_lost: from.groups_lost,
        groups_new: from.groups_new,
        unnamed: (from.unnamed != Unnamed::default()).then(|| unnamed(&from.unnamed)),
        limit: from.limit.as_ref().map(counts),
        baseline_no_value: from.no_value[0],
        candidate_no_value: from.no_value[1],
        bucketed: from.bucketed,
        measured: measured(&from.measured),
    }
}

pub(super) fn unwatched(from: &UnwatchedMetrics) -> v1::Unwatched {
    let names = from.names.iter().take(MAX_UNWATCHED).cloned().collect();
    v1::Unwatched { count: from.count, at_least: from.at_least, names }
}

pub(super) fn read_unwatched(from: v1::Unwatched) -> Result<UnwatchedMetrics, Invalid> {
    let names = rows(from.names, Ok)?;
    if names.len() as u64 > from.count {
        return Err(Invalid::Value("more metrics without a lens are named than there are"));
    }
    Ok(UnwatchedMetrics { count: number(from.count)?, at_least: from.at_least, names })
}

pub(super) fn read_lens(from: v1::LensReport) -> Result<LensReport, Invalid> {
    let known = LensFunction::WORDS.iter().find(|(word, _)| *word == from.function);
    let function = match known {
        Some((_, function)) => *function,
        None if from.function.is_empty() => LensFunction::Sum,
        None => return Err(Invalid::Value("a lens's function is sum, avg, max, min, count or rate")),
    };
    if from.groups_that_differ.max(from.groups_lost).max(from.groups_new) > from.groups {
        return Err(Invalid::Value("more groups of a lens differ than there are"));
    }
    if !from.seconds.is_finite() || from.seconds < 0.0 {
        return Err(Invalid::Value("a lens looks at a number of seconds, 0 or more"));
    }
    let mut read = LensReport {
        function,
        measured: read_measured(from.measured)?,
        increases: from.increases,
        start: from.start,
        end: from.end,
        seconds: from.seconds,
        members: [number(from.baseline_members)?, number(from.candidate_members)?],
        name: from.name,
        metric: from.metric,
        group_by: from.group_by,
        groups: number(from.groups)?,
        groups_that_differ: from.groups_that_differ,
        groups_lost: from.groups_lost,
        groups_new: from.groups_new,
        unnamed: read_unnamed(from.unnamed.unwrap_or_default())?,
        limit: from.limit.map(read_counts).transpose()?,
        no_value: [number(from.baseline_no_value)?, number(from.candidate_no_value)?],
        bucketed: from.bucketed,
        truncated: from.truncated,
        ..LensReport::default()
    };
    // An earlier release sends figures alone.
    read.total = read_lens_error(from.total.unwrap_or_default())?;
    read.worst = rows(from.worst, read_lens_error)?;
    if let Some(total) = from.total_row {
        // Columns leave out what follows from a total without instants.
        read.total = LensError::default();
        let total = read_columns(total, &read)?.pop();
        read.total = total.ok_or(Invalid::Value("the total of a lens is one row"))?;
        read.worst = read_columns(from.worst_rows.unwrap_or_default(), &read)?;
        read.largest = read_columns(from.largest_rows.unwrap_or_default(), &read)?;
    }
    Ok(read)
}

fn columns(rows: &[LensError], of: &LensReport, spreads: bool) -> v1::LensRows {
    let is_total = rows.first().is_some_and(|row| row.group.is_empty());
    let instants = if is_total { 0 } else { of.total.instants };
    let members = is_total || of.function == LensFunction::Avg;
    let worst = || rows.iter().take(WITH_INSTANT).map(|row| row.worst.unwrap_or_default());
    let told = worst().any(|worst| worst.time > 0);
    let instant =
        |figure: fn(LensInstant) -> f64| if told { worst().map(figure).collect() } else { Vec::new() };
    v1::LensRows {
        groups: rows.iter().map(|row| row.group.clone()).collect(),
        baseline: rows.iter().map(|row| row.sums[0]).collect(),
        candidate: column(rows, |row| row.sums[1], |row| row.sums[0]),
        instants: column(rows, |row| short(row.instants), |_| short(instants)),
        baseline_shown: column(rows, |row| short(row.shown[0]), |row| short(row.instants)),
        candidate_shown: column(rows, |row| short(row.shown[1]), |row| short(row.instants)),
        gaps: column(rows, |row| short(row.gaps), |_| 0),
        baseline_members: column(rows, |row| if members { row.members[0] } else { 0 }, |_| 0),
        candidate_members: column(rows, |row| if members { row.members[1] } else { 0 }, |_| 0),
        before: column(rows, |row| row.edges[0], |_| 0.0),
        after: column(rows, |row| row.edges[1], |_| 0.0),
        newborn: column(rows, |row| row.newborn, |_| 0.0),
        worst_time: if told { worst().map(|worst| worst.time).collect() } else { Vec::new() },
        worst_baseline: instant(|worst| worst.figures[0]),
        worst_candidate: instant(|worst| worst.figures[1]),
        spreads: if (spreads || is_total) && rows.iter().any(LensError::tells_of_all) {
            rows.iter().map(spread_of).collect()
        } else {
            Vec::new()
        },
    }
}

fn spread_of(row: &LensError) -> v1::LensSpread {
    let ratios = row.ratios.map(|ratios| ratios.to_vec()).unwrap_or_default();
    let Some(divisor) = row.divisor else { return v1::LensSpread { ratios, ..spread(row.sampled) } };
    // An earlier release takes what it knows for a sum.
    let part = |of| Some(Box::new(spread(of)));
    v1::LensSpread { ratios, dividend: part(row.sampled), divisor: part(Some(divisor)), ..spread(None) }
}

fn spread(from: Option<Sampled>) -> v1::LensSpread {
    let Sampled { sums, difference, baseline, candidate } = from.unwrap_or_default();
    v1::LensSpread {
        told: from.is_some(),
        baseline: sums[0],
        candidate: sums[1],
        difference_norm: difference.norm,
        difference_most: difference.most,
        baseline_norm: baseline.norm,
        baseline_most: baseline.most,
        candidate_norm: candidate.norm,
        candidate_most: candidate.most,
        ..v1::LensSpread::default()
    }
}

fn read_spread(from: &v1::LensSpread) -> Result<Option<Sampled>, Invalid> {
    let difference = Reach { norm: from.difference_norm, most: from.difference_most };
    let baseline = Reach { norm: from.baseline_norm, most: from.baseline_most };
    let sums = [from.baseline, from.candidate];
    let candidate = Reach { norm: from.candidate_norm, most: from.candidate_most };
    let reaches = [difference, baseline, candidate].into_iter().flat_map(|reach| [reach.norm, reach.most]);
    let impossible = reaches.into_iter().any(|reach| !reach.is_finite() || reach < 0.0);
    if impossible || sums.iter().any(|sum| !sum.is_finite()) {
        return Err(Invalid::Value("a lens of a sample has finite sums, and spreads of 0 or more"));
    }
    Ok(from.told.then_some(Sampled { sums, difference, baseline, candidate }))
}

/// The least and the largest ratio of a spread, if it has them.
fn read_ratios(from: &v1::LensSpread) -> Result<Option<[f64; 2]>, Invalid> {
    match from.ratios.as_slice() {
        [] => Ok(None),
        [least, most] if least.is_finite() && most.is_finite() && 0.0 <= *least && least <= most => {
            Ok(Some([*least, *most]))
        }
        _ => Err(Invalid::Value("a lens of a sample has a least ratio of 0 or more, and a largest")),
    }
}

/// One value a row; nothing where each is what a reader takes it for anyway.
fn column<T: PartialEq>(
    rows: &[LensError],
    value: impl Fn(&LensError) -> T,
    otherwise: impl Fn(&LensError) -> T,
) -> Vec<T> {
    let says_something = rows.iter().any(|row| value(row) != otherwise(row));
    if says_something { rows.iter().map(value).collect() } else { Vec::new() }
}

/// A number of instants: windows, of which there are never so many.
fn short(instants: u64) -> u32 {
    u32::try_from(instants).unwrap_or(u32::MAX)
}

fn read_columns(from: v1::LensRows, of: &LensReport) -> Result<Vec<LensError>, Invalid> {
    let count = from.groups.len();
    if count > MAX_READ_ROWS {
        return Err(Invalid::Rows(count));
    }
    let lengths = [
        from.baseline.len(),
        from.candidate.len(),
        from.instants.len(),
        from.baseline_shown.len(),
        from.candidate_shown.len(),
        from.gaps.len(),
        from.baseline_members.len(),
        from.candidate_members.len(),
        from.before.len(),
        from.after.len(),
        from.newborn.len(),
        from.spreads.len(),
    ];
    let told = from.worst_time.len();
    let whole = lengths.into_iter().all(|length| length == 0 || length == count)
        && told <= count
        && from.worst_baseline.len() == told
        && from.worst_candidate.len() == told;
    let numbers = [&from.baseline, &from.candidate, &from.worst_baseline, &from.worst_candidate];
    let held = [&from.before, &from.after, &from.newborn];
    let finite = numbers.into_iter().flatten().all(|number| number.is_finite())
        && held.into_iter().flatten().all(|number| number.is_finite() && *number >= 0.0);
    if !whole || !finite {
        return Err(Invalid::Value("the columns of a lens are of one length, and finite numbers"));
    }
    (0..count).map(|place| read_row(&from, place, of)).collect()
}

fn read_row(from: &v1::LensRows, place: usize, of: &LensReport) -> Result<LensError, Invalid> {
    fn at<T: Copy>(column: &[T], place: usize, otherwise: T) -> T {
        column.get(place).copied().unwrap_or(otherwise)
    }
    let baseline = at(&from.baseline, place, 0.0);
    let instants = at(&from.instants, place, short(of.total.instants));
    let shown = [&from.baseline_shown, &from.candidate_shown].map(|shown| at(shown, place, instants));
    let gaps = at(&from.gaps, place, 0);
    if shown[0].max(shown[1]) > instants || gaps > shown[0] {
        return Err(Invalid::Value("a variant shows a group at more instants than there are"));
    }
    let figures = |time| LensInstant {
        time,
        figures: [at(&from.worst_baseline, place, 0.0), at(&from.worst_candidate, place, 0.0)],
    };
    let time = at(&from.worst_time, place, 0);
    let spread = from.spreads.get(place);
    let divisor = spread.and_then(|spread| spread.divisor.as_deref());
    let sum = spread.map(|spread| spread.dividend.as_deref().filter(|_| divisor.is_some()).unwrap_or(spread));
    let row = LensError {
        group: from.groups[place].clone(),
        sums: [baseline, at(&from.candidate, place, baseline)],
        members: [
            number(at(&from.baseline_members, place, 0))?,
            number(at(&from.candidate_members, place, 0))?,
        ],
        shown: shown.map(u64::from),
        instants: u64::from(instants),
        gaps: u64::from(gaps),
        worst: (time > 0).then(|| figures(time)),
        edges: [at(&from.before, place, 0.0), at(&from.after, place, 0.0)],
        newborn: at(&from.newborn, place, 0.0),
        sampled: sum.map(read_spread).transpose()?.flatten(),
        divisor: divisor.map(read_spread).transpose()?.flatten(),
        ratios: spread.map(read_ratios).transpose()?.flatten(),
        ..LensError::default()
    };
    let row = row.with_figures(of.function, of.increases, of.seconds);
    let finite = row.baseline.is_finite() && row.candidate.is_finite();
    if finite { Ok(row) } else { Err(Invalid::Value("a lens comes to a finite number")) }
}

fn lens_error(from: &LensError) -> v1::LensError {
    v1::LensError { group: from.group.clone(), baseline: from.baseline, candidate: from.candidate }
}

fn read_lens_error(from: v1::LensError) -> Result<LensError, Invalid> {
    if from.baseline.is_finite() && from.candidate.is_finite() {
        Ok(LensError::of(from.group, from.baseline, from.candidate))
    } else {
        Err(Invalid::Value("a lens sums to a finite number"))
    }
}

fn unnamed(from: &Unnamed) -> v1::LensUnnamed {
    let Unnamed { groups, lost, baseline, difference, most_baseline, most_difference, errors, within } =
        *from;
    let [least_error, most_error] = ends(errors);
    let [least_within, most_within] = ends(within);
    v1::LensUnnamed {
        groups,
        lost,
        baseline,
        difference,
        most_baseline,
        most_difference,
        least_error,
        most_error,
        least_within,
        most_within,
    }
}

fn ends(of: Option<[f64; 2]>) -> [Option<f64>; 2] {
    [0, 1].map(|at| of.map(|ends| ends[at]))
}

fn read_ends(ends: [Option<f64>; 2]) -> Result<Option<[f64; 2]>, Invalid> {
    match ends {
        [None, None] => Ok(None),
        [Some(least), Some(most)] if least <= most && least.is_finite() && most.is_finite() => {
            Ok(Some([least, most]))
        }
        _ => Err(Invalid::Value("what a lens does not name has a least and a largest error")),
    }
}

fn read_unnamed(from: v1::LensUnnamed) -> Result<Unnamed, Invalid> {
    let v1::LensUnnamed { groups, lost, baseline, difference, most_baseline, most_difference, .. } = from;
    let sums = [baseline, difference, most_baseline, most_difference];
    if lost > groups || sums.iter().any(|sum| !sum.is_finite() || *sum < 0.0) {
        return Err(Invalid::Value("what a lens does not name comes to sums of 0 or more"));
    }
    let errors = read_ends([from.least_error, from.most_error])?;
    let within = read_ends([from.least_within, from.most_within])?;
    let groups = number(groups)?;
    Ok(Unnamed { groups, lost, baseline, difference, most_baseline, most_difference, errors, within })
}

fn counts(from: &LensCounts) -> v1::LensCounts {
    v1::LensCounts {
        judged: from.judged,
        beyond: from.beyond,
        lost: from.lost,
        small: from.small,
        small_difference: from.small_difference,
        small_baseline: from.small_baseline,
        small_beyond: from.small_beyond,
        total_beyond: from.total_beyond,
        violated: from.violated,
    }
}

fn read_counts(from: v1::LensCounts) -> Result<LensCounts, Invalid> {
    let sums = [from.small_difference, from.small_baseline];
    let impossible = from.beyond > from.judged || sums.iter().any(|sum| !sum.is_finite() || *sum < 0.0);
    let passed = from.beyond > 0 || from.small_beyond || from.total_beyond;
    if impossible || (passed && !from.violated) {
        return Err(Invalid::Value("the counts of a lens's limit contradict each other"));
    }
    Ok(LensCounts {
        judged: number(from.judged)?,
        beyond: from.beyond,
        lost: number(from.lost)?,
        small: number(from.small)?,
        small_difference: from.small_difference,
        small_baseline: from.small_baseline,
        small_beyond: from.small_beyond,
        total_beyond: from.total_beyond,
        violated: from.violated,
    })
}

fn measured(from: &Measured) -> Option<v1::LensMeasured> {
    let (state, names) = match from.clone() {
        Measured::Measured => return None,
        Measured::NoInstant => ("no_instant", Vec::new()),
        Measured::MetricAbsent { near } => ("metric_absent", near),
        Measured::NotPutOut => ("not_put_out", Vec::new()),
        Measured::AttributeAbsent { attributes } => ("attribute_absent", attributes),
        Measured::FunctionUnfit { kind } => ("function_unfit", vec![kind]),
    };
    Some(v1::LensMeasured { state: state.to_owned(), names })
}

fn read_measured(from: Option<v1::LensMeasured>) -> Result<Measured, Invalid> {
    let Some(v1::LensMeasured { state, names }) = from else { return Ok(Measured::Measured) };
    let names = rows(names, Ok)?;
    Ok(match state.as_str() {
        "no_instant" => Measured::NoInstant,
        "metric_absent" => Measured::MetricAbsent { near: names },
        "not_put_out" => Measured::NotPutOut,
        "attribute_absent" => Measured::AttributeAbsent { attributes: names },
        "function_unfit" => Measured::FunctionUnfit { kind: names.into_iter().next().unwrap_or_default() },
        _ => return Err(Invalid::Value("this state of a lens is not known")),
    })
}
