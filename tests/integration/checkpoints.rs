//! When SQLite's log is copied into the file.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::support::{
    TestDb,
    process::{self, Server},
    version,
};

/// More than a loaded machine needs for what is due after a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many heavy versions make the log long enough to be copied.
const MANY: i64 = 600;

/// Versions that take more than a page of four kibibytes each.
fn heavy(of: &str) -> Vec<Value> {
    let description = "x".repeat(8_000);
    let named = |n: i64| version(of, &n.to_string()).with("description", description.as_str());
    (0..MANY).map(|n| named(n).record()).collect()
}

async fn write(server: &Server, records: &[Value]) {
    let answer = server.ingest(records).await;
    assert_eq!(answer["data"]["ingest"]["applied"], records.len(), "{answer}");
}

/// How many versions the file has without its log; none where it cannot be read, since it is being written to.
fn in_the_file(db: &TestDb) -> Option<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{}?immutable=1", db.file()), flags).ok()?;
    connection
        .query_row("SELECT count(*) FROM version", [], |row| row.get(0))
        .ok()
}

async fn until_in_the_file(db: &TestDb, versions: i64) {
    let begin = Instant::now();
    loop {
        let found = in_the_file(db);
        if found == Some(versions) {
            return;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{found:?} of {versions} versions are in the file"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_copied_while_nothing_is_written_whoever_wrote_it() {
    let db = TestDb::sqlite().await;
    let server = Server::start(&["serve", "--database", &db.url]);
    write(&server, &heavy("of_the_server")).await;
    until_in_the_file(&db, MANY).await;
    let lines: String = heavy("of_an_import")
        .iter()
        .map(|record| format!("{record}\n"))
        .collect();
    let file = format!("{}.jsonl", db.file());
    std::fs::write(&file, lines).unwrap();
    let imported = process::run(&["import", "--database", &db.url, &file]);
    assert!(imported.status.success(), "{imported:?}");
    until_in_the_file(&db, 2 * MANY).await;
    assert!(server.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_copied_while_little_is_written() {
    let db = TestDb::sqlite().await;
    let server = Server::start(&["serve", "--database", &db.url]);
    write(&server, &heavy("orders")).await;
    let begin = Instant::now();
    for n in 0.. {
        write(&server, &[version("trickle", &n.to_string()).record()]).await;
        if in_the_file(&db).is_some_and(|versions| versions >= MANY) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "nothing is in the file");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(server.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_copied_once_nobody_reads_what_was_before() {
    let db = TestDb::sqlite().await;
    let server = Server::start(&["serve", "--database", &db.url]);
    write(&server, &heavy("one")).await;
    let mut reader = Connection::open(db.file()).unwrap();
    let reading = reader.transaction().unwrap();
    let seen = || -> i64 {
        let count = "SELECT count(*) FROM version";
        reading.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(seen(), MANY);
    until_in_the_file(&db, MANY).await;
    write(&server, &heavy("two")).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(in_the_file(&db), Some(MANY));
    assert_eq!(seen(), MANY);
    drop(reading);
    until_in_the_file(&db, 2 * MANY).await;
    assert!(server.stop());
}
