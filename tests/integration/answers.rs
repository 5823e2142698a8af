//! No answer has more bytes than the limit, whatever makes it large; and none is refused that has no more.

use axum::Router;
use heirloom::config::Config;
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{Reply, TestApp, TestDb, artifact, execution, version},
};

/// What the answers of these tests may have.
const LIMIT: usize = 100_000;

fn limited(bytes: usize) -> Config {
    let mut config = Config::default();
    config.limits.answer_bytes = bytes;
    config
}

/// Both ways in which answers are made: from prepared rows, and field by field.
fn both_ways(app: &TestApp, bytes: usize) -> [Router; 2] {
    [true, false].map(|prepares| app.answering(limited(bytes), prepares))
}

/// The request was executed, and its answer is that it has too many bytes.
#[track_caller]
fn is_too_large(reply: &Reply, query: &str) {
    assert_eq!(
        (reply.errors.len(), reply.code()),
        (1, "LIMIT_EXCEEDED"),
        "{query}: {:.300}",
        reply.body
    );
    reply
        .refused("LIMIT_EXCEEDED")
        .says(&["limits.answer_bytes", "ask for fewer nodes or fields"]);
    assert_eq!((reply.status.as_u16(), &reply.data), (200, &Value::Null));
    let numbers = &reply.errors[0]["extensions"];
    let (limit, actual) = (numbers["limit"].as_u64().unwrap(), numbers["actual"].as_u64().unwrap());
    assert!(actual > limit && reply.body.contains("\"data\":null"), "{}", reply.body);
}

async fn refused_both_ways(app: &TestApp, query: &str) {
    for router in both_ways(app, LIMIT) {
        is_too_large(&TestApp::query_on(&router, query, json!({})).await, query);
    }
}

/// The key that records of a name have, as it stands in a document.
fn key(name: &str) -> String {
    format!("{{project: \"shop\", domain: \"production\", name: \"{name}\"}}")
}

/// A parent with much metadata, and twenty children with some.
async fn family(app: &TestApp) {
    let facet = |bytes: usize| json!({"facet": "x".repeat(bytes)});
    app.record(
        &execution("parent")
            .with("metadata", facet(30_000))
            .with("error", "e".repeat(30_000)),
    )
    .await;
    let child = |n| {
        let child = execution(&format!("child-{n}")).with("parent", artifact("parent"));
        child.with("metadata", facet(10_000)).record()
    };
    app.ingest(&(0..20).map(child).collect::<Vec<_>>()).await;
}

/// Versions with long texts, one of which was made from all the others.
async fn texts(app: &TestApp) {
    let long = |n| {
        let one = version("orders", &format!("v{n}")).with("card", "c".repeat(20_000));
        one.with("description", "d".repeat(20_000))
            .with("metadata", json!({"m": "m".repeat(20_000)}))
            .record()
    };
    app.ingest(&(0..20).map(long).collect::<Vec<_>>()).await;
    let inputs = (0..20).fold(execution("train"), |train, n| {
        train.consumes(&format!("input-{n}"), "orders", &format!("v{n}"))
    });
    app.record(&inputs.produces("model", &version("model", "v1"))).await;
}

