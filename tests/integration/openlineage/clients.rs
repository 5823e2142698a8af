//! The clients of OpenLineage themselves, configured as the README says: what they send to the real program is the graph that is
//! found there.
//!
//! Their environments are made by `scripts/python`, their programs are in `tests/clients`.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_blocking},
};

use super::real::events;
use crate::{
    backpressure::Block,
    bodies::gzip,
    on_both_databases,
    support::{
        TestDb,
        process::{Server, heirloom, run_command, text},
        version,
    },
};

const README: &str = include_str!("../../../README.md");

/// Events that others have emitted.
const EVENTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/integration/openlineage/data/events.jsonl"
);

/// Where the README's server is.
const README_URL: &str = "http://127.0.0.1:8080";

/// What `tests/clients/dag.py` says.
const DAG: [&str; 21] = [
    "TASK daily.extract SUCCEEDED in daily",
    "TASK daily.report FAILED in daily: no space left",
    "TASK daily.transform SUCCEEDED in daily",
    "WORKFLOW daily FAILED",
    "WORKFLOW tidy QUEUED",
    "daily.extract -> s3://lake raw/orders@{daily.extract}/day=2026-11-23/region=EU",
    "daily.extract -> s3://lake raw/orders@{daily.extract}/day=2026-11-23/region=US",
    "daily.report -> s3://lake reports/orders@{daily.report}?",
    "daily.transform -> postgres://db:5432 shop.analytics.orders@7301",
    "postgres://db:5432 shop.analytics.orders has 1",
    "postgres://db:5432 shop.analytics.orders@7301 -> daily.report",
    "postgres://db:5432 shop.public.orders has 1",
    "postgres://db:5432 shop.public.orders@41? -> daily.extract",
    "s3://lake raw/orders has 2",
    "s3://lake raw/orders@{daily.extract}/day=2026-11-23/region=EU -> daily.transform",
    "s3://lake regions has 1",
    "s3://lake regions@2026-11 -> daily.report",
    "s3://lake regions@2026-11 -> tidy",
    "s3://lake reports/orders has 1",
    "s3://lake tidied has 1",
    "tidy -> s3://lake tidied@unversioned?",
];

/// A folder of `tests/clients`.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// An environment of Python packages, and a folder to work in.
struct Environment {
    programs: PathBuf,
    directory: TempDir,
}

impl Environment {
    /// The one of `tests/clients/NAME.txt`.
    fn of(name: &str) -> Self {
        let home = std::env::var_os("PYTHON_CLIENTS")
            .expect("PYTHON_CLIENTS is not set: export it as what scripts/python prints, as `make test` does");
        let programs = Path::new(&home).join(name).join("bin");
        assert!(
            programs.join("python").exists(),
            "there is no {}: scripts/python makes it",
            programs.display()
        );
        let directory = tempfile::Builder::new().prefix("heirloom-client-").tempdir().unwrap();
        Self { programs, directory }
    }

