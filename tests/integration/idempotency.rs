//! `Idempotency-Key`: a request that is sent again hears the first answer, whoever is asked, and nothing is done twice.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    http::{
        Request,
        header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER},
    },
};
use entity::idempotent_answer;
use heirloom::{config::Config, domain::time::Timestamp, store::idempotency::idempotent_answer_keep};
use serde_json::{Value, json};

use crate::{
    backpressure::Block,
    on_both_databases,
    support::{Reply, TestApp, TestDb, artifact, fixtures::VersionInput, version},
};

const CREATE: &str = "mutation($input: CreateVersionInput!) { createVersion(input: $input) { created revision version { id version } } }";

/// A version that leaves its name to the server.
fn unnamed() -> VersionInput {
    version("orders", "").without("version")
}

fn creation(input: &VersionInput) -> String {
    json!({"query": CREATE, "variables": {"input": input.json()}}).to_string()
}

/// Sends a body under a key.
async fn send(app: &TestApp, key: &str, body: &str) -> Reply {
    let request = Request::post("/graphql")
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/graphql-response+json")
        .header("idempotency-key", key);
    app.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn is_replayed(reply: &Reply) -> bool {
    let header = reply.headers.get("idempotency-replayed");
    assert!(header.is_none_or(|value| value == "true"), "{header:?}");
    header.is_some()
}

/// The first answer once more, byte for byte.
#[track_caller]
fn is_the_same(again: &Reply, first: &Reply) {
    assert!(is_replayed(again), "{}", again.body);
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers[CONTENT_TYPE], first.headers[CONTENT_TYPE]);
    assert_eq!(again.headers.get("vary"), first.headers.get("vary"));
}

async fn count(app: &TestApp) -> i64 {
    app.db.number("SELECT count(*) FROM version").await
}

async fn kept(app: &TestApp) -> i64 {
    app.db.number("SELECT count(*) FROM idempotent_answer").await
}

