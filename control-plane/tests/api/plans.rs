//! Plans of statements over many rows: none of a store's statements reads a whole table, on either engine, but for the few
//! whose answer is the whole table.

use std::collections::BTreeSet;
use std::path::Path;

use control_plane::store::{Address, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::postgres::{database, shared};

/// Rows of each table, of a hundred tenants.
const ROWS: u32 = 100_000;

/// Beginnings of the statements that look at all that there is, for reconcilers and at a start.
const OF_ALL: [&str; 10] = [
    "SELECT * FROM agents WHERE archived_at IS NULL ORDER BY tenant_id, uid",
    "SELECT * FROM content_trials ORDER BY",
    "SELECT 1 FROM users LIMIT 1",
    "SELECT id FROM tenants ORDER BY",
    "SELECT tenant_id, since FROM freezes",
    "SELECT d.* FROM deployments AS d WHERE d.version",
    "SELECT tenant_id, uid FROM agents WHERE archived_at IS NULL AND status <>",
    "SELECT tenant_id, version, baseline, candidate FROM known_contents",
    // The latest generation of each agent, and all that are not answered, by an index that has nothing else.
    "SELECT told.tenant_id, told.agent_uid",
    // Horizons that wait to be merged, by an index that has nothing else.
    "SELECT tenant_id, experiment_id, agent_uid, step FROM experiment_windows WHERE to_merge = 1",
];

/// Every statement in the code of the store.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["sqlite.rs", "postgres.rs", "migrate.rs", "copies.rs", "replicas.rs"].contains(&name) {
            continue;
        }
        // A folder has what rows are made of, and no statement.
        if path.is_dir() {
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap().replace("\\\"", "\u{1}");
        for literal in code.split('"').skip(1).step_by(2) {
            let verb =
                ["SELECT ", "UPDATE ", "DELETE ", "INSERT "].iter().any(|verb| literal.starts_with(verb));
            if verb {
                found.insert(literal.split_whitespace().collect::<Vec<_>>().join(" ").replace('\u{1}', "\""));
            }
        }
    }
    assert!(found.len() > 70, "{}", found.len());
    let of_rows = |sql: &String| !OF_ALL.iter().any(|of_all| sql.starts_with(of_all));
    found.into_iter().filter(of_rows).map(|sql| of_two_rows(&sql)).collect()
}

/// A statement about many rows, as it is for two.
fn of_two_rows(sql: &str) -> String {
    // Of a whole experiment: what an agent's alone adds only makes it less.
    let sql =
        sql.replace("{own} ", "").replace("{of_w} ", "").replace("{LATEST}", "last_seen = said.column2");
    let column = |number: &usize| sql.contains(&format!("column{number}"));
    let joined = (1..20).take_while(column).count();
    let inserted = sql.split(['(', ')']).nth(1).map_or(1, |names| names.split(',').count());
    // The last one of a report is the experiment's to say.
    let inserted = inserted - usize::from(sql.contains("SELECT told.*, "));
    let columns = if sql.starts_with("INSERT") { inserted } else { joined };
    let row = format!("({})", vec!["NULL"; columns].join(", "));
    sql.replace("IN {}", "IN ($2, $3)").replace("{}", &format!("{row}, {row}"))
}

/// Text that makes the value of a column of row `n`, in the SQL of both engines.
fn value(table: &str, column: &str, kind: &str, nullable: bool) -> String {
    match (table, column) {
        ("tenants", "id") | ("audit_heads" | "freezes", "tenant_id") => "CAST(n AS TEXT)".to_owned(),
        ("content_trials" | "agent_configs" | "promotion_baselines" | "promotion_refusals", "agent_uid") => {
            "CAST(n AS TEXT)".to_owned()
        }
        (_, "tenant_id") => "CAST(n % 100 AS TEXT)".to_owned(),
        (_, "experiment_id" | "agent_uid" | "user_id" | "owner_id" | "login_id" | "webhook_id") => {
            "CAST(n % 1000 AS TEXT)".to_owned()
        }
        (_, "role") => "CASE n % 3 WHEN 0 THEN 'admin' WHEN 1 THEN 'operator' ELSE 'viewer' END".to_owned(),
        ("agent_generations", "status") => "'applied'".to_owned(),
        ("webhooks", "format") => "'json'".to_owned(),
        ("webhook_deliveries", "state") => "'waiting'".to_owned(),
        (_, "phase") => "CASE WHEN n % 1000 = 0 THEN 'running' ELSE 'completed' END".to_owned(),
        (_, "node" | "instance_uid") => "CAST(n AS TEXT)".to_owned(),
        _ if nullable => "NULL".to_owned(),
        _ if kind.contains("int") => "n".to_owned(),
        _ if kind.contains("bool") => "FALSE".to_owned(),
        _ if kind.contains("bytea") || kind.contains("blob") => "''".to_owned(),
        _ => "CAST(n AS TEXT)".to_owned(),
    }
}