    /// A program in the folder, with nothing of this machine's settings of OpenLineage, Airflow, dbt and proxies.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let foreign = ["OPENLINEAGE_", "AIRFLOW_", "DBT_", "PYTHON"];
        for (name, _) in std::env::vars_os() {
            let shown = name.to_string_lossy().to_ascii_uppercase();
            if foreign.iter().any(|start| shown.starts_with(start)) || shown.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("HOME", self.directory.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// `emit.py`.
    fn emit(&self) -> Command {
        let mut command = self.command(self.programs.join("python"));
        command.arg(clients().join("emit.py"));
        command
    }
}

/// Runs a command to its end, which must be a good one. Answers what it printed.
async fn run(command: Command) -> String {
    let output = spawn_blocking(move || run_command(command)).await.unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    said
}

fn serve(db: &TestDb) -> Server {
    Server::start(&["serve", "--database", &db.url])
}

/// What a server knows, a fact a line: executions, the versions that they read and wrote (with `?` where nobody has produced
/// it), and how many versions each dataset has. Where an execution's id is part of a version, its name stands there.
async fn picture(server: &Server) -> Vec<String> {
    let query = "{
        executions(first: 100) { nodes { name entity kind state error parent { entity } inputs { edges { node { ...end } } } outputs { edges { node { ...end } } } } }
        artifacts(first: 100) { nodes { project name versionCount } }
    }
    fragment end on Version { version state artifact { project name } }";
    let data = data(server, query, json!({})).await;
    let list = |value: &Value| value.as_array().unwrap().clone();
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let end = |edge: &Value| {
        let (node, artifact) = (&edge["node"], &edge["node"]["artifact"]);
        let mark = if node["state"] == "REFERENCED" { "?" } else { "" };
        let [project, name, version] = [&artifact["project"], &artifact["name"], &node["version"]].map(string);
        format!("{project} {name}@{version}{mark}")
    };
    let mut lines = Vec::new();
    let executions = list(&data["executions"]["nodes"]);
    for execution in &executions {
        let [entity, kind, state] = ["entity", "kind", "state"].map(|member| string(&execution[member]));
        let parent = execution["parent"]["entity"].as_str();
        let parent = parent.map_or_else(String::new, |parent| format!(" in {parent}"));
        let error = execution["error"].as_str();
        let error = error.map_or_else(String::new, |error| format!(": {error}"));
        lines.push(format!("{kind} {entity} {state}{parent}{error}"));
        let edges = |of: &str| list(&execution[of]["edges"]);
        lines.extend(edges("inputs").iter().map(|edge| format!("{} -> {entity}", end(edge))));
        lines.extend(edges("outputs").iter().map(|edge| format!("{entity} -> {}", end(edge))));
    }
    for artifact in list(&data["artifacts"]["nodes"]) {
        let [project, name] = ["project", "name"].map(|member| string(&artifact[member]));
        lines.push(format!("{project} {name} has {}", artifact["versionCount"]));
    }
    for execution in &executions {
        let (id, entity) = (string(&execution["name"]), string(&execution["entity"]));
        let id = format!("@{id}");
        lines
            .iter_mut()
            .for_each(|line| *line = line.replace(&id, &format!("@{{{entity}}}")));
    }
    lines.retain(|line| !line.starts_with("filler "));
    lines.sort();
    lines
}

async fn data(server: &Server, query: &str, variables: Value) -> Value {
    let answer = server.query(query, variables).await;
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

async fn revision(server: &Server) -> Value {
    data(server, "{ revision { number } }", json!({})).await["revision"]["number"].clone()
}

/// The server knows what `dag.py` says, and nothing else.
async fn knows_the_dag(server: &Server) {
    assert_eq!(picture(server).await, DAG);
}

/// The client delivers the events, and once more: then nothing changes. It says what it was configured to.
async fn delivers(db: &TestDb, configured: &str, configure: impl Fn(&mut Command, &str)) -> Server {
    let (server, environment) = (serve(db), Environment::of("openlineage"));
    let mut revisions = Vec::new();
    for _ in 0..2 {
        let mut emit = environment.emit();
        configure(&mut emit, &server.url);
        assert_eq!(run(emit).await.trim(), configured);
        knows_the_dag(&server).await;
        revisions.push(revision(&server).await);
    }
    assert_eq!(revisions[0], revisions[1]);
    server
}

/// A transport that `emit.py` is given in code.
fn in_code(emit: &mut Command, url: &str, mut transport: Value) {
    transport["url"] = url.into();
    emit.arg("--transport").arg(transport.to_string());
}

/// What the README exports a variable as, without the quotes.
fn readme_setting(name: &str) -> &'static str {
    let start = format!("export {name}=");
    let found = README.lines().find_map(|line| line.strip_prefix(&start));
    found
        .unwrap_or_else(|| panic!("README.md exports no {name}"))
        .trim_matches('\'')
}

/// The transport of a Spark job in the README.
fn readme_spark() -> Value {
    let settings = README
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--conf spark.openlineage.transport."));
    let pairs = settings.map(|setting| setting.trim_end_matches(['\\', ' ']).split_once('=').unwrap());
    let transport: serde_json::Map<String, Value> =
        pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
    transport.into()
}

/// Sends an event as the client for Java does with these settings: gzip, in chunks. Answers how the reply begins.
async fn send_as_java(server: &Server, event: &Value) -> String {
    let address = server.url.trim_start_matches("http://");
    let head = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nHost: {address}\r\nAccept: application/json; charset=UTF-8\r\n\
         Content-Type: application/json; charset=UTF-8\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let body = gzip(event.to_string().as_bytes());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(1_000).chain([&[][..]]) {
        let size = format!("{:x}\r\n", chunk.len());
        stream
            .write_all(&[size.as_bytes(), chunk, b"\r\n"].concat())
            .await
            .unwrap();
    }
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply.chars().take("HTTP/1.1 200".len()).collect()
}

/// A server with room for one record, which waits: the next one is refused. It goes on when the lock is given back.
async fn full(db: &TestDb) -> (Server, Block, JoinHandle<()>) {
    let mut command = heirloom(&["serve", "--database", &db.url]);
    command.env("HEIRLOOM_LIMITS_WRITE_QUEUE_SUBMISSIONS", "1");
    let server = Server::started(command);
    let block = Block::take(db).await;
    let create = "mutation($input: CreateVersionInput!) { createVersion(input: $input) { created } }";
    let filler = version("filler", "v").with(
        "artifact",
        json!({"project": "filler", "domain": "default", "name": "filler"}),
    );
    let body = json!({"query": create, "variables": {"input": filler.json()}}).to_string();
    let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..2 {
        let (url, body, sender) = (format!("{}/graphql", server.url), body.clone(), sender.clone());
        tokio::spawn(async move {
            let request = reqwest::Client::new()
                .post(url)
                .header("content-type", "application/json")
                .body(body);
            let _ = sender.send(request.send().await.unwrap().text().await.unwrap());
        });
    }
    let refused = answers.recv().await.unwrap();
    assert!(refused.contains("UNAVAILABLE"), "{refused}");
    let waiting = tokio::spawn(async move { drop(answers.recv().await) });
    (server, block, waiting)
}

/// A way to a server that fails at first: of the first connection nothing gets through, of the second no answer comes back.
async fn unreliable(server: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = server.url.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let address = address.clone();
            tokio::spawn(async move {
                if number == 0 {
                    return;
                }
                let mut way = TcpStream::connect(address).await.unwrap();
                if number > 1 {
                    // However the two end it.
                    let _ = copy_bidirectional(&mut client, &mut way).await;
                    return;
                }
                let (mut answer, mut request) = way.split();
                tokio::select! {
                    first = answer.read_u8() => drop(first.unwrap()),
                    _ = copy(&mut client, &mut request) => {}
                }
            });
        }
    });
    url
}

