//! Rule 24: every error has a code of the list, and says in one sentence what was wrong and what would be right.

use heirloom::config::Config;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{TestApp, TestDb, artifact, declaration, execution, fixtures::latest, version},
};

on_both_databases! {
    async fn rule_24_every_error_has_a_code_and_a_sentence(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("orders", &["region"], None)).await.ok();
        let made = app.create(&version("orders", "v1").at(&[("region", "EU")])).await;
        let key = json!({"key": artifact("orders")});
        let list = |arguments: &str| format!("query($key: ArtifactKey!) {{ artifact(key: $key) {{ versions({arguments}) {{ nodes {{ id }} }} }} }}");
        let deep = format!("{{ artifacts {}{} }}", "{ nodes { versions ".repeat(20), "} }".repeat(20));
        for (code, query, variables) in [
            ("GRAPHQL_PARSE_FAILED", "{ artifacts { ".to_owned(), json!({})),
            ("GRAPHQL_VALIDATION_FAILED", "{ artefacts { totalCount } }".to_owned(), json!({})),
            ("GRAPHQL_VALIDATION_FAILED", "query($first: Int!) { artifacts(first: $first) { totalCount } }".to_owned(), json!({})),
            ("BAD_USER_INPUT", list("first: -1"), key.clone()),
            ("BAD_USER_INPUT", "{ node(id: \"nonsense\") { id } }".to_owned(), json!({})),
            ("BAD_CURSOR", list("after: \"nonsense\""), key.clone()),
            ("UNKNOWN_PARTITION_KEY", list("where: {partition: {values: [{key: \"model\", eq: \"m\"}]}}"), key.clone()),
            ("LIMIT_EXCEEDED", list("first: 100000"), key.clone()),
            ("LIMIT_EXCEEDED", deep, json!({})),
            ("NOT_FOUND", "mutation { deleteVersion(input: {version: \"version_7777\"}) { revision } }".to_owned(), json!({})),
        ] {
            let reply = app.query(&query, variables).await;
            reply.refused(code);
            let limited = code == "LIMIT_EXCEEDED";
            assert_eq!(reply.errors[0]["extensions"]["limit"].is_u64(), limited, "{}", reply.body);
            assert_eq!(reply.errors[0]["extensions"]["actual"].is_u64(), limited, "{}", reply.body);
        }
        app.try_create(&version("orders", "v1").at(&[("region", "US")])).await.refused("CONFLICT");
        app.declare(declaration("orders", &[], None)).await.refused("FAILED_PRECONDITION");
        app.try_record(&execution("e").takes("in", latest("clicks"))).await.refused("NOT_FOUND");
        app.set_alias(&made.id.replace("version", "artifact"), "x", false).await.refused("BAD_USER_INPUT").says(&["artifact", "version"]);
    }

    async fn rule_24_an_error_stands_at_its_place_and_the_rest_is_answered(db: TestDb) {
        let app = TestApp::new(db).await;
        let made = app.create(&version("orders", "v1")).await;
        let reply = app.query("query($id: ID!) { good: node(id: $id) { id } bad: node(id: \"x\") { id } none: node(id: \"version_7777\") { id } }", json!({"id": made.id})).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.data, json!({"good": {"id": made.id}, "bad": null, "none": null}));
        assert_eq!(reply.errors.len(), 1);
        assert_eq!(reply.errors[0]["path"], json!(["bad"]));
        assert_eq!((reply.code(), reply.argument()), ("BAD_USER_INPUT", "id"));
    }

    async fn rule_24_internal_hides_its_cause(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("orders", "v1")).await;
        let connection = app.db.connection().await;
        connection.execute_unprepared("ALTER TABLE alias RENAME TO stolen").await.unwrap();
        connection.close().await.unwrap();
        let query = "query($key: ArtifactKey!) { artifact(key: $key) { versions { nodes { version aliases } } } }";
        let reply = app.query(query, json!({"key": artifact("orders")})).await;
        reply.refused("INTERNAL").says(&["request id"]);
        let id = reply.errors[0]["extensions"]["requestId"].as_str().unwrap();
        assert_eq!(id, reply.headers["x-request-id"]);
        for secret in ["alias", "SELECT", "no such table", "relation", "sqlx", "version_id"] {
            let rest = reply.body.replace("\"aliases\"", "");
            assert!(!rest.contains(secret), "{secret:?} is in {}", reply.body);
        }
        assert_eq!(app.revision().await, 1, "the server goes on");
    }

    async fn rule_24_an_answer_that_takes_too_long_is_deadline_exceeded(db: TestDb) {
        let mut config = Config::default();
        config.server.request_timeout_ms = 2_000;
        let app = TestApp::with(db, config).await;
        app.create(&version("orders", "v1")).await;
        let blocking = app.store.begin_write().await.unwrap();
        let reply = app.try_create(&version("orders", "v2")).await;
        reply.refused("DEADLINE_EXCEEDED").says(&["2000 ms"]);
        assert_eq!(reply.errors[0]["extensions"]["retryable"], true);
        assert_eq!(app.revision().await, 1, "reading goes on beside a write");
        blocking.rollback().await.unwrap();
        let again = app.create(&version("orders", "v2")).await;
        assert_eq!(again.revision, 2);
    }

    async fn rule_24_a_database_that_does_not_answer_is_unavailable(db: TestDb) {
        let app = TestApp::new(db).await;
        app.store.close().await.unwrap();
        let written = app.try_create(&version("orders", "v1")).await;
        let read = app.query("{ revision { number } }", json!({})).await;
        for reply in [written, read] {
            reply.refused("UNAVAILABLE").says(&["try again"]);
            assert_eq!(reply.errors[0]["extensions"]["retryable"], true);
            assert_eq!(reply.data, Value::Null);
        }
    }
}
