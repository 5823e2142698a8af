//! Back-pressure: the write queue is bounded in submissions and in bytes; one that is full says so at once, and what it has taken
//! is written.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::http::header::RETRY_AFTER;
use heirloom::{
    config::Config,
    domain::record::Record,
    service::{Answer, Mode, Verdict, WriteError, Writer, WriterOptions},
};
use sea_orm::{DatabaseConnection, DbBackend};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    on_both_databases,
    support::{
        Reply, TestApp, TestDb, artifact,
        db::run,
        fixtures::VersionInput,
        openlineage,
        process::{heirloom, run_command},
        version,
    },
};

/// The database's write lock, held by somebody else.
pub struct Block(DatabaseConnection);

impl Block {
    /// Takes it.
    pub async fn take(db: &TestDb) -> Self {
        Self::on(db.connection().await).await
    }

    /// Takes it on a connection that is there.
    pub async fn on(connection: DatabaseConnection) -> Self {
        match connection.get_database_backend() {
            DbBackend::Sqlite => run(&connection, "BEGIN IMMEDIATE").await,
            _ => {
                run(&connection, "BEGIN").await;
                run(&connection, "UPDATE revision_counter SET revision = revision").await;
            }
        }
        Self(connection)
    }

    /// Gives it back.
    pub async fn end(self) {
        run(&self.0, "ROLLBACK").await;
        self.0.close().await.unwrap();
    }
}

fn limited(submissions: usize, bytes: usize) -> Config {
    let mut config = Config::default();
    config.limits.write_queue_submissions = submissions;
    config.limits.write_queue_bytes = bytes;
    config
}

/// A version whose card has so many bytes.
fn heavy(name: &str, bytes: usize) -> VersionInput {
    version("orders", name).with("card", "x".repeat(bytes))
}

fn record(input: &VersionInput) -> Record {
    serde_json::from_value(input.record()).unwrap()
}

/// The names of all versions.
async fn names(app: &TestApp) -> BTreeSet<String> {
    let query = "query($key: ArtifactKey!) { artifact(key: $key) { versions(first: 1000) { nodes { version } } } }";
    let data = app.data(query, json!({"key": artifact("orders")})).await;
    crate::support::app::texts(&data["artifact"]["versions"]["nodes"], "version")
        .into_iter()
        .collect()
}

/// The answer says that there is no room, and when to come again.
fn says_full(reply: &Reply) {
    reply.refused("UNAVAILABLE").says(&["takes on at a time", "try again"]);
    assert_eq!(reply.status, 200, "GraphQL was executed: {}", reply.body);
    assert_eq!(reply.errors[0]["extensions"]["retryable"], true);
    let seconds: u32 = reply.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
}

/// Sends versions all at once, while nothing can be written. Answers the replies that come all the same, and the tasks that wait.
async fn storm(
    app: &Arc<TestApp>,
    versions: Vec<VersionInput>,
    expected_refusals: usize,
) -> (Vec<(usize, Reply)>, mpsc::UnboundedReceiver<(usize, Reply)>) {
    let (sender, mut replies) = mpsc::unbounded_channel();
    for (number, version) in versions.into_iter().enumerate() {
        let (app, sender) = (Arc::clone(app), sender.clone());
        tokio::spawn(async move {
            let reply = app.try_create(&version).await;
            let _ = sender.send((number, reply));
        });
    }
    drop(sender);
    let mut refused = Vec::new();
    while refused.len() < expected_refusals {
        refused.push(replies.recv().await.unwrap());
    }
    (refused, replies)
}