fn filled(table: &str, columns: &[(String, String, bool)], numbers: &str) -> AssertSqlSafe<String> {
    let names: Vec<&str> = columns.iter().map(|(name, ..)| name.as_str()).collect();
    let values: Vec<String> = columns
        .iter()
        .map(|(name, kind, nullable)| value(table, name, &kind.to_lowercase(), *nullable))
        .collect();
    let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    AssertSqlSafe(format!(
        "INSERT INTO {table} ({names}) {numbers} SELECT {} FROM numbers",
        values.join(", ")
    ))
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_of_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    Store::prepare(&Address::of_data_dir(dir.path()), None).await.unwrap().close().await;
    let options = SqliteConnectOptions::new().filename(dir.path().join("phoenix.db"));
    let options = options.foreign_keys(false).pragma("synchronous", "off");
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '_sqlx%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    let numbers = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})"
    );
    // Rows are made of each table by itself.
    sqlx::raw_sql("DROP TRIGGER experiment_windows_are_summed").execute(&mut connection).await.unwrap();
    for table in &tables {
        let columns = sqlx::query("SELECT name, type, \"notnull\" FROM pragma_table_info($1)").bind(table);
        let columns: Vec<_> = columns.fetch_all(&mut connection).await.unwrap();
        let columns: Vec<_> = columns
            .iter()
            .map(|row| (row.get("name"), row.get("type"), row.get::<i64, _>("notnull") == 0))
            .collect();
        sqlx::query(filled(table, &columns, &numbers)).execute(&mut connection).await.unwrap();
    }
    let mut scans = Vec::new();
    for statement in statements() {
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = sqlx::raw_sql(plan).fetch_all(&mut connection).await.unwrap();
        let looks = plan.iter().map(|step| step.get::<String, _>("detail"));
        let first = looks.into_iter().find(|look| look.starts_with("SCAN ") || look.starts_with("SEARCH "));
        let by_list = first.is_none_or(|look| look.contains("2-ROW") || look.contains("CONSTANT"));
        if statement.contains("FROM (VALUES") && !by_list {
            scans.push(format!("not by the list: {:?}\n{statement}", plan[0].get::<String, _>("detail")));
        }
        for step in &plan {
            let step: String = step.get("detail");
            let scanned = step.strip_prefix("SCAN ").unwrap_or("CONSTANT");
            // What is read of a list that the statement itself made is no table.
            let made = ["CONSTANT", "2-ROW", "due", "kept", "l", "offers", "waiting"]
                .contains(&scanned.split(' ').next().unwrap());
            if !made && !scanned.contains("(subquery") {
                scans.push(format!("{step}\n{statement}"));
            }
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n\n"));
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_of_postgresql() {
    let database = database().await;
    let (service, owner) = (database.service.parse().unwrap(), database.owner.parse().unwrap());
    Store::prepare(&service, Some(&owner)).await.unwrap().close().await;
    let name = database.owner.rsplit('/').next().unwrap();
    let admin = shared().address("admin", name).parse().unwrap();
    let mut connection = PgConnection::connect_with(&admin).await.unwrap();
    sqlx::raw_sql("SET session_replication_role = replica").execute(&mut connection).await.unwrap();
    let columns = "SELECT table_name::TEXT AS of_table, column_name::TEXT AS name, data_type::TEXT AS kind,
                       is_nullable = 'YES' AS nullable
                   FROM information_schema.columns
                   WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' ORDER BY ordinal_position";
    let columns = sqlx::query(columns).fetch_all(&mut connection).await.unwrap();
    let tables: BTreeSet<String> = columns.iter().map(|row| row.get("of_table")).collect();
    let numbers = format!("WITH numbers (n) AS (SELECT generate_series(1, {ROWS}))");
    for table in &tables {
        let of_table = columns.iter().filter(|row| row.get::<String, _>("of_table") == *table);
        let columns: Vec<_> =
            of_table.map(|row| (row.get("name"), row.get("kind"), row.get("nullable"))).collect();
        sqlx::query(filled(table, &columns, &numbers)).execute(&mut connection).await.unwrap();
    }
    let of_tenant = "ANALYZE; SET ROLE phoenix_tenant; SELECT set_config('phoenix.tenant', '7', FALSE);
                     SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(of_tenant).execute(&mut connection).await.unwrap();
    let mut scans = Vec::new();
    for statement in statements() {
        // What is inserted of parameters, or joined with them, has the types that the code gives, which nothing here can tell.
        // A tenant's own row is changed by those who are about all tenants.
        if statement.starts_with("INSERT")
            || statement.starts_with("UPDATE tenants")
            || statement.contains("(VALUES")
        {
            continue;
        }
        let parameters: Vec<_> =
            (1..20).map(|number| format!("${number}")).take_while(|name| statement.contains(name)).collect();
        let kind =
            |name: &String| if statement.contains(&format!("{name} IS NULL")) { "TEXT" } else { "unknown" };
        let kinds: Vec<&str> = parameters.iter().map(kind).collect();
        let (kinds, nulls) = match kinds.len() {
            0 => (String::new(), String::new()),
            some => (format!("({})", kinds.join(", ")), format!("({})", vec!["NULL"; some].join(", "))),
        };
        let explain =
            format!("PREPARE plan {kinds} AS {statement}; EXPLAIN EXECUTE plan{nulls}; DEALLOCATE plan");
        let plan = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut connection).await;
        let plan = plan.unwrap_or_else(|error| panic!("{error}\n{statement}"));
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        if plan.iter().any(|step| step.contains("Seq Scan")) {
            scans.push(format!("{}\n{statement}", plan.join("\n")));
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n\n"));
}
