//! Rows of an experiment's results: each is of its own stretch and of nothing else.

use control_plane::actions::merges;
use control_plane::experiment::ExperimentId;
use control_plane::id::{AgentUid, TenantId};
use control_plane::store::reports::{self, Content, Filed, Key};
use control_plane::store::slices::{self, Told};
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
    async fn report(&self, agent: usize, of: (&str, &str), number: i64, found: Found, total: Found) {
        let start = FIRST + number * HORIZON;
        self.report_of(agent, of, [start, start + HORIZON], [found, total]).await;
    }

    /// The same of a horizon with this begin and end.
    async fn report_of(
        &self,
        agent: usize,
        (boot_id, step): (&str, &str),
        [start, end]: [i64; 2],
        [found, total]: [Found; 2],
    ) {
        let findings = Findings {
            window_end: u64::try_from(end).unwrap(),
            horizon: found.comparison(),
            total: total.comparison(),
            ..Findings::default()
        };
        let (body, digest) = findings.encode();
        let digest = hex::encode(digest);
        let generation = ["mirror", "10%", "50%"].iter().position(|one| *one == step).unwrap_or(1) as i64 + 1;
        let (experiment_id, agent) = (self.id, self.agents[agent]);
        let key = Key { experiment_id, agent, boot_id, generation, window_start: start };
        let content = Content {
            window_end: end,
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
        let kept = reports::kept(&mut tx, self.tenant, &[(key.clone(), end)]).await.unwrap();
        assert_eq!(kept[0].filed(start, &digest), Filed::New);
        reports::insert(&mut tx, self.tenant, &[(key, content)]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn rows(&self, by: &str) -> Vec<Value> {
        self.results(by).await["rows"].as_array().unwrap().clone()
    }

    async fn results(&self, by: &str) -> Value {
        let answer = self.server.get(&format!("/api/v1/experiments/a/results?by={by}"), &self.admin).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body
    }

    /// Merges all that waits for it.
    async fn merge(&self) {
        while !merges::once(&self.server.state, &[]).await.unwrap() {}
        for _ in 0..4 {
            merges::once(&self.server.state, &[]).await.unwrap();
        }
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
    // Of what horizons the series are, which are not added up: the last of each that counts.
    let series = ["series_from", "series_to"];
    assert_eq!((of(&rows[0], &series), of(&rows[1], &series)), (vec![at(1), at(2)], vec![at(2), at(3)]));
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
    assert_eq!(rows.len(), 71, "70 of the step mirror, of which some wait to be merged, and one of the next");
    let fields = ["step", "horizons", "agents", "points_in", "series_in", "lost"];
    let of_row = |step, horizons, agents, points, series, lost| {
        [json!(step), json!(horizons), json!(agents), json!(points), json!(series), json!(lost)]
    };
    assert_eq!(of(&rows[0], &fields), of_row("mirror", 2, 2, 15, 6, 1));
    assert_eq!(of(&rows[1], &fields), of_row("mirror", 1, 1, 10, 4, 1));
    assert_eq!(rows[1]["from"], "2027-01-15T08:01:00Z");
    let [split, mirror] = &rows[69..] else { panic!("{}", rows.len()) };
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

/// Sum of a field of the rows of a step.
fn sum(rows: &[Value], step: &str, field: &str) -> u64 {
    let of_step = rows.iter().filter(|row| row["step"] == step);
    of_step.map(|row| of(row, &[field])[0].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn every_horizon_of_a_candidate_that_holds_points_is_told_in_its_own_bounds() {
    const SECOND: i64 = 1_000_000_000;
    // A stage that holds points for 75 seconds makes horizons of 150, whatever the experiment asks for.
    const LONG: i64 = 150 * SECOND;
    let all = Reported::by_agents(2).await;
    let (mut points, mut ends) = ([0; 2], Vec::new());
    for agent in [0, 1] {
        let mut start = FIRST + i64::try_from(agent).unwrap() * 20 * SECOND;
        for step in ["mirror", "10%", "50%"] {
            for _ in 0..20 {
                points[agent] += 10;
                let total = found(points[agent], 4, 0);
                all.report_of(agent, ("one", step), [start, start + LONG], [found(10, 4, 0), total]).await;
                ends.push(start + LONG);
                start += LONG;
            }
            // What is measured between the last whole horizon of a step and the next step is in the total alone.
            points[agent] += if step == "50%" { 0 } else { 3 };
            start += 40 * SECOND;
        }
    }
    let by_horizon = all.results("horizon").await;
    let rows = by_horizon["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 60, "a row of each horizon, which both agents have");
    for row in rows {
        assert_eq!(
            of(row, &["horizons", "kept", "agents", "points_in"]),
            [2, 2, 2, 20].map(|one| json!(one))
        );
    }
    let at = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let first = FIRST / SECOND;
    assert_eq!([at(&rows[0]["from"]), at(&rows[0]["to"])], [first, first + 170]);
    assert_eq!([at(&rows[20]["from"]), at(&rows[20]["to"])], [first + 3_040, first + 3_210]);
    assert_eq!(at(&rows[59]["to"]), ends.iter().max().unwrap() / SECOND);

    let by_step = all.results("step").await;
    let steps = by_step["rows"].as_array().unwrap();
    for step in steps {
        let name = step["step"].as_str().unwrap();
        for field in ["horizons", "kept", "points_in"] {
            assert_eq!(sum(rows, name, field), sum(steps, name, field), "{name} {field}");
        }
    }
    let whole: u64 = steps.iter().map(|step| of(step, &["points_in"])[0].as_u64().unwrap()).sum();
    let left_out = json!({ "horizons": 0, "points_in": 12 });
    assert_eq!((&by_step["left_out"], &by_horizon["left_out"]), (&left_out, &left_out));
    assert_eq!(by_step["total"]["points_in"], json!(whole + 12));
}

#[tokio::test]
async fn a_step_has_all_that_its_agents_have_whether_it_is_merged_waits_for_it_or_is_kept() {
    let all = Reported::by_agents(1).await;
    let report = async |number: i64| {
        let points = 10 * (u64::try_from(number).unwrap() + 1);
        all.report(0, ("one", "mirror"), number, found(10, 4, 0), found(points, 4, 0)).await;
    };
    for number in 0..67 {
        report(number).await;
    }
    let has = async |horizons: u64| {
        let results = all.results("step").await;
        let row = of(&results["rows"][0], &["horizons", "kept", "points_in"]);
        assert_eq!(row, [horizons, horizons, 10 * horizons].map(|one| json!(one)));
        assert_eq!((&results["left_out"], &results["total"]["points_in"]), (&Value::Null, &row[2]));
        let rows = all.rows("horizon").await;
        assert_eq!(
            ["horizons", "kept", "points_in"].map(|field| json!(sum(&rows, "mirror", field)))[..],
            row
        );
        rows
    };
    // Three wait to be merged, and too few of them yet.
    assert_eq!(has(67).await.len(), 67);
    for number in 67..420 {
        report(number).await;
    }
    all.merge().await;
    let rows = has(420).await;
    let merged = rows.iter().filter(|row| row.get("merged").is_some()).count();
    assert!(merged > 64, "more than six hours by five minutes: {merged}");
}

#[tokio::test]
async fn a_row_of_an_agent_is_all_that_its_processes_have_measured() {
    let all = Reported::by_agents(2).await;
    all.report(0, ("one", "aa"), 0, found(900, 9, 0), found(900, 9, 0)).await;
    all.report(0, ("one", "mirror"), 1, found(100, 40, 7), found(100, 40, 7)).await;
    all.report(0, ("another", "10%"), 2, found(30, 20, 0), found(30, 20, 0)).await;
    all.report(1, ("one", "mirror"), 1, found(1_000, 5, 1), found(1_000, 5, 1)).await;
    let rows = all.rows("agent").await;
    let fields = ["agent", "host", "horizons", "agents", "points_in", "lost", "at_most", "exact"];
    let uid = |agent: usize| json!(all.agents[agent].to_string());
    assert_eq!(
        of(&rows[0], &fields),
        [uid(0), json!("h1"), json!(2), json!(1), json!(130), json!(7), json!(true), json!(false)]
    );
    assert_eq!(
        of(&rows[1], &fields),
        [uid(1), json!("h2"), json!(1), json!(1), json!(1_000), json!(1), json!(false), json!(true)]
    );
    let total = all.results("agent").await["total"].clone();
    assert_eq!(
        (&total["at_most"], &total["exact"]),
        (&json!(true), &json!(false)),
        "an upper bound is not exact"
    );
    let stranger = all.server.other_tenant(&all.admin).await;
    let foreign = format!("/api/v1/experiments/{}/results?by=agent", all.id);
    assert_eq!(all.server.get(&foreign, &stranger).await.refusal(), 404);
    let unknown = all.server.get("/api/v1/experiments/a/results?by=host", &all.admin).await;
    assert_eq!(unknown.refusal(), 400, "{unknown:?}");
}

#[tokio::test]
async fn where_a_series_comes_through_several_agents_no_row_over_them_is_exact_and_that_of_one_is() {
    let all = Reported::by_agents(2).await;
    all.report(0, ("one", "mirror"), 0, found(100, 40, 0), found(150, 40, 0)).await;
    all.report(1, ("one", "mirror"), 0, found(100, 40, 0), found(150, 40, 0)).await;
    all.report(0, ("one", "mirror"), 1, found(50, 40, 0), found(150, 40, 0)).await;
    let said = async |by: &str| -> Vec<Vec<Value>> {
        all.rows(by).await.iter().map(|row| of(row, &["agents", "exact", "at_most"])).collect()
    };
    let exact = |agents: u32| vec![json!(agents), json!(true), json!(false)];
    let at_most = |agents: u32| vec![json!(agents), json!(false), json!(true)];
    assert_eq!(said("horizon").await, [exact(2), exact(1)]);
    assert_eq!(said("step").await, [exact(2)]);
    let mut tx = all.server.state.store.begin(all.tenant).await.unwrap();
    let told = Told { slices: 1, truncated: false, body: &[] };
    let of = (all.tenant, all.id);
    slices::keep(&mut tx, of, (1, true), &[(all.agents[0], told)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(said("horizon").await, [at_most(2), exact(1)]);
    assert_eq!(said("step").await, [at_most(2)]);
    assert_eq!(said("agent").await, [exact(1), exact(1)]);
}
