//! A bare handler: axum, and one statement on the same database.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// Serves it on a file of SQLite. Returns its address.
pub async fn on_file(file: &Path) -> Result<SocketAddr> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    serve(Router::new().route("/", get(of_file)).with_state(SqlitePool::connect_with(options).await?)).await
}

/// Serves it on a server of PostgreSQL. Returns its address.
pub async fn on_server(url: &str) -> Result<SocketAddr> {
    serve(Router::new().route("/", get(of_server)).with_state(PgPool::connect(url).await?)).await
}

async fn of_file(State(pool): State<SqlitePool>) -> Result<String, StatusCode> {
    told(sqlx::query_scalar("SELECT 1").fetch_one(&pool).await)
}

async fn of_server(State(pool): State<PgPool>) -> Result<String, StatusCode> {
    told(sqlx::query_scalar("SELECT 1::BIGINT").fetch_one(&pool).await)
}

fn told(one: Result<i64, sqlx::Error>) -> Result<String, StatusCode> {
    one.map(|one| one.to_string()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn serve(router: Router) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
