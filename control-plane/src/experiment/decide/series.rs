//! Series: one fate for each of the baseline's, and values that the candidate changes.
//!
//! Fewer attributes are safe by default, and told. Another name, unit or type of a metric, and other values, hold unless
//! the policy allows them: a panel or an alert would not find them, or would show something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use observe::{Comparison, MetricFates, NamedCount, PartCounts, SeriesFates};

use super::{Subject, sampled};
use crate::experiment::allow::Allowed;
use crate::experiment::words::{apart, count, counted, listed, percent, unique};
use crate::experiment::{Answer, Criterion, Effect, Figures, Reason};

/// The criteria on series.
pub fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let told = [fates(looked), renamed(looked), changed(looked)];
    told.into_iter().chain(loss(looked)).collect()
}

/// Tells whether a comparison is of an agent that does not tell fates: of a release before this one.
fn untold(found: &Comparison) -> bool {
    found.baseline.series.value > 0 && found.fates.of.value == 0
}

/// Hosts whose agents do not tell fates, as a criterion that cannot be answered.
fn not_told(looked: &Subject<'_>, quantity: &str) -> Option<Criterion> {
    let hosts = looked.totals().filter(|(_, found)| untold(found)).map(|(host, _)| host.to_owned());
    let hosts = unique(hosts);
    let sentence = format!(
        "The agents on {} are of a release that does not tell what becomes of each series: upgrade them.",
        listed(&hosts)
    );
    (!hosts.is_empty()).then(|| {
        let finding = Reason::new("audit", quantity, sentence).about(hosts, Vec::new());
        Criterion::default_of(Answer::NotMeasured, Effect::Hold, finding)
    })
}

fn sum(looked: &Subject<'_>, of: impl Fn(&SeriesFates) -> u64) -> u64 {
    looked.totals().map(|(_, found)| of(&found.fates)).sum()
}

fn fates(looked: &Subject<'_>) -> Criterion {
    const QUANTITY: &str = "fates";
    if let Some(criterion) = not_told(looked, QUANTITY) {
        return Criterion { effect: Effect::Tell, ..criterion };
    }
    let all = sum(looked, |fates| fates.of.value);
    if all == 0 {
        let sentence = format!("The baseline put out no series{}.", looked.that_counts());
        let finding = Reason::new("L0", QUANTITY, sentence);
        return Criterion::default_of(Answer::NotApplicable, Effect::Tell, finding);
    }
    let merged = sum(looked, |fates| fates.merged);
    let into = count(sum(looked, |fates| fates.merged_into));
    let merges = format!("become {into} together{}", by(looked));
    let as_it_is = sum(looked, |fates| fates.as_it_is);
    let whole = as_it_is.saturating_sub(sum(looked, |fates| fates.interrupted.as_it_is));
    // Words of several, and of one.
    let parts = [
        (whole, "stay as they are", "stays as it is"),
        (
            as_it_is - whole,
            "come as they are for a part of the time",
            "comes as it is for a part of the time",
        ),
        (sum(looked, |fates| fates.fewer_attributes), "have fewer attributes", "has fewer attributes"),
        (sum(looked, |fates| fates.renamed), "become others", "becomes another"),
        (merged, merges.as_str(), merges.as_str()),
        (sum(looked, |fates| fates.split), "become several", "becomes several"),
        (sum(looked, |fates| fates.lost), "are lost", "is lost"),
        (sum(looked, |fates| fates.not_followed), "cannot be told", "cannot be told"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(series, ..)| *series > 0)
        .map(|(series, several, one)| {
            format!("{} {}", count(*series), if *series == 1 { one } else { several })
        })
        .collect();
    let exact = looked.totals().all(|(_, found)| found.fates.of.exact || found.fates.of.value == 0);
    let how = if exact { "" } else { "about " };
    // What two processes of an agent, or two agents, have seen of one series are two fates.
    let each = if looked.figures.at_most { ", counted for each agent and process," } else { "" };
    let sentence = format!(
        "Of {how}{} series of the baseline{each} {}.{}{}",
        count(all),
        parts.join(", "),
        gone(looked),
        not_all_of_them(looked, whole == all)
    );
    let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), all as f64, 0.0);
    let interrupted = unique(looked.totals().flat_map(|(_, found)| found.fates.interrupted.metrics.clone()));
    let finding = Reason { limit: None, ..finding.about(Vec::new(), interrupted) };
    Criterion::default_of(Answer::Met, Effect::Tell, finding)
}

