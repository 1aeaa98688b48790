//! Evidence of verdicts: whoever has the database in hand and changes what a verdict rests on is found by the audit chain.

use control_plane::actions::merges;
use control_plane::experiment::ExperimentId;
use control_plane::id::TenantId;
use control_plane::reconcile::analyze;
use control_plane::store::merges::Of;
use control_plane::store::{Tx, fingerprints, query};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::freeze::running;
use super::grpc::agent::Agent;
use super::server::Server;

const PATH: &str = "/api/v1/audit/evidence";

/// An experiment that was promoted on a person's word, after three horizons.
struct Promoted {
    server: Server,
    admin: String,
    tenant: TenantId,
    id: ExperimentId,
}

impl Promoted {
    async fn new() -> Self {
        let server = Server::start().await;
        let admin = server.set_up().await;
        let mut agent = Agent::enroll(&server, &admin).await;
        running(&server, &admin, "e", &mut agent).await;
        let shown = server.get("/api/v1/experiments/e", &admin).await.body;
        let id = shown["id"].as_str().unwrap().to_owned();
        for horizon in 0..3 {
            agent.report(&id).await;
            analyze::once(&server.state).await.unwrap();
            server.pass(if horizon < 2 { 70 } else { 0 });
        }
        let forced = json!({ "force": true, "reason": "I say so" });
        let promoted = server.post("/api/v1/experiments/e/promote", &admin, forced).await;
        assert_eq!(promoted.status, StatusCode::OK, "{promoted:?}");
        let me = server.get("/api/v1/auth/me", &admin).await.body;
        let tenant = me["tenant_id"].as_str().unwrap().parse().unwrap();
        drop(agent);
        Self { id: id.parse().unwrap(), server, admin, tenant }
    }

    async fn begin(&self) -> Tx {
        self.server.state.store.begin(self.tenant).await.unwrap()
    }

    /// What the control plane says of the evidence.
    async fn evidence(&self) -> Value {
        let all = self.server.get(PATH, &self.admin).await.body;
        assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
        let own = self.server.get(&format!("{PATH}?experiment={}", self.id), &self.admin).await.body;
        assert_eq!(own["items"], all["items"]);
        all["items"][0].clone()
    }

    /// Changes the database as somebody would who has it in hand, tells what is said of it, and changes it back.
    async fn with(&self, change: &'static str, back: &'static str) -> Value {
        let mut tx = self.begin().await;
        assert!(query(change).execute(&mut tx).await.unwrap().rows_affected() > 0, "{change}");
        tx.commit().await.unwrap();
        let said = self.evidence().await;
        let mut tx = self.begin().await;
        query(back).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_agrees(&self.evidence().await);
        said
    }
}

fn agreements(said: &Value) -> Vec<&str> {
    let verdicts = said["verdicts"].as_array().unwrap().iter();
    verdicts.map(|one| one["agreement"].as_str().unwrap()).collect()
}

fn assert_agrees(said: &Value) {
    assert!(agreements(said).iter().all(|one| *one == "agrees"), "{said:#}");
    assert_eq!(said["changes"], json!([]), "{said:#}");
}

/// The reason that is said of the last verdict.
fn because(said: &Value) -> String {
    let last = said["verdicts"].as_array().unwrap().last().unwrap();
    assert_eq!(last["agreement"], "changed", "{said:#}");
    last["because"].as_str().unwrap().to_owned()
}

/// Seconds of the hour of a time.
fn seconds(at: &str) -> u32 {
    let part = |from: usize| at[from..from + 2].parse::<u32>().unwrap();
    part(14) * 60 + part(17)
}

