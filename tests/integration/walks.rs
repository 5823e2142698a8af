//! Walks that take long: they stop when time is over, and when nobody waits for them any more.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{TestApp, TestDb, artifact, execution, version},
};

/// As many versions are read by one failed run, from which as many failed runs follow one another.
const MANY: usize = 1_000;

/// A graph in which a hop from each of many nodes leads through many others. With `fanOut`, each node's neighbours are found by
/// themselves, so that the walk takes long, however little it shows.
async fn long_walk(app: &TestApp) -> String {
    let mut first = execution("failed-0").state("FAILED");
    for n in 0..MANY {
        first = first.consumes(&format!("in-{n}"), "source", &format!("s{n}"));
    }
    first = first.produces("out", &version("between", "b0"));
    let mut records = vec![first.record()];
    for n in 1..MANY {
        let run = execution(&format!("failed-{n}")).state("FAILED");
        let run = run.consumes("in", "between", &format!("b{}", n - 1));
        records.push(run.produces("out", &version("between", &format!("b{n}"))).record());
    }
    let last = execution("last")
        .state("SUCCEEDED")
        .consumes("in", "between", &format!("b{}", MANY - 1));
    records.push(last.produces("out", &version("source", "the-end")).record());
    app.ingest(&records).await;
    app.artifact("source", "id").await["id"].as_str().unwrap().to_owned()
}

const QUERY: &str = "query($root: ID!, $options: LineageOptions) { lineage(roots: [$root], options: $options) { complete stoppedBy endCursor nodeCount } }";

fn options(more: Value) -> Value {
    let mut options = json!({"direction": "DOWNSTREAM", "limit": 100_000,
        "where": {"artifacts": [artifact("source")], "states": ["SUCCEEDED"]}});
    options
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    options
}

on_both_databases! {
    async fn a_walk_ends_when_time_is_over_or_nobody_waits(db: TestDb) {
        let app = TestApp::new(db).await;
        let root = long_walk(&app).await;
        let ask = |more| json!({"root": root, "options": options(more)});

        // All that is at distance 0 is there; what follows was not reached.
        let late = app.query(QUERY, ask(json!({"fanOut": MANY, "deadlineMs": 20}))).await.ok()["lineage"].clone();
        assert_eq!(late["stoppedBy"], json!(["DEADLINE"]));
        assert_eq!((&late["complete"], &late["nodeCount"]), (&json!(false), &json!(MANY + 1)));
        let after = late["endCursor"].as_str().unwrap();
        // Going on from there with as little time finds nothing new, which is no empty page.
        let reply = app.query(QUERY, ask(json!({"fanOut": MANY, "deadlineMs": 20, "after": after}))).await;
        reply.refused("DEADLINE_EXCEEDED").says(&["20 ms", "deadlineMs"]);

        let walking = tokio::spawn({
            let (router, variables) = (app.router.clone(), ask(json!({"fanOut": MANY})));
            async move { TestApp::query_on(&router, QUERY, variables).await }
        });
        while app.lineage.walks() == 0 {
            assert!(!walking.is_finished(), "the walk is too short to be given up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        walking.abort();
        // One that never lets others have a turn would have come to its end.
        assert!(walking.await.unwrap_err().is_cancelled());
        assert_eq!(app.lineage.walks(), 0);

        let whole = app.query(QUERY, ask(json!({}))).await.ok()["lineage"].clone();
        assert_eq!((&whole["complete"], &whole["nodeCount"]), (&json!(true), &json!(MANY + 2)));
    }
}
