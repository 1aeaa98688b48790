//! Comparison of an agent's `/experiment` with what the store says of the same windows.

mod collisions;
mod described;
mod lenses;
mod served;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::agreement::Agreement;
use super::billed::{billed, identities};
use super::changed::Changed;
use super::critical::{Coverage, Process};
use super::fates::{Fate, Fates};
use super::history::{History, Made, Window};
use super::plan::Plan;
use super::point::Point;
use super::series::Series;
use super::writers::Writers;

pub use served::served;

/// Fates by their keys in a report.
const FATES: [(Fate, &str); 6] = [
    (Fate::AsItIs, "as_it_is"),
    (Fate::Renamed, "renamed"),
    (Fate::Fewer, "fewer_attributes"),
    (Fate::Merged, "merged"),
    (Fate::Split, "split"),
    (Fate::Lost, "lost"),
];
/// The most metrics of which fates are told.
const MAX_METRICS: usize = 50;
/// Parts by their keys.
const PARTS: [&str; 6] = ["name", "unit", "type", "resource", "scope", "attributes"];

/// The windows that a report names, in order.
#[must_use]
pub fn windows(report: &Value) -> Vec<Window> {
    let rows = report["windows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let window = |row: &Value| {
        let start = row["start"].as_u64()?;
        let length = (row["seconds"].as_f64()? * 1e9).round() as u64;
        Some(Window { start, end: start + length, warming_up: row["warming_up"] == true })
    };
    rows.iter().filter_map(window).collect()
}

/// Compares all figures that the store can compute.
#[must_use]
pub fn compare(report: &Value, history: &History, plan: &Plan) -> Agreement {
    let mut all = Agreement::default();
    let judged: Vec<Window> = history.judged().copied().collect();
    all.stretch = "generation";
    stretch(&mut all, &report["generation"], (history, plan), &judged);
    let horizon = &report["last_horizon"];
    let edge = |edge: &str| horizon["lenses"][0][edge].as_u64().unwrap_or_default();
    let within = |window: &&Window| edge("start") <= window.start && window.end <= edge("end");
    let judged: Vec<Window> = history.judged().filter(within).copied().collect();
    all.stretch = "last horizon";
    stretch(&mut all, horizon, (history, plan), &judged);
    all.stretch = "window";
    rows(&mut all, report, history, plan);
    all
}

/// Compares a comparison over these windows.
fn stretch(all: &mut Agreement, said: &Value, (history, plan): (&History, &Plan), windows: &[Window]) {
    let part = history.within(windows);
    all.count("windows", windows.len() as u64, &said["windows"]);
    volumes(all, said, &part);
    active(all, said, history, (plan, windows.last().map_or(0, |last| last.end)));
    fates(all, &said["fates"], &part);
    if plan.hold == 0 {
        interrupted(all, &said["fates"]["interrupted"], history, windows);
    }
    changed(all, &said["changed"], &Changed::of(&part));
    let edges = [windows.first().map_or(0, |first| first.start), windows.last().map_or(0, |last| last.end)];
    writers(all, said, history, edges);
    if plan.hold == 0 {
        coverage(all, &said["coverage"], &Coverage::of(&part, plan));
    }
    lenses::compare(all, said, (history, plan), windows);
    described::compare(all, &said["distributions"], (history, plan), windows);
}

fn distinct<'a>(points: impl Iterator<Item = &'a Point>) -> u64 {
    points.map(|point| &*point.series).collect::<BTreeSet<&Series>>().len() as u64
}

fn volumes(all: &mut Agreement, said: &Value, history: &History) {
    let points = || history.came().flat_map(|batch| &batch.points);
    all.count("input.requests", history.came().count() as u64, &said["input"]["requests"]);
    all.count("input.points", points().count() as u64, &said["input"]["points"]);
    all.count("input.bytes", history.came().map(|batch| batch.bytes).sum(), &said["input"]["bytes"]);
    all.count("input_series", distinct(points()), &said["input_series"]["value"]);
    let names = ["baseline", "candidate"];
    for (at, name) in names.into_iter().enumerate() {
        let (said, made) = (&said[name], &history.made[at]);
        let bytes = history.outputs[at].iter().map(|(_, bytes)| bytes).sum();
        all.count(&format!("{name}.output.points"), made.len() as u64, &said["output"]["points"]);
        all.count(&format!("{name}.output.bytes"), bytes, &said["output"]["bytes"]);
        all.count(&format!("{name}.series"), identities(made), &said["series"]["value"]);
        all.value(&format!("{name}.series.exact"), &json!(true), &said["series"]["exact"]);
        let kept: BTreeSet<&Series> =
            made.iter().flat_map(|made| &made.of).map(|of| &*history.input(*of).series).collect();
        let lost = distinct(points().filter(|point| !kept.contains(&*point.series)));
        all.count(&format!("{name}.lost"), lost, &said["lost"]["value"]);
        let delivered = if at == 0 { made.len() as u64 } else { 0 };
        all.count(&format!("{name}.delivered.points"), delivered, &said["delivered"]["points"]);
        all.count(&format!("{name}.failures"), 0, &said["failures"]);
    }
    let [mine, theirs] = &history.made;
    let saving = &said["saving"];
    all.perhaps("saving.points", saved([mine.len() as u64, theirs.len() as u64]), &saving["points"]);
    let series = [identities(mine), identities(theirs)];
    all.perhaps("saving.series", saved(series), &saving["series"]);
}

