//! The built-in templates, each held to its claim: every sample is rendered, checked, and run over an hour's part of
//! three kinds of simulated hosts. What was measured is written to the catalog's page.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::disallowed_methods, reason = "the page lies in a file")]

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use observe::{Comparison, Observer, Settings, Summary, Variant};
use pipelines::Batch;
use pipelines::catalog;
use pipelines::config::{CollectorFile, Plan};
use pipelines::processors::{Flush, Pipeline};
use pipelines::template::{Claim, Sample, Template};
use prost::Message as _;
use simulator::profile::{Host, Profile, Role};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
const SCRAPES: u64 = 60;
const PROCESSES: usize = 200;
const PROFILES: [(Profile, &str); 3] = [
    (Profile::Realistic, "realistic"),
    (Profile::HighCardinality, "high cardinality"),
    (Profile::HighChurn, "high churn"),
];

fn plan(template: &Template, sample: &Sample) -> Plan {
    let rendered = template.render(&sample.values).unwrap_or_else(|invalid| panic!("{invalid}"));
    let file = CollectorFile::parse(template.name(), &rendered.text, &|_| None);
    let plan = file.and_then(|file| file.check("metrics"));
    plan.unwrap_or_else(|problems| panic!("{}: {}: {problems}", template.name(), sample.name))
}

/// Panels look back just as far as a stage may hold a point back: what has ended is gone at the next scrape. With a longer
/// look-back a panel shows processes long gone beside those that came after them, of the baseline as of the candidate.
fn settings(plan: &Plan) -> Settings {
    let mut settings = Settings {
        hold_nanos: plan.hold().as_nanos() as u64,
        warm_up_scrapes: plan.warm_up(),
        ..Settings::default()
    };
    for lens in &mut settings.lenses {
        lens.lookback = plan.hold() + Duration::from_secs(10);
    }
    settings
}

/// Requests of sixty scrapes of a host, ten seconds apart: made once for all plans.
fn scrapes(profile: usize) -> &'static [Bytes] {
    static ALL: [OnceLock<Vec<Bytes>>; 3] = [const { OnceLock::new() }; 3];
    ALL[profile].get_or_init(|| {
        let mut host = Host::new(PROFILES[profile].0, Role::Web, "web-1", PROCESSES, 5);
        let scrape = |at: u64| {
            host.step(Duration::from_secs(10));
            host.scrape(time_of(at)).encode_to_vec().into()
        };
        (0..SCRAPES).map(scrape).collect()
    })
}

fn time_of(scrape: u64) -> u64 {
    START + (scrape * 10 + 1) * SECOND
}

/// All scrapes through nothing and through the plan, which is asked for what is due between them.
fn compare(plan: &Plan, profile: usize) -> Measured {
    let settings = Arc::new(settings(plan));
    let mut observer = Observer::new(Arc::clone(&settings), START);
    let mut pipeline = Pipeline::build(plan, START);
    let mut windows = Vec::new();
    for (at, scrape) in (0..).zip(scrapes(profile)) {
        let now = time_of(at);
        for flush in pipeline.advance(now) {
            flushed(&mut observer, &mut windows, flush);
        }
        windows.extend(observer.roll(now));
        let mut input = Batch::parse(scrape.clone()).expect("a request");
        input.identify();
        observer.input(&input, now);
        observer.output(Variant::Baseline, &input, &input, input.source().len() as u64);
        let mut output = Batch::default();
        pipeline.process(&input, now, &mut output).expect("a pipeline that works");
        output.identify();
        observer.output(Variant::Candidate, &input, &output, output.encoded_len() as u64);
    }
    let end = START + SCRAPES * 10 * SECOND;
    for flush in pipeline.advance(end).into_iter().chain(pipeline.shutdown(end)) {
        flushed(&mut observer, &mut windows, flush);
    }
    windows.push(observer.cut(end));
    let judged = windows.get(warm_up(plan)..).expect("windows after the warm-up");
    let whole = merged(judged, &settings);
    Measured { whole, horizons: judged.chunks(horizon(plan)).map(|part| merged(part, &settings)).collect() }
}

/// The runs of all profiles, side by side.
fn compare_each(plan: &Plan) -> [Measured; 3] {
    std::thread::scope(|scope| {
        let running = [0, 1, 2].map(|profile| scope.spawn(move || compare(plan, profile)));
        running.map(|run| run.join().expect("a run that ends"))
    })
}

/// Observes a flush: what a stage held back leaves in the window in which its time came.
fn flushed(observer: &mut Observer, windows: &mut Vec<Summary>, mut flush: Flush) {
    windows.extend(observer.roll(flush.at));
    flush.output.identify();
    let bytes = flush.output.encoded_len() as u64;
    observer.flushed(Variant::Candidate, &flush.input, &flush.output, bytes);
}

