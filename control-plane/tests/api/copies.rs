//! Copies of a database by the real binary: a backup while it is served, and a move to a server.

use std::path::Path;
use std::process::{Command, Output};

use control_plane::app::App;
use control_plane::clock::{Clock, Entropy, UnixMillis};
use control_plane::experiment::ExperimentId;
use control_plane::id::TenantId;
use control_plane::store::reports::{self, Content, Key};
use control_plane::store::{Across, Address, Store, query, sums};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::experiments::asked;
use super::postgres::database;
use super::server::{Server, config, on_server};
const AT: UnixMillis = UnixMillis(1_800_000_000_000);

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phoenix-control-plane")).args(arguments).output().unwrap()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server with people, an agent and an experiment in it.
async fn furnished() -> (Server, String) {
    let server = Server::start_here(tempfile::tempdir().unwrap(), AT).await;
    let admin = server.set_up().await;
    server.user(&admin, "viewer").await;
    server.other_tenant(&admin).await;
    let token = server.post("/api/v1/enrollment-tokens", &admin, json!({ "max_uses": 2 })).await.body;
    let uid = "018f4f9e-0000-7000-8000-000000000001";
    let agent =
        server.fleet("/v1/enroll", token["token"].as_str().unwrap(), json!({ "uid": uid, "version": "1" }));
    assert_eq!(agent.await.status, 201);
    (server, admin)
}

#[tokio::test]
async fn nobody_else_reads_the_database_or_the_files_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("data/phoenix.db");
    std::fs::create_dir(dir.path().join("data")).unwrap();
    // As releases before made it.
    std::fs::write(&database, "").unwrap();
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let lock = dir.path().join("data/phoenix.db.migrating");
    std::fs::write(&lock, "").unwrap();
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = Server::start_here(dir, UnixMillis(1_800_000_000_000)).await;
    server.set_up().await;
    for suffix in ["", "-wal", "-shm", ".migrating"] {
        let path = format!("{}{suffix}", text(&database));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
    }
}