on_both_databases! {
    async fn a_full_queue_says_so_at_once_and_what_it_has_taken_is_recorded(db: TestDb) {
        let app = Arc::new(TestApp::with(db.clone(), limited(8, 1 << 30)).await);
        app.create(&version("orders", "first")).await;
        let block = Block::take(&db).await;
        let versions = (0..200).map(|n| version("orders", &format!("v{n}"))).collect();
        let (refused, mut rest) = storm(&app, versions, 192).await;
        assert_eq!(app.writer.backlog().submissions, 8);
        for (_, reply) in &refused {
            says_full(reply);
        }
        assert_eq!(names(&app).await.len(), 1, "reading goes on");
        block.end().await;
        let mut accepted = BTreeSet::from(["first".to_owned()]);
        while let Some((number, reply)) = rest.recv().await {
            assert_eq!(reply.ok()["createVersion"]["created"], true);
            accepted.insert(format!("v{number}"));
        }
        assert_eq!(accepted.len(), 9);
        assert_eq!(names(&app).await, accepted);
        assert_eq!(app.writer.backlog().submissions, 0);
        assert_eq!(app.writer.backlog().bytes, 0);
        app.create(&version("orders", "last")).await;
    }

    async fn what_waits_is_bounded_in_bytes(db: TestDb) {
        let app = Arc::new(TestApp::with(db.clone(), limited(10_000, 100_000)).await);
        let block = Block::take(&db).await;
        let versions = (0..50).map(|n| heavy(&format!("v{n}"), 30_000)).collect();
        let (refused, mut rest) = storm(&app, versions, 47).await;
        let backlog = app.writer.backlog();
        assert_eq!(backlog.submissions, 3);
        assert!((90_000..=100_000).contains(&backlog.bytes), "{backlog:?}");
        for (_, reply) in &refused {
            says_full(reply);
        }
        block.end().await;
        let mut accepted = BTreeSet::new();
        while let Some((number, reply)) = rest.recv().await {
            reply.ok();
            accepted.insert(format!("v{number}"));
        }
        assert_eq!(names(&app).await, accepted);
        assert_eq!(app.writer.backlog().bytes, 0);
    }

    async fn a_submission_larger_than_the_queue_is_taken_when_it_is_alone(db: TestDb) {
        let app = Arc::new(TestApp::with(db.clone(), limited(10, 10_000)).await);
        app.create(&heavy("alone", 50_000)).await;
        let block = Block::take(&db).await;
        let waiting = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.try_create(&heavy("huge", 50_000)).await }
        });
        // Its place among the submissions is taken before its bytes are.
        while app.writer.backlog().bytes == 0 {
            tokio::task::yield_now().await;
        }
        says_full(&app.try_create(&version("orders", "small")).await);
        says_full(&app.try_create(&heavy("as huge", 50_000)).await);
        block.end().await;
        waiting.await.unwrap().ok();
        app.create(&version("orders", "small")).await;
        assert_eq!(names(&app).await, BTreeSet::from(["alone", "huge", "small"].map(str::to_owned)));
    }

    async fn events_for_which_there_is_no_room_are_refused_unread(db: TestDb) {
        let app = Arc::new(TestApp::with(db.clone(), limited(10, 1_000_000)).await);
        let block = Block::take(&db).await;
        let waiting = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.try_create(&heavy("v1", 850_000)).await }
        });
        while app.writer.backlog().bytes == 0 {
            tokio::task::yield_now().await;
        }
        let no_events = Value::from("x".repeat(100_000));
        for path in ["/api/v1/lineage", "/api/v1/lineage/batch"] {
            let reply = app.send_json(path, &no_events).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (503, &json!("UNAVAILABLE")), "{path}: {}", reply.body);
            assert!(reply.headers.contains_key(RETRY_AFTER), "{path}");
            assert_eq!(app.send_json(path, &json!("small")).await.status, 400, "{path}: there is room for what is small");
        }
        block.end().await;
        waiting.await.unwrap().ok();
        assert_eq!(app.send_json("/api/v1/lineage/batch", &no_events).await.status, 400);
        let events: Vec<Value> = (0..1_000).map(|n| openlineage::run(&format!("r{n}")).json()).collect();
        app.hear(&events).await;
        assert!(Value::from(events).to_string().len() * 8 > 1_000_000, "alone, more than the queue has room for is taken");
    }

    async fn texts_that_are_read_at_a_time_are_no_more_than_the_queue_takes(db: TestDb) {
        let app = TestApp::new(db).await;
        let writer = Writer::start(app.store.clone(), WriterOptions { bytes: 1_000_000, ..WriterOptions::default() });
        let mut first = writer.announce(100_000).unwrap();
        assert!(matches!(writer.announce(100_000), Err(WriteError::Full)));
        assert!(writer.announce(1_000).is_ok(), "what is small goes by");
        let answer = first.submit(vec![record(&version("orders", "v1"))], Mode::Ingest).await.unwrap();
        assert_eq!(answer.verdicts.len(), 1);
        drop(writer.announce(1_000_000).unwrap());
        assert!(writer.announce(1_000_000).is_ok(), "what was given up takes no room");
    }

    async fn who_cannot_come_again_waits_for_room_in_order(db: TestDb) {
        let app = TestApp::new(db.clone()).await;
        let options = WriterOptions { submissions: 2, bytes: 50_000, ..WriterOptions::default() };
        let writer = Writer::start(app.store.clone(), options);
        let block = Block::take(&db).await;
        let (sender, mut enqueued) = mpsc::unbounded_channel();
        let loader = tokio::spawn({
            let writer = writer.clone();
            async move {
                let mut tickets = Vec::new();
                for n in 0..20 {
                    // Every third one is larger than all of the queue.
                    let size = if n % 3 == 0 { 60_000 } else { 20_000 };
                    tickets.push(writer.enqueue(vec![record(&heavy(&format!("v{n}"), size))], Mode::Ingest).await.unwrap());
                    sender.send(n).unwrap();
                }
                let mut revisions = Vec::new();
                for ticket in tickets {
                    let Answer { revision, verdicts } = ticket.answer().await.unwrap();
                    assert!(matches!(verdicts[..], [Verdict::Applied(_)]));
                    revisions.push(revision);
                }
                revisions
            }
        });
        assert_eq!(enqueued.recv().await, Some(0));
        let refused = writer.submit(vec![record(&version("orders", "other"))], Mode::Ingest).await;
        assert!(matches!(refused, Err(WriteError::Full)), "{refused:?}");
        assert!(enqueued.try_recv().is_err(), "the second waits for the first");
        block.end().await;
        let revisions = loader.await.unwrap();
        assert!(revisions.is_sorted(), "{revisions:?}");
        assert_eq!(names(&app).await.len(), 20);
    }

    async fn a_submission_of_more_rows_than_a_transaction_takes_is_written_in_several(db: TestDb) {
        let app = TestApp::new(db).await;
        let options = WriterOptions { group_rows: 5, ..WriterOptions::default() };
        let writer = Writer::start(app.store.clone(), options);
        let mut records: Vec<Record> = (0..12).map(|n| record(&version("orders", &format!("v{n}")))).collect();
        records[3] = record(&version("orders", "latest"));
        let answer = writer.submit(records.clone(), Mode::Ingest).await.unwrap();
        assert_eq!((answer.revision, answer.verdicts.len()), (3, 12));
        let refused: Vec<usize> = (0..12).filter(|n| matches!(answer.verdicts[*n], Verdict::Rejected(_))).collect();
        assert_eq!(refused, [3], "verdicts are in order");
        assert_eq!(names(&app).await.len(), 11);
        let again = writer.submit(records, Mode::Ingest).await.unwrap();
        assert_eq!(again.revision, 3);
        assert!(again.verdicts.iter().enumerate().all(|(n, verdict)| n == 3 || matches!(verdict, Verdict::Unchanged(_))));
    }

    async fn what_is_large_shares_no_transaction_with_what_came_before(db: TestDb) {
        let app = TestApp::new(db.clone()).await;
        let writer = Writer::start(app.store.clone(), WriterOptions { group_rows: 5, ..WriterOptions::default() });
        let block = Block::take(&db).await;
        let mut tickets = Vec::new();
        for (name, count) in [("first", 1), ("small", 1), ("large", 12), ("last", 1)] {
            let records = (0..count).map(|n| record(&version("orders", &format!("{name} {n}")))).collect();
            tickets.push(writer.enqueue(records, Mode::Ingest).await.unwrap());
        }
        block.end().await;
        let mut revisions = Vec::new();
        for ticket in tickets {
            revisions.push(ticket.answer().await.unwrap().revision);
        }
        assert!(revisions.is_sorted() && revisions[2] >= revisions[1] + 3, "{revisions:?}");
        assert_eq!(names(&app).await.len(), 15);
    }

    async fn huge_submissions_do_not_share_one_transaction(db: TestDb) {
        let app = TestApp::new(db.clone()).await;
        let options = WriterOptions { group_bytes: 50_000, ..WriterOptions::default() };
        let writer = Writer::start(app.store.clone(), options);
        let block = Block::take(&db).await;
        let mut tickets = Vec::new();
        for n in 0..6 {
            tickets.push(writer.enqueue(vec![record(&heavy(&format!("v{n}"), 30_000))], Mode::Ingest).await.unwrap());
        }
        for n in 0..20 {
            tickets.push(writer.enqueue(vec![record(&version("orders", &format!("small {n}")))], Mode::Ingest).await.unwrap());
        }
        block.end().await;
        let mut revisions = BTreeSet::new();
        for ticket in tickets {
            revisions.insert(ticket.answer().await.unwrap().revision);
        }
        // Two of the huge ones together are as much as a transaction takes; the small ones go with each other.
        assert!((3..=7).contains(&revisions.len()), "{revisions:?}");
    }

    async fn what_was_taken_is_written_though_its_client_goes_away(db: TestDb) {
        let app = Arc::new(TestApp::new(db.clone()).await);
        let block = Block::take(&db).await;
        let client = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.try_create(&version("orders", "v1")).await }
        });
        while app.writer.backlog().submissions == 0 {
            tokio::task::yield_now().await;
        }
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        block.end().await;
        app.create(&version("orders", "v2")).await;
        assert_eq!(names(&app).await, BTreeSet::from(["v1", "v2"].map(str::to_owned)));
    }

    async fn a_database_that_stays_blocked_is_unavailable_and_the_server_recovers(db: TestDb) {
        let store = db.store_patient_for(Duration::from_millis(200)).await;
        let app = TestApp::over(db.clone(), store, Config::default());
        let block = Block::take(&db).await;
        let reply = app.try_create(&version("orders", "v1")).await;
        reply.refused("UNAVAILABLE").says(&["does not answer"]);
        assert!(reply.headers.contains_key(RETRY_AFTER));
        assert_eq!(app.writer.backlog().submissions, 0, "what was answered takes no room");
        block.end().await;
        app.create(&version("orders", "v1")).await;
    }

    async fn an_import_waits_where_a_server_would_refuse(db: TestDb) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("records.jsonl");
        let lines: Vec<String> = (0..3_000).map(|n| heavy(&format!("v{n}"), 1_000).record().to_string()).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let mut import = heirloom(&["import", "--database", &db.url, file.to_str().unwrap()]);
        import.env("HEIRLOOM_LIMITS_WRITE_QUEUE_SUBMISSIONS", "1").env("HEIRLOOM_LIMITS_WRITE_QUEUE_BYTES", "100000");
        let output = run_command(import);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(db.number("SELECT count(*) FROM version").await, 3_000);
    }
}

