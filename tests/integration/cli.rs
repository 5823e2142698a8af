//! The program as a person or a script runs it: import, export, what they say, and with which exit code.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    on_both_databases,
    support::{TestDb, db::run, process},
};

/// A directory for files, and a database.
pub struct Place {
    directory: TempDir,
    pub url: String,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    /// With a file of SQLite that is not made yet.
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let url = format!("sqlite:{}", directory.path().join("heirloom.sqlite").display());
        Self { directory, url }
    }

    /// With a database that is there.
    pub fn with(db: &TestDb) -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            url: db.url.clone(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs the program on the database of this place.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Said {
        heirloom(&[&["--database", &self.url], arguments].concat(), input)
    }

    pub fn import(&self, path: &Path) -> Said {
        self.run(&["import", path.to_str().unwrap()], b"")
    }

    pub fn export(&self) -> String {
        let said = self.run(&["export"], b"");
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = process::heirloom(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn heirloom(arguments: &[&str], input: &[u8]) -> Said {
    let mut child = command(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Whoever does not read its input closes it; that is no failure of the test.
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let Output { status, stdout, stderr } = process::ended(child);
    let _ = writing.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code: status.code().unwrap(),
        out: text(stdout),
        err: text(stderr),
    }
}

pub fn sample(versions: u32) -> String {
    let said = heirloom(&["sample", "--versions", &versions.to_string()], b"");
    assert_eq!(said.code, 0, "{said:?}");
    said.out
}

pub fn lines(records: &[Value]) -> String {
    records.iter().map(|record| record.to_string() + "\n").collect()
}

fn version(name: &str) -> Value {
    json!({ "version": { "artifact": { "project": "p", "domain": "d", "name": "a" }, "version": name } })
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

on_both_databases! {
    async fn the_sample_is_applied_and_a_second_run_leaves_all_unchanged(db: TestDb) {
        let place = Place::with(&db);
        let sample = sample(600);
        let count = sample.lines().count();
        let file = place.write("sample.jsonl", sample);
        let first = place.import(&file);
        assert_eq!(first.code, 0, "{first:?}");
        assert!(first.out.contains(&format!("{count} applied, 0 unchanged, 0 rejected")), "{first:?}");
        let before = place.export();
        let second = place.import(&file);
        assert_eq!(second.code, 0, "{second:?}");
        assert!(second.out.contains(&format!("0 applied, {count} unchanged, 0 rejected")), "{second:?}");
        assert_eq!(before, place.export());
    }
}

on_both_databases! {
    async fn an_export_imported_into_an_empty_store_exports_the_same(db: TestDb) {
        // The second store is a file in either case: an export does not know where it comes from.
        let (first, second) = (Place::with(&db), Place::new());
        assert_eq!(first.run(&["import", "-"], sample(600).as_bytes()).code, 0);
        let exported = first.export();
        let said = second.run(&["import", "-"], exported.as_bytes());
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(exported, second.export());
        // What only events had said, records say as well from now on: that is news once, and changes nothing that is seen.
        let again = first.run(&["import", "-"], exported.as_bytes());
        assert!(again.out.contains(" 7 applied") && again.out.contains(" 0 rejected"), "{again:?}");
        assert_eq!(exported, first.export());
        for place in [&first, &second] {
            let again = place.run(&["import", "-"], exported.as_bytes());
            assert!(again.out.contains(" 0 applied") && again.out.contains(" 0 rejected"), "{again:?}");
        }
    }
}

/// Everything in the wrong order, with every state that a version and an execution can be in.
pub fn awkward_records() -> Vec<Value> {
    let artifact = |name: &str| json!({ "project": "p", "domain": "d", "name": name });
    let run = |name: &str| json!({ "project": "p", "domain": "d", "name": name });
    let exact = |name: &str, version: &str| json!({ "key": { "artifact": artifact(name), "version": version } });
    vec![
        json!({ "deletion": { "artifact": artifact("a"), "version": "deleted before it came" } }),
        json!({ "alias": { "artifact": artifact("z"), "version": "not produced", "alias": "next" } }),
        json!({ "execution": { "key": run("child"), "parent": run("only named"), "state": "RUNNING", "entity": "early",
                "startedAt": "2026-01-02T00:00:00Z",
                "inputs": [{ "name": "later", "version": exact("z", "2") }, { "name": "never", "version": exact("z", "9") }] } }),
        json!({ "version": { "artifact": artifact("z"), "version": "1", "createdAt": "2026-01-01T00:00:00Z" } }),
        json!({ "version": { "artifact": artifact("z"), "version": "2", "createdAt": "2026-01-01T00:00:00Z",
                "timePartition": "2026-01-01T13:14:15.5+02:00", "partition": [{ "key": "r", "value": "EU" }],
                "metadata": { "fine": 2.618033988749895, "tenth": 0.1, "big": 9007199254740993_u64, "none": null } } }),
        json!({ "execution": { "key": run("child"), "state": "SUCCEEDED", "endedAt": "2026-01-02T00:01:00Z", "metadata": { "a": [1, {}] },
                "outputs": [{ "name": "o", "version": { "artifact": artifact("a"), "version": "deleted", "location": "s3://gone", "card": "# Gone",
                    "type": "model", "metadata": { "x": 1 }, "createdAt": "2026-01-02T00:01:00Z" } }] } }),
        json!({ "execution": { "key": run("silent") } }),
        json!({ "deletion": { "artifact": artifact("a"), "version": "deleted" } }),
        json!({ "version": { "artifact": artifact("a"), "version": "deleted before it came", "location": "s3://x", "createdAt": "2026-01-01T00:00:00Z" } }),
        json!({ "artifact": { "key": artifact("z"), "partitionKeys": ["r"], "timePartitionGranularity": "WEEK", "description": "Z" } }),
        json!({ "version": { "artifact": artifact("z"), "version": "flagged", "createdAt": "2026-01-03T00:00:00Z" } }),
        json!({ "alias": { "artifact": artifact("z"), "version": "1", "alias": "moved" } }),
        json!({ "alias": { "artifact": artifact("z"), "version": "2", "alias": "moved", "overwrite": true } }),
        json!({ "alias": { "artifact": artifact("z"), "version": "1", "alias": "moved", "overwrite": true } }),
        json!({ "alias": { "artifact": artifact("z"), "version": "2", "alias": "moved", "overwrite": true } }),
        json!({ "alias": { "artifact": artifact("z"), "version": "2", "alias": "removed" } }),
        json!({ "aliasRemoval": { "artifact": artifact("z"), "alias": "removed" } }),
    ]
}

on_both_databases! {
    async fn an_export_tells_every_state(db: TestDb) {
        // The second store is a file in either case: an export does not know where it comes from.
        let (first, second) = (Place::with(&db), Place::new());
        let said = first.run(&["import", "-"], lines(&awkward_records()).as_bytes());
        assert_eq!(said.code, 0, "{said:?}");
        let exported = first.export();
        let records: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<&str> = records.iter().map(|r| r.as_object().unwrap().keys().next().unwrap().as_str()).collect();
        let expected = [&["artifact"][..], &["version"; 5], &["execution"; 3], &["alias"; 2], &["deletion"; 2]].concat();
        assert_eq!(kinds, expected, "{exported}");

        let versions: Vec<&str> = records.iter().filter_map(|r| r["version"]["version"].as_str()).collect();
        assert_eq!(versions, ["deleted before it came", "1", "2", "deleted", "flagged"], "in order of their creation");
        assert_eq!(records[3]["version"]["timePartition"], "2026-01-01T11:14:15.5Z", "as given, not as floored");
        assert_eq!(records[3]["version"]["metadata"]["big"].to_string(), "9007199254740993");
        let deleted = &records[4]["version"];
        assert!(deleted.get("location").is_none() && deleted.get("card").is_none() && deleted.get("metadata").is_none());
        assert_eq!(deleted["type"], "model");

        assert_eq!(records[6]["execution"], json!({ "key": { "project": "p", "domain": "d", "name": "silent" } }));
        assert_eq!(records[7]["execution"]["state"], "RUNNING", "an execution is told by its stages");
        assert_eq!(records[7]["execution"]["parent"]["name"], "only named");
        assert_eq!(records[8]["execution"]["state"], "SUCCEEDED");
        assert_eq!(records[8]["execution"]["inputs"][1]["version"]["key"]["version"], "9");

        let said = second.run(&["import", "-"], exported.as_bytes());
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(exported, second.export());
    }
}

on_both_databases! {
    async fn an_export_as_of_a_revision_does_not_show_what_came_later(db: TestDb) {
        let place = Place::with(&db);
        place.run(&["import", "-"], lines(&[version("1")]).as_bytes());
        let before = place.export();
        let deletion = json!({ "deletion": { "artifact": { "project": "p", "domain": "d", "name": "a" }, "version": "1" } });
        place.run(&["import", "-"], lines(&[version("2"), deletion]).as_bytes());
        assert_ne!(before, place.export());
        assert_eq!(before, place.run(&["export", "--as-of", "1"], b"").out);
        assert_eq!(place.run(&["export", "--as-of", "0"], b"").out, "");
        let said = place.run(&["export", "--as-of", "3"], b"");
        assert_eq!((said.code, said.err.as_str()), (2, "heirloom: there is no revision 3: the newest is 2\n"));
    }
}

#[test]
fn an_export_goes_to_a_file_and_is_read_back_compressed() {
    let (first, second) = (Place::new(), Place::new());
    first.run(&["import", "-"], lines(&awkward_records()).as_bytes());
    let file = first.path("export.jsonl.gz");
    assert_eq!(first.run(&["export", "--output", file.to_str().unwrap()], b"").code, 0);
    assert_eq!(fs::read(&file).unwrap()[..2], [0x1f, 0x8b]);
    assert!(!first.path("export.jsonl.gz.partial").exists());
    assert_eq!(second.import(&file).code, 0);
    assert_eq!(first.export(), second.export());
}

on_both_databases! {
    async fn bad_lines_are_rejected_by_number_and_the_rest_is_applied(db: TestDb) {
        let place = Place::with(&db);
        let key = json!({ "project": "p", "domain": "d", "name": "n" });
        let mut file = b"\xef\xbb\xbf".to_vec();
        let mut line = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            file.extend_from_slice(b"\r\n");
        };
        line(version("1").to_string().as_bytes());
        line(b"");
        line(b"{\"version\":");
        line(b"{\"version\":\"\xff\"}");
        line(json!({ "execution": { "key": key, "state": "DONE" } }).to_string().as_bytes());
        line(json!({ "execution": { "key": key, "status": "RUNNING" } }).to_string().as_bytes());
        line(json!({ "version": { "artifact": key, "version": "latest" } }).to_string().as_bytes());
        line(b"   ");
        line(json!({ "version": { "artifact": { "project": "p", "domain": "d", "name": "a" }, "version": "1", "location": "s3://other" } }).to_string().as_bytes());
        line(version("2").to_string().as_bytes());
        let path = place.write("bad.jsonl", file);
        let rejects = place.path("rejects.jsonl");
        let said = place.run(&["import", "--rejects", rejects.to_str().unwrap(), path.to_str().unwrap()], b"");
        assert_eq!(said.code, 1);
        assert!(said.out.starts_with("8 records in ") && said.out.contains("2 applied, 0 unchanged, 6 rejected; the store is at revision 1"), "{said:?}");
        let expected = [
            (3, "BAD_USER_INPUT", "no valid JSON"),
            (4, "BAD_USER_INPUT", "not UTF-8"),
            (5, "BAD_USER_INPUT", "unknown variant `DONE`"),
            (6, "BAD_USER_INPUT", "unknown field `status`"),
            (7, "BAD_USER_INPUT", "\"latest\""),
            (9, "CONFLICT", "location"),
        ];
        let rejected = fs::read_to_string(rejects).unwrap();
        assert_eq!(rejected.lines().count(), expected.len());
        for ((number, code, words), (said, reject)) in expected.into_iter().zip(said.err.lines().zip(rejected.lines())) {
            let place = format!("{}:{number}: {code}", path.display());
            assert!(said.starts_with(&place) && said.contains(words), "{said}");
            let reject: Value = serde_json::from_str(reject).unwrap();
            assert_eq!((&reject["line"], &reject["code"]), (&json!(number), &json!(code)));
        }
    }
}

#[test]
fn only_the_first_rejects_are_printed_unless_all_are_wanted() {
    let place = Place::new();
    let file = place.write("bad.jsonl", "{}\n".repeat(25));
    let said = place.import(&file);
    assert_eq!(said.err.lines().count(), 21, "{said:?}");
    assert!(said.err.contains("and 5 more"), "{said:?}");
    let verbose = place.run(&["import", "--verbose", file.to_str().unwrap()], b"");
    assert_eq!((verbose.code, verbose.err.lines().count()), (1, 25));
}

#[test]
fn a_line_that_is_too_long_is_one_reject() {
    let place = Place::new();
    let mut input = vec![b'x'; (64 << 20) + 10];
    input.extend_from_slice(format!("\n{}\n", version("1")).as_bytes());
    let said = place.run(&["import", "-"], &input);
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .starts_with("-:1: BAD_USER_INPUT: The line has more than 64 MiB"),
        "{said:?}"
    );
    assert!(said.out.contains("1 applied, 0 unchanged, 1 rejected"), "{said:?}");
}

#[test]
fn gzip_is_recognised_by_its_first_bytes_wherever_it_comes_from() {
    let place = Place::new();
    // Two members, as `cat a.gz b.gz` gives.
    let packed = [
        gzip(lines(&[version("1")]).as_bytes()),
        gzip(lines(&[version("2")]).as_bytes()),
    ]
    .concat();
    let named_otherwise = place.write("records.jsonl", &packed);
    assert!(place.import(&named_otherwise).out.contains("2 applied"));
    assert!(place.run(&["import", "-"], &packed).out.contains("2 unchanged"));
    let cut_short = place.run(&["import", "-"], &packed[..packed.len() - 12]);
    assert_eq!(cut_short.code, 1);
    assert!(cut_short.err.contains("cannot be read further"), "{cut_short:?}");
}

#[test]
fn real_workflow_runs_have_dates_of_their_own() {
    let place = Place::new();
    let forms = [
        "20200402T001711+0000",
        "2020-12-27T21:45:14+00:00",
        "01-22-21T04:30:55Z",
        "2023-03-21T13:21:06-10:00",
    ];
    let run = |started: &str| json!({ "execution": { "key": { "project": "p", "domain": "d", "name": started }, "startedAt": started } });
    let said = place.run(&["import", "-"], lines(&forms.map(run)).as_bytes());
    assert!(said.out.contains("4 applied"), "{said:?}");
    let exported = place.export();
    for instant in [
        "2020-04-02T00:17:11Z",
        "2020-12-27T21:45:14Z",
        "2021-01-22T04:30:55Z",
        "2023-03-21T23:21:06Z",
    ] {
        assert!(exported.contains(instant), "{instant} is missing in {exported}");
    }
}

#[test]
fn nothing_is_written_when_a_file_is_missing() {
    let place = Place::new();
    let good = place.write("good.jsonl", lines(&[version("1")]));
    let missing = place.path("missing.jsonl");
    for wrong in [missing.as_path(), place.directory.path()] {
        let said = place.run(&["import", good.to_str().unwrap(), wrong.to_str().unwrap()], b"");
        assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
        assert!(
            said.err
                .starts_with(&format!("heirloom: cannot read {}: ", wrong.display())),
            "{said:?}"
        );
    }
    assert!(!place.path("heirloom.sqlite").exists());
}

#[test]
fn a_database_that_cannot_be_used_is_one_sentence() {
    let place = Place::new();
    let import = |url: &str| heirloom(&["--database", url, "import", "-"], b"");
    let file = place.write("no-database", "x".repeat(4_096));
    let directory = place.path("nowhere/x.sqlite");
    let cases = [
        (
            format!("sqlite:{}", directory.display()),
            "cannot open the database file",
        ),
        (
            format!("sqlite:{}/x.sqlite", file.display()),
            "cannot open the database file",
        ),
        (
            format!("sqlite:{}", place.directory.path().display()),
            "cannot open the database file",
        ),
        (format!("sqlite:{}", file.display()), "is no SQLite database"),
        ("sqlite::memory:".to_owned(), "SQLite in memory"),
        ("sqlite:".to_owned(), "name a file, such as sqlite:heirloom.sqlite"),
        (
            "sqlite://?mode=rwc".to_owned(),
            "name a file, such as sqlite:heirloom.sqlite",
        ),
        (
            "postgres://user:secret/secret@127.0.0.1:1/postgres".to_owned(),
            "The URL of the PostgreSQL database cannot be read",
        ),
        (
            "postgres://127.0.0.1:x/postgres?password=secret".to_owned(),
            "with %2F for / and so on in the password",
        ),
        ("mysql://user:secret@host/db".to_owned(), "database.url must begin with"),
    ];
    for (url, expected) in cases {
        let said = import(&url);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.err.starts_with("heirloom: ") && said.err.contains(expected),
            "{said:?}"
        );
        assert!(!said.err.contains("secret"), "{said:?}");
    }
    let said = place.run(&["export"], b"");
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("heirloom: there is no database file"), "{said:?}");
}