#[tokio::test]
async fn a_backup_is_taken_while_it_is_served_and_restored_elsewhere() {
    let (server, admin) = furnished().await;
    let (data, dir) = (server.dir.path().join("data"), tempfile::tempdir().unwrap());
    let (file, elsewhere) = (dir.path().join("backup.db"), dir.path().join("elsewhere"));
    let said = succeeds(&["backup", "--data-dir", text(&data), "--to", text(&file)]);
    assert!(said.contains("intact"), "{said}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let again = fails(&["backup", "--data-dir", text(&data), "--to", text(&file)]);
    assert!(again.contains("exists"), "{again}");
    // What comes later is not in it.
    server.user(&admin, "operator").await;
    let restored = ["restore", "--from", text(&file), "--data-dir", text(&elsewhere)];
    succeeds(&restored);
    let refused = fails(&restored);
    assert!(refused.contains("without a database"), "{refused}");
    server.stop().await;
    let store = Store::prepare(&Address::of_data_dir(&elsewhere), None).await.unwrap();
    let row = query("SELECT count(*) AS people FROM users");
    let row = row.fetch_one(&mut store.read(Across::Reconcile).await.unwrap()).await.unwrap();
    assert_eq!(row.try_get::<i64>("people").unwrap(), 3);
    store.close().await;
}

#[tokio::test]
async fn a_restored_chain_is_vouched_for_where_its_keys_are_brought_along_and_goes_on_under_another_key() {
    let (server, _) = furnished().await;
    let (data, keys) = (server.dir.path().join("data"), "audit-keys.json");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(data.join(keys)).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (bare, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = bare.path().join("backup.db");
    succeeds(&["backup", "--data-dir", text(&data), "--to", text(&file)]);
    for dir in [&bare, &whole] {
        succeeds(&["restore", "--from", text(&file), "--data-dir", text(&dir.path().join("data"))]);
    }
    std::fs::copy(data.join(keys), whole.path().join("data").join(keys)).unwrap();
    server.stop().await;
    let chain = async |server: &Server| {
        let admin = server.login("admin@one.io").await;
        server.get("/api/v1/audit/chain", &admin).await.body
    };
    let server = Server::start_here(bare, AT).await;
    let state = chain(&server).await;
    let because = state["signatures"]["because"].as_str().unwrap();
    assert_eq!((&state["intact"], &state["signatures"]["unfit_at"]), (&json!(false), &json!(1)), "{state}");
    assert!(because.contains("which is not in audit-keys.json: put the file back"), "{because}");
    server.stop().await;
    let server = Server::start_here(whole, AT).await;
    assert_eq!(chain(&server).await["intact"], true);
    let dir = server.stop().await;
    let said = succeeds(&["audit-key", "--data-dir", text(&dir.path().join("data"))]);
    let server = Server::start_here(dir, AT).await;
    let state = chain(&server).await;
    assert_eq!((&state["intact"], &state["signatures"]["unsigned"]), (&json!(true), &json!(0)), "{state}");
    let admin = server.login("admin@one.io").await;
    let audit = server.get("/api/v1/audit?limit=200", &admin).await.body;
    let under = audit["items"].as_array().unwrap().last().unwrap()["key_id"].as_str().unwrap();
    assert!(said.contains(&format!("has the key {under}, which signs from the next start on")), "{said}");
    server.stop().await;
}

#[test]
fn what_cannot_be_copied_leaves_nothing_and_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let (garbage, data) = (dir.path().join("garbage.db"), dir.path().join("data"));
    std::fs::write(&garbage, "this is no database").unwrap();
    let said = fails(&["restore", "--from", text(&garbage), "--data-dir", text(&data)]);
    assert_eq!(said.matches("not a database").count(), 1, "{said}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn a_backup_of_an_earlier_release_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (earlier, data) = (dir.path().join("earlier.db"), dir.path().join("data"));
    let at = format!("sqlite:{}", text(&earlier));
    succeeds(&["migrate", "up", "--database", &at]);
    succeeds(&["migrate", "down", "--database", &at]);
    succeeds(&["restore", "--from", text(&earlier), "--data-dir", text(&data)]);
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["phoenix.db"]);
    assert!(!succeeds(&["migrate", "status", "--data-dir", text(&data)]).contains("pending"));
}

#[test]
fn a_file_that_is_left_from_before_a_move_is_not_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("backup.db"));
    succeeds(&["migrate", "up", "--data-dir", text(&data)]);
    let server = "postgres://phoenix:s3cret@db/phoenix";
    let said = fails(&["backup", "--data-dir", text(&data), "--database", server, "--to", text(&file)]);
    assert!(said.contains("pg_dump") && !said.contains("s3cret") && !file.exists(), "{said}");
}

#[test]
fn an_owner_of_tables_that_are_on_no_server_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let serve =
        ["serve", "--listen", "127.0.0.1:0", "--fleet-listen", "127.0.0.1:0", "--data-dir", text(&data)];
    let (owner, file) = ("postgres://phoenix_owner:s3cret@db/phoenix", "sqlite:other.db");
    for named in [&["--database-owner", owner][..], &["--database", owner, "--database-owner", file]] {
        let said = fails(&[&serve, named].concat());
        assert!(said.contains("both name a server") && !said.contains("s3cret"), "{said}");
    }
    assert!(!data.join("phoenix.db").exists());
}

#[tokio::test]
async fn what_was_tampered_with_is_not_backed_up() {
    let (server, _) = furnished().await;
    let (data, dir) = (server.dir.path().join("data"), tempfile::tempdir().unwrap());
    let mut tx = server.state.store.begin(Across::Reconcile).await.unwrap();
    query("DROP TRIGGER audit_logs_are_not_updated").execute(&mut tx).await.unwrap();
    query("UPDATE audit_logs SET actor = 'nobody' WHERE seq = 1").execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let file = dir.path().join("backup.db");
    let said = fails(&["backup", "--data-dir", text(&data), "--to", text(&file)]);
    assert!(said.contains("broken at entry 1") && !file.exists(), "{said}");
    server.stop().await;
}