/// Words about what is missing of series that are not lost: points of those that stay as they are, if `all` do, and some of the
/// time of those with another fate.
fn not_all_of_them(looked: &Subject<'_>, all: bool) -> String {
    let [baseline, candidate] = looked.figures.points;
    if all && candidate < baseline {
        return format!(
            " The candidate drops {} of their {}, {}.",
            count(baseline - candidate),
            counted(baseline, "point"),
            percent((baseline - candidate) as f64 / baseline as f64)
        );
    }
    match sum(looked, |fates| fates.interrupted.others) {
        0 => String::new(),
        1 => " Of those that are not as they are, 1 comes for a part of the time.".to_owned(),
        some => format!(" Of those that are not as they are, {} come for a part of the time.", count(some)),
    }
}

/// Functions by which the candidate's stages merge.
fn by(looked: &Subject<'_>) -> String {
    match looked.spec.traits().merges.as_slice() {
        [] => String::new(),
        names => format!(", by {}", names.join(", ")),
    }
}

/// Attributes that went and nothing else with them.
fn gone(looked: &Subject<'_>) -> String {
    let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
    for attribute in looked.totals().flat_map(|(_, found)| &found.fates.by_attribute) {
        *gone.entry(&attribute.attribute).or_default() += attribute.fewer_attributes;
    }
    let named: Vec<String> = gone
        .into_iter()
        .filter(|(_, series)| *series > 0)
        .map(|(name, series)| format!("{name} (on {} series)", count(series)))
        .collect();
    if named.is_empty() { String::new() } else { format!(" Gone is {}.", listed(&named)) }
}

/// Metrics of which something is true, by name, without those that are allowed.
fn metrics<'a>(found: impl Iterator<Item = (&'a str, u64)>, allowed: &Allowed) -> BTreeMap<&'a str, u64> {
    let mut metrics = BTreeMap::new();
    for (metric, series) in found.filter(|(metric, series)| *series > 0 && !allowed.covers(metric)) {
        *metrics.entry(metric).or_default() += series;
    }
    metrics
}

/// Changes that the policy allows, in a sentence: they are counted all the same. `unnamed` are those of metrics that reports
/// have no room to name.
fn allowed_too<'a>(
    found: impl Iterator<Item = (&'a str, u64)>,
    unnamed: u64,
    allowed: &Allowed,
    noun: &str,
) -> String {
    let mut all = if matches!(allowed, Allowed::All) { unnamed } else { 0 };
    let mut names = Vec::new();
    for (metric, number) in found.filter(|(metric, number)| *number > 0 && allowed.covers(metric)) {
        all += number;
        names.push(metric.to_owned());
    }
    let named = unique(names.into_iter());
    let named = if named.is_empty() { "metrics that reports do not name".to_owned() } else { listed(&named) };
    if all == 0 { String::new() } else { format!(" Changes of {} {noun} are allowed: {named}.", count(all)) }
}

/// The line by which a policy accepts a change of these metrics.
fn line(kind: &str, metrics: &BTreeMap<&str, u64>) -> String {
    let names: Vec<String> = metrics.keys().map(|metric| format!("{metric:?}")).collect();
    format!("\"allow\": [{{ \"{kind}\": {{ \"metric\": [{}] }} }}]", names.join(", "))
}

/// The line by which a policy accepts a change of every metric.
fn line_of_all(kind: &str) -> String {
    format!("\"allow\": [\"{kind}\"]")
}