#[test]
fn a_password_is_never_shown() {
    for url in [
        "postgres://user:secret/secret@127.0.0.1:1/postgres",
        "postgres://user:secret?secret@127.0.0.1:1/postgres",
        "postgres://127.0.0.1:x/postgres?password=secret",
        "postgres://user:secret@127.0.0.1:1/postgres?sslmode=secret",
        "postgres://user:secret@127.0.0.1:1/postgres?password=secret",
    ] {
        for command in [
            &["export"][..],
            &["check"],
            &["migrate"],
            &["backup", "/nowhere/copy"],
            &["serve"],
        ] {
            let always = ["--database", url, "--set", "database.acquire_timeout_ms=50"];
            let said = heirloom(&[&always, command].concat(), b"");
            assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
            assert!(!said.err.contains("secret"), "{url}: {said:?}");
        }
    }
}

#[test]
fn a_server_that_is_not_running_refuses_connections() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://user:secret@{free}/db");
    let said = heirloom(
        &["--database", &url, "--set", "database.acquire_timeout_ms=100", "export"],
        b"",
    );
    assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
    assert!(
        said.err.starts_with(&format!(
            "heirloom: cannot use the database postgres://user@{free}/db: "
        )),
        "{said:?}"
    );
    assert!(
        said.err.contains("Connection refused") && !said.err.contains("timed out"),
        "{said:?}"
    );
}

