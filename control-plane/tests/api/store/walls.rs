//! Walls between tenants on PostgreSQL, behind the one that every statement names its tenant: a transaction sees what is of
//! its tenant, a session that has none sees nothing, and the service's login has nothing of its own.

use std::time::Duration;

use control_plane::store::{Across, Store, StoreError, query, tenants};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{NOW, ONE, OTHER, furnish};
use crate::postgres::{Database, OWNER, Postgres, SERVICE, database, shared};

/// A store with both tenants, and the addresses of its database.
async fn furnished() -> (Store, Database) {
    let database = database().await;
    let (service, owner) = (database.service.parse().unwrap(), database.owner.parse().unwrap());
    let store = Store::prepare(&service, Some(&owner)).await.unwrap();
    furnish(&store).await;
    (store, database)
}

async fn session(address: &str) -> PgConnection {
    PgConnection::connect_with(&address.parse().unwrap()).await.unwrap()
}

/// Every tenant of the users that a statement without a condition finds.
async fn seen(store: &Store, scope: impl Into<control_plane::store::Scope>) -> Vec<String> {
    let mut reader = store.read(scope).await.unwrap();
    let rows = query("SELECT tenant_id FROM users ORDER BY tenant_id").fetch_all(&mut reader).await.unwrap();
    rows.iter().map(|row| row.try_get("tenant_id").unwrap()).collect()
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_transaction_sees_its_tenants_rows_and_the_next_borrower_of_its_connection_its_own() {
    let (store, _) = furnished().await;
    // More often than there are connections, so that each is lent several times.
    for _ in 0..20 {
        assert_eq!(seen(&store, ONE).await, [ONE.to_string()]);
        assert_eq!(seen(&store, OTHER).await, [OTHER.to_string()]);
        assert_eq!(seen(&store, Across::Reconcile).await, [ONE.to_string(), OTHER.to_string()]);
    }
    store.close().await;
}

#[tokio::test]
async fn nothing_of_another_tenant_is_changed_and_nothing_written_for_it() {
    let (store, _) = furnished().await;
    let mut tx = store.begin(ONE).await.unwrap();
    let changed = query("UPDATE users SET email = id").execute(&mut tx).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    let given_away = query("UPDATE users SET tenant_id = $1").bind(OTHER).execute(&mut tx).await.unwrap_err();
    assert!(given_away.to_string().contains("row-level security"), "{given_away}");
    drop(tx);
    let mut tx = store.begin(ONE).await.unwrap();
    let written = query("INSERT INTO audit_heads (tenant_id, seq, hash) VALUES ($1, 0, '')").bind(OTHER);
    let refused = written.execute(&mut tx).await.unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");
    drop(tx);
    let mut tx = store.begin(ONE).await.unwrap();
    let third = control_plane::id::TenantId(uuid::Uuid::from_u128(3));
    assert!(tenants::insert(&mut tx, third, "third", NOW).await.is_err(), "a tenant makes no tenant");
    drop(tx);
    store.close().await;
}

#[tokio::test]
async fn a_query_without_a_tenant_returns_nothing() {
    let (store, database) = furnished().await;
    let mut session = session(&database.service).await;
    // By itself the service's login may not even ask.
    let refused = sqlx::query("SELECT 1 FROM users").execute(&mut session).await.unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");
    sqlx::query("SET ROLE phoenix_tenant").execute(&mut session).await.unwrap();
    let walled = "SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY relname";
    let walled: Vec<String> = sqlx::query_scalar(walled).fetch_all(&mut session).await.unwrap();
    assert!(walled.len() > 20, "{walled:?}");
    for table in &walled {
        assert_eq!(count(&mut session, table).await, 0, "{table}");
    }
    // A tenant that was set for a transaction is gone with it.
    let mut tx = session.begin().await.unwrap();
    let set = sqlx::query("SELECT set_config('phoenix.tenant', $1, TRUE)").bind(ONE.to_string());
    set.execute(&mut *tx).await.unwrap();
    assert_eq!(count(&mut tx, "users").await, 1);
    tx.commit().await.unwrap();
    assert_eq!(count(&mut session, "users").await, 0);
    store.close().await;
}

#[tokio::test]
async fn every_table_is_walled_for_everybody_and_the_audit_log_only_grows() {
    let (store, database) = furnished().await;
    let mut owner = session(&database.owner).await;
    let open = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                AND relname <> '_sqlx_migrations' AND NOT (relrowsecurity AND relforcerowsecurity
                AND (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid) = 2)";
    let open: Vec<String> = sqlx::query_scalar(open).fetch_all(&mut owner).await.unwrap();
    assert_eq!(open, Vec::<String>::new());
    // Forced: its owner sees nothing, either.
    assert_eq!(count(&mut owner, "users").await, 0);
    let roles = "SELECT r.rolname, r.rolcanlogin OR r.rolsuper OR r.rolbypassrls AS mighty,
                     (SELECT count(*) FROM pg_class WHERE relowner = r.oid) AS owns,
                     has_table_privilege(r.oid, 'audit_logs', 'UPDATE, DELETE, TRUNCATE') AS rewrites
                 FROM pg_roles AS r WHERE r.rolname IN ('phoenix_tenant', 'phoenix_across')";
    let roles = sqlx::query(roles).fetch_all(&mut owner).await.unwrap();
    assert_eq!(roles.len(), 2);
    for role in &roles {
        let found =
            (role.get::<bool, _>("mighty"), role.get::<i64, _>("owns"), role.get::<bool, _>("rewrites"));
        assert_eq!(found, (false, 0, false), "{}", role.get::<String, _>("rolname"));
    }
    store.close().await;
}

#[tokio::test]
async fn a_login_that_could_pass_the_walls_does_not_serve() {
    let (store, database) = furnished().await;
    let name = database.owner.rsplit('/').next().unwrap();
    for (login, why) in [(OWNER, "owns the tables"), ("admin", "is a superuser")] {
        let refused = Store::open(&shared().address(login, name).parse().unwrap()).await.unwrap_err();
        let said = refused.to_string();
        assert!(said.contains(&format!("the login {login} cannot serve: it {why}")), "{said}");
        assert!(said.contains("--database-owner"), "{said}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_login_that_could_become_one_that_passes_the_walls_does_not_serve() {
    let postgres = Postgres::start();
    let [service, owner] = [SERVICE, OWNER].map(|login| postgres.address(login, "postgres").parse().unwrap());
    Store::prepare(&service, Some(&owner)).await.unwrap().close().await;
    let mut admin = session(&postgres.address("admin", "postgres")).await;
    sqlx::raw_sql("CREATE ROLE past BYPASSRLS; CREATE ROLE maker CREATEROLE")
        .execute(&mut admin)
        .await
        .unwrap();
    for (give, take, why) in [
        (
            "GRANT admin TO phoenix_service",
            "REVOKE admin FROM phoenix_service",
            "a member of a role of that kind",
        ),
        ("GRANT past TO phoenix_service", "REVOKE past FROM phoenix_service", "has BYPASSRLS"),
        ("GRANT maker TO phoenix_service", "REVOKE maker FROM phoenix_service", "has CREATEROLE"),
        (
            "ALTER ROLE phoenix_service CREATEROLE",
            "ALTER ROLE phoenix_service NOCREATEROLE",
            "has CREATEROLE",
        ),
        (
            "ALTER DATABASE postgres OWNER TO phoenix_service",
            "ALTER DATABASE postgres OWNER TO phoenix_owner",
            "or their database",
        ),
        (
            "ALTER SCHEMA public OWNER TO phoenix_service",
            "ALTER SCHEMA public OWNER TO pg_database_owner",
            "their schema",
        ),
    ] {
        sqlx::raw_sql(give).execute(&mut admin).await.unwrap();
        let refused = Store::open(&service).await.expect_err(give).to_string();
        assert!(refused.contains(why), "{give}: {refused}");
        sqlx::raw_sql(take).execute(&mut admin).await.unwrap();
        Store::open(&service).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_login_that_was_not_let_in_and_a_schema_that_is_behind_are_told() {
    let postgres = Postgres::start();
    let [service, owner] = [SERVICE, OWNER].map(|login| postgres.address(login, "postgres").parse().unwrap());
    let refused = Store::open(&service).await.unwrap_err().to_string();
    assert!(refused.contains("may not take on the roles"), "{refused}");
    Store::prepare(&service, Some(&owner)).await.unwrap().close().await;
    let mut admin = session(&postgres.address("admin", "postgres")).await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 16").execute(&mut admin).await.unwrap();
    let refused = Store::open(&service).await.unwrap_err();
    assert!(matches!(refused, StoreError::Behind(1)), "{refused}");
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, '', 0)";
    sqlx::query(later).execute(&mut admin).await.unwrap();
    let refused = Store::open(&service).await.unwrap_err().to_string();
    assert!(refused.contains("9999"), "{refused}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9999").execute(&mut admin).await.unwrap();
    sqlx::query("ALTER ROLE phoenix_service INHERIT").execute(&mut admin).await.unwrap();
    let grant = "DO $$ BEGIN IF current_setting('server_version_num')::INT >= 160000 THEN
                 EXECUTE 'GRANT phoenix_across TO phoenix_service WITH INHERIT TRUE'; END IF; END $$";
    sqlx::query(grant).execute(&mut admin).await.unwrap();
    let refused = Store::open(&service).await.unwrap_err().to_string();
    assert!(refused.contains("inherits"), "{refused}");
}

#[tokio::test]
async fn tenants_do_not_wait_for_each_other_and_a_change_across_them_waits_for_all() {
    let (store, database) = furnished().await;
    // Another process of ours.
    let second = Store::open(&database.service.parse().unwrap()).await.unwrap();
    let one = store.begin(ONE).await.unwrap();
    let other = second.begin(OTHER).await.unwrap();
    let begun = |scope: control_plane::store::Scope| {
        let second = second.clone();
        tokio::spawn(async move { second.begin(scope).await.map(drop) })
    };
    let mut waiting = [begun(ONE.into()), begun(Across::Reconcile.into())];
    for waits in &mut waiting {
        assert!(tokio::time::timeout(Duration::from_millis(200), waits).await.is_err());
    }
    one.commit().await.unwrap();
    other.commit().await.unwrap();
    for waits in waiting {
        waits.await.unwrap().unwrap();
    }
    store.close().await;
    second.close().await;
}

#[tokio::test]
async fn transactions_that_race_are_to_come_again() {
    let (store, database) = furnished().await;
    let mut sessions = [session(&database.owner).await, session(&database.owner).await];
    for (session, own) in sessions.iter_mut().zip([1_i64, 2]) {
        sqlx::query("SELECT pg_advisory_lock($1)").bind(own).execute(session).await.unwrap();
    }
    // Whichever of them is chosen to give up, the other one goes on once its lock is free.
    let wants = async |session: &mut PgConnection, lock: i64| {
        let got = sqlx::query("SELECT pg_advisory_lock($1)").bind(lock).execute(&mut *session).await;
        sqlx::query("SELECT pg_advisory_unlock_all()").execute(session).await.unwrap();
        got
    };
    let [first, second] = &mut sessions;
    let (first, second) = tokio::join!(wants(first, 2), wants(second, 1));
    let deadlock = StoreError::from(first.err().or(second.err()).unwrap());
    assert!(deadlock.is_busy() && deadlock.to_string().contains("deadlock"), "{deadlock}");

    let mut sessions = [session(&database.service).await, session(&database.service).await];
    for session in &mut sessions {
        let begin = "SET ROLE phoenix_across; BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM users";
        sqlx::raw_sql(begin).execute(&mut *session).await.unwrap();
    }
    let [first, second] = &mut sessions;
    let write = "UPDATE users SET role = 'viewer'";
    sqlx::raw_sql(write).execute(&mut *first).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(first).await.unwrap();
    let late = StoreError::from(sqlx::raw_sql(write).execute(second).await.unwrap_err());
    assert!(late.is_busy() && late.to_string().contains("serialize"), "{late}");
    store.close().await;
}

/// Places of the code that are about all tenants. A new one is reviewed here: whose request can get there, and what of other
/// tenants does it see?
const REVIEWED: [&str; 25] = [
    "actions/anchors.rs Reconcile 1",
    "actions/deliveries.rs Reconcile 1",
    "actions/enroll.rs Credential 4",
    "actions/generations.rs Reconcile 2",
    "actions/invitations.rs Credential 1",
    "actions/join.rs Credential 2",
    "actions/logins.rs Credential 1",
    "actions/logins.rs Login 1",
    "actions/merges.rs Reconcile 1",
    "actions/nodes.rs Credential 1",
    "actions/nodes.rs Reconcile 2",
    "actions/replicas.rs Reconcile 2",
    "actions/sso.rs Login 1",
    "actions/tenants.rs Tenants 2",
    "actions/users.rs Setup 1",
    "actions/users.rs Tenants 2",
    "app.rs Boot 2",
    "app.rs Setup 2",
    "audit.rs Boot 1",
    "auth/authenticate.rs Credential 1",
    "reconcile/analyze.rs Reconcile 2",
    "reconcile/merge.rs Reconcile 1",
    "reconcile/replicas.rs Reconcile 1",
    "reconcile/start.rs Reconcile 1",
    "rest/health.rs Ready 1",
];

#[test]
fn every_use_of_all_tenants_rows_was_reviewed() {
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    let mut found = std::collections::BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path.strip_prefix(&src).unwrap().display().to_string();
            if file.starts_with("store/") {
                continue;
            }
            for after in std::fs::read_to_string(&path).unwrap().split("Across::").skip(1) {
                let why: String = after.chars().take_while(|c| c.is_alphanumeric()).collect();
                *found.entry(format!("{file} {why}")).or_insert(0) += 1;
            }
        }
    }
    let found: Vec<String> = found.into_iter().map(|(place, uses)| format!("{place} {uses}")).collect();
    assert_eq!(found, REVIEWED);
}