/// Series of the trailing twenty minutes, which are longer than a trial.
fn active(all: &mut Agreement, said: &Value, history: &History, (plan, end): (&Plan, u64)) {
    let [baseline, candidate] = history.made.each_ref().map(|made| {
        let known: Vec<Made> = made.iter().filter(|made| made.admitted < end).cloned().collect();
        billed(&known, plan)
    });
    all.count("baseline.active_series", baseline, &said["baseline"]["active_series"]);
    all.count("candidate.active_series", candidate, &said["candidate"]["active_series"]);
    all.perhaps("saving.billed_series", saved([baseline, candidate]), &said["saving"]["billed_series"]);
}

/// Share of the baseline's that the candidate saves.
fn saved([baseline, candidate]: [u64; 2]) -> Option<f64> {
    (baseline > 0).then(|| 1.0 - candidate as f64 / baseline as f64)
}

fn fates(all: &mut Agreement, said: &Value, history: &History) {
    let fates = Fates::of(history);
    all.count("fates.of", fates.of.len() as u64, &said["of"]["value"]);
    all.count("fates.merged_into", fates.merged_into.len() as u64, &said["merged_into"]);
    all.count("fates.not_followed", 0, &said["not_followed"]);
    for (fate, key) in FATES {
        all.count(&format!("fates.{key}"), fates.count(fate, None), &said[key]);
    }
    let moved = |fate: Fate| matches!(fate, Fate::Renamed | Fate::Merged | Fate::Split);
    for part in PARTS {
        let of = fates.of.values().filter(|told| moved(told.fate) && told.parts.contains(part));
        // Of those that only lack attributes, these are named instead.
        let of = of.filter(|told| !told.only_fewer);
        all.count(&format!("fates.parts.{part}"), of.count() as u64, &said["parts"][part]);
    }
    let metrics: BTreeSet<&str> = fates.of.keys().map(|series| series.metric.as_str()).collect();
    let stays = |metric: &str| {
        fates
            .of
            .iter()
            .filter(|(series, _)| series.metric == metric)
            .all(|(_, told)| told.fate == Fate::AsItIs)
    };
    let moved = metrics.iter().filter(|metric| !stays(metric)).count().min(MAX_METRICS);
    all.count("fates.by_metric", moved as u64, &length(&said["by_metric"]));
    for metric in metrics {
        let row = find(&said["by_metric"], "metric", metric);
        // Which of too many are told is the agent's choice.
        if moved == MAX_METRICS && row.is_null() {
            continue;
        }
        if stays(metric) {
            all.value(&format!("fates of {metric}"), &Value::Null, row);
            continue;
        }
        for (fate, key) in FATES {
            all.count(&format!("fates of {metric}.{key}"), fates.count(fate, Some(metric)), &row[key]);
        }
    }
    let told = fates.of.values().flat_map(|told| told.gone.iter().chain(&told.rewritten));
    let gone: BTreeSet<&String> = told.collect();
    all.count("fates.by_attribute", gone.len() as u64, &length(&said["by_attribute"]));
    for attribute in gone {
        let row = find(&said["by_attribute"], "attribute", attribute);
        let without = |fewer: bool| {
            let of = fates.of.values().filter(|told| told.gone.contains(attribute));
            of.filter(|told| (told.fate == Fate::Fewer) == fewer).count() as u64
        };
        all.count(&format!("fates without {attribute}"), without(true), &row["fewer_attributes"]);
        all.count(&format!("others without {attribute}"), without(false), &row["others"]);
        let rewritten = fates.of.values().filter(|told| told.rewritten.contains(attribute)).count() as u64;
        all.count(&format!("fates with another {attribute}"), rewritten, &row["rewritten"]);
    }
    let lost = said_lost(&fates);
    all.count("lost_by_candidate", lost, &said["lost"]);
}

/// Series that come in these windows and of which the candidate makes nothing in one of them, but for the window in which each
/// was seen first. What a stage holds back would be missed here without cause.
fn interrupted(all: &mut Agreement, said: &Value, history: &History, windows: &[Window]) {
    let whole = Fates::of(&history.within(windows));
    let mut known: BTreeSet<Series> = BTreeSet::new();
    let mut missed: BTreeSet<Series> = BTreeSet::new();
    for window in &history.windows {
        let fates = Fates::of(&history.within(std::slice::from_ref(window)));
        if windows.iter().any(|one| one.end == window.end) {
            let lost = fates.of.iter().filter(|(_, told)| told.fate == Fate::Lost);
            missed.extend(lost.map(|(series, _)| series.clone()).filter(|series| known.contains(series)));
        }
        known.extend(fates.of.into_keys());
    }
    let of = |as_it_is: bool| {
        let comes =
            whole.of.iter().filter(|(series, told)| told.fate != Fate::Lost && missed.contains(*series));
        comes.filter(|(_, told)| (told.fate == Fate::AsItIs) == as_it_is).count() as u64
    };
    all.count("fates.interrupted.as_it_is", of(true), &said["as_it_is"]);
    all.count("fates.interrupted.others", of(false), &said["others"]);
}