on_both_databases! {
    async fn a_repeated_request_hears_the_first_answer(db: TestDb) {
        let app = TestApp::new(db).await;
        let body = creation(&unnamed());
        let first = send(&app, "k1", &body).await;
        assert_eq!(first.ok()["createVersion"]["created"], true);
        assert!(!is_replayed(&first));
        app.create(&version("orders", "meanwhile")).await;
        for key in ["k1", "\"k1\""] {
            is_the_same(&send(&app, key, &body).await, &first);
        }
        assert_eq!(count(&app).await, 2);
        let other = send(&app, "k2", &body).await;
        assert_eq!(other.ok()["createVersion"]["created"], true, "another key is another request");
        assert_eq!(count(&app).await, 3);
    }

    async fn also_after_a_restart_and_from_another_process(db: TestDb) {
        let body = creation(&unnamed());
        let before = TestApp::new(db.clone()).await;
        let beside = TestApp::new(db.clone()).await;
        let first = send(&before, "k", &body).await;
        is_the_same(&send(&beside, "k", &body).await, &first);
        before.store.close().await.unwrap();
        let after = TestApp::new(db).await;
        is_the_same(&send(&after, "k", &body).await, &first);
        assert_eq!(count(&after).await, 1);
    }

    async fn another_request_under_the_same_key_is_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        let body = creation(&unnamed());
        send(&app, "k", &body).await.ok();
        for other in [creation(&unnamed().with("card", "#")), body.replace("created", "revision")] {
            let reply = send(&app, "k", &other).await;
            assert_eq!(reply.status, 422);
            reply.refused("BAD_USER_INPUT").says(&["Idempotency-Key", "new key"]);
            assert!(!is_replayed(&reply));
        }
        let typed = Request::post("/graphql").header(CONTENT_TYPE, "application/json; charset=utf-8").header("idempotency-key", "k");
        assert_eq!(app.send(typed.body(Body::from(body)).unwrap()).await.status, 422);
        assert_eq!(count(&app).await, 1);
    }

    async fn a_key_that_is_none_is_refused_where_it_counts(db: TestDb) {
        let app = TestApp::new(db).await;
        let (mutation, query) = (creation(&unnamed()), json!({"query": "{ revision { number } }"}).to_string());
        for key in ["", "\"open", "a\tb", &"x".repeat(256)] {
            let reply = send(&app, key, &mutation).await;
            assert_eq!(reply.status, 400, "{key:?}");
            reply.refused("BAD_USER_INPUT").says(&["Idempotency-Key", "255"]);
            send(&app, key, &query).await.ok();
        }
        assert_eq!((count(&app).await, kept(&app).await), (0, 0));
    }

    async fn a_query_is_executed_each_time(db: TestDb) {
        let app = TestApp::new(db).await;
        let query = json!({"query": "{ revision { number } }"}).to_string();
        assert_eq!(send(&app, "k", &query).await.ok()["revision"]["number"], 0);
        app.create(&version("orders", "v1")).await;
        let again = send(&app, "k", &query).await;
        assert_eq!(again.ok()["revision"]["number"], 1);
        assert!(!is_replayed(&again));
        assert_eq!(kept(&app).await, 0);
    }

    async fn without_a_key_nothing_is_kept(db: TestDb) {
        let app = TestApp::new(db).await;
        let with = send(&app, "k", &creation(&version("orders", "v1"))).await;
        let without = app.post(creation(&version("orders", "v2"))).await;
        assert_eq!(with.statements, without.statements);
        assert_eq!(kept(&app).await, 1);
    }

    async fn many_at_once_are_executed_once(db: TestDb) {
        let app = Arc::new(TestApp::new(db.clone()).await);
        let body = creation(&unnamed());
        let block = Block::take(&db).await;
        let tasks: Vec<_> = (0..32).map(|_| {
            let (app, body) = (Arc::clone(&app), body.clone());
            tokio::spawn(async move { send(&app, "k", &body).await })
        }).collect();
        while app.writer.backlog().submissions == 0 {
            tokio::task::yield_now().await;
        }
        let busy = send(&app, "k", &body).await;
        assert_eq!(busy.status, 409);
        busy.refused("CONFLICT").says(&["under way", "again"]);
        assert_eq!(busy.headers[RETRY_AFTER], "1");
        assert_eq!(send(&app, "k", &creation(&version("orders", "other"))).await.status, 422);
        block.end().await;
        let mut first = None;
        for task in tasks {
            let reply = task.await.unwrap();
            if reply.status == 409 {
                continue;
            }
            assert_eq!(reply.ok()["createVersion"]["created"], true);
            let first = first.get_or_insert(reply.clone());
            assert_eq!(reply.body, first.body);
        }
        is_the_same(&send(&app, "k", &body).await, &first.unwrap());
        assert_eq!((count(&app).await, app.revision().await), (1, 1));
    }

    async fn two_processes_at_once_give_one_answer(db: TestDb) {
        let apps = [Arc::new(TestApp::new(db.clone()).await), Arc::new(TestApp::new(db.clone()).await)];
        for round in 0..10 {
            let (key, body) = (format!("k{round}"), creation(&unnamed().with("description", format!("{round}"))));
            let tasks: Vec<_> = (0..8).map(|n| {
                let (app, key, body) = (Arc::clone(&apps[n % 2]), key.clone(), body.clone());
                tokio::spawn(async move { send(&app, &key, &body).await })
            }).collect();
            let mut bodies = BTreeSet::new();
            for task in tasks {
                let reply = task.await.unwrap();
                if reply.status != 409 {
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    bodies.insert(reply.body);
                }
            }
            assert_eq!(bodies.len(), 1, "{bodies:?}");
            assert_eq!(count(&apps[0]).await, round + 1);
        }
    }

    async fn a_client_that_went_away_finds_its_answer(db: TestDb) {
        let app = Arc::new(TestApp::new(db.clone()).await);
        let body = creation(&unnamed());
        let block = Block::take(&db).await;
        let client = tokio::spawn({
            let (app, body) = (Arc::clone(&app), body.clone());
            async move { send(&app, "k", &body).await }
        });
        while app.writer.backlog().submissions == 0 {
            tokio::task::yield_now().await;
        }
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(send(&app, "k", &body).await.status, 409, "it goes on");
        block.end().await;
        let reply = loop {
            let reply = send(&app, "k", &body).await;
            if reply.status != 409 {
                break reply;
            }
            tokio::task::yield_now().await;
        };
        assert!(is_replayed(&reply));
        assert_eq!(reply.ok()["createVersion"]["created"], true);
    }

    async fn an_error_of_the_execution_is_an_answer(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1")).await;
        let body = creation(&version("orders", "v1").with("card", "#"));
        let first = send(&app, "k", &body).await;
        first.refused("CONFLICT");
        is_the_same(&send(&app, "k", &body).await, &first);
        let ingest = json!({"query": "mutation($r: [RecordInput!]!) { ingest(records: $r) { applied unchanged rejected revision } }",
            "variables": {"r": [version("orders", "v2").record(), version("orders", "latest").record()]}}).to_string();
        let first = send(&app, "k2", &ingest).await;
        assert_eq!((&first.ok()["ingest"]["applied"], &first.data["ingest"]["rejected"]), (&json!(1), &json!(1)));
        is_the_same(&send(&app, "k2", &ingest).await, &first);
    }

    async fn what_may_work_later_is_not_kept(db: TestDb) {
        let mut config = Config::default();
        config.limits.write_queue_submissions = 1;
        let app = Arc::new(TestApp::with(db.clone(), config).await);
        let block = Block::take(&db).await;
        let waiting = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.try_create(&version("orders", "v1")).await }
        });
        while app.writer.backlog().submissions == 0 {
            tokio::task::yield_now().await;
        }
        let body = creation(&unnamed());
        send(&app, "k", &body).await.refused("UNAVAILABLE");
        block.end().await;
        waiting.await.unwrap().ok();
        let again = send(&app, "k", &body).await;
        assert!(!is_replayed(&again));
        assert_eq!(again.ok()["createVersion"]["created"], true);
    }

    async fn what_was_not_executed_leaves_its_key_free(db: TestDb) {
        let app = TestApp::new(db).await;
        for wrong in ["nonsense", "{\"query\":\"mutation { nothing }\"}", "{\"query\":\"mutation {\"}"] {
            assert_eq!(send(&app, "k", wrong).await.status, 400);
        }
        assert_eq!(send(&app, "k", &creation(&unnamed())).await.ok()["createVersion"]["created"], true);
        assert_eq!(kept(&app).await, 1);
    }

    async fn an_answer_too_large_to_keep_is_made_again_and_nothing_twice(db: TestDb) {
        let app = TestApp::new(db).await;
        let query = CREATE.replace("id version", "id version card");
        let body = json!({"query": query, "variables": {"input": unnamed().with("card", "x".repeat(5 << 20)).json()}}).to_string();
        let first = send(&app, "k", &body).await;
        let again = send(&app, "k", &body).await;
        assert!(!is_replayed(&again));
        assert_eq!((&first.ok()["createVersion"]["created"], &again.ok()["createVersion"]["created"]), (&json!(true), &json!(false)));
        assert_eq!(first.data["createVersion"]["version"]["id"], again.data["createVersion"]["version"]["id"]);
        assert_eq!((count(&app).await, kept(&app).await), (1, 0));
    }

    async fn a_request_executed_twice_makes_nothing_twice(db: TestDb) {
        let app = TestApp::new(db).await;
        let query = "mutation($input: CreateVersionInput!) { a: createVersion(input: $input) { version { id } } b: createVersion(input: $input) { version { id } } }";
        let body = json!({"query": query, "variables": {"input": unnamed().json()}}).to_string();
        let first = send(&app, "k", &body).await;
        assert_ne!(first.ok()["a"], first.data["b"], "two fields make two versions");
        // As if the process had ended before the answer was kept.
        let connection = app.db.connection().await;
        crate::support::db::run(&connection, "DELETE FROM idempotent_answer").await;
        connection.close().await.unwrap();
        let again = send(&app, "k", &body).await;
        assert!(!is_replayed(&again));
        assert_eq!(again.ok(), first.ok());
        assert_eq!(count(&app).await, 2);
    }

    async fn answers_are_forgotten_after_their_time(db: TestDb) {
        let mut config = Config::default();
        config.limits.idempotency_hours = 1;
        let app = TestApp::with(db, config).await;
        let body = creation(&unnamed());
        let first = send(&app, "k", &body).await;
        app.pass(3_600);
        is_the_same(&send(&app, "k", &body).await, &first);
        app.pass(1);
        let other = send(&app, "k", &creation(&version("orders", "other"))).await;
        assert_eq!(other.ok()["createVersion"]["created"], true, "the key is free again");
        app.pass(1_800);
        for n in 0..5 {
            send(&app, &format!("k{n}"), &creation(&version("orders", &format!("v{n}")))).await.ok();
        }
        is_the_same(&send(&app, "k", &creation(&version("orders", "other"))).await, &other);
        assert_eq!(kept(&app).await, 6);
        app.pass(3_601);
        send(&app, "new", &creation(&version("orders", "new"))).await.ok();
        while kept(&app).await != 1 {
            tokio::task::yield_now().await;
        }
    }

    async fn old_answers_go_faster_than_new_ones_come(db: TestDb) {
        let app = TestApp::new(db).await;
        let old = |n: i64| idempotent_answer::Model {
            key: format!("old {n}"),
            fingerprint: vec![0; 32],
            status: 200,
            content_type: "application/json".to_owned(),
            body: b"{}".to_vec(),
            recorded_at: n,
        };
        let answers: Vec<_> = (0..700).map(old).collect();
        let written = idempotent_answer_keep(&app.store, answers.clone(), Timestamp(0)).await.unwrap();
        assert_eq!(written.len(), 700);
        let again = idempotent_answer_keep(&app.store, answers, Timestamp(350)).await.unwrap();
        assert_eq!(again.len(), 350, "those that are older than 350 are replaced");
        for n in 1..=3 {
            send(&app, &format!("k{n}"), &creation(&version("orders", &format!("v{n}")))).await.ok();
        }
        while kept(&app).await != 3 {
            tokio::task::yield_now().await;
        }
    }

    async fn a_database_that_does_not_answer_is_503(db: TestDb) {
        let app = TestApp::new(db).await;
        app.store.close().await.unwrap();
        let reply = send(&app, "k", &creation(&unnamed())).await;
        assert_eq!(reply.status, 503);
        reply.refused("UNAVAILABLE");
        assert!(reply.headers.contains_key(RETRY_AFTER));
    }

    async fn the_same_request_may_be_compressed_or_not(db: TestDb) {
        let app = TestApp::new(db).await;
        let body = creation(&unnamed());
        let first = send(&app, "k", &body).await;
        let packed = Request::post("/graphql")
            .header(CONTENT_TYPE, "application/json")
            .header("content-encoding", "gzip")
            .header("idempotency-key", "k");
        let again = app.send(packed.body(Body::from(crate::bodies::gzip(body.as_bytes()))).unwrap()).await;
        is_the_same(&again, &first);
    }
}