#[test]
fn settings_come_from_flags_and_unknown_ones_are_refused() {
    let said = heirloom(&["--set", "database.uri=x", "export"], b"");
    assert_eq!(said.code, 2);
    assert!(said.err.contains("database.uri is no known setting"), "{said:?}");
    assert_eq!(heirloom(&["--set", "database.url", "export"], b"").code, 2);
    assert_eq!(heirloom(&["import"], b"").code, 2, "no file is named");
}

/// The priorities of the threads of a process, the lower the more important.
#[cfg(target_os = "linux")]
fn priorities(process: &str) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that ends meanwhile has no priority.
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.map(|stat| priority(&stat)).collect()
}

/// The nineteenth field of a thread's proc(5).
#[cfg(target_os = "linux")]
fn priority(stat: &str) -> i32 {
    let third = stat.rsplit_once(") ").unwrap().1;
    third.split(' ').nth(16).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_gives_way_to_servers() {
    let place = Place::new();
    let own = priority(&fs::read_to_string("/proc/thread-self/stat").unwrap());
    let mut import = command(&["--database", &place.url, "import", "-"]).spawn().unwrap();
    let mut input = import.stdin.take().unwrap();
    writeln!(input, "{}", version("v1")).unwrap();
    // More than a pipe holds: what reads and what writes is there when it has gone.
    input.write_all(&[b'\n'; 1 << 20]).unwrap();
    let threads = priorities(&import.id().to_string());
    assert!(
        threads.len() > 2 && threads.iter().all(|it| *it == (own + 5).min(19)),
        "{own}: {threads:?}"
    );
    drop(input);
    assert!(process::ended(import).status.success());
    let server = process::Server::start(&["serve", "--database", &place.url]);
    let threads = priorities(&server.id().to_string());
    assert!(threads.iter().all(|it| *it == own), "{own}: {threads:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["sample", "--versions", "20000"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = process::ended(child);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// A server that runs until it is dropped or asked to stop.
struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT/`.
    address: String,
}

impl Server {
    /// Starts `serve` or `demo`; `announced` is the stream on which it says where it listens.
    fn start(mut command: Command, announced: fn(&mut Child) -> Box<dyn Read + Send>) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(announced(&mut child)).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let at = line.find("http://")?;
            line[at..].split_whitespace().next().map(str::to_owned)
        });
        // Its log must find somebody who reads, or it waits for one.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.expect("it never said where it listens"),
        }
    }

    async fn ask(&self, query: &str) -> Value {
        let body = json!({ "query": query }).to_string();
        let request = reqwest::Client::new().post(format!("{}graphql", self.address));
        let reply = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        serde_json::from_str(&reply.text().await.unwrap()).unwrap()
    }

    /// Asks it to stop, and waits until it has.
    fn stop(mut self) -> Option<i32> {
        assert!(
            Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn log(child: &mut Child) -> Box<dyn Read + Send> {
    Box::new(child.stderr.take().unwrap())
}

fn answers(child: &mut Child) -> Box<dyn Read + Send> {
    Box::new(child.stdout.take().unwrap())
}

on_both_databases! {
    async fn a_server_says_where_it_listens_and_ends_well_when_asked(db: TestDb) {
        let server = Server::start(command(&["serve", "--listen", "127.0.0.1:0", "--database", &db.url]), log);
        assert_eq!(server.ask("{ revision { number } }").await["data"]["revision"]["number"], 0);
        let ready = reqwest::get(format!("{}readyz", server.address)).await.unwrap();
        assert_eq!(ready.status(), 200);
        // Another process writes beside it.
        let said = Place::with(&db).run(&["import", "-"], lines(&[version("1")]).as_bytes());
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(server.ask("{ revision { number } }").await["data"]["revision"]["number"], 1);
        assert_eq!(server.stop(), Some(0));
    }

    async fn a_database_of_a_newer_version_is_refused(db: TestDb) {
        let connection = db.connection().await;
        run(&connection, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_future', 0)").await;
        connection.close().await.unwrap();
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["import", "-"], &["export"], &["migrate"]] {
            let said = Place::with(&db).run(arguments, b"");
            assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
            assert!(said.err.contains("was written by a newer Heirloom (it has the step m29991231_000001_future)"), "{said:?}");
        }
    }
}

mod the_database_of_others_is_not_migrated_unasked {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        TestDb::postgres_empty().await.lend(body).await;
    }

    async fn body(db: TestDb) {
        let place = Place::with(&db);
        for (arguments, advice) in [
            (&["serve", "--listen", "127.0.0.1:0"][..], "or give --migrate"),
            (&["import", "-"], "or give --migrate"),
            (&["export"], "after a backup"),
        ] {
            let said = place.run(arguments, b"");
            assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
            let advice = format!("run `heirloom migrate` first, {advice}");
            assert!(said.err.contains(&advice), "{said:?}");
        }
        let said = place.run(&["import", "--migrate", "-"], lines(&[version("1")]).as_bytes());
        assert!(said.out.contains("1 applied"), "{said:?}");
        assert_eq!(place.run(&["migrate"], b"").code, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_has_its_sample_and_leaves_nothing_behind() {
    let place = Place::new();
    let mut command = command(&["demo", "--listen", "127.0.0.1:0", "--versions", "300"]);
    command.env("TMPDIR", place.directory.path());
    command.stderr(Stdio::null());
    let server = Server::start(command, answers);
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 1);
    let answer = server.ask("{ revision { number } projects { name } }").await;
    let projects: Vec<&str> = answer["data"]["projects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        projects,
        [
            "ads",
            "ml-platform",
            "retail",
            "s3://retail-lake",
            "snowflake://shop-eu"
        ]
    );
    assert_eq!(
        answer["data"]["revision"]["number"],
        1 + 10,
        "one for the declarations, one for each night"
    );
    assert_eq!(server.stop(), Some(0));
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 0);
}

#[test]
fn the_schema_is_printed_without_a_database() {
    let said = heirloom(&["schema", "--database", "sqlite:/nowhere/x.sqlite"], b"");
    assert!(
        said.code == 0 && said.out.contains("type Query") && said.err.is_empty(),
        "{said:?}"
    );
}

#[test]
fn an_address_that_is_taken_is_one_sentence() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = place.run(&["serve", "--listen", &taken.local_addr().unwrap().to_string()], b"");
    assert_eq!((said.code, said.err.lines().count()), (2, 1), "{said:?}");
    assert!(
        said.err.starts_with("heirloom: cannot listen on 127.0.0.1:"),
        "{said:?}"
    );
}

/// A table, made from two others by one run; one of them was made from its former self.
fn family() -> Vec<Value> {
    let key = |name: &str| json!({ "project": "p", "domain": "d", "name": name });
    let made =
        |name: &str, version: &str| json!({ "name": "out", "version": { "artifact": key(name), "version": version } });
    let read = |name: &str, version: &str| json!({ "name": "in, \"first\"", "version": { "key": { "artifact": key(name), "version": version } } });
    vec![
        json!({ "execution": { "key": key("grow"), "inputs": [read("a", "1")], "outputs": [made("a", "2")] } }),
        json!({ "execution": { "key": key("join/it"), "inputs": [read("a", "2"), read("b", "1")], "outputs": [made("c", "=1")] } }),
    ]
}

on_both_databases! {
    async fn lineage_is_drawn(db: TestDb) {
        let place = Place::with(&db);
        assert_eq!(place.run(&["import", "-"], lines(&family()).as_bytes()).code, 0);
        let root = "flyte://av0.1/p/d/c";
        let drawn = place.run(&["lineage", root, "--level", "artifact"], b"");
        assert_eq!((drawn.code, drawn.err.as_str()), (0, ""));
        let expected = "flowchart LR\n  artifact_d[(\"c\")]\n  artifact_b[(\"a\")]\n  artifact_c[(\"b\")]\n  \
            artifact_b -.-> artifact_d\n  artifact_c -.-> artifact_d\n  artifact_b -.-> artifact_b\n";
        assert_eq!(drawn.out, expected);

        let table = place.run(&["lineage", "flyte://av0.1/p/d/c@%3D1", "--format", "csv", "--depth", "2"], b"");
        assert_eq!((table.code, table.err.trim()), (0, "not complete: DEPTH"));
        let rows: Vec<&str> = table.out.split("\r\n").collect();
        assert_eq!(rows.len(), 5, "{}", table.out);
        assert!(rows[1].starts_with("execution_c,Execution,join/it,OUTPUT,out,version_e,Version,c@=1,"), "{}", rows[1]);
        assert!(rows[2].contains(r#"INPUT,"in, ""first""","#), "{}", rows[2]);

        let json = place.run(&["lineage", "execution:p/d/join/it", "--format", "json", "--direction", "both"], b"");
        let answer: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((&answer["complete"], answer["nodes"].as_array().unwrap().len()), (&json!(true), 6));
        let dot = place.run(&["lineage", "version_e", "--format", "dot", "--limit", "1"], b"");
        assert!(dot.out.starts_with("digraph lineage {") && dot.out.contains("// not complete: LIMIT"), "{}", dot.out);

        let before = place.run(&["lineage", root, "--as-of", "0"], b"");
        assert_eq!((before.code, before.err.trim()), (2, "heirloom: there is no flyte://av0.1/p/d/c as of revision 0"));
        for (arguments, complaint) in [
            (&["lineage", "version_zzz"][..], "there is no version_zzz"),
            (&["lineage", "orders"], "is no node: write an id such as version_bq"),
            (&["lineage", root, "--as-of", "99"], "there is no revision 99: the newest is"),
            (&["lineage", root, "--as-of", "soon"], "--as-of is no revision"),
            (&["lineage", "flyte://av0.1/p/d/c?region=EU"], "no partition key \"region\""),
        ] {
            let said = place.run(arguments, b"");
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
            assert!(said.err.contains(complaint), "{arguments:?}: {}", said.err);
        }
    }
}
