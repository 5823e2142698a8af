//! The only file that asks which database it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::Connection;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, IsolationLevel,
    RuntimeErr, SqlxError, Statement, TransactionOptions, Value,
};

use super::file::{Access, sqlite_file};
use super::{Options, StoreError, checkpoint, local};
use crate::domain::key::Digest;

/// Prepared statements kept per connection: more than the service has.
const STATEMENTS: usize = 512;
/// How PostgreSQL is to plan. Its plan for any parameters takes every artifact for an average one, and sorts; one with a
/// hundred thousand versions has to be walked in the order of an index, up to the limit. Nothing here runs so long that
/// compiling it would pay.
const PLANNING: [(&str, &str); 3] = [("enable_sort", "off"), ("enable_bitmapscan", "off"), ("jit", "off")];
/// The key of the advisory lock under which migrations run: "heirloom" in ASCII.
const MIGRATION_LOCK: i64 = 0x6865_6972_6c6f_6f6d;

/// How to open a pool of connections.
///
/// SQLite: write-ahead log, synced at every commit (what is answered as applied survives a power cut), foreign keys on,
/// and a wait for other processes' writes. A file that is only read is left as it is.
/// PostgreSQL: a time limit for statements, a look at connections that have been idle before they are used, and plans
/// that go by the indexes' order.
pub fn connect_options(options: &Options, max_connections: u32, access: Access) -> Result<ConnectOptions, StoreError> {
    let mut connect = ConnectOptions::new(&options.url);
    connect
        .max_connections(max_connections)
        .acquire_timeout(options.timeout)
        .sqlx_logging(false);
    if options.url.starts_with("sqlite:") {
        // Without a name it is in memory too, or in a file that goes away.
        let Some(file) = sqlite_file(&options.url) else {
            let advice = "SQLite in memory cannot be shared by readers and the writer: name a file, such as sqlite:heirloom.sqlite.";
            return Err(StoreError::Configuration(advice.to_owned()));
        };
        let busy = options.timeout;
        // The write queue sees to the log where it has a connection of its own. What is written here beside it, such as kept answers,
        // must not copy it more often. Migrations may make it as long, and whoever closes the last connection copies it.
        let log_pages = match local::plain_file(&options.url) {
            Some(_) => checkpoint::MOST_PAGES,
            None => checkpoint::log_pages_of(&file),
        };
        connect
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .map_sqlx_sqlite_opts(move |sqlite| {
                let sqlite = match access {
                    Access::Write => sqlite.journal_mode(SqliteJournalMode::Wal),
                    Access::Read => sqlite,
                    Access::ReadOnly => sqlite.read_only(true),
                    Access::Immutable => sqlite.read_only(true).immutable(true),
                };
                sqlite
                    // A file that goes away under a server is not made anew.
                    .create_if_missing(false)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(busy)
                    .statement_cache_capacity(STATEMENTS)
                    // Reads through memory-mapped pages save a copy and a system call a page.
                    .pragma("mmap_size", "1073741824")
                    .pragma("cache_size", "-65536")
                    .pragma("wal_autocheckpoint", log_pages.to_string())
            });
        Ok(connect)
    } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
        // The driver would repeat the text, and the password in it.
        if options.url.parse::<PgConnectOptions>().is_err() {
            let advice = "The URL of the PostgreSQL database cannot be read: write postgres://user:password@host:5432/database, \
                          with %2F for / and so on in the password.";
            return Err(StoreError::Configuration(advice.to_owned()));
        }
        connect
            .test_before_acquire_if_idle_for(Duration::from_secs(1))
            .statement_timeout(options.timeout)
            .set_application_name("heirloom")
            .map_sqlx_postgres_opts(|postgres| postgres.statement_cache_capacity(STATEMENTS).options(PLANNING));
        Ok(connect)
    } else {
        Err(StoreError::Configuration(
            "The database is none that Heirloom knows: write sqlite:PATH or postgres://….".to_owned(),
        ))
    }
}

/// How long a server is given to say why it takes no connection.
const LAST_TRY: Duration = Duration::from_secs(1);

/// Opens a pool. A pool tries again until its time is over, and does not say what it heard meanwhile: then one more try does.
pub async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    let url = options.get_url().to_owned();
    match Database::connect(options).await {
        Err(error) if is_timeout(&error) && url.starts_with("postgres") => Err(refusal(&url).await.unwrap_or(error)),
        connected => connected,
    }
}

fn is_timeout(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(cause)) = error else {
        return matches!(error, DbErr::ConnectionAcquire(_));
    };
    matches!(cause.as_ref(), SqlxError::PoolTimedOut)
}