fn renamed(looked: &Subject<'_>) -> Criterion {
    const QUANTITY: &str = "renamed";
    if let Some(criterion) = not_told(looked, QUANTITY) {
        return criterion;
    }
    let of_parts = |row: &MetricFates| row.parts.name.max(row.parts.unit).max(row.parts.kind);
    let rows = || {
        let rows = looked.totals().flat_map(|(_, found)| &found.fates.by_metric);
        rows.map(|row| (row.metric.as_str(), of_parts(row)))
    };
    let mut metrics = metrics(rows(), &looked.policy().allow.renamed);
    // Of more series than are kept by name some are in no total, and in horizons alone.
    let horizons = looked.evidence.agents.iter().flat_map(|agent| &agent.horizons);
    for row in horizons.flat_map(|found| &found.horizon.fates.by_metric) {
        let (metric, series) = (row.metric.as_str(), of_parts(row));
        if series > 0 && !looked.policy().allow.renamed.covers(metric) {
            metrics.entry(metric).and_modify(|most: &mut u64| *most = series.max(*most)).or_insert(series);
        }
    }
    let series: u64 = metrics.values().sum();
    let names: Vec<String> = metrics.keys().map(|metric| (*metric).to_owned()).collect();
    let unnamed = looked.totals().map(|(_, found)| unnamed_parts(&found.fates)).sum();
    let (answer, sentence) = if !metrics.is_empty() {
        let sentence = format!(
            "The candidate changes name, unit or type of {} series: {}. To accept it: {}.",
            count(series),
            listed(&names),
            line("renamed", &metrics)
        );
        (Answer::Violated, sentence)
    } else if let Some(held) = not_named(
        unnamed,
        &looked.policy().allow.renamed,
        ("renamed", "series get another name, unit or type"),
    ) {
        held
    } else if looked.came_in() {
        let allowed = &looked.policy().allow.renamed;
        let none =
            "none has a metric that gets another name, unit or type and that the policy does not allow to";
        let (answer, none) =
            sampled::none_of_sample(looked, none).filter(|_| *allowed != Allowed::All).unwrap_or((
                Answer::Met,
                "No metric gets another name, unit or type that the policy does not allow.".to_owned(),
            ));
        (answer, format!("{none}{}", allowed_too(rows(), unnamed, allowed, "series")))
    } else {
        (Answer::NotApplicable, format!("Nothing{} came in that could be renamed.", looked.that_counts()))
    };
    let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), series as f64, 0.0);
    Criterion::default_of(answer, Effect::Hold, finding.about(Vec::new(), names))
}

/// Series with another name, unit or type, or with parts that are not known, of metrics that the report has no row for.
fn unnamed_parts(fates: &SeriesFates) -> u64 {
    let all = fates.parts;
    let told = |of: fn(&PartCounts) -> u64| -> u64 { fates.by_metric.iter().map(|row| of(&row.parts)).sum() };
    let parts = [
        all.name.saturating_sub(told(|parts| parts.name)),
        all.unit.saturating_sub(told(|parts| parts.unit)),
        all.kind.saturating_sub(told(|parts| parts.kind)),
        all.unknown,
    ];
    parts.into_iter().max().unwrap_or(0)
}

/// Answer where a change is of metrics that reports have no room to name: only a policy that allows all of it is met.
fn not_named(number: u64, allowed: &Allowed, (kind, what): (&str, &str)) -> Option<(Answer, String)> {
    let sentence = format!(
        "{} {what}, of metrics that reports have no room to name. To accept it: {}.",
        count(number),
        line_of_all(kind)
    );
    match allowed {
        _ if number == 0 => None,
        Allowed::All => None,
        Allowed::Nothing => Some((Answer::Violated, sentence)),
        Allowed::Metrics(_) => Some((Answer::NotMeasured, sentence)),
    }
}

