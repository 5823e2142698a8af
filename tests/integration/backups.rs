//! `heirloom backup`: a copy of a SQLite store that is being written to is whole, consistent, and there or not there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    TestDb, execution,
    process::{self, Server, heirloom},
    version,
};

/// A directory with a store of several portions.
struct Place {
    directory: TempDir,
    url: String,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let sample = process::run(&["sample", "--versions", "9000"]);
        let file = directory.path().join("sample.jsonl");
        fs::write(&file, sample.stdout).unwrap();
        let url = format!("sqlite:{}", directory.path().join("store.sqlite").display());
        let imported = process::run(&["import", "--database", &url, file.to_str().unwrap()]);
        assert!(imported.status.success(), "{imported:?}");
        Self { directory, url }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn backup(&self, arguments: &[&str]) -> Output {
        process::run(&[&["backup", "--database", &self.url], arguments].concat())
    }
}

/// The revision of a copy, which is a clean store by itself.
fn revision_of(copy: &Path) -> i64 {
    for ending in ["-wal", "-shm", "-journal", ".partial"] {
        let beside = PathBuf::from(format!("{}{ending}", copy.display()));
        assert!(!beside.exists(), "{}", beside.display());
    }
    // Bytes 18 and 19 of its head say that it has no write-ahead log.
    assert_eq!(fs::read(copy).unwrap()[18..20], [1, 1]);
    let checked = process::run(&["check", "--database", &format!("sqlite:{}", copy.display())]);
    let said = process::text(&checked.stdout) + &process::text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    let at = said.find("revision ").unwrap() + "revision ".len();
    said[at..].split(':').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_copied_while_a_server_writes_to_it() {
    let place = Place::new();
    let server = Server::start(&["serve", "--database", &place.url]);
    let is_over = AtomicBool::new(false);
    let write = async {
        let mut number = 0;
        while !is_over.load(Ordering::Relaxed) {
            let name = format!("w{number}");
            let record = execution(&name)
                .state("RUNNING")
                .produces("out", &version("written", &name))
                .record();
            let answer = server.ingest(&[record]).await;
            assert_eq!(answer["data"]["ingest"]["applied"], 1, "{answer}");
            number += 1;
        }
    };
    let newest = async || {
        let answer = server.query("{ revision { number } }", json!({})).await;
        answer["data"]["revision"]["number"].as_i64().unwrap()
    };
    let back_up = async {
        for round in 0..5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let before = newest().await;
            let copy = place.path(&format!("copy{round}.sqlite"));
            let copied = tokio::task::block_in_place(|| place.backup(&[copy.to_str().unwrap()]));
            let said = process::text(&copied.stdout);
            assert_eq!(copied.status.code(), Some(0), "{copied:?}");
            let revision = tokio::task::block_in_place(|| revision_of(&copy));
            assert!(said.contains(&format!("as of revision {revision} ")), "{said}");
            assert!((before..=newest().await).contains(&revision), "{before} {revision}");
        }
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(write, back_up);
    // The last copy serves.
    let copy = format!("sqlite:{}", place.path("copy4.sqlite").display());
    let other = Server::start(&["serve", "--database", &copy]);
    let answer = other.ingest(&[version("written", "to the copy").record()]).await;
    assert_eq!(answer["data"]["ingest"]["applied"], 1, "{answer}");
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_nothing_under_the_name() {
    let place = Place::new();
    let copy = place.path("copy.sqlite");
    let mut left = 0;
    for round in 0..12 {
        let arguments = ["backup", "--force", "--database", &place.url, copy.to_str().unwrap()];
        let mut child = heirloom(&arguments)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        left += u32::from(place.path("copy.sqlite.partial").exists());
        if copy.exists() {
            let said = process::run(&["check", "--database", &format!("sqlite:{}", copy.display())]);
            assert_eq!(said.status.code(), Some(0), "{said:?}");
            fs::remove_file(&copy).unwrap();
        }
    }
    // What they left does not trouble the next.
    println!("{left} were cut short on their way");
    assert_eq!(place.backup(&[copy.to_str().unwrap()]).status.code(), Some(0));
    revision_of(&copy);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let place = Place::new();
    let copy = place.path("copy.sqlite");
    let path = copy.to_str().unwrap();
    let refused = |arguments: &[&str], complaint: &str| {
        let said = place.backup(arguments);
        let err = process::text(&said.stderr);
        assert_eq!((said.status.code(), err.lines().count()), (Some(2), 1), "{err}");
        assert!(err.contains(complaint) && said.stdout.is_empty(), "{err}");
    };
    fs::write(&copy, "mine").unwrap();
    refused(
        &[path],
        "copy.sqlite is there already: name another file, or give --force to replace it",
    );
    assert_eq!(fs::read(&copy).unwrap(), b"mine");
    assert_eq!(place.backup(&[path, "--force"]).status.code(), Some(0));
    assert!(revision_of(&copy) > 0);

    let store = place.path("store.sqlite");
    refused(
        &[store.to_str().unwrap(), "--force"],
        "is the store itself: name another file",
    );
    let wal = place.path("copy.sqlite-wal");
    fs::write(&wal, "").unwrap();
    refused(
        &[path, "--force"],
        "copy.sqlite-wal belongs to a database that is in use",
    );
    refused(&["/nowhere/copy.sqlite"], "the backup of");
    let names: Vec<_> = fs::read_dir(place.directory.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name.to_string_lossy().contains("partial")),
        "{names:?}"
    );
}

#[test]
fn what_is_no_store_of_sqlite_is_one_sentence() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        format!("sqlite:{}", path.display())
    };
    let copy = directory.path().join("copy.sqlite");
    for (url, complaint) in [
        (
            "postgres://user:secret@host/db".to_owned(),
            "use pg_dump to back up a PostgreSQL database",
        ),
        (
            format!("sqlite:{}", directory.path().join("none").display()),
            "there is no database file",
        ),
        (file("empty", ""), "it is no SQLite database of Heirloom"),
        (
            file("text", &"no database. ".repeat(200)),
            "it is no SQLite database of Heirloom",
        ),
    ] {
        let said = process::run(&["backup", "--database", &url, copy.to_str().unwrap()]);
        let err = process::text(&said.stderr);
        assert_eq!((said.status.code(), err.lines().count()), (Some(2), 1), "{err}");
        assert!(err.contains(complaint) && !err.contains("secret"), "{err}");
        assert!(!copy.exists());
    }
}

/// A backup is made before a newer version is tried, so it brings nothing up to date.
#[tokio::test]
async fn a_store_of_another_version_is_copied_as_it_is() {
    let db = TestDb::sqlite().await;
    let connection = db.connection().await;
    let sql = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_later', 0)";
    crate::support::db::run(&connection, sql).await;
    connection.close().await.unwrap();
    let directory = TempDir::new().unwrap();
    let copy = directory.path().join("copy.sqlite");
    let said = process::run(&["backup", "--database", &db.url, copy.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let copied = db.at(format!("sqlite:{}", copy.display()));
    assert_eq!(
        copied
            .number("SELECT COUNT(*) FROM seaql_migrations WHERE version LIKE 'm2999%'")
            .await,
        1
    );
}
