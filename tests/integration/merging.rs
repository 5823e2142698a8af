//! Rule 15 as a property: the state of the store depends on the set of records, not on their order or how often each came.

use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb, artifact, declaration, execution,
        fixtures::VersionInput,
        process::{run, text},
        version,
    },
};

/// Records that do not contradict each other, of every kind and with every dependence on each other.
fn world() -> Vec<Value> {
    let mut records = vec![
        json!({"artifact": declaration("orders", &["region"], Some("HOUR"))}),
        json!({"artifact": declaration("model", &[], None)}),
        json!({"artifact": declaration("unused", &["a", "b"], None)}),
    ];
    records.extend((0..10).map(|n| content(n).record()));
    for (name, at) in [("production", 1), ("canary", 2), ("gone", 3)] {
        let (artifact, version) = address(at);
        records.push(json!({"alias": {"artifact": artifact, "version": version, "alias": name}}));
    }
    for at in [3, 4, 8] {
        let (artifact, version) = address(at);
        records.push(json!({"deletion": {"artifact": artifact, "version": version}}));
    }
    for n in 0..4 {
        let name = format!("e{n}");
        let base = || execution(&name).with("entity", format!("task{n}"));
        let start = format!("2026-11-20T0{n}:00:00Z");
        records.push(
            base()
                .state("QUEUED")
                .with("principal", "scheduler")
                .with("attempt", 1)
                .consumes("in", "raw", &format!("r{n}"))
                .record(),
        );
        records.push(
            base()
                .state("RUNNING")
                .with("principal", "worker")
                .with("startedAt", start.as_str())
                .produces("out", &content(n))
                .record(),
        );
        records.push(
            execution(&name)
                .consumes("late", "model", "m0")
                .produces("same", &content(9))
                .record(),
        );
        let last = if n == 1 { "FAILED" } else { "SUCCEEDED" };
        records.push(
            base()
                .state(last)
                .with("endedAt", "2026-11-21")
                .with("metadata", json!({"n": n}))
                .produces("more", &content(n + 4))
                .record(),
        );
        if n > 0 {
            let parent = artifact(&format!("e{}", n - 1));
            records.push(
                execution(&name)
                    .state("RUNNING")
                    .with("parent", parent)
                    .with("error", "slow")
                    .record(),
            );
        }
    }
    records.push(
        execution("e1")
            .state("SUCCEEDED")
            .with("endedAt", "2026-11-20")
            .with("error", "none")
            .record(),
    );
    records
}

/// The artifact and the string of the version `n`.
fn address(n: usize) -> (Value, String) {
    let json = content(n).json();
    (json["artifact"].clone(), json["version"].as_str().unwrap().to_owned())
}

/// The content of the version `n`. No two of one artifact were created at the same time, since what was recorded later would
/// decide between them; `m0` and `r1`, of two artifacts, were.
fn content(n: usize) -> VersionInput {
    let base = match n {
        // In their partitions, of which some are the same.
        0..=3 => version("orders", &format!("o{n}"))
            .at(&[("region", if n < 3 { "EU" } else { "US" })])
            .time(&format!("2026-11-20T1{}:30:00Z", n / 2)),
        // Flagged once the artifact is declared.
        4 => version("orders", "o4"),
        5 => version("orders", "o5")
            .at(&[("region", "EU"), ("x", "y")])
            .time("2026-11-20T10:00:00Z"),
        6 => version("model", "m0"),
        7 => version("model", "m1").at(&[("k", "v")]),
        8 => version("raw", "r0").at(&[("a", "1")]).time("2026-11-20T23:00:00Z"),
        _ => version("raw", "r1").at(&[("b", "2")]),
    };
    let base = base.created_at(&format!("2026-11-2{}T0{}:00:00Z", n % 3, n.min(6)));
    base.with("location", format!("s3://{n}"))
        .with("metadata", json!({"n": n, "z": {"a": [n]}}))
        .with("card", format!("# {n}"))
        .with("type", "t")
}

/// Records them, some at a time; an alias at a version that is deleted may be refused, and nothing else.
async fn record(app: &TestApp, records: &[Value], at_a_time: usize) {
    for some in records.chunks(at_a_time) {
        let reply = app.try_ingest(some).await;
        for result in reply.ok()["ingest"]["results"].as_array().unwrap() {
            let is_fine = result["error"].is_null()
                || result["error"]["code"] == "FAILED_PRECONDITION" && result["error"]["path"][0] == "alias";
            assert!(is_fine, "{result}");
        }
    }
}