/// The client comes again when it gets no answer; what was recorded without its knowing is not recorded twice.
async fn delivers_once(db: &TestDb, transport: Value) {
    let (server, environment) = (serve(db), Environment::of("openlineage"));
    let mut emit = environment.emit();
    in_code(&mut emit, &unreliable(&server).await, transport);
    run(emit).await;
    knows_the_dag(&server).await;
}

/// The client hears that the server is full, tries again by itself, and delivers all.
async fn delivers_in_the_end(db: &TestDb, transport: Value) {
    let (server, block, waiting) = full(db).await;
    let environment = Environment::of("openlineage");
    let mut emit = environment.emit();
    in_code(&mut emit, &server.url, transport);
    emit.arg("--log").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut client = emit.spawn().unwrap();
    let mut log = BufReader::new(client.stderr.take().unwrap());
    let (mut log, said) = spawn_blocking(move || {
        let mut said = String::new();
        while !said.lines().last().unwrap_or_default().contains(" 503 ") {
            assert!(log.read_line(&mut said).unwrap() > 0, "it was never refused: {said}");
        }
        (log, said)
    })
    .await
    .unwrap();
    block.end().await;
    let (status, said) = spawn_blocking(move || {
        let mut rest = said;
        log.read_to_string(&mut rest).unwrap();
        (client.wait().unwrap(), rest)
    })
    .await
    .unwrap();
    assert!(status.success(), "{said}");
    waiting.await.unwrap();
    knows_the_dag(&server).await;
}

