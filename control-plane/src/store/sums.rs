//! Reports of an experiment, added up as they come: by agent, process, generation and clock, a row each. The database adds them
//! by itself, with the report.
//!
//! A look at evidence reads these rows and not the reports, so that its price does not grow with the horizons before. Only where
//! a time divides what one row has, some of its reports are read: those of the shorter side.

mod all;

pub use all::{All, Stamp};

use std::collections::BTreeMap;

use super::merges::{self, Merged};
use super::windows::{Compared, Covered, Stretch};
use super::{Connection, Row, StoreError, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

/// An experiment and its tenant.
type Of = (TenantId, ExperimentId);

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;
const HOURS_OF_A_WEEK: i64 = 168;
/// Hours that one column has.
const HOURS_OF_A_COLUMN: i64 = 56;

/// Number of horizons, and what was known when they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Horizons in which something came in.
    pub counted: u32,
    /// Horizons in which nothing did.
    pub idle: u32,
    /// Time at which the last one was received.
    pub received_at: Option<UnixMillis>,
    /// Times by which the agent's clock was furthest ahead of ours and furthest behind (negative), milliseconds.
    clock: [Option<i64>; 2],
}

impl Counted {
    /// Time by which the agent's clock was furthest from ours: ahead of it, or behind (negative), milliseconds; nothing if it
    /// does not say it.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<i64> {
        let [most, least] = self.clock;
        [least, most].into_iter().flatten().max_by_key(|ahead| ahead.abs())
    }

    fn of(horizons: &[Horizon]) -> Self {
        let mut all = Self::default();
        for one in horizons {
            all.add(&Self {
                counted: u32::from(one.came_in),
                idle: u32::from(!one.came_in),
                received_at: Some(one.received_at),
                clock: [one.clock_ahead; 2],
            });
        }
        all
    }

    fn add(&mut self, more: &Self) {
        self.counted += more.counted;
        self.idle += more.idle;
        self.received_at = self.received_at.max(more.received_at);
        let ([most, least], [more_most, more_least]) = (self.clock, more.clock);
        self.clock = [most.max(more_most), least.into_iter().chain(more_least).min()];
    }

    /// These without some that are read one by one; nothing if those may be the last, or the furthest off.
    fn without(&self, some: &Self) -> Option<Self> {
        let [most, least] = self.clock;
        let is_whole = some.received_at < self.received_at
            && some.clock[0].is_none_or(|some| Some(some) < most)
            && some.clock[1].is_none_or(|some| least.is_some_and(|least| some > least));
        let counted = self.counted.checked_sub(some.counted)?;
        let idle = self.idle.checked_sub(some.idle)?;
        is_whole.then_some(Self { counted, idle, ..*self })
    }
}

/// Side of a time on which horizons end: until it, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Until,
    After,
}

/// Process and generation that all reports of a row are of.
#[derive(Debug)]
struct Process {
    agent: AgentUid,
    boot_id: String,
    generation: i64,
    step: String,
    plans: String,
    baseline: String,
    clock_offset: i64,
}

/// A row. Times are Unix nanoseconds by the agent's clock.
#[derive(Debug)]
struct Sum {
    key: Process,
    first_start: i64,
    first_end: i64,
    last_end: i64,
    counted: Counted,
    /// Begin and end of what something came in during.
    stretch: Option<[i64; 2]>,
    hours: [i64; 3],
    merged_until: Option<i64>,
}

/// One report, without its body.
#[derive(Debug)]
struct Horizon {
    start: i64,
    end: i64,
    came_in: bool,
    received_at: UnixMillis,
    clock_ahead: Option<i64>,
}

