//! A server that is killed again and again under load: whatever it acknowledged is there, and whatever is there is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{TryFutureExt as _, future::join_all};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::timeout};

use crate::{
    concurrency::revisions_have_no_gaps,
    support::{
        TestDb, execution,
        process::{self, Server},
        version,
    },
};

/// How often each test kills the server; four of them make a hundred on each database.
const KILLS: u32 = 25;
/// Clients that write at the same time.
const CLIENTS: usize = 6;
/// Records in a batch.
const BATCH: usize = 12;
/// How long a server lives after it has begun to listen, at most.
const LIFE: Duration = Duration::from_millis(250);
/// How long an answer, or a look at the database, may take.
const PATIENCE: Duration = Duration::from_secs(100);
/// After so many kills everything is looked at; it is at the end in any case.
const LOOK_EVERY: u32 = 8;
/// Edges of every execution that is written.
const EDGES: i64 = 4;

const INGEST: &str = "mutation($records: [RecordInput!]!) { ingest(records: $records) { applied rejected } }";

macro_rules! kill_on_both_databases {
    ($($name:ident)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                TestDb::sqlite().await.lend(body).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                TestDb::postgres().await.lend(body).await;
            }
        }
    )+};
}

// Each with a database of its own, so that they run beside each other.
kill_on_both_databases! {
    a_killed_server_has_lost_nothing_1
    a_killed_server_has_lost_nothing_2
    a_killed_server_has_lost_nothing_3
    a_killed_server_has_lost_nothing_4
}

/// What clients have heard.
#[derive(Default)]
struct Heard {
    acknowledged: BTreeSet<String>,
    /// Sent, and never answered.
    unanswered: usize,
}

async fn body(db: TestDb) {
    let seed = fastrand::u64(..);
    // Shown when the test fails.
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut heard = Heard::default();
    for kill in 1..=KILLS {
        let server = Server::start(&["serve", "--database", &db.url]);
        let life = LIFE.mul_f64(random.f64());
        let (url, id) = (server.url.clone(), server.id());
        // Every other one lives until it has answered, however slow the machine is.
        let (answered, is_awaited) = (Notify::new(), kill % 2 == 0);
        let clients = join_all((0..CLIENTS).map(|client| {
            let random = random.fork();
            write(&url, format!("k{kill}c{client}"), random, &answered)
        }));
        let killer = async {
            if is_awaited {
                // Before a client gives up, which could say less.
                let waited = timeout(PATIENCE / 2, answered.notified()).await;
                assert!(waited.is_ok(), "nothing was answered: {}", process::threads_of(id));
            }
            tokio::time::sleep(life).await;
            server.kill();
        };
        let (of_clients, ()) = tokio::join!(clients, killer);
        let has_answered = of_clients.iter().any(|it| !it.acknowledged.is_empty());
        assert!(
            has_answered || !is_awaited,
            "clients were cut off before the server was killed"
        );
        for of_client in of_clients {
            heard.acknowledged.extend(of_client.acknowledged);
            heard.unanswered += of_client.unanswered;
        }
        if kill % LOOK_EVERY == 0 || kill == KILLS {
            let looked = timeout(PATIENCE, look(&db, &heard)).await;
            assert!(
                looked.is_ok(),
                "the database does not answer: {}",
                process::threads_of(std::process::id())
            );
        }
    }
    assert!(heard.acknowledged.len() >= KILLS as usize / 2, "there was no load");
    assert!(
        heard.unanswered > 0,
        "no request was under way when the server was killed"
    );
    // It still works.
    let server = Server::start(&["serve", "--database", &db.url]);
    let answer = server.query(INGEST, json!({"records": [record("the end")]})).await;
    assert_eq!(answer["data"]["ingest"]["applied"], 1, "{answer}");
}

/// Writes executions one after the other, singly and in batches, until the server is gone.
async fn write(url: &str, name: String, mut random: fastrand::Rng, answered: &Notify) -> Heard {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let mut heard = Heard::default();
    for n in 0.. {
        let count = if random.bool() { 1 } else { BATCH };
        let names: Vec<String> = (0..count).map(|i| format!("{name}n{n}i{i}")).collect();
        let records: Vec<Value> = names.iter().map(|name| record(name)).collect();
        let body = json!({"query": INGEST, "variables": {"records": records}});
        let sent = client.post(format!("{url}/graphql")).json(&body).send();
        let answer = sent.and_then(reqwest::Response::json::<Value>).await;
        if let Err(error) = &answer {
            assert!(!error.is_timeout(), "no answer: {error}");
        }
        let Ok(answer) = answer else {
            heard.unanswered += count;
            // Who waits for an answer then learns that there is none.
            answered.notify_one();
            break;
        };
        assert_eq!(answer["data"]["ingest"]["applied"], count, "{answer}");
        heard.acknowledged.extend(names);
        answered.notify_one();
    }
    heard
}

/// An execution with two inputs, which all share, and two outputs of its own, one of them partitioned.
fn record(name: &str) -> Value {
    let region = if name.len().is_multiple_of(2) { "EU" } else { "US" };
    let partitioned = version("orders", name)
        .at(&[("region", region)])
        .time("2026-11-23T12:00:00Z")
        .with("metadata", json!({"rows": name.len()}));
    execution(name)
        .state("SUCCEEDED")
        .with("startedAt", "2026-11-23T11:00:00Z")
        .consumes("prices", "prices", "p1")
        .consumes("stock", "stock", &format!("s{}", name.len()))
        .produces("orders", &partitioned)
        .produces("report", &version("reports", name))
        .record()
}

/// Everything acknowledged is there, and everything that is there is whole.
async fn look(db: &TestDb, heard: &Heard) {
    let connection = db.connection().await;
    let sql = "SELECT e.name, (SELECT COUNT(*) FROM edge g WHERE g.execution_id = e.id) FROM execution e";
    let rows = connection
        .query_all_raw(Statement::from_string(connection.get_database_backend(), sql))
        .await
        .unwrap();
    let edges: BTreeMap<String, i64> = rows
        .iter()
        .map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap()))
        .collect();
    connection.close().await.unwrap();
    let lost: Vec<&String> = heard
        .acknowledged
        .iter()
        .filter(|name| !edges.contains_key(*name))
        .collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    let half: Vec<_> = edges.iter().filter(|(_, count)| **count != EDGES).collect();
    assert!(half.is_empty(), "half-applied: {half:?}");
    assert!(
        edges.len() <= heard.acknowledged.len() + heard.unanswered,
        "more is there than was sent"
    );
    revisions_have_no_gaps(db).await;
    let checked = process::run(&["check", "--database", &db.url]);
    let said = process::text(&checked.stdout) + &process::text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{said}");
}
