//! The schema goes up and down by the real binary, and comes out the same.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use control_plane::actions::enroll;
use control_plane::store::{Across, Address, Store, query};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::opamp::Client;
use super::postgres::{SERVICE, database};
use super::server::Server;

pub fn migrate(dir: &Path, arguments: &[&str]) -> Output {
    migrate_at(&["--data-dir", dir.to_str().unwrap()], arguments)
}

pub fn migrate_at(place: &[&str], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-control-plane"));
    command.arg("migrate").args(arguments).args(place).output().unwrap()
}

pub fn lines(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Every table, index and trigger there is, as text.
async fn schema(dir: &Path) -> Vec<String> {
    let store = Store::open(&Address::of_data_dir(dir)).await.unwrap();
    let ours = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '_sqlx%' ORDER BY sql";
    let rows = query(ours).fetch_all(&mut store.read(Across::Ready).await.unwrap()).await.unwrap();
    store.close().await;
    rows.iter().map(|row| row.try_get("sql").unwrap()).collect()
}

#[tokio::test]
async fn up_down_and_up_again_is_the_same_schema() {
    let dir = tempfile::tempdir().unwrap();
    let before = lines(&migrate(dir.path(), &["status"]));
    assert!(before.lines().count() >= 4 && !before.contains("applied"), "{before}");
    let up = lines(&migrate(dir.path(), &["up"]));
    assert_eq!(up, before.replace("pending", "applied"));
    let first = schema(dir.path()).await;
    assert!(first.iter().any(|sql| sql.contains("CREATE TABLE agents")));
    let one_down = lines(&migrate(dir.path(), &["down"]));
    assert_eq!(one_down.matches("pending").count(), 1);
    assert!(one_down.trim_end().lines().last().unwrap().contains("pending"), "{one_down}");
    assert_eq!(lines(&migrate(dir.path(), &["down", "--to", "0"])), before);
    assert_eq!(schema(dir.path()).await, Vec::<String>::new());
    lines(&migrate(dir.path(), &["up"]));
    assert_eq!(schema(dir.path()).await, first);
}

#[tokio::test]
async fn every_table_names_its_tenant() {
    let dir = tempfile::tempdir().unwrap();
    lines(&migrate(dir.path(), &["up"]));
    let tables = schema(dir.path()).await;
    for table in tables.iter().filter(|sql| sql.starts_with("CREATE TABLE")) {
        let named = table.contains("tenant_id") || table.starts_with("CREATE TABLE tenants");
        assert!(named, "{table}");
    }
}

#[tokio::test]
async fn who_logged_in_before_there_were_logins_logs_in_anew() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let dir = server.stop().await;
    lines(&migrate(&dir.path().join("data"), &["down", "--to", "12"]));
    let server = Server::start_in(dir).await;
    assert_eq!(server.get("/api/v1/auth/me", &admin).await.refusal(), 401);
    let admin = server.login("admin@one.io").await;
    assert_eq!(server.get("/api/v1/users", &admin).await.status, 200);
}

#[tokio::test]
async fn an_agent_of_before_keeps_its_credential_and_one_that_nobody_knew_before_goes() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = server.post("/api/v1/enrollment-tokens", &admin, json!({ "max_uses": 9 })).await.body;
    let token = token["token"].as_str().unwrap();
    let uid = "018f4f9e-0000-7000-8000-000000000001";
    let enrolled = server.fleet("/v1/enroll", token, json!({ "uid": uid, "version": "1" })).await.body;
    let credential = enrolled["token"].as_str().unwrap();
    let stranger = uuid::Uuid::from_bytes([9; 16]);
    Client::greeted(&server, token, stranger).await.0.leave().await;
    let dir = server.stop().await;
    lines(&migrate(&dir.path().join("data"), &["down", "--to", "16"]));
    let server = Server::start_in(dir).await;
    enroll::authenticate(&server.state, credential).await.unwrap();
    let admin = server.login("admin@one.io").await;
    let agents = server.get("/api/v1/agents", &admin).await.body;
    let agents = agents["items"].as_array().unwrap();
    assert_eq!(
        (agents.len(), &agents[0]["uid"], &agents[0]["own_credential"]),
        (1, &json!(uid), &json!(true))
    );
    assert_eq!(agents[0]["enrolled_by"], token.split('_').nth(1).unwrap());
}