/// What a server of PostgreSQL says to somebody who connects; none when it says nothing, or lets him in.
async fn refusal(url: &str) -> Option<DbErr> {
    let tried = tokio::time::timeout(LAST_TRY, PgConnection::connect(url)).await;
    let error = tried.ok()?.err()?;
    Some(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}

/// Lets a pool replace connections that are of no use any more, so that the process recovers by itself.
///
/// One whose transaction the database ended, as SQLite does when the disk is full: the driver takes it for open still, and
/// begins no other. And the next one after `is_suspect` was set: it may have been opened while the database was read-only, and
/// would stay so.
pub fn replace_broken(connect: &mut ConnectOptions, is_suspect: &Arc<AtomicBool>) {
    let suspect = Arc::clone(is_suspect);
    connect.map_sqlx_sqlite_before_acquire(move |connection, _| {
        let is_good = !suspect.swap(false, Ordering::AcqRel) && !connection.is_in_transaction();
        Box::pin(std::future::ready(Ok(is_good)))
    });
    let suspect = Arc::clone(is_suspect);
    connect.map_sqlx_postgres_before_acquire(move |connection, _| {
        let is_good = !suspect.swap(false, Ordering::AcqRel) && !connection.is_in_transaction();
        Box::pin(std::future::ready(Ok(is_good)))
    });
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

/// A table in a file of SQLite; none when it has none but that of migrations. A server's database may have others beside ours.
pub async fn any_table(connection: &DatabaseConnection) -> Result<Option<String>, StoreError> {
    if connection.get_database_backend() != DbBackend::Sqlite {
        return Ok(None);
    }
    let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND name <> 'seaql_migrations' ORDER BY name LIMIT 1";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql));
    Ok(row.await?.map(|row| row.try_get_by_index(0)).transpose()?)
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

/// A transaction that is to read whole tables: on PostgreSQL without the time limit of statements, and planned as its own
/// planner would.
pub async fn plan_for_all_rows(transaction: &impl ConnectionTrait) -> Result<(), StoreError> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let sql = "SET LOCAL statement_timeout = 0; SET LOCAL enable_sort = on; SET LOCAL enable_bitmapscan = on";
        transaction.execute_unprepared(sql).await?;
    }
    Ok(())
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

/// A list of numbers as one value, so that the text of a statement does not depend on how many there are.
pub(super) fn numbers(backend: DbBackend, numbers: impl IntoIterator<Item = i64>) -> Value {
    let numbers: Vec<String> = numbers.into_iter().map(|n| n.to_string()).collect();
    list(backend, &numbers)
}

/// Ends a statement whose rows nobody else may change until commit. A write transaction of SQLite has the whole file for itself.
pub(super) const fn until_commit(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "",
        _ => " FOR UPDATE",
    }
}

/// A list of digests as one value.
pub(super) fn digests(backend: DbBackend, digests: impl IntoIterator<Item = Digest>) -> Value {
    let quoted: Vec<String> = digests.into_iter().map(|d| format!("\"{}\"", d.to_hex())).collect();
    list(backend, &quoted)
}

fn list(backend: DbBackend, items: &[String]) -> Value {
    let items = items.join(",");
    match backend {
        DbBackend::Sqlite => format!("[{items}]").into(),
        _ => format!("{{{items}}}").into(),
    }
}

/// `column IN (…)` for a value made by [`numbers`].
///
/// The sub-select keeps PostgreSQL from reading the list anew for each row, where it goes through the whole table; and since it
/// does not look into it, it takes the list for a short one, and goes by the index.
pub(super) fn in_numbers(backend: DbBackend, column: &str, list: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("{column} IN (SELECT value FROM json_each({list}))"),
        _ => format!("{column} = ANY(ARRAY(SELECT unnest({list}::text::bigint[])))"),
    }
}

/// A table `parent` with a row for each number of a value made by [`numbers`]: `parent.key` its position, from 0 on, and
/// `parent.value`.
pub(super) fn each_number(backend: DbBackend, list: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("json_each({list}) AS parent"),
        _ => format!(
            "(SELECT value, ordinality - 1 AS key FROM unnest({list}::text::bigint[]) WITH ORDINALITY AS item (value)) AS parent"
        ),
    }
}

/// The same for a value made by [`digests`].
pub(super) fn each_digest(backend: DbBackend, list: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("(SELECT key, unhex(value) AS value FROM json_each({list})) AS parent"),
        _ => format!(
            "(SELECT decode(value, 'hex') AS value, ordinality - 1 AS key FROM unnest({list}::text::text[]) WITH ORDINALITY AS item (value)) AS parent"
        ),
    }
}

/// A join that is made after what stands to its left. SQLite keeps the order of a `CROSS JOIN`; PostgreSQL finds it.
pub(super) const fn then_join(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "CROSS JOIN",
        _ => "JOIN",
    }
}

