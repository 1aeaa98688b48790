//! A body as a generation: everything named, nothing unknown, every fragment with its digest.

use std::time::Duration;

use observe::{Critical, Granularity, Lens, Price};
use pipelines::config::{CollectorFile, Plan, Section};
use pipelines::split::{Split, Unit, Weight};
use pipelines::yaml::{self, Fields, Location, Node, Problem, Problems, keep};

use super::{Baseline, Candidate, Experiment, Fragment, Generation, Guardrails, KEY, MAX_BODY, is_pipeline};

const MAX_NAMES: usize = 64;

impl Generation {
    /// Reads a body.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn read(body: &str) -> Result<Self, Problems> {
        if body.len() > MAX_BODY {
            let message = format!("a body of {} bytes", body.len());
            let problem =
                Problem::new(Location::START, message).expected(format!("at most {MAX_BODY} bytes"));
            return Err(Problems::new(KEY, "", vec![problem]));
        }
        let root = yaml::read(KEY, body, &|_| None)?;
        let mut problems = Vec::new();
        match generation(&root, &mut problems) {
            Some(generation) if problems.is_empty() => Ok(generation),
            _ => Err(Problems::new(KEY, body, problems)),
        }
    }
}

fn generation(root: &Node, problems: &mut Vec<Problem>) -> Option<Generation> {
    let mut fields = keep(root.map(), problems)?;
    let number = keep(fields.required("generation").and_then(Node::unsigned), problems);
    let pipeline = fields.take("pipeline").map(|node| keep(pipeline(node), problems));
    let baseline = keep(fields.required("baseline"), problems).and_then(|node| baseline(node, problems));
    let experiment = fields.take("experiment").map(|id| experiment(id, &mut fields, problems));
    fields.finish(problems);
    // Without an experiment there is none; with one that cannot be read there is no generation.
    let experiment = experiment.map_or(Some(None), |read| read.map(Some))?;
    let pipeline = pipeline.map_or(Some(None), |read| read.map(Some))?;
    Some(Generation { number: number?, pipeline, baseline: baseline?, experiment })
}

/// The id of a pipeline of metrics.
fn pipeline(node: &Node) -> Result<String, Problem> {
    let text = node.text()?;
    if is_pipeline(text) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no pipeline of metrics", node.quoted());
    Err(Problem::new(node.location, message).expected("metrics, or metrics/ with a name"))
}

fn baseline(node: &Node, problems: &mut Vec<Problem>) -> Option<Baseline> {
    if node.text().is_ok() {
        return keep(node.one_of("baseline", &[("current", ())]), problems).map(|()| Baseline::Current);
    }
    fragment(node, problems).map(Baseline::Given)
}

fn candidate(node: &Node, problems: &mut Vec<Problem>) -> Option<Candidate> {
    if node.text().is_ok() {
        let word = node.one_of("candidate", &[("baseline", ())]);
        return keep(word, problems).map(|()| Candidate::Baseline);
    }
    fragment(node, problems).map(Candidate::Given)
}

fn fragment(node: &Node, problems: &mut Vec<Problem>) -> Option<Fragment> {
    let mut fields = keep(node.map(), problems)?;
    let stated = keep(fields.required("sha256").and_then(Node::text), problems);
    let config = keep(fields.required("config").and_then(Node::text), problems);
    fields.finish(problems);
    let (stated, fragment) = (stated?, Fragment::new(config?));
    if stated != fragment.sha256() {
        problems.push(
            Problem::new(node.location, "sha256 is not that of the config").expected(fragment.sha256()),
        );
    }
    Some(fragment)
}

