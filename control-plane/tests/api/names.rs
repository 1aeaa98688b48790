//! Names of experiments: each means one, and stands wherever an id does.

use control_plane::http::Route;
use control_plane::rest;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::experiments::asked;
use super::migrations::{lines, migrate, migrate_at};
use super::postgres::{database, shared};
use super::server::Server;

const PATH: &str = "/api/v1/experiments";

/// One of a name with characters that a path writes otherwise.
const NAME: &str = "50 %/night";
const IN_PATH: &str = "50%20%25%2Fnight";

fn called(name: &str) -> Value {
    asked(json!({ "name": name }))
}

#[tokio::test]
async fn a_name_stands_wherever_an_id_does() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let made = server.post(PATH, &admin, called(NAME)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id = made.body["id"].as_str().unwrap();
    let mut walked = 0;
    for Route { method, path, .. } in rest::routes(server.state.clone()).table() {
        let Some(rest) = path.strip_prefix("/api/v1/experiments/{id}") else { continue };
        if rest == "/events" || (method, rest) == (&Method::DELETE, "") {
            continue;
        }
        // Of both the same is asked, and both are known: what is refused then is refused for another reason.
        let of = async |name: &str| {
            let body = (*method != Method::GET).then(|| json!({ "name": "x" }).to_string());
            server.call(method.clone(), &format!("{PATH}/{name}{rest}"), &admin, body).await
        };
        let (by_name, by_id) = (of(IN_PATH).await, of(id).await);
        assert_ne!(by_name.status, StatusCode::NOT_FOUND, "{method} {path}: {by_name:?}");
        assert_ne!(by_id.status, StatusCode::NOT_FOUND, "{method} {path}: {by_id:?}");
        walked += 1;
    }
    assert!(walked >= 12, "{walked}");
    assert_eq!(server.get(&format!("{PATH}/{IN_PATH}"), &admin).await.body["id"], id);
    assert_eq!(server.delete(&format!("{PATH}/{IN_PATH}"), &admin).await.status, StatusCode::NO_CONTENT);
    let gone = server.get(&format!("{PATH}/{IN_PATH}"), &admin).await;
    assert_eq!(
        (gone.refusal(), &gone.body["detail"]),
        (404, &json!(format!("there is no experiment {NAME}")))
    );
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_until_it_is_free_and_another_tenants_is_none() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    let first = server.post(PATH, &admin, called("a")).await.body;
    let second = server.post(PATH, &admin, called("b")).await.body;
    assert_eq!(server.post(PATH, &stranger, called("a")).await.status, StatusCode::CREATED);
    let taken = server.post(PATH, &admin, called("a")).await;
    assert_eq!((taken.refusal(), &taken.body["type"]), (409, &json!("/problems/exists")));
    assert!(taken.body["detail"].as_str().unwrap().contains("of the name a exists"), "{taken:?}");
    // Nor by a change of another one, and nothing of that one is changed.
    let path = format!("{PATH}/{}", second["id"].as_str().unwrap());
    assert_eq!(server.put(&path, &admin, called("a")).await.refusal(), 409);
    assert_eq!(server.get(&path, &admin).await.body["name"], "b");
    assert_eq!(server.put(&path, &admin, called("c")).await.body["name"], "c");
    assert_eq!(server.get(&format!("{PATH}/c"), &admin).await.body["id"], second["id"]);
    assert_eq!(server.get(&format!("{PATH}/b"), &admin).await.refusal(), 404);
    // One that is over keeps its name: its results are read by it.
    assert_eq!(server.post(&format!("{PATH}/a/cancel"), &admin, json!({})).await.status, StatusCode::OK);
    assert_eq!(server.post(PATH, &admin, called("a")).await.refusal(), 409);
    assert_eq!(server.delete(&format!("{PATH}/a"), &admin).await.status, StatusCode::NO_CONTENT);
    let again = server.post(PATH, &admin, called("a")).await.body;
    assert_ne!(again["id"], first["id"]);
    // What would be taken for an id is no name.
    let odd = server.post(PATH, &admin, called("018f4f9e-0000-7000-8000-000000000000")).await;
    assert_eq!((odd.refusal(), &odd.body["errors"][0]["field"]), (422, &json!("name")));
}

/// Rows of two tenants: number, name, phase.
const DOUBLES: [(u8, u8, &str, &str); 6] = [
    (1, 1, "a", "completed"),
    (1, 2, "a", "running"),
    (1, 3, "a", "failed"),
    (1, 4, "b", "completed"),
    (1, 5, "b", "cancelled"),
    (2, 6, "a", "pending"),
];
/// Their names afterward.
const APART: [&str; 6] = ["a (1)", "a", "a (3)", "b (4)", "b", "a"];

fn insert(engine: &str) -> AssertSqlSafe<String> {
    let tenants =
        "INSERT INTO tenants (id, name, created_at) VALUES ('1', 'one', 1), ('2', 'two', 2);".to_owned();
    let rows = DOUBLES.map(|(tenant, id, name, phase)| {
        format!("('{tenant}', '{id}', '{name}', '{{}}', '{phase}', '{{}}', 1, '{engine}', 1, 1)")
    });
    let columns = "tenant_id, id, name, spec, phase, state, version, created_by, created_at, updated_at";
    AssertSqlSafe(format!("{tenants} INSERT INTO experiments ({columns}) VALUES {}", rows.join(", ")))
}

#[tokio::test]
async fn those_that_had_one_name_before_are_told_apart_by_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    lines(&migrate(dir.path(), &["up"]));
    lines(&migrate(dir.path(), &["down", "--to", "16"]));
    let options = SqliteConnectOptions::new().filename(dir.path().join("phoenix.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(insert("sqlite")).execute(&mut connection).await.unwrap();
    lines(&migrate(dir.path(), &["up"]));
    let names = "SELECT name FROM experiments ORDER BY id";
    let rows = sqlx::query(names).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), APART);

    let database = database().await;
    let at = ["--database", database.owner.as_str()];
    lines(&migrate_at(&at, &["up"]));
    lines(&migrate_at(&at, &["down", "--to", "17"]));
    // Of the administrator, whom no policy stops.
    let admin = shared().address("admin", database.owner.rsplit('/').next().unwrap());
    let mut connection = PgConnection::connect_with(&admin.parse().unwrap()).await.unwrap();
    sqlx::raw_sql(insert("postgres")).execute(&mut connection).await.unwrap();
    lines(&migrate_at(&at, &["up"]));
    let rows: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows, APART);
}
