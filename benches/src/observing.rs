//! The price of observing: what it takes to watch both variants of one host, with all that an experiment has on by
//! default.
//!
//! Scrapes of 300 processes with 21 points each, ten seconds apart, a window each and a horizon of a minute. Identities
//! are there already. Three parts, each as nanoseconds for a point of the input: as a batch passes (under the lock of its
//! generation), as a window closes, and as it is merged into the evidence, with a report a minute. Medians over minutes,
//! once every table is as full as it gets: a report falls into each.

use std::sync::Arc;
use std::time::Instant;

use ::pipelines::batch::Batch;
use ::pipelines::processors::Pipeline;
use observe::{Evidence, Experiment, Horizon, Observer, Settings, Variant};
use proto::Findings;

use crate::instructions::count_within;
use crate::micro::{CANARY, pipeline};
use crate::payload::{NOW, Payload, SCRAPE_NANOS, scrapes};

/// Scrapes in all, and those of them in which tables and evidence fill.
const SCRAPES: u64 = 72;
const WARM_UP: usize = 12;
/// Scrapes a minute.
const MINUTE: usize = 6;
/// Hosts over which memory is measured, so that what was free before hardly counts.
const HOSTS: usize = 8;
/// Stretch that a report covers: the minute that agents report by.
const REPORT_NANOS: u64 = 60_000_000_000;

/// One host's observer and what it leads to.
struct Watch {
    observer: Observer,
    evidence: Evidence,
}

/// Nanoseconds of one scrape: passing, closing, merging.
type Spent = [u64; 3];

impl Watch {
    /// One that follows one entity in so many.
    fn of(one_in: u32) -> Self {
        let settings = Arc::new(Settings { report_nanos: REPORT_NANOS, ..Settings::default() });
        let evidence = Evidence::new(Arc::clone(&settings), Experiment::default());
        let mut observer = Observer::new(settings, NOW);
        observer.follow_one_in(one_in);
        Self { observer, evidence }
    }

    /// Names of [`Self::scrape`] in a program, as callgrind matches them.
    const SCRAPE: &str = "*observing*Watch*scrape*";

    /// One scrape: the window before it closes, then it passes.
    #[inline(never)]
    fn scrape(&mut self, [input, output]: [&Batch; 2], rules: &mut Pipeline, now: u64) -> (Spent, Vec<u8>) {
        let closing = Instant::now();
        self.observer.account(Variant::Candidate, rules.take_rule_stats());
        let window = self.observer.roll(now);
        let closed = closing.elapsed();
        let merging = Instant::now();
        let interval = self.observer.interval_nanos();
        let horizon = window.and_then(|window| self.evidence.add(window, interval));
        let report = horizon.map(|horizon| self.report(horizon)).unwrap_or_default();
        let merged = merging.elapsed();
        let passing = Instant::now();
        self.pass(input, output, now);
        let spent = [passing.elapsed(), closed, merged];
        (spent.map(|took| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)), report)
    }

    /// As an agent tells it of a batch: a quarter of the units leaves by the candidate.
    fn pass(&mut self, input: &Batch, output: &Batch, now: u64) {
        let observer = &mut self.observer;
        observer.input(input, now);
        observer.output(Variant::Baseline, input, input, input.encoded_len() as u64);
        observer.output(Variant::Candidate, input, output, output.encoded_len() as u64);
        let points = input.point_count() as u64;
        for (unit, _) in input.resources().iter().enumerate() {
            let variant = if unit % 4 == 0 { Variant::Candidate } else { Variant::Baseline };
            // Any number tells units apart; a split's are hashes.
            let hash = (unit as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            observer.assigned(variant, hash, 21, true);
        }
        for variant in Variant::BOTH {
            observer.spent(variant, 300_000, points);
            observer.delivered(variant, points / 2, input.source().len() as u64 / 2);
        }
    }

    fn report(&self, horizon: Horizon) -> Vec<u8> {
        let Horizon { end, warm_up_windows, comparison, slices, .. } = horizon;
        let findings = Findings {
            window_end: end,
            made_at: end,
            warm_up_windows,
            horizon: comparison,
            total: self.evidence.total(),
            baseline_digest: "ab".repeat(32),
            candidate_digest: "cd".repeat(32),
            slices,
            ..Findings::default()
        };
        findings.encode().0
    }
}

/// Part of the price to show.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Count instructions by callgrind (needs valgrind).
    #[arg(long)]
    pub instructions: bool,
    /// Watch so many scrapes, and print nothing.
    #[arg(long)]
    pub scrapes: Option<u64>,
    /// Follow one entity in so many: what lenses come to of all entities is worked out, too.
    #[arg(long)]
    pub one_in: Option<u32>,
}

/// Prints the price.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let one_in = args.one_in.unwrap_or(1);
    match args.scrapes {
        Some(count) => watch(count, one_in),
        None if args.instructions => instructions(one_in),
        None => price(one_in),
    }
}

/// Watches so many scrapes, for callgrind.
fn watch(count: u64, one_in: u32) -> anyhow::Result<()> {
    let mut rules = pipeline(CANARY)?;
    let mut watch = Watch::of(one_in);
    for (place, payload) in scrapes(count).iter().enumerate() {
        let (input, output) = both(payload, &mut rules, place)?;
        watch.scrape([&input, &output], &mut rules, at(place));
    }
    Ok(())
}

