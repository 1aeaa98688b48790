//! Comparison over the wire: of a report that was cut to 8 kB, all counts, and the rows that it has.

use serde_json::{Value, json};

use super::lenses::figures;
use super::{active, volumes};
use crate::agreement::Agreement;
use crate::changed::Changed;
use crate::critical::Coverage;
use crate::fates::Fates;
use crate::group::Group;
use crate::history::{History, Window};
use crate::panel::Panel;
use crate::plan::{Lens, Plan};
use crate::writers::Writers;

/// Compares a comparison over these windows.
pub fn served(all: &mut Agreement, said: &Value, (history, plan): (&History, &Plan), windows: &[Window]) {
    let part = history.within(windows);
    let edges = [windows.first().map_or(0, |first| first.start), windows.last().map_or(0, |last| last.end)];
    all.count("windows", windows.len() as u64, &said["windows"]);
    volumes(all, said, &part);
    active(all, said, history, (plan, edges[1]));
    fates(all, &said["fates"], &Fates::of(&part));
    changed(all, &said["changed"], &Changed::of(&part));
    writers(all, said, history, edges);
    let coverage = Coverage::of(&part, plan);
    let said_coverage = &said["coverage"];
    all.count("coverage.critical", coverage.critical.len() as u64, &said_coverage["critical"]);
    all.count("coverage.baseline", coverage.baseline.len() as u64, &said_coverage["baseline"]);
    all.count("coverage.candidate", coverage.candidate.len() as u64, &said_coverage["candidate"]);
    for (place, lens) in plan.lenses.iter().enumerate() {
        panel(all, &said["lenses"][place], lens, &Panel::of(history, lens, plan, windows));
    }
}

fn fates(all: &mut Agreement, said: &Value, fates: &Fates) {
    all.count("fates.of", fates.of.len() as u64, &said["of"]["value"]);
    all.count("fates.merged_into", fates.merged_into.len() as u64, &said["merged_into"]);
    for (fate, key) in super::FATES {
        all.count(&format!("fates.{key}"), fates.count(fate, None), &said[key]);
    }
    for row in said["by_metric"].as_array().into_iter().flatten() {
        let metric = row["metric"].as_str().unwrap_or_default();
        for (fate, key) in super::FATES {
            all.count(&format!("fates of {metric}.{key}"), fates.count(fate, Some(metric)), &row[key]);
        }
    }
}

fn changed(all: &mut Agreement, said: &Value, changed: &Changed) {
    let points = changed.rows.values().map(|row| row.points).sum();
    let series = changed.rows.values().map(|row| row.series.len() as u64).sum();
    all.count("changed.points", points, &said["points"]);
    all.count("changed.series", series, &said["series"]);
    for row in said["by_metric"].as_array().into_iter().flatten() {
        let metric = row["metric"].as_str().unwrap_or_default();
        let path = |key: &str| format!("changed {metric}.{key}");
        let Some(own) = changed.rows.get(metric) else {
            all.value(&path("is there"), &json!(false), &json!(true));
            continue;
        };
        all.count(&path("points"), own.points, &row["points"]);
        all.count(&path("series"), own.series.len() as u64, &row["series"]);
        all.number(&path("largest_absolute"), own.absolute, &row["largest_absolute"]);
        all.perhaps(&path("largest_relative"), own.relative, &row["largest_relative"]);
    }
}

fn writers(all: &mut Agreement, said: &Value, history: &History, edges: [u64; 2]) {
    let [baseline, candidate] = [0, 1].map(|at| Writers::of(history, at, edges));
    for (name, writers) in [("baseline", &baseline), ("candidate", &candidate)] {
        let path = |key: &str| format!("{name}.{key}");
        all.count(&path("collisions"), writers.colliding.len() as u64, &said[name]["collisions"]["value"]);
        all.count(&path("duplicates"), writers.duplicates, &said[name]["repeats"]["duplicates"]);
        all.count(&path("conflicts"), writers.conflicts, &said[name]["repeats"]["conflicts"]);
    }
    let own = candidate.own(history, &baseline);
    all.count("candidate_only_collisions", own, &said["candidate_only_collisions"]["value"]);
}

fn panel(all: &mut Agreement, said: &Value, lens: &Lens<'_>, panel: &Panel) {
    let path = |key: &str| format!("lens {}: {key}", lens.name);
    let count =
        |which: &dyn Fn(&Group) -> bool| panel.groups.values().filter(|group| which(group)).count() as u64;
    all.value(&path("state"), &json!(panel.state), &said["measured"]["state"]);
    all.count(&path("groups"), panel.groups.len() as u64, &said["groups"]);
    let differ = count(&|group| group.differs(panel.increases));
    all.count(&path("groups_that_differ"), differ, &said["groups_that_differ"]);
    all.count(&path("groups_lost"), count(&Group::is_lost), &said["groups_lost"]);
    all.count(&path("groups_new"), count(&Group::is_new), &said["groups_new"]);
    for at in [0, 1] {
        all.count(&path("no_value"), panel.no_value[at], &said["no_value"][at]);
        all.count(&path("members"), panel.most[at], &said["members"][at]);
    }
    row(all, &path("total"), &panel.total, &said["total"], panel.increases);
    let named = ["worst", "largest"].into_iter().flat_map(|key| said[key].as_array().into_iter().flatten());
    for told in named {
        let name = told["group"].as_str().unwrap_or_default();
        match panel.groups.get(name) {
            Some(group) => row(all, &path(name), group, told, panel.increases),
            None => all.value(&path(name), &json!("no such group"), told),
        }
    }
}

fn row(all: &mut Agreement, path: &str, group: &Group, said: &Value, increases: bool) {
    figures(all, path, group, said, increases);
    let path = |key: &str| format!("{path}.{key}");
    for at in [0, 1] {
        all.count(&path("shown"), group.sides[at].shown, &said["shown"][at]);
    }
}