on_both_databases! {
    async fn the_http_transport_delivers(db: TestDb) {
        delivers(&db, "http None api/v1/lineage", |emit, url| in_code(emit, url, json!({"type": "http"}))).await;
    }

    async fn the_http_transport_delivers_gzip(db: TestDb) {
        let server = delivers(&db, "http gzip api/v1/lineage", |emit, url| {
            in_code(emit, url, json!({"type": "http", "compression": "gzip"}));
        }).await;
        keeps_the_facets(&server).await;
    }

    async fn the_async_http_transport_delivers(db: TestDb) {
        delivers(&db, "async_http None api/v1/lineage", |emit, url| in_code(emit, url, json!({"type": "async_http"}))).await;
    }

    async fn the_async_http_transport_delivers_gzip(db: TestDb) {
        delivers(&db, "async_http gzip api/v1/lineage", |emit, url| {
            in_code(emit, url, json!({"type": "async_http", "compression": "gzip"}));
        }).await;
    }

    async fn one_variable_is_enough(db: TestDb) {
        let name = "OPENLINEAGE_URL";
        delivers(&db, "http None api/v1/lineage", |emit, url| {
            emit.env(name, readme_setting(name).replace(README_URL, url));
        }).await;
    }

    async fn variables_configure_the_transport(db: TestDb) {
        let names = ["TYPE", "URL", "COMPRESSION"].map(|name| format!("OPENLINEAGE__TRANSPORT__{name}"));
        delivers(&db, "async_http gzip api/v1/lineage", |emit, url| {
            emit.envs(names.iter().map(|name| (name, readme_setting(name).replace(README_URL, url))));
        }).await;
    }

    async fn what_spark_sends_is_found(db: TestDb) {
        let server = serve(&db);
        let settings = readme_spark();
        assert_eq!(settings, json!({"type": "http", "url": README_URL, "compression": "gzip"}));
        let events = events();
        let runs: BTreeSet<&str> = events.iter().map(|event| event["run"]["runId"].as_str().unwrap()).collect();
        for status in [201, 200] {
            for event in &events {
                assert_eq!(send_as_java(&server, event).await, format!("HTTP/1.1 {status}"));
            }
        }
        let counts = data(&server, "{ executions { totalCount } }", json!({})).await;
        assert_eq!(counts["executions"]["totalCount"], runs.len());
    }

    async fn a_batch_is_taken_whole(db: TestDb) {
        let (server, environment) = (serve(&db), Environment::of("openlineage"));
        let mut revisions = Vec::new();
        for _ in 0..2 {
            let mut emit = environment.emit();
            emit.arg("--batch").arg(format!("{}/api/v1/lineage/batch", server.url));
            let answer: Value = serde_json::from_str(&run(emit).await).unwrap();
            assert_eq!(answer, json!({"status": "success", "failed_events": [],
                "summary": {"received": 11, "successful": 11, "failed": 0, "retriable": 0, "non_retriable": 0}}));
            knows_the_dag(&server).await;
            revisions.push(revision(&server).await);
        }
        assert_eq!(revisions[0], revisions[1]);
    }

    async fn real_events_are_found_as_they_say(db: TestDb) {
        let (server, environment) = (serve(&db), Environment::of("openlineage"));
        let send = async |transport: Value, more: &[&str]| {
            let mut emit = environment.emit();
            in_code(&mut emit, &server.url, transport);
            emit.arg("--file").arg(EVENTS).args(more);
            run(emit).await;
            (picture(&server).await, revision(&server).await)
        };
        let (found, revision) = send(json!({"type": "http", "compression": "gzip"}), &[]).await;
        assert_eq!(edges_without_versions(&found), edges_said(&events()));
        // Once more, in any order, many at once: nothing changes.
        let again = send(json!({"type": "async_http", "compression": "gzip"}), &["--shuffle"]).await;
        assert_eq!(again, (found, revision));
    }

    async fn the_http_transport_comes_again_when_the_server_is_full(db: TestDb) {
        delivers_in_the_end(&db, json!({"type": "http", "timeout": 60})).await;
    }

    async fn the_async_http_transport_comes_again_when_the_server_is_full(db: TestDb) {
        delivers_in_the_end(&db, json!({"type": "async_http", "timeout": 60, "max_concurrent_requests": 1})).await;
    }

    async fn the_http_transport_comes_again_when_no_answer_comes(db: TestDb) {
        delivers_once(&db, json!({"type": "http", "timeout": 60})).await;
    }

    async fn the_async_http_transport_comes_again_when_no_answer_comes(db: TestDb) {
        delivers_once(&db, json!({"type": "async_http", "timeout": 60})).await;
    }

    async fn what_airflow_runs_is_found(db: TestDb) {
        let (server, environment) = (serve(&db), Environment::of("airflow"));
        let name = "AIRFLOW__OPENLINEAGE__TRANSPORT";
        for arguments in [&["db", "migrate"][..], &["dags", "test", "shop"]] {
            let mut airflow = environment.command(environment.programs.join("airflow"));
            airflow
                .args(arguments)
                .env("AIRFLOW_HOME", environment.directory.path())
                .env("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
                .env("AIRFLOW__CORE__DAGS_FOLDER", clients().join("airflow"))
                .env(name, readme_setting(name).replace(README_URL, &server.url));
            run(airflow).await;
        }
        assert_eq!(picture(&server).await, [
            "TASK shop.extract SUCCEEDED in shop",
            "TASK shop.load SUCCEEDED in shop",
            "WORKFLOW shop SUCCEEDED",
            "s3://lake orders has 1",
            "s3://lake raw/orders has 1",
            "s3://lake raw/orders@{shop.extract} -> shop.load",
            "shop.extract -> s3://lake raw/orders@{shop.extract}",
            "shop.load -> s3://lake orders@{shop.load}",
        ]);
    }

    async fn what_dbt_runs_is_found(db: TestDb) {
        let (server, environment) = (serve(&db), Environment::of("dbt"));
        copy_folder(&clients().join("dbt"), environment.directory.path());
        let line = README.lines().find(|line| line.trim_end().ends_with("dbt-ol run")).expect("README.md runs no dbt-ol");
        let line = line.trim().replace(README_URL, &server.url);
        for command in ["dbt seed", &line, &line.replace("run", "test")] {
            let mut shell = environment.command("sh");
            shell.args(["-c", command]);
            run(shell).await;
        }
        assert_eq!(picture(&server).await, [
            "TASK shop.main.shop.orders SUCCEEDED in dbt-run-shop",
            "TASK shop.main.shop.orders.test SUCCEEDED in dbt-run-shop",
            "TASK shop.main.shop.revenue SUCCEEDED in dbt-run-shop",
            "WORKFLOW dbt-run-shop SUCCEEDED",
            "WORKFLOW dbt-run-shop SUCCEEDED",
            "duckdb://shop.duckdb shop.main.orders has 1",
            "duckdb://shop.duckdb shop.main.orders@{shop.main.shop.orders} -> shop.main.shop.orders.test",
            "duckdb://shop.duckdb shop.main.orders@{shop.main.shop.orders} -> shop.main.shop.revenue",
            "duckdb://shop.duckdb shop.main.raw_orders has 1",
            "duckdb://shop.duckdb shop.main.raw_orders@unversioned? -> shop.main.shop.orders",
            "duckdb://shop.duckdb shop.main.revenue has 1",
            "shop.main.shop.orders -> duckdb://shop.duckdb shop.main.orders@{shop.main.shop.orders}",
            "shop.main.shop.revenue -> duckdb://shop.duckdb shop.main.revenue@{shop.main.shop.revenue}",
        ]);
    }
}

/// The edges of events, each between a dataset and a job.
fn edges_said(events: &[Value]) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for event in events {
        let job = event["job"]["name"].as_str().unwrap();
        let datasets = |list: &str| -> Vec<String> {
            let listed = event[list].as_array().cloned().unwrap_or_default();
            let name = |dataset: &Value| {
                ["namespace", "name"]
                    .map(|member| dataset[member].as_str().unwrap().to_owned())
                    .join(" ")
            };
            listed.iter().map(name).collect()
        };
        said.extend(datasets("inputs").iter().map(|dataset| format!("{dataset} -> {job}")));
        said.extend(datasets("outputs").iter().map(|dataset| format!("{job} -> {dataset}")));
    }
    said
}

