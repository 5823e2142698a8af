//! Opening a database: where nothing can be written, one of an older version, and one of something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heirloom::store::file::{companions, sqlite_file};
use migration::{Migrator, MigratorTrait};
use sea_orm::ConnectionTrait;

use crate::{
    cli::{Place, Said},
    on_both_databases,
    support::{
        TestApp, TestDb,
        db::{run, steps_from},
        version,
    },
};

/// The commands that only read.
const READING: [&[&str]; 3] = [&["check"], &["export"], &["lineage", "version_b"]];
/// The others that open a database.
const WRITING: [&[&str]; 4] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["demo", "--listen", "127.0.0.1:0"],
    &["import", "-"],
    &["migrate"],
];

fn refused(said: &Said, complaint: &str) {
    assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
    assert!(
        said.out.is_empty() && said.err.contains(complaint),
        "{complaint}: {said:?}"
    );
}

/// What lies in a directory.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn directory(db: &TestDb) -> &Path {
    Path::new(db.file()).parent().unwrap()
}

/// A database of something else.
async fn foreign(statements: &[&str]) -> TestDb {
    let db = TestDb::sqlite_empty();
    let connection = db.connection_to_new_file().await;
    for sql in statements {
        run(&connection, sql).await;
    }
    connection.close().await.unwrap();
    db
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    let others_migrations = [
        "CREATE TABLE seaql_migrations (version TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)",
        "INSERT INTO seaql_migrations VALUES ('m20200101_000001_recipes', 0)",
        "CREATE TABLE recipe (id INTEGER PRIMARY KEY)",
    ];
    for statements in [&others_migrations[2..], &others_migrations[..]] {
        let db = foreign(statements).await;
        let (place, before) = (Place::with(&db), files(directory(&db)));
        for command in READING.iter().chain(&WRITING) {
            let complaint = "is a database of something else (it has the table recipe, and none of Heirloom's schema): name another file";
            refused(&place.run(command, b""), complaint);
        }
        let copy = place.path("copy");
        refused(
            &place.run(&["backup", copy.to_str().unwrap()], b""),
            "it is no SQLite database of Heirloom",
        );
        assert!(files(directory(&db)) == before, "nothing of it has changed");
    }
}

on_both_databases! {
    async fn reading_commands_leave_an_older_schema_as_it_is(db: TestDb) {
        let app = TestApp::new(db.clone()).await;
        app.create(&version("orders", "v1")).await;
        app.store.close().await.unwrap();
        let connection = db.connection().await;
        Migrator::down(&connection, Some(1)).await.unwrap();
        connection.close().await.unwrap();
        let is_file = db.postgres_name().is_none();
        let before = is_file.then(|| files(directory(&db)));
        let place = Place::with(&db);
        for command in READING {
            let complaint = "lacks 1 of the steps of Heirloom's schema: run `heirloom migrate` first, after a backup";
            refused(&place.run(command, b""), complaint);
        }
        assert!(is_file.then(|| files(directory(&db))) == before, "nothing of it has changed");
        let writing = if is_file { place.run(&["import", "-"], b"") } else { place.run(&["migrate"], b"") };
        assert_eq!(writing.code, 0, "{writing:?}");
        for command in READING {
            assert_eq!(place.run(command, b"").code, 0);
        }
    }
}

/// How often a command is run whose way out is left to chance.
const TRIES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_leaves_nothing_of_sqlites_beside_the_file() {
    let app = TestApp::new(TestDb::sqlite().await).await;
    app.create(&version("orders", "v1")).await;
    app.store.close().await.unwrap();
    let place = Place::with(&app.db);
    let before = files(directory(&app.db));
    let nowhere = place.path("nowhere").join("export");
    let failing: [(&[&str], &str); 4] = [
        (&["lineage", "version_zzzz"], "version_zzzz"),
        (
            &["lineage", "version_b", "--output", nowhere.to_str().unwrap()],
            "nowhere",
        ),
        (&["export", "--as-of", "99"], "there is no revision 99"),
        (&["export", "--output", nowhere.to_str().unwrap()], "nowhere"),
    ];
    for (command, complaint) in failing.repeat(TRIES) {
        let said = place.run(command, b"");
        assert!(said.code == 2 && said.err.contains(complaint), "{said:?}");
        assert!(files(directory(&app.db)) == before, "{command:?}");
    }
}