#[tokio::test]
async fn a_kept_answer_does_not_have_the_log_of_sqlite_copied() {
    let app = TestApp::new(TestDb::sqlite().await).await;
    let file = app.db.file();
    let length = || std::fs::metadata(file).unwrap().len();
    let before = length();
    // More pages than the thousand after which it is by itself.
    let description = "x".repeat(5_000);
    let heavy = |n: usize| {
        version("heavy", &n.to_string())
            .with("description", description.as_str())
            .record()
    };
    let records: Vec<Value> = (0..1_000).map(heavy).collect();
    app.ingest(&records).await;
    assert_eq!(length(), before);
    send(&app, "k1", &creation(&unnamed())).await.ok();
    assert_eq!(kept(&app).await, 1);
    assert_eq!(length(), before);
}

#[tokio::test]
async fn a_version_named_by_the_server_has_32_digits_with_a_key_too() {
    let app = TestApp::new(TestDb::sqlite().await).await;
    let reply = send(&app, "k", &creation(&unnamed())).await;
    let name = reply.ok()["createVersion"]["version"]["version"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()),
        "{name}"
    );
    let key: Value = artifact("orders");
    let found = app
        .chosen(json!({"key": {"artifact": key, "version": name}}), "version")
        .await;
    assert_eq!(found["version"], name.as_str());
}