/// Files a report of an agent, and returns how many there are.
async fn reported(store: &Store, of: (TenantId, ExperimentId), window_start: i64) -> u32 {
    let agent = "018f4f9e-0000-7000-8000-000000000001".parse().unwrap();
    let key = Key { experiment_id: of.1, agent, boot_id: "boot", generation: 1, window_start };
    let content = Content {
        window_end: window_start + 10,
        step: "mirror",
        digest: "digest",
        body: b"body",
        received_at: AT,
        clock_ahead: None,
        clock_offset: 0,
        points_in: 1,
        plans: "plans",
        baseline: "baseline",
        varied: [None, None],
    };
    let mut tx = store.begin(of.0).await.unwrap();
    reports::insert(&mut tx, of.0, &[(key, content)]).await.unwrap();
    let covered = sums::covered(&mut tx, of).await.unwrap();
    tx.commit().await.unwrap();
    covered[0].horizons
}

#[tokio::test]
async fn a_file_is_moved_to_a_server_with_all_that_is_in_it() {
    let (server, admin) = furnished().await;
    let made = server.post("/api/v1/experiments", &admin, asked(json!({ "name": "a" }))).await.body;
    let me = server.get("/api/v1/auth/me", &admin).await.body;
    let tenant = me["tenant_id"].as_str().unwrap().parse().unwrap();
    let of = (tenant, made["id"].as_str().unwrap().parse().unwrap());
    assert_eq!(reported(&server.state.store, of, 0).await, 1);
    let agents = server.get("/api/v1/agents", &admin).await.body;
    let audit = server.get("/api/v1/audit?limit=200", &admin).await.body;
    let dir = server.stop().await;
    let database = database().await;
    let from = format!("sqlite:{}", text(&dir.path().join("data/phoenix.db")));
    let mover = ["move", "--from", &from, "--to", &database.owner];
    let said = succeeds(&mover);
    assert!(said.contains("intact") && !said.contains("sqlite"), "{said}");
    let refused = fails(&mover);
    assert!(refused.contains("not empty"), "{refused}");
    let refused = fails(&["move", "--from", &database.owner, "--to", &from]);
    assert!(refused.contains("in no other direction"), "{refused}");
    // The walls are up again.
    let mut owner = PgConnection::connect_with(&database.owner.parse().unwrap()).await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut owner).await.unwrap();
    assert_eq!(seen, 0);
    // What signs for the chains is where the file was.
    let elsewhere = tempfile::tempdir().unwrap();
    let without = on_server(config(elsewhere.path()), &database.owner, &database.service);
    let refused = App::build(&without, Clock::system(), Entropy::system()).await.unwrap_err().to_string();
    assert!(
        refused.contains("has no audit-keys.json: copy the file from the process that has it"),
        "{refused}"
    );
    let config = on_server(config(dir.path()), &database.owner, &database.service);
    let server = Server::start_by(dir, &config, AT).await;
    let admin = server.login("admin@one.io").await;
    assert_eq!(server.get("/api/v1/agents", &admin).await.body, agents);
    let moved = server.get("/api/v1/audit?limit=200", &admin).await.body;
    let before = audit["items"].as_array().unwrap();
    assert!(before.len() > 4, "{audit}");
    assert_eq!(&moved["items"].as_array().unwrap()[..before.len()], before);
    assert_eq!(server.get("/api/v1/audit/chain", &admin).await.body["intact"], true);
    assert_eq!(
        reported(&server.state.store, of, 10).await,
        2,
        "each report is added up once, before and after"
    );
    server.stop().await;
}
