//! Stores to ingest into: empty ones, and copies of one that has much.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use heirloom::store::{Options, Store};
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use tokio::runtime::Runtime;

use super::data;
use super::floor::Cost;
use super::support::{cpu, postgres};

/// Where the stores of a database are made.
pub enum Place {
    Sqlite(tempfile::TempDir),
    /// A server, and what the names of this run's databases begin with.
    Postgres(String, String),
}

impl Place {
    pub fn sqlite() -> Self {
        // Beside the other output of cargo: a directory for temporary files may be in memory.
        Self::Sqlite(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    pub fn postgres(url: String) -> Self {
        Self::Postgres(url, format!("heirloom_ingest_{}", std::process::id()))
    }

    fn url(&self, name: &str) -> String {
        match self {
            Self::Sqlite(directory) => sqlite_url(&directory.path().join(name)),
            Self::Postgres(url, prefix) => database(url, &format!("{prefix}_{name}")),
        }
    }

    /// Two stores that have the same records, from the first one on: one for the service, one for the floor.
    pub fn pair(&self, runtime: &Runtime, records: u64) -> [String; 2] {
        ["service", "floor"].map(|of| {
            let url = self.url(&format!("{of}_{records}"));
            if records == 0 {
                if let Self::Postgres(server, _) = self {
                    create(runtime, server, &url, None);
                }
                migrate(runtime, &url);
            } else {
                self.copy(runtime, records, &url);
            }
            url
        })
    }

    /// Copies the store with so many records. It is kept for the next run.
    fn copy(&self, runtime: &Runtime, records: u64, to: &str) {
        match self {
            Self::Sqlite(_) => {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ingest-{records}.sqlite"));
                if !path.exists() {
                    let unfinished = path.with_extension("unfinished");
                    remove(&unfinished);
                    fill(runtime, &sqlite_url(&unfinished), records);
                    fs::rename(unfinished, &path).unwrap();
                }
                fs::copy(path, to.strip_prefix("sqlite:").unwrap()).unwrap();
            }
            Self::Postgres(server, _) => {
                let kept = database(server, &format!("heirloom_ingest_{records}"));
                if !exists(runtime, &kept) {
                    let unfinished = database(server, &format!("heirloom_ingest_{records}_unfinished"));
                    let drop = format!("DROP DATABASE IF EXISTS {}", name(&unfinished));
                    runtime.block_on(postgres::execute(server, &drop));
                    create(runtime, server, &unfinished, None);
                    fill(runtime, &unfinished, records);
                    runtime.block_on(postgres::execute(&unfinished, "VACUUM ANALYZE"));
                    let rename = format!("ALTER DATABASE {} RENAME TO {}", name(&unfinished), name(&kept));
                    runtime.block_on(postgres::execute(server, &rename));
                }
                create(runtime, server, to, Some(&kept));
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Postgres(server, prefix) = self else { return };
        let (server, prefix) = (server.clone(), prefix.clone());
        let dropping = std::thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                let names: Vec<String> =
                    sqlx::query_scalar("SELECT datname FROM pg_database WHERE starts_with(datname, $1)")
                        .bind(prefix)
                        .fetch_all(&mut connection)
                        .await
                        .unwrap();
                for name in names {
                    postgres::execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn database(server: &str, name: &str) -> String {
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

fn name(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

fn exists(runtime: &Runtime, url: &str) -> bool {
    runtime.block_on(PgConnection::connect(url)).is_ok()
}

fn create(runtime: &Runtime, server: &str, url: &str, template: Option<&str>) {
    let template = template.map_or(String::new(), |url| {
        format!(" TEMPLATE {} STRATEGY file_copy", name(url))
    });
    runtime.block_on(postgres::execute(
        server,
        &format!("CREATE DATABASE {}{template}", name(url)),
    ));
}

fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(PathBuf::from(format!("{}{end}", path.display())));
    }
}

fn migrate(runtime: &Runtime, url: &str) {
    runtime.block_on(async {
        let options = Options {
            url: url.to_owned(),
            max_connections: 1,
            timeout: Duration::from_secs(60),
        };
        let store = Store::connect(&options).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await.unwrap();
    });
}

/// Imports so many records into a new store.
fn fill(runtime: &Runtime, url: &str, records: u64) {
    migrate(runtime, url);
    let begin = Instant::now();
    import(url, |lines| {
        (0..records).for_each(|number| writeln!(lines, "{}", data::record(number)).unwrap());
    });
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "a store of {records} records, made by import: {:.0} records a second",
        records as f64 / seconds
    );
}

/// Has the program import what is written to it.
pub fn import(url: &str, write: impl FnOnce(&mut BufWriter<std::process::ChildStdin>)) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heirloom"))
        .args(["import", "--database", url, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufWriter::with_capacity(1 << 16, child.stdin.take().unwrap());
    write(&mut lines);
    drop(lines);
    assert!(child.wait().unwrap().success(), "the import ended well");
}

/// Has what was written at first be known to the planner, as it is a minute later by itself.
pub fn analyze(runtime: &Runtime, url: &str) {
    if url.starts_with("postgres") {
        runtime.block_on(postgres::execute(url, "ANALYZE"));
    }
}

/// Copies SQLite's log into its file, as a server does once little is written; what that costs. Whoever writes on and on does it too, so
/// it is counted as a part of the writing, and none of it is left for somebody else's turn.
pub fn copy_log(url: &str) -> Cost {
    let (begin, before) = (Instant::now(), cpu::of_this_thread());
    if let Some(path) = url.strip_prefix("sqlite:") {
        let connection = rusqlite::Connection::open(path).unwrap();
        // Who finds that another copies it learns nothing of its length.
        let copied = || {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                let (is_busy, all, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(!is_busy && all == copied)
            })
        };
        while !copied().unwrap() {
            assert!(begin.elapsed() < Duration::from_secs(60), "somebody reads on and on");
            std::thread::yield_now();
        }
    }
    Cost {
        seconds: begin.elapsed().as_secs_f64(),
        cpu: cpu::of_this_thread() - before,
    }
}

/// Bytes that a store takes on disk.
pub fn bytes(runtime: &Runtime, url: &str) -> u64 {
    let bytes: i64 = match url.strip_prefix("sqlite:") {
        Some(path) => {
            let connection = rusqlite::Connection::open(path).unwrap();
            let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        }
        None => runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let sql = "SELECT pg_database_size(current_database())";
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }),
    };
    bytes.unsigned_abs()
}

/// What the server does so that a commit survives a power cut.
pub async fn durability(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut settings = Vec::new();
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        let sql = sqlx::AssertSqlSafe(format!("SHOW {name}"));
        let setting: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        settings.push(format!("{name} = {setting}"));
    }
    settings.join(", ")
}
