//! `phoenix.experiment`: a local experiment, without a control plane.

use pipelines::config::CollectorFile;
use pipelines::split::{Split, Unit, Weight};
use pipelines::yaml::{Location, Node, Problem, keep, nearest};

/// The salt where the file gives none: one experiment after another keeps its units warm.
const DEFAULT_SALT: &str = "phoenix";

/// Content of the section; the pipelines are not checked yet.
#[derive(Debug)]
pub struct Section {
    /// Ids of the baseline's and of the candidate's pipeline.
    pub pipelines: [String; 2],
    /// Split: by which variant each unit's output leaves.
    pub split: Split,
    /// Place of the weight in the file.
    pub weight_at: Location,
    /// True if points that a stage holds back may leave by the candidate.
    pub allows_held: bool,
    /// Id and place of the exporter that gets all of the candidate's output besides.
    pub shadow: Option<(String, Location)>,
}

/// Decodes the section; nothing if a part of it cannot be used.
pub fn decode(node: &Node, file: &CollectorFile, problems: &mut Vec<Problem>) -> Option<Section> {
    let mut fields = keep(node.map(), problems)?;
    let mut pipeline = |key| {
        let node = keep(fields.required(key), problems)?;
        let id = keep(node.text(), problems)?;
        let known = file.pipelines().iter().map(|entry| entry.id.as_str());
        let problem = match file.pipeline(id) {
            None => Problem::new(node.location, format!("there is no pipeline {id:?}"))
                .suggest(nearest(id, known)),
            Some(entry) if entry.signal != pipelines::config::Signal::Metrics => {
                Problem::new(node.location, format!("{id} is no pipeline of metrics"))
            }
            Some(_) => return Some((id.to_owned(), node.location)),
        };
        problems.push(problem);
        None
    };
    let (baseline, candidate) = (pipeline("baseline"), pipeline("candidate"));
    let unit = fields.take("unit").map_or(Some(Unit::Entity), |node| unit(node, problems));
    let weight_node = fields.take("weight");
    let weight = weight_node.map_or(Some(Weight::NONE), |node| keep(weight(node), problems));
    let salt = fields.take("salt").and_then(|node| keep(node.text(), problems)).unwrap_or(DEFAULT_SALT);
    let shadow =
        fields.take("shadow").and_then(|node| Some((keep(node.text(), problems)?.to_owned(), node.location)));
    let allow =
        fields.take("allow").map(|node| node.texts(problems).into_iter().zip(std::iter::repeat(node)));
    let mut allows_held = false;
    for (word, node) in allow.into_iter().flatten() {
        allows_held |= word == "held";
        if word != "held" {
            problems.push(Problem::unknown(node.location, "change", &word, ["held"]));
        }
    }
    fields.finish(problems);
    let ((baseline, _), (candidate, at)) = (baseline?, candidate?);
    if baseline == candidate {
        let problem = Problem::new(at, format!("baseline and candidate are both {candidate}"));
        problems.push(problem.expected("another pipeline of metrics"));
    }
    let split = Split { unit: unit?, weight: weight?, salt: salt.to_owned() };
    let weight_at = weight_node.unwrap_or(node).location;
    Some(Section { pipelines: [baseline, candidate], split, weight_at, allows_held, shadow })
}

fn unit(node: &Node, problems: &mut Vec<Problem>) -> Option<Unit> {
    if node.text().is_ok() {
        return keep(node.one_of("unit", &Unit::WORDS), problems);
    }
    let names = node.texts(problems);
    if names.is_empty() {
        let expected = "entity, process, host, or a list of resource attributes";
        problems.push(Problem::new(node.location, "a unit of nothing").expected(expected));
        return None;
    }
    Some(Unit::Attributes(names))
}

/// A percentage with up to two decimals.
fn weight(node: &Node) -> Result<Weight, Problem> {
    let problem = || {
        Problem::new(node.location, format!("{} stands here", node.describe()))
            .expected("a share such as 25%, from 0% to 100%, in hundredths of a percent at the finest")
    };
    let text = node.text().map_err(|_| problem())?;
    let number = text.strip_suffix('%').ok_or_else(problem)?.trim();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
        return Err(problem());
    }
    let bp = format!("{whole}{fraction:0<2}").parse().map_err(|_| problem())?;
    Weight::from_bp(bp).ok_or_else(problem)
}