#[test]
fn a_version_that_there_is_not_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    lines(&migrate(dir.path(), &["up"]));
    let refused = migrate(dir.path(), &["down", "--to", "77"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("77"));
}

/// Every column, index, policy, right and trigger of a database of PostgreSQL.
async fn schema_of_server(owner: &str) -> Vec<String> {
    let mut session = PgConnection::connect_with(&owner.parse().unwrap()).await.unwrap();
    let all = "SELECT concat_ws(' ', table_name, column_name, domain_name, data_type, is_nullable, column_default)
                   FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'
               UNION ALL SELECT indexdef FROM pg_indexes
                   WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'
               UNION ALL SELECT concat_ws(' ', tablename, policyname, roles, qual) FROM pg_policies
               UNION ALL SELECT concat_ws(' ', grantee, table_name, privilege_type)
                   FROM information_schema.role_table_grants WHERE grantee LIKE 'phoenix_%' AND grantee <> grantor
               UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
               UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint
                   WHERE connamespace = 'public'::regnamespace AND conrelid <> coalesce(to_regclass('_sqlx_migrations'), 0)
               ORDER BY 1";
    sqlx::query_scalar(all).fetch_all(&mut session).await.unwrap()
}

#[tokio::test]
async fn the_schema_goes_up_and_down_on_a_server() {
    let database = database().await;
    let at = ["--database", database.owner.as_str()];
    let before = lines(&migrate_at(&at, &["status"]));
    assert!(before.lines().count() >= 2 && !before.contains("applied"), "{before}");
    let up = lines(&migrate_at(&at, &["up"]));
    assert_eq!(up, before.replace("pending", "applied"));
    let first = schema_of_server(&database.owner).await;
    assert!(first.len() > 400, "{}", first.len());
    let one_down = lines(&migrate_at(&at, &["down"]));
    assert_eq!(one_down.matches("pending").count(), 1, "{one_down}");
    assert_eq!(lines(&migrate_at(&at, &["down", "--to", "0"])), before);
    assert_eq!(schema_of_server(&database.owner).await, Vec::<String>::new());
    lines(&migrate_at(&at, &["up"]));
    assert_eq!(schema_of_server(&database.owner).await, first);
    let refused = migrate_at(&at, &["down", "--to", "77"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("77"));
}

#[tokio::test]
async fn several_that_start_at_once_migrate_once() {
    let (database, dir) = (database().await, tempfile::tempdir().unwrap());
    let server = ["--database", database.owner.as_str(), "--admit", SERVICE];
    for place in [&server[..], &["--data-dir", dir.path().to_str().unwrap()]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-control-plane"));
        command.args(["migrate", "up"]).args(place).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started: Vec<_> = (0..4).map(|_| command.spawn().unwrap()).collect();
        for one in started {
            assert!(!lines(&one.wait_with_output().unwrap()).contains("pending"));
        }
    }
    Store::open(&database.service.parse().unwrap()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_login_that_may_not_migrate_and_a_server_that_is_not_there_are_named() {
    let database = database().await;
    let refused = migrate_at(&["--database", &database.service], &["up"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains(&format!("postgres://{SERVICE}@")), "{said}");
    assert_eq!(said.matches("permission denied").count(), 1, "{said}");
    // Port 1 of this machine: nobody is there.
    let refused = migrate_at(&["--database", "postgres://phoenix:s3cret@127.0.0.1:1/phoenix"], &["up"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("phoenix@127.0.0.1:1") && said.contains("refused"), "{said}");
}

#[test]
fn an_address_that_is_none_is_refused_without_its_password() {
    for address in ["mysql://phoenix:s3cret@db/phoenix", "postgres://phoenix:s3cret@db:port/phoenix"] {
        let refused = migrate_at(&["--database", address], &["status"]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && !said.contains("s3cret"), "{said}");
        assert!(said.contains("--database or DATABASE_URL") && said.contains("postgres://USER"), "{said}");
    }
}