/// Stretch of an experiment in which something came in on `agent` after a time, Unix nanoseconds by our clock; without one, on
/// any agent at any time. Nothing where nothing did. `aa` asks for the step in which a pipeline is compared with itself, else
/// for all others.
///
/// # Errors
/// The store's.
pub async fn stretch(
    connection: &mut Connection,
    of: Of,
    aa: bool,
    agent: Option<(AgentUid, i64)>,
) -> Result<Option<Stretch>, StoreError> {
    let (sums, since) = match agent {
        Some((agent, since)) => (of_agent(connection, of, agent).await?, since),
        None => (of_all(connection, of).await?, i64::MIN),
    };
    let mut all = Stretched::default();
    for sum in sums.iter().filter(|sum| (sum.key.step == "aa") == aa) {
        let offset = sum.key.clock_offset;
        let since = since.saturating_add(offset);
        match sum.side(since) {
            Some(Side::Until) => {}
            Some(Side::After) => all.add(sum.stretch, sum.hours, offset),
            None => {
                for one in
                    sum.some(connection, of, since, Side::After).await?.iter().filter(|one| one.came_in)
                {
                    all.add(Some([one.start, one.end]), hour_of(one.start.saturating_sub(offset)), offset);
                }
            }
        }
    }
    Ok(all.stretch())
}