/// Joins to each row of what stands to the left those rows of a table whose id a sub-select picks. It may look at the
/// row on the left and be limited, so that no more than what is wanted is read of a parent with many children.
pub(super) fn join_picked(backend: DbBackend, table: &str, pick: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("CROSS JOIN {table} ON {table}.id IN ({pick})"),
        _ => format!("CROSS JOIN LATERAL ({pick}) AS picked (picked_id) JOIN {table} ON {table}.id = picked.picked_id"),
    }
}

/// The texts that a sub-select answers, as a JSON array; their order is not defined.
pub(super) fn json_array(backend: DbBackend, column: &str, from: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("(SELECT json_group_array({column}) FROM {from})"),
        _ => format!("(SELECT coalesce(json_agg({column})::text, '[]') FROM {from})"),
    }
}

/// A list of texts as one value.
pub(super) fn texts<'a>(backend: DbBackend, texts: impl IntoIterator<Item = &'a str>) -> Value {
    let quote = |text: &str| match backend {
        DbBackend::Sqlite => serde_json::Value::from(text).to_string(),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    let quoted: Vec<String> = texts.into_iter().map(quote).collect();
    list(backend, &quoted)
}

/// `column IN (…)` for a value made by [`texts`].
pub(super) fn in_texts(backend: DbBackend, column: &str, list: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("{column} IN (SELECT value FROM json_each({list}))"),
        _ => format!("{column} = ANY({list}::text::text[])"),
    }
}

/// Pairs of texts or numbers as one value.
pub(super) fn pairs<T: serde::Serialize>(pairs: &[(T, T)]) -> Value {
    serde_json::to_string(pairs).unwrap_or_default().into()
}

/// A table `parent` with a row for each pair of texts: its position `key`, `first` and `second`.
pub(super) fn each_pair(backend: DbBackend, list: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!(
            "(SELECT key, json_extract(value, '$[0]') AS first, json_extract(value, '$[1]') AS second FROM json_each({list})) AS parent"
        ),
        _ => format!(
            "(SELECT ordinality - 1 AS key, value ->> 0 AS first, value ->> 1 AS second \
             FROM jsonb_array_elements({list}::text::jsonb) WITH ORDINALITY AS item (value)) AS parent"
        ),
    }
}

/// A table `range` with a row for each pair of numbers: `low` and `high`.
pub(super) fn each_range(backend: DbBackend, list: &str) -> String {
    match backend {
        DbBackend::Sqlite => {
            format!(
                "(SELECT json_extract(value, '$[0]') AS low, json_extract(value, '$[1]') AS high FROM json_each({list})) AS range"
            )
        }
        _ => format!(
            "(SELECT (value ->> 0)::bigint AS low, (value ->> 1)::bigint AS high FROM jsonb_array_elements({list}::text::jsonb) AS item (value)) AS range"
        ),
    }
}

/// Lists of numbers as one value.
pub(super) fn lists<const N: usize>(lists: &[[i64; N]]) -> Value {
    let lists: Vec<&[i64]> = lists.iter().map(<[i64; N]>::as_slice).collect();
    serde_json::to_string(&lists).unwrap_or_default().into()
}

/// A table `span` with a row for each list of four numbers: `owner`, `low`, `high` and `next`.
pub(super) fn each_span(backend: DbBackend, list: &str) -> String {
    let columns = ["owner", "low", "high", "next"].iter().enumerate();
    let columns: Vec<String> = columns
        .map(|(index, column)| match backend {
            DbBackend::Sqlite => format!("json_extract(value, '$[{index}]') AS {column}"),
            _ => format!("(value ->> {index})::bigint AS {column}"),
        })
        .collect();
    let columns = columns.join(", ");
    match backend {
        DbBackend::Sqlite => format!("(SELECT {columns} FROM json_each({list})) AS span"),
        _ => format!("(SELECT {columns} FROM jsonb_array_elements({list}::text::jsonb) AS item (value)) AS span"),
    }
}

/// Whether a text contains another.
pub(super) fn contains(backend: DbBackend, text: &str, part: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("instr({text}, {part}) > 0"),
        _ => format!("strpos({text}, {part}) > 0"),
    }
}

/// Whether a JSON array of texts, which is a column, holds one.
pub(super) fn json_holds(backend: DbBackend, array: &str, text: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("EXISTS (SELECT 1 FROM json_each({array}) AS item WHERE item.value = {text})"),
        _ => format!("jsonb_exists({array}::jsonb, {text})"),
    }
}

