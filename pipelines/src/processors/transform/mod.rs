//! `transform`: statements over resources, scopes, metrics, data points or exemplars.
//!
//! Groups run one after the other over the whole batch. A condition is asked once for the rows that it reads,
//! unless a statement of its group changes them. Metrics that a statement adds are met by the rest of the pass.

mod config;

use crate::Batch;
use crate::aggregate::Aggregation;
use crate::batch::data::Exemplar;
use crate::batch::{MetricKind, Path};
use crate::ottl::{Condition, Context, Failure, Level, Statement, Work};
use crate::stage::config::ErrorMode;
use crate::stage::{Effect, PATTERN, StageError, Stop, Tallies};

/// The config of a `transform` processor.
#[derive(Debug, Clone)]
pub struct Transform {
    groups: Vec<Group>,
    /// Every statement of every group, in order.
    rules: Vec<String>,
}

#[derive(Debug, Clone)]
struct Group {
    context: Context,
    error_mode: ErrorMode,
    /// One of them has to hold, if there are any.
    conditions: Vec<Condition>,
    statements: Vec<Statement>,
}

impl Transform {
    /// Functions by which its statements merge points.
    pub(crate) fn aggregations(&self) -> impl Iterator<Item = Aggregation> {
        self.groups.iter().flat_map(|group| &group.statements).filter_map(Statement::aggregation)
    }

    fn new(groups: Vec<Group>) -> Self {
        let statements = groups.iter().flat_map(|group| &group.statements);
        let rules = statements.map(|statement| statement.text().to_owned()).collect();
        Self { groups, rules }
    }

    pub(super) fn rules(&self) -> &[String] {
        &self.rules
    }

    pub(super) fn run(
        &self,
        batch: &mut Batch,
        now: u64,
        mut tallies: Tallies<'_>,
        stop: &Stop<'_>,
    ) -> Result<(), StageError> {
        let mut first = 0;
        for group in &self.groups {
            group.run(batch, now, tallies.from(first), stop)?;
            first += group.statements.len();
        }
        Ok(())
    }

    pub(super) fn is_identity(&self) -> bool {
        self.groups.iter().all(|group| group.statements.is_empty())
    }
}

/// Run of a group over a batch.
struct GroupRun<'g, 'b> {
    group: &'g Group,
    work: Work<'b>,
    /// Last answer of each statement's condition, and the row of its level that it was about.
    answers: Vec<Option<(usize, Result<bool, Failure>)>>,
    /// Conditions that read this or what is below it are asked every time.
    stable: Level,
    tallies: Tallies<'b>,
    stop: &'b Stop<'b>,
}

impl Group {
    fn run(
        &self,
        batch: &mut Batch,
        now: u64,
        tallies: Tallies<'_>,
        stop: &Stop<'_>,
    ) -> Result<(), StageError> {
        let stable = self.statements.iter().map(Statement::changes).min().unwrap_or(Level::Always);
        let work = Work::new(batch, self.context, self.statements.len(), now);
        let mut visit =
            GroupRun { group: self, work, answers: vec![None; self.statements.len()], stable, tallies, stop };
        for resource in 0..visit.work.batch.resources().len() {
            visit.work.at = Path { resource, ..Path::default() };
            if self.context == Context::Resource {
                visit.row()?;
                continue;
            }
            for scope in visit.work.batch.resource_at(resource).scopes.range() {
                visit.work.at.scope = scope;
                if self.context == Context::Scope { visit.row()? } else { visit.metrics()? }
            }
        }
        Ok(())
    }
}

impl GroupRun<'_, '_> {
    /// Visits a scope's metrics, those included that are added meanwhile.
    fn metrics(&mut self) -> Result<(), StageError> {
        let mut place = 0;
        while let Some(metric) = self.metric(place) {
            self.work.at.metric = metric;
            if self.group.context == Context::Metric {
                self.row()?;
            } else if self.work.batch.metric_at(metric).kind != MetricKind::None {
                self.points(place)?;
            }
            place += 1;
        }
        Ok(())
    }