/// Baselines that each agent of an experiment has compared candidates with.
///
/// # Errors
/// The store's.
pub async fn compared(connection: &mut Connection, of: Of) -> Result<Vec<Compared>, StoreError> {
    let rows = query(
        "SELECT agent_uid, baseline, MIN(first_start - clock_offset) AS first, MAX(last_end - clock_offset) AS last
         FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2
         GROUP BY agent_uid, baseline ORDER BY agent_uid, baseline",
    );
    let rows = rows.bind(of.0).bind(of.1).fetch_all(connection).await?;
    let read = |row: &Row| {
        Ok(Compared {
            agent: row.try_get("agent_uid")?,
            baseline: row.try_get("baseline")?,
            from: row.try_get("first")?,
            to: row.try_get("last")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Stretches that the reports of an experiment cover, one for each step and agent.
///
/// # Errors
/// The store's.
pub async fn covered(connection: &mut Connection, of: Of) -> Result<Vec<Covered>, StoreError> {
    let rows = query(
        "SELECT step, agent_uid, CAST(SUM(horizons) AS BIGINT) AS horizons, MIN(first_start - clock_offset) AS first,
             MAX(last_end - clock_offset) AS last
         FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2
         GROUP BY step, agent_uid ORDER BY step, agent_uid",
    );
    let rows = rows.bind(of.0).bind(of.1).fetch_all(connection).await?;
    let read = |row: &Row| {
        Ok(Covered {
            step: row.try_get("step")?,
            agent: row.try_get("agent_uid")?,
            horizons: number(row, "horizons")?,
            from: row.try_get("first")?,
            to: row.try_get("last")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Stretch that the reports of a process of an agent cover, Unix nanoseconds by our clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfProcess {
    /// The agent.
    pub agent: AgentUid,
    /// Its process, a UUID in text.
    pub boot_id: String,
    /// Begin of its first horizon.
    pub from: i64,
    /// End of its last one.
    pub to: i64,
}

/// Stretches that the processes of an experiment's agents cover, those of an agent one after the other.
///
/// # Errors
/// The store's.
pub async fn of_processes(connection: &mut Connection, of: Of) -> Result<Vec<OfProcess>, StoreError> {
    let rows = query(
        "SELECT agent_uid, boot_id, MIN(first_start - clock_offset) AS first, MAX(last_end - clock_offset) AS last
         FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2
         GROUP BY agent_uid, boot_id ORDER BY agent_uid, first, boot_id",
    );
    let rows = rows.bind(of.0).bind(of.1).fetch_all(connection).await?;
    let read = |row: &Row| {
        Ok(OfProcess {
            agent: row.try_get("agent_uid")?,
            boot_id: row.try_get("boot_id")?,
            from: row.try_get("first")?,
            to: row.try_get("last")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Stretch of what varies by chance, Unix nanoseconds by our clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Begin of the first horizon since mirror began.
    pub from: i64,
    /// End of the last one.
    pub to: i64,
    /// End of the last one of the mirror step.
    pub mirror_ends: Option<i64>,
}

/// Stretch of the horizons of an experiment since mirror began; nothing before the first.
///
/// # Errors
/// The store's.
pub async fn bounds(connection: &mut Connection, of: Of) -> Result<Option<Bounds>, StoreError> {
    let row = query(
        "SELECT MIN(first_start - clock_offset) AS first, MAX(last_end - clock_offset) AS last,
             MAX(CASE WHEN step = 'mirror' THEN last_end - clock_offset END) AS mirror_ends
         FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2 AND step <> 'aa'",
    );
    let row = row.bind(of.0).bind(of.1).fetch_one(connection).await?;
    let ends: [Option<i64>; 2] = [row.try_get("first")?, row.try_get("last")?];
    let mirror_ends = row.try_get("mirror_ends")?;
    Ok(ends[0].zip(ends[1]).map(|(from, to)| Bounds { from, to, mirror_ends }))
}

/// Begin of the first horizon of each process of an agent, by its id, Unix nanoseconds by the agent's clock.
///
/// # Errors
/// The store's.
pub async fn boots(
    connection: &mut Connection,
    of: Of,
    agent: AgentUid,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let rows = query(
        "SELECT boot_id, MIN(first_start) AS first FROM experiment_sums
         WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 GROUP BY boot_id",
    );
    let rows = rows.bind(of.0).bind(of.1).bind(agent).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("boot_id")?, row.try_get("first")?))).collect()
}

async fn of_agent(connection: &mut Connection, of: Of, agent: AgentUid) -> Result<Vec<Sum>, StoreError> {
    let rows =
        query("SELECT * FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3");
    let rows = rows.bind(of.0).bind(of.1).bind(agent).fetch_all(connection).await?;
    rows.iter().map(Sum::read).collect()
}

async fn of_all(connection: &mut Connection, of: Of) -> Result<Vec<Sum>, StoreError> {
    let rows = query("SELECT * FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2");
    rows.bind(of.0).bind(of.1).fetch_all(connection).await?.iter().map(Sum::read).collect()
}

fn number(row: &Row, column: &str) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.try_get::<i64>(column)?).unwrap_or(u32::MAX))
}

/// Bit of the hour of the week in which a time lies.
fn hour_of(at: i64) -> [i64; 3] {
    let hour = (at / HOUR).rem_euclid(HOURS_OF_A_WEEK);
    [0, 1, 2]
        .map(|column| if hour / HOURS_OF_A_COLUMN == column { 1 << (hour % HOURS_OF_A_COLUMN) } else { 0 })
}

/// Stretch that is added up.
#[derive(Default)]
struct Stretched {
    ends: Option<[i64; 2]>,
    hours: [i64; 3],
}

impl Stretched {
    /// Adds begin and end by a clock that is ahead of ours, and hours.
    fn add(&mut self, ends: Option<[i64; 2]>, hours: [i64; 3], ahead: i64) {
        let Some([from, to]) = ends.map(|ends| ends.map(|at| at.saturating_sub(ahead))) else { return };
        let [first, last] = self.ends.unwrap_or([from, to]);
        self.ends = Some([first.min(from), last.max(to)]);
        self.hours.iter_mut().zip(hours).for_each(|(all, more)| *all |= more);
    }

    fn stretch(self) -> Option<Stretch> {
        let [from, to] = self.ends?;
        let has = |hour: &i64| {
            let column = usize::try_from(hour / HOURS_OF_A_COLUMN).unwrap_or(0);
            self.hours[column] & (1 << (hour % HOURS_OF_A_COLUMN)) != 0
        };
        Some(Stretch { from, to, hours: (0..HOURS_OF_A_WEEK).filter(has).collect() })
    }
}

impl Process {
    fn has(&self, merged: &Merged) -> bool {
        let of = &merged.process;
        (&self.boot_id, self.generation, &self.plans, &self.baseline, self.clock_offset)
            == (&of.boot_id, of.generation, &of.plans, &of.baseline, of.clock_offset)
            && self.step == merged.step
    }
}

impl Sum {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let (horizons, counted) = (number(row, "horizons")?, number(row, "counted")?);
        let stretch: [Option<i64>; 2] = [row.try_get("counted_from")?, row.try_get("counted_to")?];
        Ok(Self {
            key: Process {
                agent: row.try_get("agent_uid")?,
                boot_id: row.try_get("boot_id")?,
                generation: row.try_get("generation")?,
                step: row.try_get("step")?,
                plans: row.try_get("plans")?,
                baseline: row.try_get("baseline")?,
                clock_offset: row.try_get("clock_offset")?,
            },
            first_start: row.try_get("first_start")?,
            first_end: row.try_get("first_end")?,
            last_end: row.try_get("last_end")?,
            counted: Counted {
                counted,
                idle: horizons.saturating_sub(counted),
                received_at: Some(row.try_get("received_at")?),
                clock: [row.try_get("clock_most")?, row.try_get("clock_least")?],
            },
            stretch: stretch[0].zip(stretch[1]).map(|(from, to)| [from, to]),
            hours: [row.try_get("hours_0")?, row.try_get("hours_1")?, row.try_get("hours_2")?],
            merged_until: row.try_get("merged_until")?,
        })
    }

    /// The side of a time on which all of it is; nothing if the time divides it.
    fn side(&self, since: i64) -> Option<Side> {
        match since {
            since if self.first_end > since => Some(Side::After),
            since if self.last_end <= since => Some(Side::Until),
            _ => None,
        }
    }

    /// Horizons after a time that divides it, counted.
    async fn counted_after(
        &self,
        connection: &mut Connection,
        of: Of,
        since: i64,
    ) -> Result<Counted, StoreError> {
        let until = since.saturating_sub(self.first_start);
        if until < self.last_end.saturating_sub(since) {
            let until = Counted::of(&self.some(connection, of, since, Side::Until).await?);
            if let Some(after) = self.counted.without(&until) {
                return Ok(after);
            }
        }
        Ok(Counted::of(&self.some(connection, of, since, Side::After).await?))
    }

    /// Horizons of one side of a time, by the agent's clock.
    async fn some(
        &self,
        connection: &mut Connection,
        of: Of,
        since: i64,
        side: Side,
    ) -> Result<Vec<Horizon>, StoreError> {
        let (from, to) = match side {
            Side::Until => (i64::MIN, since),
            Side::After => (since, i64::MAX),
        };
        // Of one process and generation none overlap: of those that begin before a time, only the last may end after it.
        let rows = query(
            "SELECT window_start, window_end, received_at, points_in, clock_measured FROM experiment_windows
             WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND boot_id = $4 AND generation = $5
                 AND window_start < $11 AND window_end <= $11 AND window_end > $10
                 AND window_start >= COALESCE((SELECT MAX(window_start) FROM experiment_windows
                     WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND boot_id = $4 AND generation = $5
                         AND window_start < $10), $10)
                 AND step = $6 AND plans = $7 AND baseline = $8 AND clock_offset = $9",
        );
        let key = &self.key;
        let rows = rows.bind(of.0).bind(of.1).bind(key.agent).bind(key.boot_id.as_str()).bind(key.generation);
        let rows = rows.bind(key.step.as_str()).bind(key.plans.as_str()).bind(key.baseline.as_str());
        let rows = rows.bind(key.clock_offset).bind(from).bind(to).fetch_all(&mut *connection).await?;
        let read = |row: &Row| Horizon::read(row).map(|one| (one.start, one));
        let mut all = rows.iter().map(read).collect::<Result<BTreeMap<_, _>, _>>()?;
        if self.merged_until.is_some_and(|until| until > from) {
            let stretch = [from, to].map(|at| at.saturating_sub(key.clock_offset));
            let merged = merges::within(connection, of, Some(key.agent), stretch).await?;
            let own = merged.into_iter().filter(|one| key.has(one)).map(|one| one.horizon);
            let own = own.filter(|one| one.end > from && one.end <= to);
            // One that was merged meanwhile was read before.
            all.extend(own.map(|one| {
                let merges::Horizon { start, end, came_in, received_at, clock_ahead, .. } = one;
                (start, Horizon { start, end, came_in, received_at, clock_ahead })
            }));
        }
        Ok(all.into_values().collect())
    }
}

impl Horizon {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let points: Option<i64> = row.try_get("points_in")?;
        Ok(Self {
            start: row.try_get("window_start")?,
            end: row.try_get("window_end")?,
            came_in: points.is_some_and(|points| points > 0),
            received_at: row.try_get("received_at")?,
            clock_ahead: row.try_get("clock_measured")?,
        })
    }
}