fn merged(windows: &[Summary], settings: &Settings) -> Comparison {
    let mut total = Summary::default();
    windows.iter().for_each(|window| total.merge(window));
    Comparison::of(&total, settings)
}

/// Windows that are not judged: stages get their state in them, and counters a value to count from.
fn warm_up(plan: &Plan) -> usize {
    3.max(plan.warm_up() as usize)
}

/// Windows that are compared together: as long as twice what a stage may hold a point back.
fn horizon(plan: &Plan) -> usize {
    1.max(plan.hold().as_secs() as usize * 2 / 10)
}

/// A run after its warm-up, whole and horizon by horizon.
struct Measured {
    whole: Comparison,
    horizons: Vec<Comparison>,
}

impl Measured {
    /// By how much a metric's total is off, relatively, over all horizons.
    fn error(&self, metric: &str) -> f64 {
        let horizons = self.horizons.iter().flat_map(|horizon| &horizon.lenses);
        let lenses = horizons.filter(|lens| lens.metric == metric && lens.group_by == "host.name");
        let (baseline, candidate) = lenses.fold((0.0, 0.0), |(baseline, candidate), lens| {
            (baseline + lens.total.baseline, candidate + lens.total.candidate)
        });
        (candidate - baseline).abs() / baseline
    }
}

/// Part of a claim that does not hold.
fn broken(claim: &Claim, measured: &Measured) -> Vec<String> {
    let mut broken = Vec::new();
    let saved = measured.whole.saving.series.expect("there were series");
    let range = claim.series_saved_min..=claim.series_saved_max;
    if !range.contains(&saved) {
        broken.push(format!("it saves {saved} of the series, claimed {range:?}"));
    }
    let coverage = &measured.whole.coverage;
    assert!(coverage.critical > 0);
    if claim.criticals_kept && coverage.candidate != coverage.critical {
        broken.push(format!("a critical process is gone: {:?}", coverage.vanished.first()));
    }
    for (claimed, metric) in
        [(claim.memory_error, "process.memory.usage"), (claim.cpu_error, "process.cpu.time")]
    {
        let off = measured.error(metric);
        if claimed.is_some_and(|claimed| off > claimed) {
            broken.push(format!("{metric} is off by {off}"));
        }
    }
    broken
}

fn row(template: &Template, sample: &Sample, runs: &[Measured]) -> String {
    let mut row = format!("| {} | {} |", template.name(), sample.name);
    for run in runs {
        let _ = write!(row, " {:.1} % |", 100.0 * run.whole.saving.series.unwrap_or_default());
    }
    let first = &runs[0].whole;
    let coverage = &first.coverage;
    let _ = write!(
        row,
        " {:.1} % | {}/{} |",
        100.0 * first.saving.bytes.unwrap_or_default(),
        coverage.candidate,
        coverage.critical
    );
    for metric in ["process.memory.usage", "process.cpu.time"] {
        let worst = runs.iter().map(|run| run.error(metric)).fold(0.0, f64::max);
        let _ = write!(row, " {:.2} % |", 100.0 * worst);
    }
    row
}

#[test]
fn every_template_keeps_its_claim_and_the_page_says_what_was_measured() {
    let mut wrong = Vec::new();
    let mut table = String::from(
        "| template | sample | series saved, realistic | high cardinality | high churn | bytes saved | criticals kept \
         | memory off by | CPU off by |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for template in catalog::templates().unwrap_or_else(|problems| panic!("{problems}")) {
        assert!(!template.samples().is_empty(), "{}", template.name());
        for sample in template.samples() {
            let plan = plan(&template, sample);
            let claim = sample.claim.as_ref().or(template.claim()).expect("a claim");
            let runs = compare_each(&plan);
            for (measured, (_, name)) in runs.iter().zip(PROFILES) {
                let about = |what| format!("{}, {}, {name}: {what}", template.name(), sample.name);
                wrong.extend(broken(claim, measured).into_iter().map(about));
            }
            table.push_str(&row(&template, sample, &runs));
            table.push('\n');
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{table}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/catalog/README.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (head, rest) = page.split_once("<!-- measured -->\n").expect("a place for the table");
    let (_, tail) = rest.split_once("<!-- /measured -->").expect("an end of the table");
    let current = format!("{head}<!-- measured -->\n{table}<!-- /measured -->{tail}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &current).expect("written");
        return;
    }
    assert!(
        page == current,
        "pipelines/catalog/README.md is not what is measured; UPDATE=1 writes it:\n{table}"
    );
}
