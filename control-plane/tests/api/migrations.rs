//! The schema goes up and down by the real binary, and comes out the same.

use std::path::Path;
use std::process::{Command, Output};

use control_plane::store::Store;
use sqlx::Row as _;

use super::server::Server;

fn migrate(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-control-plane"));
    command.arg("migrate").args(arguments).arg("--data-dir").arg(dir).output().unwrap()
}

fn lines(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Every table, index and trigger there is, as text.
async fn schema(dir: &Path) -> Vec<String> {
    let store = Store::open(dir).await.unwrap();
    let ours = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '_sqlx%' ORDER BY sql";
    let rows = sqlx::query(ours).fetch_all(&mut *store.read().await.unwrap()).await.unwrap();
    store.close().await;
    rows.iter().map(|row| row.get("sql")).collect()
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

#[test]
fn a_version_that_there_is_not_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    lines(&migrate(dir.path(), &["up"]));
    let refused = migrate(dir.path(), &["down", "--to", "77"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("77"));
}
