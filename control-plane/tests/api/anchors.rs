//! Anchors of the audit chains: somebody who has the database in hand, and the code that hashes, is found by them.

use std::path::Path;
use std::time::Duration;

use control_plane::app::App;
use control_plane::audit::{self, By};
use control_plane::clock::{Clock, Entropy, UnixMillis};
use control_plane::id::TenantId;
use control_plane::store::audit as rows;
use control_plane::store::{Address, Store};
use hyper::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::grpc::soon;
use super::server::{Server, anywhere};
use super::webhooks::receiver::Receiver;

const AT: UnixMillis = UnixMillis(1_800_000_000_000);
const OFTEN: Duration = Duration::from_millis(20);
const CHAIN: &str = "/api/v1/audit/chain";

async fn anchored(dir: TempDir, every: Duration) -> Server {
    let mut config = anywhere(dir.path()).await;
    config.audit_anchors = Some(dir.path().join("anchors"));
    config.audit_anchors_every = every;
    Server::start_by(dir, &config, AT).await
}

fn lines(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("anchors")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The chain's state once its last entry is anchored.
async fn settled(server: &Server, admin: &str) -> Value {
    soon("the anchor of the last entry", async {
        loop {
            let state = server.get(CHAIN, admin).await.body;
            if state["anchors"]["last_seq"] == state["entries"] && state["entries"].is_number() {
                return state;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// A server whose chain was anchored several times, stopped; its data, and its tenant.
async fn furnished() -> (TempDir, TenantId) {
    let server = anchored(tempfile::tempdir().unwrap(), OFTEN).await;
    let admin = server.set_up().await;
    for name in ["a", "b", "c"] {
        settled(&server, &admin).await;
        let made = server.post("/api/v1/enrollment-tokens", &admin, json!({ "labels": { "n": name } })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
    let state = settled(&server, &admin).await;
    assert_eq!((&state["intact"], state.get("broken_at")), (&json!(true), None), "{state}");
    let dir = server.stop().await;
    assert!(lines(dir.path()).len() >= 3);
    (dir, state["tenant_id"].as_str().unwrap().parse().unwrap())
}

/// Statements of somebody who has the database in hand.
async fn tamper(dir: &Path, statements: &[&str]) {
    let all = |before: &[&str]| AssertSqlSafe([before, statements].concat().join("; "));
    if let Ok(owner) = std::fs::read_to_string(dir.join("owner")) {
        let mut connection = PgConnection::connect_with(&owner.parse().unwrap()).await.unwrap();
        let open = [
            "ALTER TABLE audit_logs DISABLE TRIGGER USER",
            "ALTER TABLE audit_logs NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE audit_heads NO FORCE ROW LEVEL SECURITY",
        ];
        sqlx::raw_sql(all(&open)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        return;
    }
    let file = format!("sqlite:{}", dir.join("data/phoenix.db").display());
    let mut connection = SqliteConnection::connect(&file).await.unwrap();
    let open = ["DROP TRIGGER audit_logs_are_not_updated", "DROP TRIGGER audit_logs_are_not_deleted"];
    sqlx::raw_sql(all(&open)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Writes a tenant's chain anew, by the code that wrote it, with another author of everything.
async fn write_anew(dir: &Path, tenant: TenantId) {
    let address = match std::fs::read_to_string(dir.join("service")) {
        Ok(service) => service.parse().unwrap(),
        Err(_) => Address::of_data_dir(&dir.join("data")),
    };
    let store = Store::open(&address).await.unwrap();
    let before = rows::list(&mut store.read(tenant).await.unwrap(), tenant, 0, 1_000).await.unwrap();
    tamper(dir, &["DELETE FROM audit_logs", "DELETE FROM audit_heads"]).await;
    for row in before {
        let mut tx = store.begin(tenant).await.unwrap();
        let detail: Value = serde_json::from_str(&row.detail).unwrap();
        audit::record(&mut tx, row.at, tenant, By::ControlPlane, &row.action, &row.object, &detail)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    store.close().await;
}

async fn unfit(server: &Server) {
    soon("the count of the anchor that does not fit", async {
        let counted = "phoenix_audit_anchors_total{outcome=\"unfit\"} 1\n";
        while !server.get("/metrics", "").await.body.as_str().unwrap().contains(counted) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_found_and_the_first_anchor_that_does_not_fit_is_named() {
    let (dir, tenant) = furnished().await;
    let first = lines(dir.path()).remove(0);
    write_anew(dir.path(), tenant).await;
    let server = anchored(dir, OFTEN).await;
    let admin = server.login("admin@one.io").await;
    let state = server.get(CHAIN, &admin).await.body;
    assert!(state["entries"].is_number() && state.get("broken_at").is_none(), "it fits itself: {state}");
    assert_eq!(state["intact"], false, "{state}");
    let misfit = &state["anchors"]["misfit"];
    assert_eq!((&misfit["line"], &misfit["anchor"]), (&json!(1), &first), "{state}");
    let entry = server.get("/api/v1/audit?limit=200", &admin).await.body["items"].take();
    let seq = usize::try_from(first["seq"].as_i64().unwrap()).unwrap();
    assert_eq!(misfit["found"], entry[seq - 1]["hash"]);
    unfit(&server).await;
}

#[tokio::test]
async fn a_chain_that_was_written_anew_without_the_key_is_found_without_any_anchor_and_stays_found() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    server.login("admin@one.io").await;
    let state = server.get(CHAIN, &admin).await.body;
    assert_eq!(state["signatures"], json!({ "signed": 3, "unsigned": 0 }), "{state}");
    let tenant = state["tenant_id"].as_str().unwrap().parse().unwrap();
    let dir = server.stop().await;
    write_anew(dir.path(), tenant).await;
    let server = Server::start_again(dir, AT).await;
    for more in 1..=2 {
        let admin = server.login("admin@one.io").await;
        let state = server.get(CHAIN, &admin).await.body;
        assert_eq!((&state["intact"], &state["entries"]), (&json!(false), &json!(3 + more)), "{state}");
        assert_eq!((state.get("broken_at"), state.get("anchors")), (None, None), "{state}");
        let signatures = &state["signatures"];
        assert_eq!((&signatures["signed"], &signatures["unfit_at"]), (&json!(0), &json!(1)), "{state}");
        assert!(signatures["because"].as_str().unwrap().starts_with("it has no signature"), "{state}");
    }
}

#[tokio::test]
async fn a_chain_that_was_cut_short_is_found_even_once_it_is_as_long_again() {
    let (dir, _) = furnished().await;
    let before = lines(dir.path());
    let (kept, gone) = (&before[0], before.iter().position(|line| line["seq"] != before[0]["seq"]).unwrap());
    let delete = format!("DELETE FROM audit_logs WHERE seq > {}", kept["seq"]);
    let end =
        format!("UPDATE audit_heads SET seq = {}, hash = '{}'", kept["seq"], kept["hash"].as_str().unwrap());
    tamper(dir.path(), &[&delete, &end]).await;
    let server = anchored(dir, OFTEN).await;
    unfit(&server).await;
    let mut admin = server.login("admin@one.io").await;
    let long = before.last().unwrap()["seq"].as_i64();
    let state = loop {
        let state = server.get(CHAIN, &admin).await.body;
        assert_eq!(state["intact"], false, "{state}");
        if state["entries"].as_i64() > long {
            break state;
        }
        admin = server.login("admin@one.io").await;
    };
    let misfit = &state["anchors"]["misfit"];
    assert_eq!((&misfit["line"], &misfit["anchor"]), (&json!(gone + 1), &before[gone]), "{state}");
}

#[tokio::test]
async fn each_tenant_is_compared_with_its_own_anchors_across_restarts() {
    let server = anchored(tempfile::tempdir().unwrap(), OFTEN).await;
    let admin = server.set_up().await;
    let other = server.other_tenant(&admin).await;
    let (one, two) = (settled(&server, &admin).await, settled(&server, &other).await);
    let dir = server.stop().await;
    let of = |state: &Value| {
        let own = lines(dir.path()).iter().filter(|line| line["tenant_id"] == state["tenant_id"]).count();
        assert_eq!(state["anchors"]["compared"], own, "{state}");
        assert_eq!((&state["intact"], state["anchors"].get("misfit")), (&json!(true), None), "{state}");
    };
    of(&one);
    of(&two);
    // What is anchored already is not again.
    let before = lines(dir.path()).len();
    let server = anchored(dir, OFTEN).await;
    let admin = server.login("admin@one.io").await;
    assert_eq!(settled(&server, &admin).await["intact"], true);
    let dir = server.stop().await;
    assert!((1..=2).contains(&(lines(dir.path()).len() - before)), "a login is all that was new");
}

#[tokio::test]
async fn an_end_is_anchored_seldom_and_when_the_process_ends() {
    let server = anchored(tempfile::tempdir().unwrap(), Duration::from_secs(3_600)).await;
    let admin = server.set_up().await;
    for _ in 0..5 {
        server.login("admin@one.io").await;
    }
    let entries = server.get(CHAIN, &admin).await.body["entries"].as_i64().unwrap();
    let dir = server.stop().await;
    let all = lines(dir.path());
    assert_eq!((entries, all.last().unwrap()["seq"].as_i64()), (7, Some(7)));
    assert!(all.len() <= 2, "one for the look at the start, if that was late: {all:?}");
}

#[tokio::test]
async fn a_webhook_that_names_the_event_is_told_the_end_of_its_tenants_chain_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = anywhere(dir.path()).await;
    config.audit_anchors_every = OFTEN;
    let server = Server::start_by(dir, &config, AT).await;
    let admin = server.set_up().await;
    let (mut named, mut all) = (Receiver::start().await, Receiver::start().await);
    for (name, url, event) in [("all", all.url(), "*"), ("named", named.url(), "audit.anchor")] {
        let body = json!({ "name": name, "url": url, "events": [event] });
        assert_eq!(server.post("/api/v1/webhooks", &admin, body).await.status, StatusCode::CREATED);
    }
    let entries = server.get("/api/v1/audit?limit=200", &admin).await.body["items"].take();
    let last = entries.as_array().unwrap().last().unwrap();
    let told = soon("the last entry", async {
        loop {
            let told = named.call().await.json();
            assert_eq!(told["type"], "audit.anchor", "{told}");
            if told["data"]["detail"]["seq"] == last["seq"] {
                return told;
            }
        }
    })
    .await;
    assert_eq!(told["data"]["detail"]["hash"], last["hash"], "{told}");
    let state = server.get(CHAIN, &admin).await.body;
    assert_eq!((&told["data"]["tenant_id"], state.get("anchors")), (&state["tenant_id"], None), "{state}");
    server.put("/api/v1/freeze", &admin, json!({ "reason": "r" })).await;
    assert_eq!(all.call().await.json()["type"], "tenant.freeze");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = anywhere(dir.path()).await;
    config.audit_anchors = Some(dir.path().join("no/such/folder"));
    let told = App::build(&config, Clock::system(), Entropy::system()).await.unwrap_err().to_string();
    assert!(told.contains("no/such/folder: No such file"), "{told}");
}