/// The edges of a picture, the same way.
fn edges_without_versions(picture: &[String]) -> BTreeSet<String> {
    let plain = |end: &str| end.rsplit_once('@').map_or(end, |(dataset, _)| dataset).to_owned();
    let edges = picture.iter().filter_map(|line| line.split_once(" -> "));
    edges
        .map(|(from, to)| format!("{} -> {}", plain(from), plain(to)))
        .collect()
}

/// Copies what is in a folder.
fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What `dag.py` says in the client's facets is where one would look for it.
async fn keeps_the_facets(server: &Server) {
    let query = r#"{
        report: execution(key: {project: "shop", domain: "default", name: "01936893-9751-7000-8000-000000000004"}) {
            startedAt endedAt metadata lineage { complete nodeCount }
        }
        dag: execution(key: {project: "shop", domain: "default", name: "01936893-9751-7000-8000-000000000001"}) { metadata children { totalCount } }
        raw: version(query: {key: {artifact: {project: "s3://lake", domain: "default", name: "raw/orders"},
            partition: {values: [{key: "day", eq: "2026-11-23"}, {key: "region", eq: "US"}]}}}) { createdAt location metadata producer { metadata } }
        hive: artifact(key: {project: "hive://metastore:9083", domain: "default", name: "analytics.orders"}) {
            project name latest { version type metadata producer { metadata } }
        }
        regions: artifact(key: {project: "s3://lake", domain: "default", name: "regions"}) { latest { description createdAt } }
    }"#;
    let found = data(server, query, json!({})).await;
    let at = |pointer: &str| found.pointer(pointer).unwrap_or(&Value::Null).clone();
    let facts = [
        ("/report/startedAt", json!("2026-11-24T06:20:00.123456Z")),
        ("/report/endedAt", json!("2026-11-24T06:25:00.123456Z")),
        (
            "/report/metadata/run/errorMessage/stackTrace",
            json!("Traceback (most recent call last): …"),
        ),
        (
            "/report/metadata/run/tags/tags/0/key",
            json!("openlineage_client_version"),
        ),
        ("/report/lineage", json!({"complete": true, "nodeCount": 7})),
        (
            "/dag/metadata/run/nominalTime/nominalStartTime",
            json!("2026-11-23T00:00:00Z"),
        ),
        ("/dag/children/totalCount", json!(3)),
        ("/raw/createdAt", json!("2026-11-24T06:05:00.123456Z")),
        ("/raw/location", json!("s3://lake/raw/orders")),
        ("/raw/metadata/schema/fields/2/name", json!("day")),
        ("/raw/metadata/outputStatistics/rowCount", json!(1000)),
        ("/raw/producer/metadata/run/processing_engine/name", json!("spark")),
        ("/raw/producer/metadata/job/sql/query", json!("SELECT * FROM orders")),
        (
            "/raw/producer/metadata/inputs/0/facets/schema/fields/0/name",
            json!("id"),
        ),
        ("/hive/project", json!("postgres://db:5432")),
        ("/hive/name", json!("shop.analytics.orders")),
        ("/hive/latest/version", json!("7301")),
        ("/hive/latest/type", json!("TABLE")),
        (
            "/hive/latest/metadata/columnLineage/fields/id/inputFields/0/name",
            json!("raw/orders"),
        ),
        (
            "/hive/latest/producer/metadata/job/sourceCodeLocation/version",
            json!("f3a9"),
        ),
        ("/regions/latest/description", json!("Where we sell, 🇪🇺 first")),
        ("/regions/latest/createdAt", json!("2026-11-01T00:00:00Z")),
    ];
    for (pointer, expected) in facts {
        assert_eq!(at(pointer), expected, "{pointer} of {found:#}");
    }
}
