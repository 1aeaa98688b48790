//! Replicas: two control planes on one database of PostgreSQL.

use std::time::Duration;

use control_plane::clock::UnixMillis;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper_util::rt::TokioIo;
use proto::opamp::AgentToServer;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::experiments::asked;
use super::opamp::client::{Client, TAKING, full, named, shown_with, token};
use super::opamp::offers::enrolled;
use super::postgres::{Database, migrated, shared};
use super::previews;
use super::server::{Server, config, on_server};

/// Less than the time after which a replica looks by itself, and more than a notification takes.
const TOLD: Duration = Duration::from_secs(4);

async fn replica(database: &Database, first: Option<&Server>) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let config = on_server(config(dir.path()), &database.owner, &database.service);
    if let Some(first) = first {
        // Replicas have the same keys.
        std::fs::create_dir_all(&config.data_dir).unwrap();
        for file in ["signing-keys.json", "sealing-key", "audit-keys.json"] {
            std::fs::copy(first.dir.path().join("data").join(file), config.data_dir.join(file)).unwrap();
        }
    }
    Server::start_by(dir, &config, UnixMillis(1_800_000_000_000)).await
}

/// Two of them, of which the first decides, and its admin.
async fn two() -> ([Server; 2], String, Database) {
    let database = migrated().await;
    let first = replica(&database, None).await;
    let admin = first.set_up().await;
    let second = replica(&database, Some(&first)).await;
    assert_eq!((first.state.replica.epoch().is_some(), second.state.replica.epoch()), (true, None));
    ([first, second], admin, database)
}

async fn superuser(database: &Database) -> PgConnection {
    let name = database.owner.rsplit('/').next().unwrap();
    PgConnection::connect_with(&shared().address("admin", name).parse().unwrap()).await.unwrap()
}

async fn deployed(server: &Server, admin: &str, metric: &str) {
    let config = format!(
        "processors: {{ filter/v: {{ metrics: {{ datapoint: ['metric.name == \"{metric}\"'] }} }} }}\nservice: {{ pipelines: \
         {{ metrics: {{ processors: [filter/v] }} }} }}\n"
    );
    let made = server.post("/api/v1/deployments", admin, json!({ "selector": "", "config": config })).await;
    assert_eq!(made.status, 201, "{made:?}");
}

async fn hears(client: &mut Client, what: &str) {
    let heard = tokio::time::timeout(TOLD, client.hear()).await.map(|heard| heard.remote_config.is_some());
    assert_eq!(heard, Ok(true), "{what}");
}

