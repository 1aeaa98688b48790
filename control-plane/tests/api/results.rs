//! Rows of an experiment's results: each is of its own stretch and of nothing else.

use control_plane::actions::merges;
use control_plane::experiment::ExperimentId;
use control_plane::id::{AgentUid, TenantId};
use control_plane::store::reports::{self, Content, Filed, Key};
use hyper::StatusCode;
use observe::{Comparison, Count, Missing, Volume};
use proto::Findings;
use serde_json::{Value, json};

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::server::Server;

/// Length of a horizon, nanoseconds.
const HORIZON: i64 = 60_000_000_000;
/// Begin of the first one.
const FIRST: i64 = 1_800_000_000 * 1_000_000_000;

/// An experiment of which reports are filed as agents would file them.
struct Reported {
    server: Server,
    admin: String,
    tenant: TenantId,
    id: ExperimentId,
    agents: Vec<AgentUid>,
}

/// What one horizon measured.
#[derive(Clone, Copy, Default)]
struct Found {
    points: u64,
    series: u64,
    lost: u64,
    void: bool,
}

impl Found {
    fn comparison(self) -> Comparison {
        let volume = |points| Volume { requests: 1, points, bytes: 10 * points };
        let count = |value| Count { value, exact: true };
        let mut found = Comparison { windows: 6, seconds: 60.0, exact: true, ..Comparison::default() };
        (found.input, found.input_series) = (volume(self.points), count(self.series));
        (found.baseline.output, found.baseline.series) = (volume(self.points), count(self.series));
        (found.candidate.output, found.candidate.series) =
            (volume(self.points / 4), count(self.series - self.lost));
        found.lost_by_candidate = count(self.lost);
        if self.void {
            found.missing = Missing { count: 1, names: ["u".to_owned()].into_iter().collect() };
        }
        found.with_savings()
    }
}