/// Prints instructions a point, once every table is full.
fn instructions(one_in: u32) -> anyhow::Result<()> {
    let of = |scrapes: u64| {
        let [scrapes, one_in] = [scrapes, one_in.into()].map(|number| number.to_string());
        count_within(Watch::SCRAPE, &["observing", "--scrapes", &scrapes, "--one-in", &one_in])
    };
    let few = WARM_UP as u64;
    let points: usize = scrapes(SCRAPES)[WARM_UP..].iter().map(|payload| payload.points).sum();
    let each = (of(SCRAPES)? - of(few)?) as f64 / points as f64;
    println!("observing 1 in {one_in} entities, both variants: {each:.0} instructions a point");
    Ok(())
}

fn price(one_in: u32) -> anyhow::Result<()> {
    let scrapes = scrapes(SCRAPES);
    let mut rules = pipeline(CANARY)?;
    let mut spent: Vec<Spent> = Vec::new();
    let mut watch = Watch::of(one_in);
    let mut report = Vec::new();
    for (place, payload) in scrapes.iter().enumerate() {
        let (input, output) = both(payload, &mut rules, place)?;
        let (took, made) = watch.scrape([&input, &output], &mut rules, at(place));
        let points = payload.points as u64;
        spent.push(took.map(|nanos| nanos * 10 / points));
        if !made.is_empty() {
            report = made;
        }
    }
    let points = scrapes.last().map_or(0, |payload| payload.points);
    let minutes = spent[WARM_UP..].chunks(MINUTE);
    let count = minutes.len();
    println!(
        "observing {points} points a scrape, 1 in {one_in} entities followed, both variants, ns a point: median and least of {count} minutes"
    );
    let show = |what: &str, of: &dyn Fn(&[Spent]) -> u64| {
        let mut all: Vec<u64> = minutes.clone().map(of).collect();
        all.sort_unstable();
        let [median, least] = [all.len() / 2, 0].map(|at| all[at] as f64 / 10.0);
        println!("  {what:<24} {median:>8.1} {least:>8.1}");
    };
    for (place, part) in ["as it passes", "as its window closes", "merged, and reported"].iter().enumerate() {
        show(part, &|minute| mean(minute, place));
    }
    show("all of it", &|minute| (0..3).map(|place| mean(minute, place)).sum());
    println!("  {:<24} {:>8.1}", "rules' account", account(&scrapes)?);
    let compressed = zstd::encode_all(report.as_slice(), 3)?.len();
    println!("  a report: {} bytes, {compressed} compressed", report.len());
    memory(&scrapes)
}

fn at(place: usize) -> u64 {
    NOW + place as u64 * SCRAPE_NANOS
}

/// A scrape with its identities, and what the candidate makes of it with its own.
fn both(payload: &Payload, rules: &mut Pipeline, place: usize) -> anyhow::Result<(Batch, Batch)> {
    let mut input = Batch::parse(payload.bytes.clone())?;
    input.identify();
    let mut output = Batch::default();
    rules.process(&input, at(place), &mut output)?;
    output.identify();
    Ok((input, output))
}

/// By how much a pipeline takes longer for telling which series its rules were about.
fn account(scrapes: &[Payload]) -> anyhow::Result<f64> {
    let mut took: [Vec<u64>; 2] = Default::default();
    let mut pipelines = [pipeline(CANARY)?, pipeline(CANARY)?];
    let mut output = Batch::default();
    for (place, payload) in scrapes.iter().enumerate() {
        let plain = Batch::parse(payload.bytes.clone())?;
        let mut identified = Batch::parse(payload.bytes.clone())?;
        identified.identify();
        for (which, input) in [&plain, &identified].into_iter().enumerate() {
            let began = Instant::now();
            pipelines[which].process(input, at(place), &mut output)?;
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            took[which].push(nanos * 10 / payload.points as u64);
        }
    }
    let [plain, identified] = took.map(|took| median(took.into_iter().skip(WARM_UP)) / 10.0);
    Ok(identified - plain)
}

fn mean(minute: &[Spent], place: usize) -> u64 {
    minute.iter().map(|took| took[place]).sum::<u64>() / minute.len() as u64
}

fn median(all: impl Iterator<Item = u64>) -> f64 {
    let mut all: Vec<u64> = all.collect();
    all.sort_unstable();
    all.get(all.len() / 2).map_or(f64::NAN, |middle| *middle as f64)
}

/// Memory that observers of several hosts hold, by how much the process grows.
fn memory(scrapes: &[Payload]) -> anyhow::Result<()> {
    let mut rules = pipeline(CANARY)?;
    let mut batches = Vec::new();
    for (place, payload) in scrapes.iter().take(WARM_UP + 1).enumerate() {
        batches.push(both(payload, &mut rules, place)?);
    }
    let mut watches = vec![fed(&batches, &mut rules)];
    let before = resident()?;
    watches.extend((0..HOSTS).map(|_| fed(&batches, &mut rules)));
    let grown = resident()?.saturating_sub(before) as f64 / HOSTS as f64;
    println!("  held for a host, with its evidence: {:.1} MB", grown / 1e6);
    let observers: Vec<Observer> = watches.into_iter().map(|watch| watch.observer).collect();
    drop(observers);
    Ok(())
}

fn fed(batches: &[(Batch, Batch)], rules: &mut Pipeline) -> Watch {
    let mut watch = Watch::of(1);
    for (place, (input, output)) in batches.iter().enumerate() {
        watch.scrape([input, output], rules, at(place));
    }
    watch
}

/// Bytes of this process in memory.
fn resident() -> anyhow::Result<u64> {
    let me = procfs::process::Process::myself()?;
    Ok(me.statm()?.resident * procfs::page_size())
}