#[tokio::test]
async fn an_agent_of_one_replica_is_told_what_was_asked_of_the_other() {
    let ([first, second], admin, database) = two().await;
    for (asked_of, at, metric) in [(&first, &second, "a"), (&second, &first, "b"), (&second, &second, "c")] {
        let (uid, credential) = enrolled(asked_of, &admin).await;
        let mut client = Client::connect_as(at, &credential, uid, TAKING).await;
        client.say(AgentToServer { effective_config: None, ..full() }).await;
        deployed(asked_of, &admin, metric).await;
        hears(&mut client, metric).await;
        // Both show whom either has.
        for server in [&first, &second] {
            shown_with(server, &admin, uid, "status", "connected").await;
        }
        let gone = first.delete(&format!("/api/v1/agents/{uid}"), &admin).await;
        assert_eq!(gone.status, 204);
        assert_eq!(client.closed().await.1, "enrolled no more");
    }
    // One that hears nothing for a moment looks, and hears again.
    let (uid, credential) = enrolled(&first, &admin).await;
    let mut client = Client::connect_as(&second, &credential, uid, TAKING).await;
    client.say(AgentToServer { effective_config: None, ..full() }).await;
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(&mut superuser(&database).await).await.unwrap();
    assert_eq!(ended, 2);
    deployed(&first, &admin, "d").await;
    hears(&mut client, "after its connection was lost").await;
    deployed(&first, &admin, "e").await;
    hears(&mut client, "by its next connection").await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_second_agent_of_one_name_is_told_apart_by_another_replica_too() {
    let ([first, second], admin, _database) = two().await;
    let token = token(&first, &admin).await;
    let uid = Uuid::now_v7();
    let (mut one, _) = Client::greeted(&first, &token, uid).await;
    // The first reads on, as one that is alive does.
    let (mut other, answer) = {
        let mut newcomer = Box::pin(Client::greeted(&second, &token, uid));
        loop {
            tokio::select! {
                greeted = &mut newcomer => break greeted,
                message = one.socket.next() => {
                    assert!(matches!(message, Some(Ok(Message::Ping(_)))), "{message:?}");
                }
            }
        }
    };
    let name = named(&answer).expect("another name");
    assert!(named(&one.beat().await).is_none(), "the first is still connected, under its name");
    other.uid = name;
    assert!(other.beat().await.error_response.is_none());
    for (uid, replica) in [(uid, &first), (name, &second)] {
        shown_with(replica, &admin, uid, "status", "connected").await;
    }
    // One that comes back to another replica at once is the same one.
    one.socket.get_ref().set_zero_linger().unwrap();
    drop(one);
    let (mut back, answer) = Client::greeted(&second, &token, uid).await;
    assert_eq!((named(&answer), answer.error_response), (None, None));
    assert!(back.beat().await.error_response.is_none());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn an_earlier_connection_of_one_credential_is_closed_by_another_replica_too() {
    let ([first, second], admin, _database) = two().await;
    let (uid, credential) = enrolled(&first, &admin).await;
    let mut before = Client::connect_as(&first, &credential, uid, TAKING).await;
    before.say(full()).await;
    for (at, elsewhere) in [(&second, &first), (&first, &second)] {
        let mut next = Client::connect_as(at, &credential, uid, TAKING).await;
        next.say(full()).await;
        let closed = tokio::time::timeout(TOLD, before.closed()).await.expect("it is closed");
        assert_eq!(closed, (1008, "connected elsewhere".to_owned()));
        assert!(next.beat().await.error_response.is_none(), "the later one stays");
        shown_with(elsewhere, &admin, uid, "status", "connected").await;
        before = next;
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_preview_reaches_the_agents_of_either_replica_and_their_answers_come_back() {
    let ([first, second], admin, _database) = two().await;
    let mut answering = Vec::new();
    for (at, host) in [(&first, "a"), (&second, "b")] {
        let (_, client) = previews::agent(&first, at, &admin, host, true).await;
        answering.push(tokio::spawn(previews::answer(client, |_| previews::losing(1))));
    }
    let found = previews::preview(&first, &admin, json!({ "wait": "15s" })).await;
    assert_eq!((&found.body["measured"], &found.body["asked"]), (&json!(2), &json!(2)), "{found:?}");
    for one in answering {
        one.await.unwrap();
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn who_watches_at_one_replica_sees_what_happens_at_the_other() {
    let ([first, second], admin, _database) = two().await;
    let body = asked(json!({ "name": "seen", "selector": "" }));
    assert_eq!(first.post("/api/v1/experiments", &admin, body).await.status, 201);
    let stream = TcpStream::connect(second.at.rest).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("/api/v1/experiments/seen/events")
        .header("host", "phoenix.test")
        .header("authorization", format!("Bearer {admin}"))
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    let mut events = sender.send_request(request).await.unwrap().into_body().into_data_stream();
    let mut said = String::new();
    for (action, kind) in [(None, "create"), (Some("cancel"), "cancel")] {
        if let Some(action) = action {
            let done = first.post(&format!("/api/v1/experiments/seen/{action}"), &admin, json!({})).await;
            assert_eq!(done.status, 200, "{done:?}");
        }
        while !said.contains(&format!("\"{kind}\"")) && !said.contains(&format!("event: {kind}")) {
            let part = tokio::time::timeout(TOLD, events.next()).await.expect(kind).unwrap().unwrap();
            said.push_str(&String::from_utf8_lossy(&part));
        }
    }
    connection.abort();
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn one_replica_decides_and_another_one_once_it_ends_or_is_late() {
    let ([first, second], _admin, database) = two().await;
    let decides = async |server: &Server| {
        let mut tx = server.state.store.begin(control_plane::store::Across::Reconcile).await.unwrap();
        server.state.decides(&mut tx).await.unwrap()
    };
    assert_eq!((decides(&first).await, decides(&second).await), (true, false));
    // Somebody took its lease while it was late: it does not know it yet, and decides nothing.
    let lease = first.state.replica.epoch().unwrap();
    let mut superuser = superuser(&database).await;
    let taken = "UPDATE leases SET holder = 'another', epoch = epoch + 1,
                     expires_at = extract(EPOCH FROM clock_timestamp()) * 1000 + 1000 WHERE name = 'decides'";
    sqlx::query(taken).execute(&mut superuser).await.unwrap();
    assert!(!decides(&first).await);
    first.state.replica.lost(lease).await;
    // That one is gone, too: one of these two takes it over, by another lease.
    let next = tokio::select! {
        next = first.state.replica.decides() => next,
        next = second.state.replica.decides() => next,
    };
    assert!(next > lease + 1, "{next} after {lease}");
    first.stop().await;
    second.state.replica.decides().await;
    assert!(decides(&second).await);
    second.stop().await;
}

#[tokio::test]
async fn agents_of_a_replica_that_is_gone_are_connected_no_more_and_a_new_one_ends_nobodys() {
    let ([first, second], admin, database) = two().await;
    let (uid, credential) = enrolled(&first, &admin).await;
    let mut client = Client::connect_as(&second, &credential, uid, TAKING).await;
    client.say(full()).await;
    let third = replica(&database, Some(&first)).await;
    shown_with(&third, &admin, uid, "status", "connected").await;
    third.stop().await;
    // Its place was taken by one that dies without a word.
    let mut superuser = superuser(&database).await;
    let moved = "UPDATE agents SET replica = 'dead' WHERE uid = $1";
    sqlx::query(moved).bind(uid.to_string()).execute(&mut superuser).await.unwrap();
    client.leave().await;
    shown_with(&first, &admin, uid, "status", "connected").await;
    let dead = "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ('agents of dead', 'dead', 1, 0)";
    sqlx::query(dead).execute(&mut superuser).await.unwrap();
    shown_with(&second, &admin, uid, "status", "disconnected").await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_replica_goes_on_while_the_next_release_adds_to_the_schema_and_none_of_this_one_starts_on_that() {
    let ([first, second], admin, database) = two().await;
    let (uid, credential) = enrolled(&first, &admin).await;
    let mut client = Client::connect_as(&second, &credential, uid, TAKING).await;
    client.say(full()).await;
    let reads = ["/api/v1/agents", "/api/v1/experiments", "/api/v1/users", "/api/v1/auth/me"];
    // All connections have prepared what they read by then.
    for _ in 0..12 {
        for path in reads {
            assert_eq!(second.get(path, &admin).await.status, 200);
        }
    }
    let mut superuser = superuser(&database).await;
    let tables =
        "SELECT relname::TEXT FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                      AND relname <> '_sqlx_migrations'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut superuser).await.unwrap();
    for table in &tables {
        let add = format!(
            "ALTER TABLE {table} ADD COLUMN later BIGINT, ADD COLUMN latest words NOT NULL DEFAULT ''"
        );
        sqlx::query(sqlx::AssertSqlSafe(add)).execute(&mut superuser).await.unwrap();
    }
    let migrated = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                    VALUES (9999, 'later', TRUE, '', 0)";
    sqlx::query(migrated).execute(&mut superuser).await.unwrap();
    let started = std::process::Command::new(env!("CARGO_BIN_EXE_phoenix-control-plane"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--fleet-listen",
            "127.0.0.1:0",
            "--database",
            &database.service,
        ])
        .arg("--data-dir")
        .arg(first.dir.path().join("third"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&started.stderr).contains("9999"), "{started:?}");
    // Each connection prepares anew, and whoever met it then is told to come again.
    for replica in [&first, &second] {
        let mut in_a_row = 0;
        for _ in 0..2_000 {
            for path in reads {
                let answer = replica.get(path, &admin).await;
                assert!([200, 503].contains(&answer.status.as_u16()), "{path}: {answer:?}");
                in_a_row = if answer.status == 200 { in_a_row + 1 } else { 0 };
            }
            if in_a_row > 100 {
                break;
            }
        }
        assert!(in_a_row > 100);
    }
    deployed(&first, &admin, "a").await;
    hears(&mut client, "a").await;
    first.stop().await;
    second.stop().await;
}