fn said_lost(fates: &Fates) -> u64 {
    fates.count(Fate::Lost, None)
}

fn changed(all: &mut Agreement, said: &Value, changed: &Changed) {
    let points = changed.rows.values().map(|row| row.points).sum();
    let series = changed.rows.values().map(|row| row.series.len() as u64).sum();
    all.count("changed.points", points, &said["points"]);
    all.count("changed.series", series, &said["series"]);
    all.count("changed.by_metric", changed.rows.len() as u64, &length(&said["by_metric"]));
    for (metric, row) in &changed.rows {
        let said = find(&said["by_metric"], "metric", metric);
        let path = |key: &str| format!("changed {metric}.{key}");
        all.count(&path("points"), row.points, &said["points"]);
        all.count(&path("series"), row.series.len() as u64, &said["series"]);
        all.number(&path("largest_absolute"), row.absolute, &said["largest_absolute"]);
        all.perhaps(&path("largest_relative"), row.relative, &said["largest_relative"]);
        for field in ["value", "distribution", "time", "start", "flags"] {
            all.value(&path(field), &json!(row.fields.contains(field)), &said["fields"][field]);
        }
    }
    let not_compared: u64 = changed.not_compared.len() as u64;
    let rows = said["not_compared"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told: u64 = rows.iter().filter_map(|row| row["series"].as_u64()).sum();
    all.count("changed.not_compared", not_compared, &json!(told));
}

fn writers(all: &mut Agreement, said: &Value, history: &History, stretch: [u64; 2]) {
    let [baseline, candidate] = [0, 1].map(|at| Writers::of(history, at, stretch));
    for (name, writers) in [("baseline", &baseline), ("candidate", &candidate)] {
        let said = &said[name];
        let path = |key: &str| format!("{name}.{key}");
        all.count(&path("collisions"), writers.colliding.len() as u64, &said["collisions"]["value"]);
        all.count(&path("duplicates"), writers.duplicates, &said["repeats"]["duplicates"]);
        all.count(&path("conflicts"), writers.conflicts, &said["repeats"]["conflicts"]);
    }
    let own = candidate.own(history, &baseline);
    all.count("candidate_only_collisions", own, &said["candidate_only_collisions"]["value"]);
    collisions::compare(all, said, history, stretch);
}

fn coverage(all: &mut Agreement, said: &Value, coverage: &Coverage) {
    all.count("coverage.critical", coverage.critical.len() as u64, &said["critical"]);
    all.count("coverage.baseline", coverage.baseline.len() as u64, &said["baseline"]);
    all.count("coverage.candidate", coverage.candidate.len() as u64, &said["candidate"]);
    all.count("coverage.vanished_count", coverage.hidden.len() as u64, &said["vanished_count"]);
    let name = |[host, executable, pid]: &Process| {
        let host = if host.is_empty() { String::new() } else { format!(" on {host}") };
        format!("{executable} (pid {pid}){host}")
    };
    for (process, wholly) in &coverage.hidden {
        let row = find(&said["vanished"], "process", &name(process));
        all.value(&format!("vanished {}", name(process)), &json!(wholly), &row["wholly"]);
    }
}

fn rows(all: &mut Agreement, report: &Value, history: &History, plan: &Plan) {
    for (place, window) in history.windows.iter().enumerate() {
        let (said, part) = (&report["windows"][place], history.within(&[*window]));
        let path = |key: &str| format!("{place} {key}");
        let came = part.came().flat_map(|batch| &batch.points);
        all.count(&path("series_in"), distinct(came), &said["series_in"]);
        for at in [0, 1] {
            all.count(&path("series_out"), identities(&part.made[at]), &said["series_out"][at]);
        }
        all.count(&path("delivered"), part.made[0].len() as u64, &said["delivered"][0]);
        if plan.hold > 0 {
            continue;
        }
        all.count(&path("lost"), said_lost(&Fates::of(&part)), &said["lost"]);
        let coverage = Coverage::of(&part, plan);
        let critical = [&coverage.critical, &coverage.baseline, &coverage.candidate];
        for (at, of) in critical.into_iter().enumerate() {
            all.count(&path("critical"), of.len() as u64, &said["critical"][at]);
        }
    }
}

fn length(list: &Value) -> Value {
    json!(list.as_array().map_or(0, Vec::len))
}

fn find<'a>(rows: &'a Value, key: &str, name: &str) -> &'a Value {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().find(|row| row[key] == name).unwrap_or(&Value::Null)
}