#[tokio::test]
async fn each_verdict_names_its_evidence_and_one_that_only_holds_on_is_not_named_again() {
    let all = Promoted::new().await;
    let said = all.evidence().await;
    assert_agrees(&said);
    assert_eq!((&said["stored"], &said["horizons"], &said["reports"]), (&json!(true), &json!(3), &json!(3)));
    let verdicts = said["verdicts"].as_array().unwrap();
    let actions: Vec<&str> = verdicts.iter().map(|one| one["action"].as_str().unwrap()).collect();
    assert_eq!(actions.last(), Some(&"experiment.promote"));
    assert!(actions.contains(&"experiment.applied"), "{actions:?}");
    let of_step =
        verdicts.iter().filter(|one| one["step"] == "mirror" && one["action"] == "experiment.verdict");
    let verbs: Vec<(&Value, &Value)> = of_step.map(|one| (&one["verb"], &one["at"])).collect();
    let at = |at: &Value| seconds(at.as_str().unwrap());
    for two in verbs.windows(2) {
        assert!(two[0].0 != two[1].0 || at(two[1].1) - at(two[0].1) >= 60, "{verbs:?}");
    }
    assert!(!verbs.is_empty() && verbs.len() <= 6, "{said:#}");
    assert_eq!(verdicts.last().unwrap()["fingerprint"]["horizons"], 3);
    for _ in 0..3 {
        analyze::once(&all.server.state).await.unwrap();
    }
    assert_eq!(all.evidence().await, said, "a look at an experiment that is over names nothing");
    // The entry has the answers, and digests of all that was looked at.
    let entries = all.server.get("/api/v1/audit?action=experiment.promote", &all.admin).await.body;
    let detail = &entries["items"][0]["detail"];
    assert!(!detail["verdict"]["criteria"].as_array().unwrap().is_empty(), "{detail:#}");
    for digest in ["/verdict/digest", "/evidence/digest", "/evidence/policy", "/evidence/candidate"] {
        assert_eq!(detail.pointer(digest).unwrap().as_str().unwrap().len(), 64, "{digest}");
    }
    let status = all.server.get("/api/v1/experiments/e/status", &all.admin).await.body;
    assert_eq!(status["attested"]["entry"], entries["items"][0]["seq"]);
    assert_eq!(status["attested"]["fingerprint"]["digest"], detail["evidence"]["digest"]);
}