fn experiment(id: &Node, fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> Option<Experiment> {
    let name = keep(id.text(), problems).map(str::to_owned);
    let salt = keep(fields.required("salt").and_then(Node::text), problems).map(str::to_owned);
    let unit = keep(fields.required("unit"), problems).and_then(|node| unit(node, problems));
    let unit = version(id.location, fields.take("split"), unit, problems);
    let weight = keep(fields.required("weight_bp"), problems).and_then(|node| weight(node, problems));
    let range = (Duration::from_secs(1), Duration::from_secs(3_600));
    let window = duration(fields, "window", range, problems);
    let report_every = duration(fields, "report_every", (range.0, Duration::from_secs(86_400)), problems);
    let lenses = each(fields, "lenses", problems, Lens::read);
    let critical = each(fields, "critical", problems, critical);
    let price = keep(fields.required("price"), problems).and_then(|node| price(node, problems));
    let guardrails =
        fields.take("guardrails").map_or(Some(Guardrails::default()), |n| guardrails(n, problems));
    let candidate = keep(fields.required("candidate"), problems).and_then(|node| candidate(node, problems));
    Some(Experiment {
        id: name?,
        split: Split { unit: unit?, weight: weight?, salt: salt? },
        candidate: candidate?,
        window: window?,
        report_every: report_every?,
        lenses: lenses?,
        critical: critical?,
        price: price?,
        guardrails: guardrails?,
    })
}

fn unit(node: &Node, problems: &mut Vec<Problem>) -> Option<Unit> {
    if node.text().is_ok() {
        return keep(node.one_of("unit", &Unit::WORDS), problems);
    }
    let names = node.texts(problems);
    if names.is_empty() || names.len() > MAX_NAMES {
        let expected = format!("entity, process, host, or a list of 1 to {MAX_NAMES} resource attributes");
        problems.push(Problem::new(node.location, "this unit names nothing").expected(expected));
        return None;
    }
    Some(Unit::Attributes(names))
}

/// The unit, if the version of the split is the one that assigns it. A body that names none is of version 1.
fn version(
    at: Location,
    stated: Option<&Node>,
    unit: Option<Unit>,
    problems: &mut Vec<Problem>,
) -> Option<Unit> {
    let found = match stated {
        Some(node) => keep(node.unsigned(), problems)?,
        None => 1,
    };
    let unit = unit?;
    let expected = unit.version();
    if found != u64::from(expected) {
        let message = format!("version {found} of the split, with the unit {unit}");
        let at = stated.map_or(at, |node| node.location);
        problems.push(Problem::new(at, message).expected(format!("split: {expected}")));
    }
    Some(unit)
}

fn weight(node: &Node, problems: &mut Vec<Problem>) -> Option<Weight> {
    let weight = keep(node.unsigned(), problems)?;
    let problem =
        || Problem::new(node.location, format!("a weight of {weight}")).expected("0 to 10000 basis points");
    keep(Weight::from_bp(weight).ok_or_else(problem), problems)
}

fn duration(
    fields: &mut Fields<'_>,
    key: &'static str,
    (least, most): (Duration, Duration),
    problems: &mut Vec<Problem>,
) -> Option<Duration> {
    let node = keep(fields.required(key), problems)?;
    let value = keep(node.duration(), problems)?;
    if value < least || value > most {
        let message = format!("{key} is {value:?}");
        problems.push(Problem::new(node.location, message).expected(format!("{least:?} to {most:?}")));
    }
    Some(value)
}

fn each<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Vec<Problem>,
    read: impl Fn(&Node, &mut Vec<Problem>) -> Option<T>,
) -> Option<Vec<T>> {
    let node = keep(fields.required(key), problems)?;
    let items = keep(node.list(), problems)?;
    if items.len() > MAX_NAMES {
        let message = format!("{key} has {} entries", items.len());
        problems.push(Problem::new(node.location, message).expected(format!("at most {MAX_NAMES}")));
    }
    items.iter().map(|item| read(item, problems)).collect()
}

fn critical(node: &Node, problems: &mut Vec<Problem>) -> Option<Critical> {
    let mut fields = keep(node.map(), problems)?;
    let executables = keep(fields.required("executables"), problems)?.texts(problems);
    let metrics = keep(fields.required("metrics"), problems)?.texts(problems);
    let words = [("process", Granularity::Process), ("executable", Granularity::Executable)];
    let granularity = fields.take("granularity").map(|node| node.one_of("granularity", &words));
    let granularity = granularity.map_or(Some(Granularity::Process), |read| keep(read, problems));
    fields.finish(problems);
    let critical = Critical { executables, metrics, granularity: granularity? };
    if let Some(problem) = critical.problem() {
        problems.push(Problem::new(node.location, "this criterion says nothing").expected(problem));
    }
    Some(critical)
}

