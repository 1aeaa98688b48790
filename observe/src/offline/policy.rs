//! Policy of a comparison of captures: a file, read as strictly as a config.

use pipelines::yaml::{Fields, Kind, Lookup, Node, Problem, Problems, keep, nearest, read};

use crate::{Critical, Lens, Settings};

/// The most lenses and criteria of a file.
const MAX_NAMED: usize = 32;

/// A policy file. Shares are from 0 to 1; what is none is not asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct OfflinePolicy {
    /// The least share of the series that a backend bills that it must save.
    pub min_cardinality_reduction: Option<f64>,
    /// The least share of bytes that it must save.
    pub min_bytes_reduction: Option<f64>,
    /// The most series of the baseline that it may lose.
    pub max_series_lost: Option<u64>,
    /// The same as a share of the baseline's.
    pub max_series_loss: Option<f64>,
    /// The least share of the critical processes that the baseline shows and it must show.
    /// 1.0 by default, where any came.
    pub critical_process_coverage: Option<f64>,
    /// The most output identities that several points of one time write.
    pub max_collisions: u64,
    /// The most values that may be other ones; none, unless it is said or `allow` has them.
    pub max_values_changed: Option<u64>,
    /// Changes that are accepted.
    pub allow: Allowed,
    /// The most that any lens's total may be off, as a share of it.
    pub max_lens_error: Option<f64>,
    /// Limits of single lenses.
    pub guardrails: Vec<Guardrail>,
    /// The aggregates that people look at.
    pub lenses: Vec<Lens>,
    /// The processes that must not vanish.
    pub critical: Vec<Critical>,
}

/// Changes that a policy accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Another name, unit or type of a metric, and attributes gone that a lens groups by.
    pub renamed: bool,
    /// Other values.
    pub changed: bool,
    /// More active series, points or bytes than the baseline.
    pub more: bool,
}

/// Limits of one lens.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrail {
    /// Its name.
    pub lens: String,
    /// The most that its total may be off, as a share of it.
    pub max_error: Option<f64>,
    /// The most that any of its groups may be off, as a share of it.
    pub max_group_error: Option<f64>,
}

impl Default for OfflinePolicy {
    fn default() -> Self {
        let Settings { lenses, critical, .. } = Settings::default();
        Self {
            min_cardinality_reduction: None,
            min_bytes_reduction: None,
            max_series_lost: None,
            max_series_loss: None,
            critical_process_coverage: None,
            max_collisions: 0,
            max_values_changed: None,
            allow: Allowed::default(),
            max_lens_error: None,
            guardrails: Vec::new(),
            lenses,
            critical,
        }
    }
}

impl OfflinePolicy {
    /// Reads a policy file, as strictly as a config.
    ///
    /// # Errors
    /// Everything that is wrong with it, with its place.
    pub fn parse(file: &str, text: &str, lookup: Lookup<'_>) -> Result<Self, Problems> {
        let root = read(file, text, lookup)?;
        let mut problems = Vec::new();
        let policy = keep(root.map(), &mut problems).map(|fields| Self::decode(fields, &mut problems));
        match policy {
            Some(policy) if problems.is_empty() => Ok(policy),
            _ => Err(Problems::new(file, text, problems)),
        }
    }

    fn decode(mut fields: Fields<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut policy = Self {
            min_cardinality_reduction: share(&mut fields, "min_cardinality_reduction", 1.0, problems),
            min_bytes_reduction: share(&mut fields, "min_bytes_reduction", 1.0, problems),
            max_series_lost: count(&mut fields, "max_series_lost", problems),
            max_series_loss: share(&mut fields, "max_series_loss", 1.0, problems),
            max_collisions: count(&mut fields, "max_collisions", problems).unwrap_or(0),
            max_values_changed: count(&mut fields, "max_values_changed", problems),
            max_lens_error: share(&mut fields, "max_lens_error", f64::MAX, problems),
            ..Self::default()
        };
        policy.critical_process_coverage = share(&mut fields, "critical_process_coverage", 1.0, problems);
        if let Some(node) = fields.take("allow") {
            let words = [("renamed", 0), ("changed", 1), ("more", 2)];
            let Allowed { renamed, changed, more } = &mut policy.allow;
            let all = [renamed, changed, more];
            for word in keep(node.list(), problems).unwrap_or_default() {
                if let Some(which) = keep(word.one_of("change", &words), problems) {
                    *all[which] = true;
                }
            }
        }
        if let Some(node) = fields.take("lenses") {
            policy.lenses = each(node, problems, Lens::read);
        }
        if let Some(node) = fields.take("critical") {
            policy.critical = each(node, problems, Critical::read);
        }
        if let Some(node) = fields.take("guardrails") {
            let lenses = policy.lenses.clone();
            policy.guardrails = each(node, problems, |node, problems| guardrail(node, &lenses, problems));
        }
        fields.finish(problems);
        policy
    }