    /// The metric at a place of the scope, wherever its metrics have moved to.
    fn metric(&self, place: usize) -> Option<usize> {
        self.work.batch.scope_at(self.work.at.scope).metrics.range().nth(place)
    }

    fn points(&mut self, place: usize) -> Result<(), StageError> {
        let points = self.work.batch.metric_at(self.work.at.metric).points;
        for point in points.range() {
            self.work.at.point = point;
            if self.group.context == Context::DataPoint {
                self.row()?;
            } else {
                self.exemplars()?;
            }
            if let Some(metric) = self.metric(place) {
                self.work.at.metric = metric;
            }
        }
        Ok(())
    }

    fn exemplars(&mut self) -> Result<(), StageError> {
        let at = self.work.at;
        let kind = self.work.batch.metric_at(at.metric).kind;
        let Some(field) = kind.exemplars_field() else { return Ok(()) };
        let encoded = self.work.batch.exemplars(at.point, field);
        let (mut changed, mut kept) = (false, Vec::new());
        for message in encoded {
            self.work.exemplar = Some((Exemplar::read(&message), 0));
            self.row()?;
            match self.work.exemplar.take() {
                Some((exemplar, 1..)) => {
                    changed = true;
                    let mut written = Vec::new();
                    exemplar.write(&mut written);
                    kept.push(written);
                }
                _ => kept.push(message),
            }
        }
        if changed {
            self.work.batch.replace_exemplars(at, field, &kept);
        }
        Ok(())
    }

    /// Runs the group's statements for one row.
    fn row(&mut self) -> Result<(), StageError> {
        self.work.cache.clear();
        if !self.group.conditions.is_empty() && !self.holds()? {
            return Ok(());
        }
        let group = self.group;
        for (index, statement) in group.statements.iter().enumerate() {
            if self.stop.before(1) {
                return Err(StageError::stopped());
            }
            self.work.statement = index;
            let before = self.work.edits();
            let outcome = match self.answer(index, statement) {
                Ok(true) if statement.has_pattern() && self.stop.before(PATTERN) => {
                    return Err(StageError::stopped());
                }
                Ok(true) => statement.run(&mut self.work).map(|()| self.count(index, before)),
                Ok(false) => Ok(()),
                Err(failure) => Err(failure),
            };
            if let (Err(why), ErrorMode::Propagate) = (outcome, group.error_mode) {
                return Err(StageError::new(statement.text(), why));
            }
        }
        Ok(())
    }

    /// A statement ran on the row, and counts if it made an edit; one that a statement took away has no points left to count.
    fn count(&mut self, statement: usize, before: u64) {
        if self.work.edits() == before {
            return;
        }
        let (at, context) = (self.work.at, self.group.context);
        self.tallies.count(statement, Effect::Changed, &*self.work.batch, at, context);
    }

    fn holds(&self) -> Result<bool, StageError> {
        for condition in &self.group.conditions {
            match condition.holds(&self.work.row()) {
                Ok(true) => return Ok(true),
                Err(why) if self.group.error_mode == ErrorMode::Propagate => {
                    return Err(StageError::new(condition.text(), why));
                }
                Ok(false) | Err(_) => {}
            }
        }
        Ok(false)
    }

    /// Asks a statement's condition, or remembers what it said about the same row of its level.
    fn answer(&mut self, index: usize, statement: &Statement) -> Result<bool, Failure> {
        let Some(level) = statement.asks() else { return Ok(true) };
        let at = self.work.at;
        let about = match level {
            Level::Constant => 0,
            level if level >= self.stable => return statement.holds(&self.work.row()),
            Level::Resource => at.resource,
            Level::Scope => at.scope,
            Level::Metric => at.metric,
            Level::DataPoint | Level::Always => return statement.holds(&self.work.row()),
        };
        match self.answers.get(index) {
            Some(Some((last, answer))) if *last == about => *answer,
            _ => {
                let answer = statement.holds(&self.work.row());
                if let Some(slot) = self.answers.get_mut(index) {
                    *slot = Some((about, answer));
                }
                answer
            }
        }
    }
}
