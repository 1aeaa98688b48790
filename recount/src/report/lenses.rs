//! Lenses: every figure that a report has of them, which of them there are, and the metrics that none looks at.

mod reasons;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::agreement::Agreement;
use crate::arrivals::{Chosen, chosen, unwatched};
use crate::group::Group;
use crate::history::{History, Window};
use crate::limit::Limit;
use crate::owner::OWNER;
use crate::panel::Panel;
use crate::plan::{Figure, Function, Lens, Plan};

/// Groups that are named: those that differ most, and the largest of the others.
const WITH_A_LIMIT: [usize; 2] = [100, 100];
/// The same of a lens that describes.
const DESCRIBING: [usize; 2] = [8, 0];
/// The most metrics without a lens that are named.
const UNWATCHED: usize = 20;
/// Look-back where nothing is said, nanoseconds.
const LOOKBACK: u64 = 300_000_000_000;

/// Compares all lenses of a comparison over these windows.
pub fn compare(all: &mut Agreement, said: &Value, (history, plan): (&History, &Plan), windows: &[Window]) {
    let chosen = if plan.defaults { chosen(history, plan.lenses) } else { Chosen::new() };
    all.count("lenses", (plan.lenses.len() + chosen.len()) as u64, &super::length(&said["lenses"]));
    for (place, lens) in plan.lenses.iter().enumerate() {
        panel(all, &said["lenses"][place], lens, &Panel::of(history, lens, plan, windows));
        reasons::compare(all, &said["lenses"][place]["measured"], lens, (history, windows));
    }
    for (place, (metric, since)) in chosen.iter().enumerate() {
        let name = format!("{metric} by owner");
        let lens = Lens {
            name: &name,
            metric,
            group_by: OWNER,
            function: Function::Sum,
            value: Figure::Count,
            lookback: LOOKBACK,
            max_error: None,
            since: *since,
        };
        let said = &said["lenses"][plan.lenses.len() + place];
        panel(all, said, &lens, &Panel::of(history, &lens, plan, windows));
    }
    let until = windows.last().map_or(0, |last| last.end);
    let none = BTreeSet::new();
    let left = if plan.defaults { unwatched(history, (plan.lenses, &chosen), until) } else { none };
    all.count("unwatched", left.len() as u64, &said["unwatched"]["count"]);
    all.value("unwatched.at_least", &json!(false), &said["unwatched"]["at_least"]);
    let names: Vec<&str> = left.into_iter().take(UNWATCHED).collect();
    all.value("unwatched.names", &json!(names), &said["unwatched"]["names"]);
}

fn panel(all: &mut Agreement, said: &Value, lens: &Lens<'_>, panel: &Panel) {
    let path = |key: &str| format!("lens {}: {key}", lens.name);
    let groups = || panel.groups.values();
    for (key, of) in [("name", lens.name), ("metric", lens.metric), ("group_by", lens.group_by)] {
        all.value(&path(key), &json!(of), &said[key]);
    }
    all.value(&path("function"), &json!(lens.function.word()), &said["function"]);
    all.value(&path("state"), &json!(panel.state), &said["measured"]["state"]);
    match &panel.limit {
        Some(of) => limit(all, &path("limit"), of, &said["limit"]),
        None => all.value(&path("limit"), &Value::Null, &said["limit"]),
    }
    all.count(&path("groups"), groups().count() as u64, &said["groups"]);
    let count = |which: &dyn Fn(&Group) -> bool| groups().filter(|group| which(group)).count() as u64;
    let differ = count(&|group| group.differs(panel.increases));
    all.count(&path("groups_that_differ"), differ, &said["groups_that_differ"]);
    all.count(&path("groups_lost"), count(&Group::is_lost), &said["groups_lost"]);
    all.count(&path("groups_new"), count(&Group::is_new), &said["groups_new"]);
    if panel.total.sides.iter().any(|side| side.members > 0) {
        all.value(&path("increases"), &json!(panel.increases), &said["increases"]);
    }
    for at in [0, 1] {
        all.count(&path("no_value"), panel.no_value[at], &said["no_value"][at]);
        all.count(&path("members"), panel.most[at], &said["members"][at]);
    }
    for key in ["truncated", "bucketed"] {
        all.value(&path(key), &json!(false), &said[key]);
    }
    group(all, &path("total"), &panel.total, &said["total"], panel.increases);
    named(all, lens, panel, said);
}