/// Whether the JSON object in a column has a key.
pub(super) fn has_fact(backend: DbBackend, object: &str, key: &str) -> String {
    match backend {
        DbBackend::Sqlite => {
            format!("EXISTS (SELECT 1 FROM json_each(coalesce({object}, '{{}}')) AS fact WHERE fact.key = {key})")
        }
        _ => format!("jsonb_exists(coalesce({object}, '{{}}')::jsonb, {key})"),
    }
}

/// Whether the JSON object in a column has one of some values under a key. Values are equal as JSON is: 1 and 1.0 are, 1
/// and "1" are not, and the order of an object's members does not count. (SQLite compares arrays and objects by their
/// canonical text, in which numbers inside of them stand as they were given.)
pub(super) fn fact_is_one_of(
    backend: DbBackend,
    object: &str,
    key: &str,
    values: &[serde_json::Value],
    mut bind: impl FnMut(Value) -> String,
) -> String {
    if values.is_empty() {
        return "1 = 0".to_owned();
    }
    let tests: Vec<String> = values
        .iter()
        .map(|value| match backend {
            DbBackend::Sqlite => sqlite_fact_is(value, &mut bind),
            _ => format!(
                "({object}::jsonb -> {key}) = {}::text::jsonb",
                bind(value.to_string().into())
            ),
        })
        .collect();
    let tests = tests.join(" OR ");
    match backend {
        DbBackend::Sqlite => {
            format!(
                "EXISTS (SELECT 1 FROM json_each(coalesce({object}, '{{}}')) AS fact WHERE fact.key = {key} AND ({tests}))"
            )
        }
        _ => format!("({tests})"),
    }
}

fn sqlite_fact_is(value: &serde_json::Value, bind: &mut impl FnMut(Value) -> String) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Null => "fact.type = 'null'".to_owned(),
        Json::Bool(truth) => format!("fact.type = '{truth}'"),
        Json::Number(number) => {
            let bound = match number.as_i64() {
                Some(whole) => bind(whole.into()),
                None => bind(number.as_f64().unwrap_or_default().into()),
            };
            format!("fact.type IN ('integer', 'real') AND fact.value = {bound}")
        }
        Json::String(text) => format!("fact.type = 'text' AND fact.value = {}", bind(text.clone().into())),
        Json::Array(_) => format!(
            "fact.type = 'array' AND fact.value = {}",
            bind(value.to_string().into())
        ),
        Json::Object(_) => format!(
            "fact.type = 'object' AND fact.value = {}",
            bind(value.to_string().into())
        ),
    }
}

/// For each row of a table `parent`, the first rows of a table that has no id, in an order and up to a limit.
pub(super) fn limited_children(
    backend: DbBackend,
    parents: &str,
    table: &str,
    columns: &[&str],
    own: &str,
    keys: &[&str],
    order: &str,
) -> String {
    let columns = columns.join(", ");
    match backend {
        DbBackend::Sqlite => {
            let keys = keys.join(", ");
            format!(
                "SELECT parent.key, {columns} FROM {parents} CROSS JOIN {table} ON {own} \
                 AND ({keys}) IN (SELECT {keys} FROM {table} WHERE {own} {order})"
            )
        }
        _ => {
            let columns = columns.replace(&format!("{table}."), "child.");
            format!(
                "SELECT parent.key, {columns} FROM {parents} CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {own} {order}) AS child"
            )
        }
    }
}

/// Joins to each row of what stands to the left the rows of a table that meet a condition, found by an index. PostgreSQL
/// finds the index; what it must not do is walk another in the order that the rows are wanted in, in the hope of meeting
/// the first of them soon.
pub(super) fn join_found(backend: DbBackend, table: &str, index: &str, condition: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("CROSS JOIN {table} INDEXED BY {index} ON {condition}"),
        _ => format!("CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {condition} OFFSET 0) AS {table}"),
    }
}

/// A table `range` with one row: `low` and `high`.
pub(super) fn one_range(low: &str, high: &str) -> String {
    format!("(SELECT CAST({low} AS BIGINT) AS low, CAST({high} AS BIGINT) AS high) AS range")
}

/// Names the index that a table is to be read by, where the database has no figures to choose by.
pub(super) fn indexed_by(backend: DbBackend, index: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!(" INDEXED BY {index}"),
        _ => String::new(),
    }
}

/// A statement that answers the rows of another, each of so many numbers and texts, as one text: see `cells`. Only where
/// rows are dear.
pub(super) fn packed(backend: DbBackend, sql: &str, columns: usize) -> Option<String> {
    if backend != DbBackend::Sqlite {
        return None;
    }
    let names: Vec<String> = (0..columns).map(|n| format!("c{n}")).collect();
    let names = names.join(", ");
    Some(format!(
        "WITH answer ({names}) AS ({sql}) SELECT json_group_array(json_array({names})) FROM answer"
    ))
}