#[tokio::test]
async fn whatever_is_changed_of_what_a_verdict_rests_on_is_told() {
    let all = Promoted::new().await;
    let latest = "window_start = (SELECT MAX(window_start) FROM experiment_windows)";
    // One byte of a report, in its midst.
    let mut tx = all.begin().await;
    let read = format!("SELECT body FROM experiment_windows WHERE {latest}");
    let row = query(sqlx::AssertSqlSafe(read)).fetch_one(&mut tx).await.unwrap();
    let body: Vec<u8> = row.try_get("body").unwrap();
    let write = |body: Vec<u8>| {
        let sql = "UPDATE experiment_windows SET body = $1 WHERE window_start = (SELECT MAX(window_start) FROM experiment_windows)";
        query(sql).bind(body)
    };
    let mut other = body.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    write(other).execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let said = all.evidence().await;
    assert!(because(&said).starts_with("the report of agent "), "{said:#}");
    assert!(agreements(&said).contains(&"agrees"), "those before that horizon rest on others: {said:#}");
    let mut tx = all.begin().await;
    write(body).execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_agrees(&all.evidence().await);
    for (change, back, expected) in [
        (
            "UPDATE experiment_windows SET points_in = 0",
            "UPDATE experiment_windows SET points_in = 100",
            "horizons that came until ",
        ),
        (
            "UPDATE experiment_windows SET received_at = received_at + 1",
            "UPDATE experiment_windows SET received_at = received_at - 1",
            "horizons that came until ",
        ),
        (
            "UPDATE experiment_windows SET nanos_per_point = 0.5",
            "UPDATE experiment_windows SET nanos_per_point = NULL",
            "horizons that came until ",
        ),
        (
            "UPDATE experiment_windows SET baseline = baseline || 'x'",
            "UPDATE experiment_windows SET baseline = substr(baseline, 1, length(baseline) - 1)",
            "horizons that came until ",
        ),
        (
            "UPDATE experiment_windows SET fingerprint = fingerprint + 1000",
            "UPDATE experiment_windows SET fingerprint = fingerprint - 1000",
            "0 horizons are kept of the ",
        ),
        (
            "UPDATE experiment_sums SET counted = counted - 1",
            "UPDATE experiment_sums SET counted = counted + 1",
            "the sums of agent ",
        ),
        (
            "UPDATE experiment_fingerprints SET number = -number",
            "UPDATE experiment_fingerprints SET number = -number",
            "is not kept",
        ),
        (
            "UPDATE experiments SET spec = replace(spec, '\"min_hosts\":1', '\"min_hosts\":2')",
            "UPDATE experiments SET spec = replace(spec, '\"min_hosts\":2', '\"min_hosts\":1')",
            "the policy is not the one that the entry names",
        ),
        (
            "UPDATE experiments SET spec = replace(spec, 'process.memory.virtual', 'process.memory.virtuel')",
            "UPDATE experiments SET spec = replace(spec, 'process.memory.virtuel', 'process.memory.virtual')",
            "the candidate is not the one that the entry names",
        ),
        (
            "UPDATE experiments SET verdict = verdict || ' '",
            "UPDATE experiments SET verdict = substr(verdict, 1, length(verdict) - 1)",
            "the verdict that is kept is not the one that the entry names",
        ),
        (
            "UPDATE experiments SET state = replace(state, '\"promoted\"', '\"inconclusive\"')",
            "UPDATE experiments SET state = replace(state, '\"inconclusive\"', '\"promoted\"')",
            "the outcome that is kept, inconclusive, is not the one that the chain names last, promoted",
        ),
    ] {
        let said = all.with(change, back).await;
        assert!(because(&said).contains(expected), "{change}: {said:#}");
    }
    // An outcome that an end after the end has is the chain's last.
    let rolled_back = all.server.post("/api/v1/experiments/e/rollback", &all.admin, json!({})).await;
    assert_eq!(rolled_back.status, StatusCode::OK, "{rolled_back:?}");
    assert_agrees(&all.evidence().await);
    // A whole new set of digests, made by who knows how: the chain has the earlier ones.
    let mut tx = all.begin().await;
    for change in [
        "DELETE FROM experiment_fingerprints",
        "UPDATE experiments SET fingerprints = 0",
        "UPDATE experiment_windows SET fingerprint = 1, received_at = received_at + 1",
    ] {
        query(change).execute(&mut tx).await.unwrap();
    }
    fingerprints::take(&mut tx, (all.tenant, all.id)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(because(&all.evidence().await).ends_with("is not the one that the entry names"));
}

#[tokio::test]
async fn what_was_merged_is_told_by_its_digests_and_what_was_deleted_is_told_to_be_gone() {
    let all = Promoted::new().await;
    let mut tx = all.begin().await;
    query("UPDATE experiment_windows SET to_merge = 1 WHERE window_start < (SELECT MAX(window_start) FROM experiment_windows)")
        .execute(&mut tx)
        .await
        .unwrap();
    let agent = fingerprints::agents(&mut tx, (all.tenant, all.id)).await.unwrap().remove(0);
    let of = Of { tenant: all.tenant, experiment: all.id, agent, step: "mirror".to_owned() };
    merges::merge(&mut tx, &of).await.unwrap();
    tx.commit().await.unwrap();
    let said = all.evidence().await;
    assert_agrees(&said);
    assert_eq!((&said["horizons"], &said["reports"]), (&json!(3), &json!(1)));
    let mut tx = all.begin().await;
    query("DELETE FROM experiment_merges").execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(because(&all.evidence().await).contains("horizons"));
    let gone = all.server.call(hyper::Method::DELETE, "/api/v1/experiments/e", &all.admin, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let said = all.evidence().await;
    assert_eq!(said["stored"], json!(false));
    let agreements = agreements(&said);
    assert!(!agreements.is_empty() && agreements.iter().all(|one| *one == "not_stored"), "{said:#}");
}
