//! Import against raw batched inserts of the same rows into the same tables with the same indices.

use std::path::Path;
use std::time::Instant;

use sea_orm::sqlx::{self, Column as _, Connection as _, Executor as _, PgConnection, Row as _, TypeInfo as _};

/// Parents before children.
const TABLES: [&str; 11] = [
    "revision",
    "artifact",
    "artifact_key",
    "partition",
    "partition_value",
    "version",
    "version_value",
    "execution",
    "edge",
    "resolved_input",
    "alias",
];
/// Rows in a transaction, as many as the import's records.
const ROWS_A_COMMIT: usize = 5_000;

/// Copies all rows of the store into a new one by hand, and prints how long that took.
pub fn report(runtime: &tokio::runtime::Runtime, url: &str, directory: &Path, import: f64) {
    let (rows, seconds) = match url.strip_prefix("sqlite:") {
        Some(path) => sqlite(runtime, path, &directory.join("floor.sqlite")),
        None => runtime.block_on(postgres(url)),
    };
    let share = seconds / import;
    println!(
        "raw batched inserts of the same {rows} rows: {seconds:.1} s; the import runs at {share:.2} of that speed"
    );
}

fn migrate(runtime: &tokio::runtime::Runtime, url: &str) {
    use heirloom::store::{Options, Store};
    runtime.block_on(async {
        let options = Options {
            url: url.to_owned(),
            max_connections: 1,
            timeout: std::time::Duration::from_secs(60),
        };
        let store = Store::connect(&options).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await.unwrap();
    });
}

fn sqlite(runtime: &tokio::runtime::Runtime, from: &str, to: &Path) -> (usize, f64) {
    migrate(runtime, &format!("sqlite:{}", to.display()));
    let source = rusqlite::Connection::open(from).unwrap();
    let mut target = rusqlite::Connection::open(to).unwrap();
    target.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536").unwrap();
    let (mut rows, mut seconds) = (0, 0.0);
    for table in TABLES {
        let mut select = source
            .prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1"))
            .unwrap();
        let columns = select.column_count();
        let marks = vec!["?"; columns].join(", ");
        let sql = format!("INSERT INTO \"{table}\" VALUES ({marks})");
        let mut found = select.query([]).unwrap();
        loop {
            let mut batch: Vec<Vec<rusqlite::types::Value>> = Vec::with_capacity(ROWS_A_COMMIT);
            while batch.len() < ROWS_A_COMMIT
                && let Some(row) = found.next().unwrap()
            {
                batch.push((0..columns).map(|i| row.get(i).unwrap()).collect());
            }
            if batch.is_empty() {
                break;
            }
            rows += batch.len();
            let begin = Instant::now();
            let transaction = target.transaction().unwrap();
            let mut insert = transaction.prepare_cached(&sql).unwrap();
            for row in batch {
                insert.execute(rusqlite::params_from_iter(row)).unwrap();
            }
            drop(insert);
            transaction.commit().unwrap();
            seconds += begin.elapsed().as_secs_f64();
        }
    }
    (rows, seconds)
}

/// Multi-row inserts of text that the server reads, 500 rows a statement.
async fn postgres(url: &str) -> (usize, f64) {
    let (server, _) = url.rsplit_once('/').unwrap();
    let name = format!("{}_floor", url.rsplit_once('/').unwrap().1);
    super::support::postgres::execute(url, &format!("CREATE DATABASE {name}")).await;
    let target_url = format!("{server}/{name}");
    let options = heirloom::store::Options {
        url: target_url.clone(),
        max_connections: 1,
        timeout: std::time::Duration::from_secs(60),
    };
    let store = heirloom::store::Store::connect(&options).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await.unwrap();
    let mut source = PgConnection::connect(url).await.unwrap();
    let mut target = PgConnection::connect(&target_url).await.unwrap();
    let (mut rows, mut seconds) = (0, 0.0);
    for table in TABLES {
        let all = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM \"{table}\" ORDER BY 1")))
            .fetch_all(&mut source)
            .await
            .unwrap();
        rows += all.len();
        for batch in all.chunks(ROWS_A_COMMIT) {
            let statements: Vec<String> = batch.chunks(500).map(|chunk| insert_of(table, chunk)).collect();
            let begin = Instant::now();
            let mut transaction = target.begin().await.unwrap();
            for sql in statements {
                transaction.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
            }
            transaction.commit().await.unwrap();
            seconds += begin.elapsed().as_secs_f64();
        }
    }
    (rows, seconds)
}

fn insert_of(table: &str, rows: &[sqlx::postgres::PgRow]) -> String {
    let tuples: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: Vec<String> = (0..row.len()).map(|i| literal(row, i)).collect();
            format!("({})", cells.join(", "))
        })
        .collect();
    format!("INSERT INTO \"{table}\" VALUES {}", tuples.join(", "))
}

fn literal(row: &sqlx::postgres::PgRow, i: usize) -> String {
    let null = || "NULL".to_owned();
    match row.column(i).type_info().name() {
        "INT8" => row.get::<Option<i64>, _>(i).map_or_else(null, |n| n.to_string()),
        "INT4" => row.get::<Option<i32>, _>(i).map_or_else(null, |n| n.to_string()),
        "INT2" => row.get::<Option<i16>, _>(i).map_or_else(null, |n| n.to_string()),
        "BOOL" => row.get::<Option<bool>, _>(i).map_or_else(null, |b| b.to_string()),
        "BYTEA" => row
            .get::<Option<Vec<u8>>, _>(i)
            .map_or_else(null, |bytes| format!("'\\x{}'", data_encoding::HEXLOWER.encode(&bytes))),
        _ => row
            .get::<Option<String>, _>(i)
            .map_or_else(null, |text| format!("'{}'", text.replace('\'', "''"))),
    }
}