#[test]
fn a_queue_that_takes_nothing_is_no_configuration() {
    let environment =
        ["SUBMISSIONS", "BYTES"].map(|what| (format!("HEIRLOOM_LIMITS_WRITE_QUEUE_{what}"), "0".to_owned()));
    let error = Config::load(None, environment, &[]).unwrap_err().to_string();
    for name in ["limits.write_queue_submissions", "limits.write_queue_bytes"] {
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn rest_says_503_with_a_time_and_a_body_that_says_why() {
    use heirloom::{
        graphql::{context::RequestId, error::ApiError},
        http::reply::Refusal,
    };
    let refusal = || Refusal::from(ApiError::from(WriteError::Full));
    for (path, code) in [("/api/v1/lineage", "/code"), ("/graphql", "/errors/0/extensions/code")] {
        let response = refusal().at(path, &RequestId::random());
        assert_eq!(response.status(), 503, "{path}");
        assert!(response.headers().contains_key(RETRY_AFTER), "{path}");
        let body = futures_util::FutureExt::now_or_never(axum::body::to_bytes(response.into_body(), 10_000));
        let body: Value = serde_json::from_slice(&body.unwrap().unwrap()).unwrap();
        assert_eq!(body.pointer(code), Some(&json!("UNAVAILABLE")), "{body}");
    }
}
