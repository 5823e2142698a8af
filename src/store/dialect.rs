//! The only file that asks which database it is.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, IsolationLevel, Statement,
    TransactionOptions,
};

use super::{Options, StoreError};

/// Prepared statements kept per connection: more than the service has.
const STATEMENTS: usize = 512;
/// The key of the advisory lock under which migrations run: "heirloom" in ASCII.
const MIGRATION_LOCK: i64 = 0x6865_6972_6c6f_6f6d;

/// How to open a pool of connections.
///
/// SQLite: write-ahead log, synced at every commit (what is answered as applied survives a power cut), foreign keys on,
/// and a wait for other processes' writes. The file is made when it is not there.
/// PostgreSQL: a time limit for statements, and a look at connections that have been idle before they are used.
pub fn connect_options(options: &Options, max_connections: u32) -> Result<ConnectOptions, StoreError> {
    let mut connect = ConnectOptions::new(&options.url);
    connect
        .max_connections(max_connections)
        .acquire_timeout(options.timeout)
        .sqlx_logging(false);
    if options.url.starts_with("sqlite:") {
        if options.url.contains(":memory:") || options.url.contains("mode=memory") {
            let advice = "SQLite in memory cannot be shared by readers and the writer: name a file, such as sqlite:heirloom.sqlite.";
            return Err(StoreError::Configuration(advice.to_owned()));
        }
        let busy = options.timeout;
        connect
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(busy)
                    .statement_cache_capacity(STATEMENTS)
                    // Reads through memory-mapped pages save a copy and a system call a page.
                    .pragma("mmap_size", "1073741824")
                    .pragma("cache_size", "-65536")
            });
        Ok(connect)
    } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
        connect
            .test_before_acquire_if_idle_for(Duration::from_secs(1))
            .statement_timeout(options.timeout)
            .set_application_name("heirloom")
            .map_sqlx_postgres_opts(|postgres| postgres.statement_cache_capacity(STATEMENTS));
        Ok(connect)
    } else {
        Err(StoreError::Configuration(
            "The database is none that Heirloom knows: write sqlite:PATH or postgres://….".to_owned(),
        ))
    }
}

/// The names of the migrations that the database has seen; none in a new one.
pub async fn applied_migrations(connection: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let backend = connection.get_database_backend();
    let exists = match backend {
        DbBackend::Sqlite => "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
        _ => "SELECT 1 AS found FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'seaql_migrations'",
    };
    if connection
        .query_one_raw(Statement::from_string(backend, exists))
        .await?
        .is_none()
    {
        return Ok(Vec::new());
    }
    let rows = connection
        .query_all_raw(Statement::from_string(
            backend,
            "SELECT version FROM seaql_migrations ORDER BY version",
        ))
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<_, _>>()?)
}

/// A transaction that sees the database as it is at its first statement, to its end. A transaction of SQLite always does.
pub fn snapshot_options(backend: DbBackend) -> TransactionOptions {
    if backend == DbBackend::Sqlite {
        return TransactionOptions::default();
    }
    TransactionOptions {
        isolation_level: Some(IsolationLevel::RepeatableRead),
        access_mode: Some(AccessMode::ReadOnly),
        ..TransactionOptions::default()
    }
}

/// PostgreSQL: waits until no other process migrates. SQLite serves one machine and locks its file by itself.
pub async fn lock_migrations(connection: &DatabaseConnection) -> Result<(), StoreError> {
    advisory(connection, "pg_advisory_lock").await
}

/// Ends what [`lock_migrations`] began.
pub async fn unlock_migrations(connection: &DatabaseConnection) -> Result<(), StoreError> {
    advisory(connection, "pg_advisory_unlock").await
}

async fn advisory(connection: &DatabaseConnection, function: &str) -> Result<(), StoreError> {
    if connection.get_database_backend() == DbBackend::Postgres {
        connection
            .execute_unprepared(&format!("SELECT {function}({MIGRATION_LOCK})"))
            .await?;
    }
    Ok(())
}

/// Appends the placeholder of the value with this number, counted from 1.
pub fn push_placeholder(sql: &mut String, backend: DbBackend, number: usize) {
    match backend {
        DbBackend::Sqlite => sql.push('?'),
        _ => {
            sql.push('$');
            sql.push_str(&number.to_string());
        }
    }
}
