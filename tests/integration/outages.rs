//! A database that cannot be written for a while: its disk is full, it is read-only, somebody else holds its lock. Writers
//! hear UNAVAILABLE, reads go on, and when it can be written again it is, by the same process. Nothing acknowledged is lost.

use std::{collections::BTreeSet, time::Duration};

use heirloom::{config::Config, store::Store};
use serde_json::{Value, json};

use crate::{
    checks::findings,
    concurrency::revisions_have_no_gaps,
    on_both_databases,
    support::{Reply, TestApp, TestDb, app::texts, db::run, version},
};

/// How often what was told to try again does.
const TRIES: usize = 20;

/// Asks until the answer is no longer UNAVAILABLE, as a client does; any other error fails the test.
async fn again(ask: impl AsyncFn() -> Reply) -> Reply {
    for _ in 0..TRIES {
        let reply = ask().await;
        if reply.errors.is_empty() {
            return reply;
        }
        reply.refused("UNAVAILABLE");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not recover")
}

/// The versions that can be read.
async fn stored(app: &TestApp) -> BTreeSet<String> {
    let query = "{ artifacts { nodes { versions(first: 1000) { nodes { version } } } } }";
    let reply = again(async || app.query(query, json!({})).await).await;
    let nodes = reply.data["artifacts"]["nodes"].as_array().unwrap().clone();
    nodes
        .iter()
        .flat_map(|node| texts(&node["versions"]["nodes"], "version"))
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs a statement on the connection that writes.
async fn on_writer(store: &Store, sql: &str) {
    let transaction = store.begin_write_here().await.unwrap();
    transaction.execute_unprepared(sql).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Versions that fill some hundred pages.
fn big_batch() -> Vec<Value> {
    let version = |n: usize| {
        version("orders", &format!("big{n}"))
            .with("location", "x".repeat(5_000))
            .record()
    };
    (0..200).map(version).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_sqlite_is_written_again_when_there_is_room() {
    let app = TestApp::new(TestDb::sqlite().await).await;
    app.create(&version("orders", "before")).await;
    for round in 0..3 {
        // No page more than there are: SQLite says that the disk is full, and ends the transaction by itself.
        on_writer(&app.store, "PRAGMA max_page_count = 1").await;
        let refused = app.try_ingest(&big_batch()).await;
        refused.refused("UNAVAILABLE").says(&["try again"]);
        let known: BTreeSet<String> = (0..round)
            .map(|n| format!("after{n}"))
            .chain(["before".to_owned()])
            .collect();
        assert_eq!(stored(&app).await, known, "nothing is half-written");
        app.create(&version("orders", &format!("after{round}"))).await;
    }
    app.ingest(&big_batch()).await;
    assert_eq!(revisions_have_no_gaps(&app.db).await, 5);
    assert_eq!(findings(&app.db).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_sqlite_is_written_again_when_it_can_be() {
    let app = TestApp::new(TestDb::sqlite().await).await;
    app.create(&version("orders", "before")).await;
    on_writer(&app.store, "PRAGMA query_only = 1").await;
    app.try_create(&version("orders", "refused"))
        .await
        .refused("UNAVAILABLE")
        .says(&["try again"]);
    assert_eq!(stored(&app).await, names(&["before"]));
    // A connection that was opened while the file was read-only would stay so: it is opened anew.
    app.create(&version("orders", "after")).await;
    assert_eq!(revisions_have_no_gaps(&app.db).await, 2);
    assert_eq!(findings(&app.db).await, []);
}

on_both_databases! {
    async fn a_lock_that_somebody_holds_is_waited_for_and_then_refused(db: TestDb) {
        let store = db.store_patient_for(Duration::from_millis(400)).await;
        let app = TestApp::over(db.clone(), store, Config::default());
        app.create(&version("orders", "before")).await;
        let other = db.connection().await;
        run(&other, "BEGIN").await;
        run(&other, "UPDATE revision_counter SET revision = revision").await;
        for _ in 0..2 {
            app.try_create(&version("orders", "refused")).await.refused("UNAVAILABLE").says(&["try again"]);
            assert_eq!(stored(&app).await, names(&["before"]), "reads go on");
        }
        run(&other, "ROLLBACK").await;
        again(async || app.try_create(&version("orders", "after")).await).await;
        assert_eq!(stored(&app).await, names(&["after", "before"]));
        assert_eq!(revisions_have_no_gaps(&db).await, 2);
        other.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_postgresql_is_written_again_when_it_can_be() {
    TestDb::postgres().await.lend(read_only_postgresql).await;
}

async fn read_only_postgresql(db: TestDb) {
    let app = TestApp::new(db.clone()).await;
    app.create(&version("orders", "before")).await;
    let name = db.postgres_name().unwrap();
    let direct = db.connection().await;
    let turn = async |setting: &str| {
        run(&direct, "SET default_transaction_read_only = off").await;
        run(
            &direct,
            &format!("ALTER DATABASE {name} SET default_transaction_read_only = {setting}"),
        )
        .await;
        // As when the server fails over: whoever is connected connects anew.
        let others = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        );
        run(&direct, &others).await;
    };
    turn("on").await;
    for _ in 0..5 {
        app.try_create(&version("orders", "refused"))
            .await
            .refused("UNAVAILABLE")
            .says(&["try again"]);
    }
    assert_eq!(stored(&app).await, names(&["before"]), "reads go on");
    // Only the setting is taken back: those that are connected stay read-only, until they are given up.
    run(&direct, "SET default_transaction_read_only = off").await;
    run(
        &direct,
        &format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
    )
    .await;
    again(async || app.try_create(&version("orders", "after")).await).await;
    assert_eq!(stored(&app).await, names(&["after", "before"]));
    assert_eq!(revisions_have_no_gaps(&db).await, 2);
    direct.close().await.unwrap();
    assert_eq!(findings(&db).await, []);
}

/// A file that is deleted or replaced is written on to by whoever has it open, and lost when that process ends. So nothing is.
#[cfg(unix)]
mod replaced {
    use std::{
        fs,
        io::Write as _,
        path::PathBuf,
        process::{Child, Stdio},
        time::{Duration, Instant},
    };

    use serde_json::{Value, json};

    use super::{TestDb, version};
    use crate::support::process::{self, Server, heirloom};

    fn path(db: &TestDb, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}{ending}", db.file()))
    }

    /// Puts away the file and what is beside it, as whoever restores a backup without stopping the server does.
    fn put_away(db: &TestDb) {
        for ending in ["", "-wal", "-shm"] {
            fs::rename(path(db, ending), path(db, &format!("{ending}.away"))).unwrap();
        }
    }

    fn put_back(db: &TestDb) {
        for ending in ["", "-wal", "-shm"] {
            fs::rename(path(db, &format!("{ending}.away")), path(db, ending)).unwrap();
        }
    }

    async fn write(server: &Server, name: &str) -> Value {
        let answer = server.ingest(&[version("orders", name).record()]).await;
        match answer["errors"][0]["extensions"]["code"].as_str() {
            Some(code) => json!(code),
            None => answer["data"]["ingest"]["applied"].clone(),
        }
    }

    async fn ready(server: &Server) -> (u16, Value) {
        let answer = reqwest::get(format!("{}/readyz", server.url)).await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap()["reason"].clone(),
        )
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_acknowledged_when_the_file_has_gone() {
        let db = TestDb::sqlite().await;
        // With parameters, the driver's connection writes.
        for url in [db.url.clone(), format!("{}?mode=rw", db.url)] {
            let server = Server::start(&["serve", "--database", &url]);
            assert_eq!(write(&server, "before").await, 1);
            assert_eq!(ready(&server).await.0, 200);
            put_away(&db);
            for _ in 0..3 {
                assert_eq!(write(&server, "lost").await, "UNAVAILABLE");
            }
            let (status, reason) = ready(&server).await;
            assert!(
                status == 503 && reason.as_str().unwrap().starts_with("The database file has gone"),
                "{reason}"
            );
            assert_eq!(
                server.log().matches("has gone: nothing is written").count(),
                1,
                "{}",
                server.log()
            );
            assert!(!path(&db, "").exists(), "no other is made");
            put_back(&db);
            assert_eq!((write(&server, "after").await, ready(&server).await.0), (json!(1), 200));
            server.kill();
            let checked = process::run(&["check", "--database", &db.url]);
            assert_eq!(checked.status.code(), Some(0), "{}", process::text(&checked.stdout));
            fs::remove_file(path(&db, "")).unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_acknowledged_when_another_file_has_its_place_until_a_restart() {
        let db = TestDb::sqlite().await;
        let backup = db.copy().await;
        let server = Server::start(&["serve", "--database", &db.url]);
        assert_eq!(write(&server, "before").await, 1);
        put_away(&db);
        fs::rename(path(&backup, ""), path(&db, "")).unwrap();
        assert_eq!(write(&server, "lost").await, "UNAVAILABLE");
        assert_eq!(ready(&server).await.0, 503);
        assert!(
            server
                .log()
                .contains("another file has taken the place of the database file"),
            "{}",
            server.log()
        );
        server.kill();
        let server = Server::start(&["serve", "--database", &db.url]);
        assert_eq!((write(&server, "after").await, ready(&server).await.0), (json!(1), 200));
        assert_eq!(db.number("SELECT count(*) FROM version").await, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_import_ends_when_the_file_has_gone() {
        let db = TestDb::sqlite().await;
        let mut import: Child = heirloom(&["import", "--database", &db.url, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = import.stdin.take().unwrap();
        let batch = |name: &str| -> String {
            let line = |n: usize| format!("{}\n", version("orders", &format!("{name}{n}")).record());
            (0..1_000).map(line).collect()
        };
        input.write_all(batch("first").as_bytes()).unwrap();
        let begun = Instant::now();
        while db.number("SELECT count(*) FROM version").await == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is recorded");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        put_away(&db);
        // It may have ended before it has read all.
        let _ = input.write_all(batch("second").as_bytes());
        drop(input);
        let said = process::ended(import);
        let err = process::text(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{err}");
        let expected = [
            "the database file ",
            " has gone; 1000 records had been recorded before: run the same command again",
        ];
        assert!(expected.iter().all(|part| err.contains(part)), "{err}");
    }
}

/// The real process with a real limit: the system refuses to let a file grow, as it does on a full disk. Only Linux can
/// raise the limit of another process, as whatever user; the other tests of a full disk run everywhere.
#[cfg(target_os = "linux")]
mod limited {
    use std::{collections::BTreeSet, process::Command};

    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use super::{TestDb, texts, version};
    use crate::support::process::{self, Server, heirloom};

    /// What a file may have, in blocks of the shell: one or two megabytes.
    const BLOCKS: u32 = 2048;
    const CLIENTS: usize = 4;
    /// Refusals that each client hears before there is room again.
    const REFUSALS: usize = 5;

    /// A server whose files may not grow beyond the limit. The signal that would end it is ignored: a full disk sends none.
    fn limited_server(url: &str) -> Server {
        let program = heirloom(&["serve", "--database", url]);
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("trap '' XFSZ; ulimit -S -f {BLOCKS}; exec \"$0\" \"$@\""));
        command.arg(program.get_program()).args(program.get_args());
        for (name, _) in program.get_envs().filter(|(_, value)| value.is_none()) {
            command.env_remove(name);
        }
        Server::started(command)
    }

    fn make_room(server: &Server) {
        let raised = Command::new("prlimit")
            .args(["--pid", &server.id().to_string(), "--fsize=unlimited"])
            .status();
        assert!(raised.expect("prlimit, of util-linux, is on every Linux").success());
    }

    fn big(name: &str) -> Value {
        version("orders", name).with("location", "x".repeat(4_000)).record()
    }

    async fn ingest(server: &Server, name: &str) -> Value {
        server.ingest(&[big(name)]).await
    }

    fn is_refused(answer: &Value) -> bool {
        let Some(errors) = answer["errors"].as_array() else {
            assert_eq!(answer["data"]["ingest"]["applied"], 1, "{answer}");
            return false;
        };
        assert_eq!(
            (errors.len(), &errors[0]["extensions"]["code"]),
            (1, &json!("UNAVAILABLE")),
            "{answer}"
        );
        true
    }

    async fn versions(server: &Server) -> BTreeSet<String> {
        let query = "query($after: String) { artifacts { nodes { versions(first: 1000, after: $after) {
            nodes { version } pageInfo { hasNextPage endCursor } } } } }";
        let (mut all, mut after) = (BTreeSet::new(), Value::Null);
        loop {
            let answer = server.query(query, json!({"after": after})).await;
            let page = &answer["data"]["artifacts"]["nodes"][0]["versions"];
            all.extend(texts(&page["nodes"], "version"));
            if page["pageInfo"]["hasNextPage"] != true {
                return all;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_whose_disk_is_full_for_a_while_loses_nothing() {
        let db = TestDb::sqlite().await;
        let server = limited_server(&db.url);
        let write = async |client: usize| {
            let (mut acknowledged, mut refusals) = (Vec::new(), 0);
            for n in 0.. {
                let name = format!("c{client}n{n}");
                if is_refused(&ingest(&server, &name).await) {
                    refusals += 1;
                } else {
                    acknowledged.push(name);
                }
                if refusals == REFUSALS {
                    break;
                }
            }
            acknowledged
        };
        let mut acknowledged: BTreeSet<String> =
            join_all((0..CLIENTS).map(write)).await.into_iter().flatten().collect();
        assert!(acknowledged.len() > 10, "there was room at first");
        assert_eq!(
            versions(&server).await,
            acknowledged,
            "reads go on, and nothing refused is there"
        );

        make_room(&server);
        for n in 0..100 {
            let name = format!("after{n}");
            let is_refused = is_refused(&ingest(&server, &name).await);
            assert!(!is_refused || n == 0, "it does not recover");
            acknowledged.extend((!is_refused).then_some(name));
        }
        assert_eq!(versions(&server).await, acknowledged);
        server.kill();
        let checked = process::run(&["check", "--database", &db.url]);
        assert_eq!(checked.status.code(), Some(0), "{}", process::text(&checked.stdout));
    }
}