impl Reported {
    async fn by_agents(number: u8) -> Self {
        let server = Server::start().await;
        let admin = server.set_up().await;
        let mut agents = Vec::new();
        for one in 1..=number {
            agents.push(Agent::enroll_as(&server, &admin, one).await.uid.to_string().parse().unwrap());
        }
        let made = server.post("/api/v1/experiments", &admin, asked(json!({ "name": "a" }))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let me = server.get("/api/v1/auth/me", &admin).await.body;
        let (tenant, id) = (me["tenant_id"].as_str().unwrap(), made.body["id"].as_str().unwrap());
        let (tenant, id) = (tenant.parse().unwrap(), id.parse().unwrap());
        Self { server, admin, tenant, id, agents }
    }

    /// Files the report of an agent's horizon of this number, by a process and a generation of this step, with what it has
    /// measured in all.
    async fn report(
        &self,
        agent: usize,
        (boot_id, step): (&str, &str),
        number: i64,
        found: Found,
        total: Found,
    ) {
        let start = FIRST + number * HORIZON;
        let findings = Findings {
            window_end: u64::try_from(start + HORIZON).unwrap(),
            horizon: found.comparison(),
            total: total.comparison(),
            ..Findings::default()
        };
        let (body, digest) = findings.encode();
        let digest = hex::encode(digest);
        let generation = if step == "mirror" { 1 } else { 2 };
        let (experiment_id, agent) = (self.id, self.agents[agent]);
        let key = Key { experiment_id, agent, boot_id, generation, window_start: start };
        let content = Content {
            window_end: start + HORIZON,
            step,
            digest: &digest,
            body: &body,
            received_at: self.server.state.clock.now(),
            clock_ahead: None,
            clock_offset: 0,
            points_in: i64::try_from(found.points).unwrap(),
            plans: "plans",
            baseline: "baseline",
            varied: [None, None],
        };
        let mut tx = self.server.state.store.begin(self.tenant).await.unwrap();
        let kept = reports::kept(&mut tx, self.tenant, &[(key.clone(), start + HORIZON)]).await.unwrap();
        assert_eq!(kept[0].filed(start, &digest), Filed::New);
        reports::insert(&mut tx, self.tenant, &[(key, content)]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn rows(&self, by: &str) -> Vec<Value> {
        let answer = self.server.get(&format!("/api/v1/experiments/a/results?by={by}"), &self.admin).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["rows"].as_array().unwrap().clone()
    }
}

fn found(points: u64, series: u64, lost: u64) -> Found {
    Found { points, series, lost, void: false }
}

fn of(row: &Value, fields: &[&str]) -> Vec<Value> {
    fields.iter().map(|field| row.get(field).unwrap_or(&row["figures"][field]).clone()).collect()
}

#[tokio::test]
async fn a_row_of_a_step_rests_on_its_own_horizons_alone() {
    let all = Reported::by_agents(2).await;
    assert!(all.rows("step").await.is_empty());
    let (mirror, split) = (("one", "mirror"), ("one", "10%"));
    all.report(0, mirror, 0, found(100, 40, 7), found(100, 40, 7)).await;
    all.report(0, mirror, 1, found(200, 50, 0), found(300, 60, 7)).await;
    all.report(1, mirror, 1, found(1_000, 5, 1), found(1_000, 5, 1)).await;
    all.report(0, split, 2, found(40, 30, 0), found(340, 70, 7)).await;
    all.report(0, split, 3, Found { void: true, ..found(80, 30, 2) }, found(420, 70, 7)).await;

    let rows = all.rows("step").await;
    let fields =
        ["step", "horizons", "kept", "agents", "points_in", "points", "series_in", "lost", "from", "to"];
    let at = |minute: u32| json!(format!("2027-01-15T08:{minute:02}:00Z"));
    assert_eq!(
        of(&rows[0], &fields),
        [
            json!("mirror"),
            json!(3),
            json!(3),
            json!(2),
            json!(1_300),
            json!([1_300, 325]),
            json!(55),
            json!(8),
            at(0),
            at(2)
        ]
    );
    // The total has all: 340 points, and seven series that are lost since mirror.
    assert_eq!(
        of(&rows[1], &fields),
        [
            json!("10%"),
            json!(2),
            json!(1),
            json!(1),
            json!(40),
            json!([40, 10]),
            json!(30),
            json!(0),
            at(2),
            at(4)
        ]
    );
    assert_eq!((rows.len(), &rows[0]["figures"]["saving_points"]), (2, &json!(0.75)));
    let whole = all.server.get("/api/v1/experiments/a/results", &all.admin).await.body;
    assert_eq!((whole.get("rows"), &whole["total"]["points_in"]), (None, &json!(1_420)), "{whole}");
}

#[tokio::test]
async fn horizons_that_end_together_are_a_row_and_the_latest_are_told() {
    let all = Reported::by_agents(2).await;
    let (one, another, split) = (("one", "mirror"), ("another", "mirror"), ("another", "10%"));
    for number in 0..70 {
        all.report(0, one, number, found(10, 4, 1), found(10, 4, 1)).await;
    }
    // Kept, and no horizon of the latest.
    all.report(1, one, 0, found(5, 2, 0), found(5, 2, 0)).await;
    all.report(1, one, 69, found(5, 2, 0), found(5, 2, 0)).await;
    // A restart in the midst of a horizon, and a step that began in it.
    all.report(0, another, 69, found(3, 4, 0), found(3, 4, 0)).await;
    all.report(0, split, 69, found(2, 4, 0), found(5, 4, 0)).await;
    let mut rows = all.rows("horizon").await;
    rows.retain(|row| row.get("merged").is_none());
    assert_eq!(rows.len(), 64, "63 that are kept of the step mirror, and one of the next");
    let fields = ["step", "horizons", "agents", "points_in", "series_in", "lost"];
    let of_row = |step, horizons, agents, points, series, lost| {
        [json!(step), json!(horizons), json!(agents), json!(points), json!(series), json!(lost)]
    };
    assert_eq!(of(&rows[0], &fields), of_row("mirror", 1, 1, 10, 4, 1));
    assert_eq!(rows[0]["from"], "2027-01-15T08:07:00Z");
    let [split, mirror] = &rows[62..] else { panic!("{}", rows.len()) };
    assert_eq!(of(split, &fields), of_row("10%", 1, 1, 2, 4, 0));
    assert_eq!(of(mirror, &fields), of_row("mirror", 3, 2, 18, 6, 1));
    assert_eq!(mirror["to"], "2027-01-15T09:10:00Z");
}

#[tokio::test]
async fn horizons_that_were_merged_are_told_with_the_time_that_they_are_of() {
    let all = Reported::by_agents(1).await;
    for number in 0..80 {
        let lost = if number == 3 { 2 } else { 0 };
        all.report(0, ("one", "mirror"), number, found(10, 4, lost), found(10, 4, 2)).await;
    }
    merges::once(&all.server.state, &[]).await.unwrap();
    let rows = all.rows("horizon").await;
    let fields = ["merged", "horizons", "kept", "points_in", "series_in", "lost", "from"];
    let merged: Vec<_> =
        rows.iter().filter(|row| row.get("merged").is_some()).map(|row| of(row, &fields)).collect();
    let row = |horizons, points, lost, minute| {
        let from = json!(format!("2027-01-15T08:{minute:02}:00Z"));
        let counts = [horizons, horizons, points, 4, lost].map(|number: u64| json!(number));
        [json!("five_minutes")].into_iter().chain(counts).chain([from]).collect::<Vec<_>>()
    };
    assert_eq!(merged, [row(5, 50, 2, 0), row(5, 50, 0, 5), row(5, 50, 0, 10), row(1, 10, 0, 15)]);
    assert_eq!(rows.len(), 64 + 4, "and the latest one by one");
    let steps = all.rows("step").await;
    let fields = ["horizons", "kept", "points_in", "lost"];
    assert_eq!(of(&steps[0], &fields), [json!(80), json!(80), json!(800), json!(2)], "nothing is gone");
    merges::once(&all.server.state, &[]).await.unwrap();
    assert_eq!(all.rows("horizon").await, rows, "each is merged once");
}

#[tokio::test]
async fn a_row_of_an_agent_is_all_that_its_processes_have_measured() {
    let all = Reported::by_agents(2).await;
    all.report(0, ("one", "aa"), 0, found(900, 9, 0), found(900, 9, 0)).await;
    all.report(0, ("one", "mirror"), 1, found(100, 40, 7), found(100, 40, 7)).await;
    all.report(0, ("another", "10%"), 2, found(30, 20, 0), found(30, 20, 0)).await;
    all.report(1, ("one", "mirror"), 1, found(1_000, 5, 1), found(1_000, 5, 1)).await;
    let rows = all.rows("agent").await;
    let fields = ["agent", "host", "horizons", "agents", "points_in", "lost", "at_most"];
    let uid = |agent: usize| json!(all.agents[agent].to_string());
    assert_eq!(
        of(&rows[0], &fields),
        [uid(0), json!("h1"), json!(2), json!(1), json!(130), json!(7), json!(true)]
    );
    assert_eq!(
        of(&rows[1], &fields),
        [uid(1), json!("h2"), json!(1), json!(1), json!(1_000), json!(1), json!(false)]
    );
    let stranger = all.server.other_tenant(&all.admin).await;
    let foreign = format!("/api/v1/experiments/{}/results?by=agent", all.id);
    assert_eq!(all.server.get(&foreign, &stranger).await.refusal(), 404);
    let unknown = all.server.get("/api/v1/experiments/a/results?by=host", &all.admin).await;
    assert_eq!(unknown.refusal(), 400, "{unknown:?}");
}