fn changed(looked: &Subject<'_>) -> Criterion {
    const QUANTITY: &str = "changed";
    if let Some(criterion) = not_told(looked, QUANTITY) {
        return criterion;
    }
    let rows = || looked.totals().flat_map(|(_, found)| &found.changed.by_metric);
    let metrics =
        metrics(rows().map(|row| (row.metric.as_str(), row.points)), &looked.policy().allow.changed);
    let points: u64 = metrics.values().sum();
    let unnamed = |found: &Comparison| {
        let named: u64 = found.changed.by_metric.iter().map(|row| row.points).sum();
        found.changed.points.saturating_sub(named)
    };
    let unnamed = looked.totals().map(|(_, found)| unnamed(found)).sum();
    let alone = sum(looked, |fates| fates.as_it_is + fates.renamed + fates.fewer_attributes);
    let left_out = left_out(looked);
    let names: Vec<String> = metrics.keys().map(|metric| (*metric).to_owned()).collect();
    let (answer, sentence) = if !metrics.is_empty() {
        let largest = rows().filter(|row| metrics.contains_key(row.metric.as_str()));
        let largest = largest.max_by(|one, other| one.largest_absolute.total_cmp(&other.largest_absolute));
        let largest = largest.filter(|row| row.largest_absolute > 0.0).map_or_else(String::new, |row| {
            format!(" The largest difference is {} of {}.", row.largest_absolute, row.metric)
        });
        let (more, to_accept) = match unnamed {
            0 => (String::new(), line("changed", &metrics)),
            // Of those that are not named nobody knows whether the policy allows them.
            some => (
                format!(", and {} of metrics that reports have no room to name", counted(some, "point")),
                line_of_all("changed"),
            ),
        };
        let sentence = format!(
            "The candidate changes the values of {}: {}{more}.{largest} To accept it: {to_accept}.",
            counted(points, "point"),
            listed(&names),
        );
        (Answer::Violated, sentence)
    } else if let Some(held) =
        not_named(unnamed, &looked.policy().allow.changed, ("changed", "points have other values"))
    {
        held
    } else if !looked.came_in() {
        (Answer::NotApplicable, format!("Nothing{} came in whose value could change.", looked.that_counts()))
    } else if alone == 0 && !sampled::shows_nothing(looked) {
        (Answer::NotApplicable, "No series comes through alone, so that no values are compared.".to_owned())
    } else if let Some((_, sentence, to_accept)) = left_out.as_ref().filter(|(.., accept)| !accept.is_empty())
    {
        // A value that changes there is in none of the figures.
        (
            Answer::NotMeasured,
            format!("{sentence} Whether their values change is not known. To accept it: {to_accept}."),
        )
    } else if let Some((series, sentence, _)) = &left_out
        && *series >= alone
        && alone > 0
    {
        (Answer::NotApplicable, format!("No values are compared. {sentence}"))
    } else {
        let allowed = &looked.policy().allow.changed;
        let none = "none has a value that changes and that the policy does not allow to, of points that come through alone";
        let (answer, compared) =
            sampled::none_of_sample(looked, none).filter(|_| *allowed != Allowed::All).unwrap_or((
                Answer::Met,
                "No value changes that the policy does not allow, of points that come through alone."
                    .to_owned(),
            ));
        let but = left_out.map(|(_, sentence, _)| format!(" {sentence}")).unwrap_or_default();
        let found = rows().map(|row| (row.metric.as_str(), row.points));
        (answer, format!("{compared}{}{but}", allowed_too(found, unnamed, allowed, "points")))
    };
    let finding = looked.measured(Reason::new("L0", QUANTITY, sentence), points as f64, 0.0);
    Criterion::default_of(answer, Effect::Hold, finding.about(Vec::new(), names))
}

/// Series of which points are not compared, because a stage holds them back or their type is another; in a sentence, with the
/// lines of a policy that accept it: none where it does.
fn left_out(looked: &Subject<'_>) -> Option<(u64, String, String)> {
    let allow = &looked.policy().allow;
    let held = NotCompared::of(looked, |found| (&found.changed.held[..], found.changed.held_series));
    let other =
        NotCompared::of(looked, |found| (&found.changed.not_compared[..], found.changed.not_compared_series));
    let accept_held =
        held.accept(&allow.changed).filter(|_| !allow.held).map(|_| "`allow: [held]`".to_owned());
    let to_accept: Vec<String> = accept_held.into_iter().chain(other.accept(&allow.changed)).collect();
    let kinds = [("a stage holds points back", &held), ("unit, type or temporality is another", &other)];
    let there = || kinds.iter().filter(|(_, of)| of.series > 0);
    let said: Vec<String> = there()
        .map(|(why, of)| format!("those of {} series, of which {why} ({})", count(of.series), of.names()))
        .collect();
    let series = held.series + other.series;
    (series > 0)
        .then(|| (series, format!("Not compared are {}.", said.join(" and ")), to_accept.join(" and ")))
}

/// Series whose values are not compared, for one reason.
struct NotCompared<'a> {
    rows: Vec<&'a NamedCount>,
    /// All of them.
    series: u64,
    /// Those of metrics that reports have no room to name.
    unnamed: u64,
}

