//! A PostgreSQL server as a benchmark needs it.

use sea_orm::sqlx::{self, Connection as _, Executor as _, PgConnection};

use super::cpu;

/// A new database on the server; its URL.
pub fn fresh(runtime: &tokio::runtime::Runtime, url: &str, size: u64) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    let name = format!("heirloom_bench_{}_{size}", std::process::id());
    runtime.block_on(execute(url, &format!("CREATE DATABASE {name}")));
    format!("{server}/{name}")
}

/// Runs one statement.
pub async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
}

/// The process that works for a connection.
pub async fn backend(connection: &mut PgConnection) -> u32 {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await
        .unwrap();
    pid.unsigned_abs()
}

/// The process whose children work for all connections; the server must run on this machine.
pub async fn postmaster(url: &str) -> u32 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let backend = backend(&mut connection).await;
    cpu::parent_of(backend).expect("PostgreSQL runs on this machine")
}