on_both_databases! {
    async fn the_server_tells_the_limit(db: TestDb) {
        let app = TestApp::new(db).await;
        for router in both_ways(&app, LIMIT) {
            let reply = TestApp::query_on(&router, "{ serverInfo { limits { answerBytes } } }", json!({})).await;
            assert_eq!(reply.ok()["serverInfo"]["limits"]["answerBytes"], LIMIT);
        }
    }

    async fn the_same_metadata_for_each_of_many_nodes_is_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        family(&app).await;
        for query in [
            "{ executions(first: 20) { nodes { parent { metadata } } } }",
            "{ executions(first: 20) { edges { node { parent { error } } } } }",
            "{ executions(first: 20) { nodes { id parent { children(first: 1) { nodes { parent { metadata } } } } } } }",
        ] {
            refused_both_ways(&app, query).await;
        }
        let few = "{ executions(first: 3) { nodes { parent { metadata } } } }";
        for router in both_ways(&app, LIMIT) {
            assert!(TestApp::query_on(&router, few, json!({})).await.body.len() > 90_000);
        }
    }

    async fn what_would_be_too_much_to_answer_is_not_read(db: TestDb) {
        let app = TestApp::new(db).await;
        // Beside what an answer may have, there is room for a megabyte.
        let facet = |n| execution(&format!("run-{n}")).with("metadata", json!({"facet": "x".repeat(200_000)})).record();
        app.ingest(&(0..8).map(facet).collect::<Vec<_>>()).await;
        refused_both_ways(&app, "{ executions(first: 8) { nodes { metadata } } }").await;
        let [router, _] = both_ways(&app, LIMIT);
        let reply = TestApp::query_on(&router, "{ executions(first: 8) { nodes { metadata } } }", json!({})).await;
        // All of them were to be read at once; had they been, the first one would have been too much.
        assert!(reply.errors[0]["extensions"]["actual"].as_u64().unwrap() > 1_600_000, "{}", reply.body);
    }

    async fn one_node_asked_for_again_and_again_is_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        family(&app).await;
        for field in ["metadata", "error"] {
            let again: String = (0..5).map(|n| format!("a{n}: execution(key: {}) {{ {field} }} ", key("parent"))).collect();
            refused_both_ways(&app, &format!("{{ {again} }}")).await;
        }
    }

    async fn long_texts_of_versions_are_counted(db: TestDb) {
        let app = TestApp::new(db).await;
        texts(&app).await;
        let orders = key("orders");
        for field in ["card", "description", "metadata"] {
            refused_both_ways(&app, &format!("{{ artifact(key: {orders}) {{ versions(first: 20) {{ nodes {{ {field} }} }} }} }}")).await;
            let lineage = "lineage(options: {direction: DOWNSTREAM, limit: 100})";
            refused_both_ways(&app, &format!("{{ artifact(key: {orders}) {{ {lineage} {{ nodes {{ node {{ ... on Version {{ {field} }} }} }} }} }} }}")).await;
        }
    }

    async fn many_short_values_are_counted(db: TestDb) {
        let app = TestApp::new(db).await;
        let record = |n| execution(&format!("run-{n}-{}", "n".repeat(200))).with("entity", "e".repeat(200)).record();
        app.ingest(&(0..400).map(record).collect::<Vec<_>>()).await;
        app.lineage.follow_newest().await.unwrap();
        for query in [
            "{ executions(first: 400) { nodes { name entity } } }",
            "{ executions(first: 400) { edges { cursor node { name } } } }",
            "{ executions(first: 400) { nodes { name entity attempt } } }",
        ] {
            refused_both_ways(&app, query).await;
        }
    }

    async fn lineage_and_its_pictures_are_counted(db: TestDb) {
        let app = TestApp::new(db).await;
        let train = (0..600).fold(execution("train"), |train, n| {
            train.produces(&format!("output-{n}"), &version(&format!("artifact-{n}-{}", "n".repeat(200)), "v"))
        });
        app.record(&train).await;
        app.lineage.follow_newest().await.unwrap();
        let id = app.execution("train", "id").await["id"].as_str().unwrap().to_owned();
        for fields in [
            "nodes { distance node { id ... on Version { uri } } }",
            "nodes { distance node { id ... on Version { uri isLatest } } }",
            "edges { source target name recordedAt } nodes { node { ... on Version { artifact { name } } } }",
            "export(format: JSON)",
            "export(format: MERMAID)",
        ] {
            let query = format!("{{ lineage(roots: [\"{id}\"], options: {{direction: DOWNSTREAM, limit: 1000}}) {{ {fields} }} }}");
            refused_both_ways(&app, &query).await;
        }
    }

    async fn events_are_counted(db: TestDb) {
        let app = TestApp::new(db).await;
        let event = |n: usize| json!({
            "eventTime": "2026-11-23T10:00:00Z", "eventType": "COMPLETE", "producer": "https://example.org/p",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": format!("01234567-89ab-7def-8123-{n:012}"), "facets": {"note": {
                "_producer": "https://example.org/p", "_schemaURL": "https://example.org/s", "text": "t".repeat(20_000),
            }}},
            "job": {"namespace": "n", "name": format!("job-{n}")},
        });
        app.hear(&(0..20).map(event).collect::<Vec<_>>()).await;
        refused_both_ways(&app, "{ events(first: 20) { nodes { body } } }").await;
    }

    async fn what_a_mutation_has_written_stays_however_much_is_asked_of_it(db: TestDb) {
        let app = TestApp::new(db).await;
        let router = app.answering(limited(50_000), true);
        let query = "mutation($input: RecordExecutionInput!) { recordExecution(input: $input) { execution { metadata } } }";
        let input = execution("one").with("metadata", json!({"facet": "x".repeat(60_000)})).json();
        let reply = TestApp::query_on(&router, query, json!({"input": input})).await;
        reply.refused("LIMIT_EXCEEDED").says(&["limits.answer_bytes"]);
        assert_eq!((reply.status.as_u16(), &reply.errors[0]["path"]), (200, &json!(["recordExecution", "execution", "metadata"])));
        assert!(!app.execution("one", "id").await.is_null());
    }
}