impl<'a> NotCompared<'a> {
    fn of(looked: &'a Subject<'_>, told: fn(&Comparison) -> (&[NamedCount], u64)) -> Self {
        let mut all = Self { rows: Vec::new(), series: 0, unnamed: 0 };
        for (_, found) in looked.totals() {
            let (rows, series) = told(found);
            let named: u64 = rows.iter().map(|row| row.series).sum();
            all.series += series.max(named);
            all.unnamed += series.saturating_sub(named);
            all.rows.extend(rows);
        }
        all
    }

    /// The line of a policy that accepts what it does not accept yet; none if it accepts all.
    fn accept(&self, allowed: &Allowed) -> Option<String> {
        let open = metrics(self.rows.iter().map(|row| (row.metric.as_str(), row.series)), allowed);
        match (self.unnamed, open.is_empty()) {
            (0, true) => None,
            (0, false) => Some(line("changed", &open)),
            _ => (*allowed != Allowed::All).then(|| line_of_all("changed")),
        }
    }

    fn names(&self) -> String {
        let named = listed(&unique(self.rows.iter().map(|row| row.metric.clone())));
        if self.unnamed == 0 {
            named
        } else {
            format!("{named}, and others that reports have no room to name")
        }
    }
}

fn loss(looked: &Subject<'_>) -> Option<Criterion> {
    let limit = looked.policy().max_series_loss?;
    let figures = &looked.figures;
    let horizons: Vec<Figures> = looked
        .horizons(true)
        .into_iter()
        .map(|of_a_time| Figures::of(of_a_time.into_iter().map(|(_, found)| found)))
        .collect();
    // A process that lost nothing does not make good what the one before it lost.
    let of_process = looked.evidence.agents.iter().filter_map(|agent| {
        let loss = |total: &&Comparison| Figures::of([*total]).loss().unwrap_or(0.0);
        agent.totals.iter().map(Arc::as_ref).max_by(|one, other| loss(one).total_cmp(&loss(other)))
    });
    let of_process = Figures::of(of_process);
    let share = |figures: &Figures| figures.loss().unwrap_or(0.0);
    let of_horizon = horizons.iter().max_by(|one, other| share(one).total_cmp(&share(other)));
    let when = match looked.evidence.counted().count() {
        ..=1 => " in one horizon".to_owned(),
        _ => " in horizons that cover one time".to_owned(),
    };
    let processes = " as long as one process ran on each agent".to_owned();
    let parts = [Some((&of_process, processes)), of_horizon.map(|of| (of, when))];
    let worst = parts.into_iter().flatten().filter(|(of, _)| of.loss() > figures.loss());
    let worst = worst.max_by(|one, other| share(one.0).total_cmp(&share(other.0)));
    let (of, when) = worst.unwrap_or((figures, String::new()));
    let Some(loss) = of.loss() else {
        let sentence =
            format!("The baseline has no series{}, so that none can be lost.", looked.that_counts());
        let finding = Reason { limit: Some(limit), ..Reason::new("L0", "max_series_loss", sentence) };
        return Some(Criterion::asked_for(Answer::NotMeasured, Effect::RollBack, finding));
    };
    let is_counted =
        looked.totals().all(|(_, found)| found.lost_by_candidate.exact || found.baseline.series.value == 0);
    let of_a_horizon = when.starts_with(" in ");
    let at_most = match (is_counted, figures.at_most && !of_a_horizon) {
        (true, true) => "at most ",
        (false, true) => "at most about ",
        (false, false) => "about ",
        (true, false) => "",
    };
    let [loss_text, limit_text] = apart([loss, limit]);
    let sentence = format!(
        "The candidate loses {at_most}{} of the baseline's {} series{when}, {loss_text}; at most {limit_text} are allowed.",
        count(of.lost),
        count(of.series[0]),
    );
    // What a sample does not show may still be there.
    let is_open = sampled::margin(looked, of.lost == 0).is_some_and(|margin| (loss - limit).abs() < margin);
    let (answer, open) = match (is_open, loss > limit) {
        (true, _) => (Answer::NotMeasured, " This sample cannot tell whether it is more."),
        (false, true) => (Answer::Violated, ""),
        (false, false) => (Answer::Met, ""),
    };
    let sentence = sentence + open;
    let finding = looked.measured(Reason::new("L0", "max_series_loss", sentence), loss, limit);
    Some(Criterion::asked_for(answer, Effect::RollBack, finding))
}