/// What a store holds: what it exports, line by line as it stands, and behind that what it answers, in an order that does not
/// depend on the order of recording.
async fn picture(app: &TestApp) -> Vec<String> {
    let url = app.db.url.clone();
    let exported = tokio::task::spawn_blocking(move || run(&["export", "--database", &url]))
        .await
        .unwrap();
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    let mut picture: Vec<String> = text(&exported.stdout).lines().map(str::to_owned).collect();
    let mut lines = Vec::new();
    let query = "{ artifacts { nodes { name description partitionKeys timePartitionGranularity updatedAt versionCount latest { version }
            partitions { nodes { values { key value } timePartition { start granularity } versionCount latest { version } } }
            versions(orderBy: {field: VERSION, direction: ASC}) { nodes { version state createdAt isLatest schemaMismatch location metadata card type aliases principal outputName
                partition { values { key value } timePartition { label } } producer { name } consumers { totalCount } } } } }
        executions { nodes { name kind state entity attempt principal startedAt endedAt error metadata parent { name } children { totalCount }
            inputs { edges { name node { version } } } outputs { edges { name node { version } } } } } }";
    let data = app.data(query, json!({})).await;
    for artifact in data["artifacts"]["nodes"].as_array().unwrap() {
        let mut artifact = artifact.clone();
        lines.extend(
            artifact["partitions"]["nodes"]
                .take()
                .as_array()
                .unwrap()
                .iter()
                .map(|partition| format!("{} {partition}", artifact["name"])),
        );
        lines.extend(
            artifact["versions"]["nodes"]
                .take()
                .as_array()
                .unwrap()
                .iter()
                .map(|version| format!("{} {version}", artifact["name"])),
        );
        lines.push(artifact.to_string());
    }
    lines.extend(data["executions"]["nodes"].as_array().unwrap().iter().map(|execution| {
        let mut execution = execution.clone();
        for edges in ["inputs", "outputs"] {
            // Of one name, edges are in the order in which their versions were recorded.
            execution[edges]["edges"]
                .as_array_mut()
                .unwrap()
                .sort_by_key(Value::to_string);
        }
        execution.to_string()
    }));
    lines.sort();
    picture.extend(lines);
    picture
}

/// What records make of an empty store, sent by several clients at once, each its share, some at a time.
async fn picture_of(backend: DbBackend, records: &[Value], clients: usize, at_a_time: usize) -> Vec<String> {
    let db = match backend {
        DbBackend::Sqlite => TestDb::sqlite().await,
        _ => TestDb::postgres().await,
    };
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    db.lend(async |db| {
        let app = TestApp::new(db).await;
        let shares = records.chunks(records.len().div_ceil(clients).max(1));
        futures_util::future::join_all(shares.map(|share| record(&app, share, at_a_time))).await;
        sender.send(picture(&app).await).await.unwrap();
    })
    .await;
    receiver.recv().await.unwrap()
}

on_both_databases! {
    async fn any_order_and_any_repetition_make_the_same_store(db: TestDb) {
        let (backend, world, handle) = (db.backend(), world(), Handle::current());
        let whole = picture_of(backend, &world, 1, 1_000).await;
        assert!(whole.len() > 50, "{}", whole.len());
        assert!(whole.iter().any(|line| line.contains("surplus: x")) && whole.iter().any(|line| line.contains("DELETED")), "{whole:#?}");
        let cases = if backend == DbBackend::Sqlite { 24 } else { 8 };
        let mut runner = TestRunner::new(ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() });
        let chosen = prop::collection::vec((0..10_u8, any::<u32>(), any::<u32>()), world.len());
        let outcome = tokio::task::block_in_place(|| runner.run(&(chosen, 1..5_usize, 1..12_usize), |(chosen, clients, at_a_time)| {
            // Of ten, one is left out and three come twice; the two numbers are places.
            let mut once = Vec::new();
            let mut mixed = Vec::new();
            for (record, (luck, one, other)) in world.iter().zip(&chosen) {
                if *luck > 0 {
                    once.push(record.clone());
                    mixed.push((*one, record.clone()));
                }
                if *luck > 6 {
                    mixed.push((*other, record.clone()));
                }
            }
            mixed.sort_by_key(|(place, _)| *place);
            let mixed: Vec<Value> = mixed.into_iter().map(|(_, record)| record).collect();
            handle.block_on(async {
                let expected = picture_of(backend, &once, 1, 1_000).await;
                let found = picture_of(backend, &mixed, clients, at_a_time).await;
                let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
                let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
                prop_assert!(expected == found, "missing {missing:#?}\nsurplus {surplus:#?}\nrecords {mixed:#?}");
                Ok(())
            })
        }));
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    }
}