    /// The lenses, with the policy's limit where they have none of their own.
    pub(super) fn limited_lenses(&self) -> Vec<Lens> {
        let limit = |lens: &Lens| self.max_lens_error.filter(|_| !lens.is_every());
        let limited = |lens: &Lens| Lens { max_error: lens.max_error.or(limit(lens)), ..lens.clone() };
        self.lenses.iter().map(limited).collect()
    }

    /// Settings of the measurement that it needs.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { lenses: self.limited_lenses(), critical: self.critical.clone(), ..Settings::default() }
    }
}

fn each<T>(
    node: &Node,
    problems: &mut Vec<Problem>,
    decode: impl Fn(&Node, &mut Vec<Problem>) -> Option<T>,
) -> Vec<T> {
    let items = keep(node.list(), problems).unwrap_or_default();
    if items.len() > MAX_NAMED {
        let problem = Problem::new(node.location, format!("{} of them", items.len()));
        problems.push(problem.expected(format!("at most {MAX_NAMED}")));
        return Vec::new();
    }
    items.iter().filter_map(|item| decode(item, problems)).collect()
}

fn guardrail(node: &Node, lenses: &[Lens], problems: &mut Vec<Problem>) -> Option<Guardrail> {
    let mut fields = keep(node.map(), problems)?;
    let lens = keep(fields.required("lens"), problems).and_then(|node| {
        let name = keep(node.text(), problems)?;
        let known = || lenses.iter().map(|lens| lens.name.as_str());
        if !known().any(|lens| lens == name) {
            problems
                .push(Problem::unknown(node.location, "lens", name, known()).suggest(nearest(name, known())));
        }
        Some(name.to_owned())
    });
    let max_error = share(&mut fields, "max_error", f64::MAX, problems);
    let max_group_error = share(&mut fields, "max_group_error", f64::MAX, problems);
    fields.finish(problems);
    if max_error.is_none() && max_group_error.is_none() {
        let problem = Problem::new(node.location, "this guardrail asks for nothing");
        problems.push(problem.expected("max_error or max_group_error"));
    }
    Some(Guardrail { lens: lens?, max_error, max_group_error })
}

fn count(fields: &mut Fields<'_>, key: &'static str, problems: &mut Vec<Problem>) -> Option<u64> {
    fields.take(key).and_then(|node| keep(node.unsigned(), problems))
}

fn share(fields: &mut Fields<'_>, key: &'static str, most: f64, problems: &mut Vec<Problem>) -> Option<f64> {
    fields.take(key).and_then(|node| keep(share_of(node, most), problems))
}

/// `30%` or `0.3`.
fn share_of(node: &Node, most: f64) -> Result<f64, Problem> {
    let expected =
        if most == 1.0 { "a share from 0 to 1, or 0% to 100%" } else { "a share such as 0.01 or 1%" };
    let problem =
        || Problem::new(node.location, format!("{} stands here", node.describe())).expected(expected);
    let share = match &node.kind {
        Kind::Int(_) | Kind::Float(_) => node.float()?,
        _ => {
            let number = node.text().ok().and_then(|text| text.strip_suffix('%')).ok_or_else(problem)?;
            number.trim().parse::<f64>().map_err(|_| problem())? / 100.0
        }
    };
    if (0.0..=most).contains(&share) { Ok(share) } else { Err(problem()) }
}