fn price(node: &Node, problems: &mut Vec<Problem>) -> Option<Price> {
    let mut fields = keep(node.map(), problems)?;
    let mut usd = |key| keep(fields.required(key).and_then(Node::float), problems);
    let (series, gigabyte) = (usd("usd_per_1000_active_series"), usd("usd_per_gigabyte"));
    let source = keep(fields.required("source").and_then(Node::text), problems).map(str::to_owned);
    let promoted_attributes =
        fields.take("promoted_attributes").filter(|node| !node.is_null()).map(|node| node.texts(problems));
    fields.finish(problems);
    let price = Price {
        usd_per_1000_active_series: series?,
        usd_per_gigabyte: gigabyte?,
        promoted_attributes,
        source: source?,
    };
    let amounts = [price.usd_per_1000_active_series, price.usd_per_gigabyte];
    if amounts.iter().any(|amount| !(0.0..=1e9).contains(amount)) {
        problems.push(Problem::new(node.location, "no price").expected("US dollars, 0 or more"));
    }
    Some(price)
}

fn guardrails(node: &Node, problems: &mut Vec<Problem>) -> Option<Guardrails> {
    let mut fields = keep(node.map(), problems)?;
    let latency = fields.take("max_batch_latency").map(|node| keep(node.duration(), problems));
    fields.finish(problems);
    Some(Guardrails { max_batch_latency: latency.map_or(Some(None), |read| read.map(Some))? })
}

impl Fragment {
    /// Checks it: the plan of its only metrics pipeline.
    ///
    /// # Errors
    /// Everything that is wrong with it; a section other than `processors` and the order of a pipeline, and a
    /// variable, are wrong here: a pushed config changes neither receivers nor destinations, and reads no environment.
    pub fn plan(&self, name: &str) -> Result<Plan, Problems> {
        let asked = std::cell::RefCell::new(Vec::new());
        let lookup = |variable: &str| {
            asked.borrow_mut().push(variable.to_owned());
            None
        };
        let file = CollectorFile::parse(name, &self.config, &lookup)?;
        let mut problems = foreign(&file);
        for variable in asked.into_inner().into_iter().take(MAX_NAMES) {
            let message = format!("the variable {variable:?} is used");
            let expected = "no variable: a pushed pipeline reads no environment; $$ for a dollar sign";
            problems.push(Problem::new(self.place_of(&variable), message).expected(expected));
        }
        let mut metrics =
            file.pipelines().iter().filter(|entry| entry.signal == pipelines::config::Signal::Metrics);
        let (first, second) = (metrics.next(), metrics.next());
        match (first, second) {
            (Some(entry), None) if problems.is_empty() => return file.check(&entry.id),
            (Some(_), None) => {}
            (None, _) => problems.push(
                Problem::new(Location::START, "there is no pipeline of metrics")
                    .expected("service: { pipelines: { metrics: { processors: [...] } } }"),
            ),
            (Some(_), Some(second)) => problems
                .push(Problem::new(second.location, "a second pipeline of metrics").expected("one pipeline")),
        }
        Err(file.problems(problems))
    }

    fn place_of(&self, variable: &str) -> Location {
        let found = self.config.lines().enumerate().find_map(|(line, text)| {
            let at = text.find(variable)?;
            Some(Location { line: line as u32 + 1, column: text[..at].chars().count() as u32 + 1 })
        });
        found.unwrap_or(Location::START)
    }
}

/// Sections that a pushed config must not bring.
fn foreign(file: &CollectorFile) -> Vec<Problem> {
    let sections = [Section::Receivers, Section::Exporters, Section::Extensions, Section::Connectors];
    let components = sections.into_iter().flat_map(|section| file.components(section).first());
    let places = components.map(|component| component.location);
    let others = file.pipelines().iter().filter(|entry| entry.signal != pipelines::config::Signal::Metrics);
    let places =
        places.chain(others.map(|entry| entry.location)).chain(file.phoenix().map(|node| node.location));
    let expected = "processors and service.pipelines.metrics.processors; all else is the node owner's";
    places.map(|at| Problem::new(at, "a pushed config may not bring this").expected(expected)).collect()
}