/// What SQLite keeps beside the file of a database.
fn beside(db: &TestDb) -> Vec<PathBuf> {
    let kept = companions(&sqlite_file(&db.url).unwrap());
    kept.into_iter().filter(|path| path.exists()).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_ends_with_batches_in_the_queue_closes_the_file() {
    let db = TestDb::sqlite().await;
    let place = Place::with(&db);
    let line = |n: usize| match n % 2 {
        0 => version("orders", "latest").record().to_string(),
        _ => version("orders", &format!("v{n}")).record().to_string(),
    };
    let lines: Vec<String> = (0..20_000).map(line).collect();
    for _ in 0..TRIES {
        // Its rejects fill a device on which there is no room.
        let said = place.run(&["import", "--rejects", "/dev/full", "-"], lines.join("\n").as_bytes());
        assert!(said.code == 2 && said.err.contains("No space left"), "{said:?}");
        assert!(beside(&db).is_empty(), "{:?}", beside(&db));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_cannot_be_done_is_not_tried_for_seconds() {
    let db = TestDb::sqlite().await;
    let connection = db.connection().await;
    let steps = steps_from("m20261125_000006_recorded_versions");
    Migrator::down(&connection, Some(steps)).await.unwrap();
    let sql = "CREATE TABLE recorded_version (mine TEXT)";
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
    let place = Place::with(&db);
    for command in [&["migrate"][..], &["import", "-"]] {
        let begun = Instant::now();
        refused(&place.run(command, b""), "recorded_version already exists");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

/// Modes of files are heeded by every process but one that may do everything; it gives that up.
#[cfg(target_os = "linux")]
mod read_only {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

    use super::{READING, directory, files};
    use crate::{
        cli::{Place, Said},
        support::{TestDb, process, version},
    };

    /// Whether this process may write what the modes of files forbid.
    fn may_do_everything() -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        mode(file.path(), 0o444);
        fs::OpenOptions::new().write(true).open(file.path()).is_ok()
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs the program as somebody who heeds the modes of files.
    fn run(place: &Place, arguments: &[&str]) -> Said {
        let program = process::heirloom(&[&["--database", &place.url], arguments].concat());
        let command = if may_do_everything() {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all"]);
            command.arg(program.get_program()).args(program.get_args());
            command
        } else {
            program
        };
        // `setpriv` is of util-linux, which is on every Linux.
        let output = process::run_command(command);
        Said {
            code: output.status.code().unwrap(),
            out: process::text(&output.stdout),
            err: process::text(&output.stderr),
        }
    }

    /// Forbids to write the files of a database, and in its directory.
    fn forbid(db: &TestDb, is_directory: bool) {
        for entry in fs::read_dir(directory(db)).unwrap() {
            mode(&entry.unwrap().path(), 0o444);
        }
        if is_directory {
            mode(directory(db), 0o555);
        }
    }

    /// Every reading command does its work, sees so many versions, and leaves nothing behind.
    fn reads(db: &TestDb, versions: usize) {
        let (place, before) = (Place::with(db), files(directory(db)));
        for command in READING {
            let said = run(&place, command);
            assert_eq!(said.code, 0, "{command:?}: {said:?}");
        }
        assert_eq!(run(&place, &["export"]).out.lines().count(), versions);
        let copy = place.path("copy.sqlite");
        let said = run(&place, &["backup", copy.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{said:?}");
        // Locks are kept in the file beside the log, so that one changes.
        let but_locks = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
            files
                .iter()
                .filter(|(name, _)| !name.ends_with("-shm"))
                .cloned()
                .collect()
        };
        let after = files(directory(db));
        assert_eq!(before.len(), after.len());
        assert!(but_locks(&before) == but_locks(&after), "nothing of it has changed");
    }

    /// A store that a server was killed over: the version is in the log only.
    async fn killed() -> TestDb {
        let db = TestDb::sqlite().await;
        let server = process::Server::start(&["serve", "--database", &db.url]);
        let record = version("orders", "v1").record();
        let answer = server.ingest(&[record]).await;
        assert_eq!(answer["data"]["ingest"]["applied"], 1, "{answer}");
        server.kill();
        db
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_is_read_where_nothing_can_be_written() {
        for is_directory in [true, false] {
            let db = killed().await;
            // Closed in order, which puts the log into the file.
            assert_eq!(Place::with(&db).run(&["migrate"], b"").code, 0);
            assert_eq!(files(directory(&db)).len(), 1);
            forbid(&db, is_directory);
            reads(&db, 1);
            mode(directory(&db), 0o755);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_log_of_a_store_is_read_where_nothing_can_be_written() {
        let db = killed().await;
        forbid(&db, true);
        reads(&db, 1);
        mode(directory(&db), 0o755);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_log_that_cannot_be_read_is_not_left_out() {
        let db = killed().await;
        fs::remove_file(format!("{}-shm", db.file())).unwrap();
        forbid(&db, true);
        let place = Place::with(&db);
        for command in READING {
            super::refused(
                &run(&place, command),
                "-wal holds what is not in the database file yet, and cannot be read where nothing can be written: copy both to where it can",
            );
        }
        mode(directory(&db), 0o755);
    }
}