/// A REST endpoint as they are all made: it counts how often it is executed, and answers what its body asks for.
mod an_endpoint_under_api {
    use std::sync::atomic::{AtomicU16, Ordering};

    use axum::{
        Router,
        extract::State,
        http::{HeaderValue, StatusCode},
        response::{IntoResponse, Response},
        routing::post,
    };
    use heirloom::{
        graphql::{context::RequestId, error::ApiError},
        http::{
            body::{self, BodyLimit, BodyRoom},
            idempotency::{Keyed, once},
            reply::{Refusal, Reply},
        },
        service::{Clock, WriteError, idempotency::Answers},
    };
    use tower::ServiceExt;

    use super::*;

    #[derive(Clone)]
    struct Endpoint {
        answers: Answers,
        limit: BodyLimit,
        executed: Arc<AtomicU16>,
    }

    async fn answer(State(endpoint): State<Endpoint>, request: Request<Body>) -> Response {
        let id = RequestId::random();
        let answered = run(endpoint, request, id.clone()).await;
        answered.map_or_else(|refusal| refusal.into_rest(&id), IntoResponse::into_response)
    }

    async fn run(endpoint: Endpoint, request: Request<Body>, id: RequestId) -> Result<Reply, Refusal> {
        let (parts, body) = request.into_parts();
        let body = body::read(&parts.headers, body, &endpoint.limit).await?;
        let keyed = Keyed::of(&parts, &body)?;
        let execution = async move {
            let times = endpoint.executed.fetch_add(1, Ordering::SeqCst) + 1;
            match &body[..] {
                b"full" => Refusal::from(ApiError::from(WriteError::Full)).into_rest_reply(&id),
                _ => Reply::new(
                    StatusCode::CREATED,
                    HeaderValue::from_static("text/plain"),
                    format!("{times}"),
                ),
            }
        };
        once(Some(&endpoint.answers), keyed, execution).await
    }