/// Compares which groups are named, their figures, and the sums of the others.
fn named(all: &mut Agreement, lens: &Lens<'_>, panel: &Panel, said: &Value) {
    let path = |key: &str| format!("lens {}: {key}", lens.name);
    let apart = |of: &Group| of.weight(of.figures[1] - of.figures[0], panel.increases);
    let size = |of: &Group| of.weight(of.figures[0], panel.increases);
    let (mut differ, mut same): (Vec<_>, Vec<_>) =
        panel.groups.iter().partition(|(_, of)| of.differs(panel.increases));
    differ.sort_by(|a, b| apart(b.1).total_cmp(&apart(a.1)));
    same.sort_by(|a, b| size(b.1).total_cmp(&size(a.1)));
    let most = if lens.max_error.is_some() { WITH_A_LIMIT } else { DESCRIBING };
    let lists = [("worst", &differ, most[0]), ("largest", &same, most[1])];
    let mut left: Vec<&Group> = Vec::new();
    for (key, of, most) in lists {
        let told: BTreeSet<&str> = of.iter().take(most).map(|(name, _)| name.as_str()).collect();
        let rows = said[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: BTreeSet<&str> = rows.iter().filter_map(|row| row["group"].as_str()).collect();
        all.value(&path(key), &json!(told), &json!(rows));
        for (name, of) in of.iter().take(most) {
            group(all, &path(name), of, super::find(&said[key], "group", name), panel.increases);
        }
        left.extend(of.iter().skip(most).map(|(_, of)| *of));
    }
    let said = &said["unnamed"];
    let most = |of: &dyn Fn(&Group) -> f64| left.iter().map(|group| of(group)).fold(0.0, f64::max);
    let sum = |of: &dyn Fn(&Group) -> f64| left.iter().map(|group| of(group)).sum::<f64>();
    let off = |of: &Group| if of.differs(panel.increases) { apart(of) } else { 0.0 };
    let lost = left.iter().filter(|group| group.is_lost()).count();
    all.count(&path("unnamed.groups"), left.len() as u64, &said["groups"]);
    all.count(&path("unnamed.lost"), lost as u64, &said["lost"]);
    all.number(&path("unnamed.baseline"), sum(&size), &said["baseline"]);
    all.number(&path("unnamed.difference"), sum(&off), &said["difference"]);
    all.number(&path("unnamed.most_baseline"), most(&size), &said["most_baseline"]);
    all.number(&path("unnamed.most_difference"), most(&off), &said["most_difference"]);
    let errors = || left.iter().map(|group| group.error(panel.increases).clamp(f64::MIN, f64::MAX));
    for (place, error) in [errors().reduce(f64::min), errors().reduce(f64::max)].into_iter().enumerate() {
        match error {
            Some(error) => all.number(&path("unnamed.errors"), error, &said["errors"][place]),
            None => all.value(&path("unnamed.errors"), &Value::Null, &said["errors"]),
        }
    }
}

fn limit(all: &mut Agreement, path: &str, limit: &Limit, said: &Value) {
    let path = |key: &str| format!("{path}.{key}");
    all.count(&path("judged"), limit.judged, &said["judged"]);
    all.count(&path("beyond"), limit.beyond, &said["beyond"]);
    all.count(&path("lost"), limit.lost, &said["lost"]);
    all.count(&path("small"), limit.small, &said["small"]);
    all.value(&path("small_beyond"), &json!(limit.small_beyond), &said["small_beyond"]);
    all.value(&path("total_beyond"), &json!(limit.total_beyond), &said["total_beyond"]);
    all.value(&path("violated"), &json!(limit.violated()), &said["violated"]);
}

/// Compares the figures of a group and the instants at which it counts.
pub(super) fn figures(all: &mut Agreement, path: &str, group: &Group, said: &Value, increases: bool) {
    let path = |key: &str| format!("{path}.{key}");
    // What rounds differently is no difference of the candidate's.
    let [one, other] = group.figures;
    let candidate = if group.differs(increases) { other } else { one };
    all.number(&path("baseline"), one, &said["baseline"]);
    all.number(&path("candidate"), candidate, &said["candidate"]);
    let error =
        if one == candidate { Some(0.0) } else { (one != 0.0).then(|| (candidate - one) / one.abs()) };
    all.perhaps(&path("relative_error"), error, &said["relative_error"]);
    all.count(&path("instants"), group.instants, &said["instants"]);
    all.count(&path("gaps"), group.gaps, &said["gaps"]);
}

fn group(all: &mut Agreement, path: &str, group: &Group, said: &Value, increases: bool) {
    figures(all, path, group, said, increases);
    let path = |key: &str| format!("{path}.{key}");
    let sums = group.sums(increases);
    let size = group.sides[0].size.max(group.sides[1].size);
    let alike = (sums[1] - sums[0]).abs() <= 1e-9 * size;
    for at in [0, 1] {
        all.count(&path("shown"), group.sides[at].shown, &said["shown"][at]);
        all.count(&path("members"), group.sides[at].members, &said["members"][at]);
        all.number(&path("sums"), if alike { sums[0] } else { sums[at] }, &said["sums"][at]);
    }
    all.number(&path("tolerance"), group.tolerance, &said["tolerance"]);
    if increases {
        let edges = group.edges.unwrap_or_default();
        (0..2).for_each(|at| all.number(&path("edges"), edges[at], &said["edges"][at]));
        all.number(&path("newborn"), group.newborn, &said["newborn"]);
        all.value(&path("worst"), &Value::Null, &said["worst"]);
    } else {
        let worst = group.worst.map(|(time, _)| time);
        all.value(&path("worst"), &json!(worst), &said["worst"]["time"]);
    }
}