    async fn send(router: &Router, key: Option<&str>, body: &[u8]) -> Reply3 {
        let mut request = Request::post("/api/v1/things");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = router.clone().oneshot(request.body(Body::from(body.to_vec())).unwrap());
        let (parts, body) = response.await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        let replayed = parts.headers.contains_key("idempotency-replayed");
        if parts.status == 503 {
            assert!(parts.headers.contains_key(RETRY_AFTER));
        }
        (
            parts.status.as_u16(),
            replayed,
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    /// Status, whether it was replayed, and the body.
    type Reply3 = (u16, bool, String);

    #[tokio::test]
    async fn has_the_same_in_one_function() {
        let db = TestDb::sqlite().await;
        let endpoint = Endpoint {
            answers: Answers::start(db.store().await, Clock::System, 1),
            limit: BodyLimit {
                name: "limits.event_body_bytes",
                bytes: 10,
                room: BodyRoom::new(100),
            },
            executed: Arc::default(),
        };
        let router = Router::new().route("/api/v1/things", post(answer)).with_state(endpoint);
        let created = |replayed, body: &str| (201, replayed, body.to_owned());
        assert_eq!(send(&router, Some("k"), b"a").await, created(false, "1"));
        assert_eq!(send(&router, Some("k"), b"a").await, created(true, "1"));
        assert_eq!(send(&router, None, b"a").await, created(false, "2"));
        for (key, body, status, code) in [
            ("k", &b"b"[..], 422, "BAD_USER_INPUT"),
            ("", b"a", 400, "BAD_USER_INPUT"),
            ("k", b"more than ten bytes", 413, "LIMIT_EXCEEDED"),
            ("k2", b"full", 503, "UNAVAILABLE"),
        ] {
            let (said, _, text) = send(&router, Some(key), body).await;
            let error: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((said, &error["code"]), (status, &json!(code)), "{text}");
            assert!(error["message"].as_str().unwrap().ends_with('.'), "{text}");
        }
        assert_eq!(
            send(&router, Some("k2"), b"a").await,
            created(false, "4"),
            "503 is not kept"
        );
    }
}
