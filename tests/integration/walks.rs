//! Walks that take long: they stop when time is over, and when nobody waits for them any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use heirloom::{
    config::Config,
    domain::record::ExecutionState,
    graphql::node_id::NodeId,
    lineage::{
        Lineage,
        question::{Direction, Filter, Level, Question},
    },
};
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
        // Time begins where the page does, so that however little there is of it, every page shows more than the one before.
        let next = app.query(QUERY, ask(json!({"fanOut": MANY, "deadlineMs": 1, "after": after}))).await;
        assert!(next.ok()["lineage"]["nodeCount"].as_u64().unwrap() > MANY as u64 + 1, "{}", next.body);

        // It takes a turn only when it is given one here. One that never lets others have theirs would come to its end.
        let mut walking = Box::pin(TestApp::query_on(&app.router, QUERY, ask(json!({"fanOut": MANY}))));
        while app.lineage.walks() == 0 {
            assert!(walking.as_mut().now_or_never().is_none(), "the walk is too short to be given up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(walking);
        assert_eq!(app.lineage.walks(), 0);

        let whole = app.query(QUERY, ask(json!({}))).await.ok()["lineage"].clone();
        assert_eq!((&whole["complete"], &whole["nodeCount"]), (&json!(true), &json!(MANY + 2)));
    }

    // The store is far ahead of the graph: it is read anew, beside a walk that goes on in the one before.
    async fn a_graph_far_behind_is_read_anew_without_a_walk_noticing(db: TestDb) {
        let app = TestApp::new(db).await;
        let far = Lineage::reading_anew_after(app.store.clone(), 5);
        long_walk(&app).await;
        let at = far.follow_newest().await.unwrap();
        let root = NodeId::Artifact(entity::ArtifactId(1)).node().unwrap();
        let question = |revision, projects: &[&str]| Arc::new(Question {
            roots: vec![root],
            direction: Direction::Downstream,
            level: Level::Full,
            depth: None,
            // Each node's neighbours are found by themselves, which takes long.
            fan_out: Some(1_000_000),
            filter: Some(Filter {
                artifacts: Some(vec![root]),
                projects: Some(projects.iter().map(|project| (*project).to_owned()).collect()),
                states: Some(vec![ExecutionState::Succeeded]),
                ..Filter::default()
            }),
            revision,
        });
        let walk = |lineage: Lineage, question| async move {
            let walked = lineage.walk(question, 0, usize::MAX, Duration::from_secs(60)).await;
            let edges = lineage.edges(&walked, usize::MAX, Instant::now() + Duration::from_secs(60)).await.unwrap();
            let graph = lineage.graph();
            let names: Vec<String> = edges.iter().filter_map(|edge| edge.name(graph.at(at)).map(str::to_owned)).collect();
            (walked.node_count(), names)
        };
        let before = walk(far.clone(), question(at, &["shop"])).await;
        assert_eq!(before.1, ["out"]);
        // It has taken its first turn, and takes the next when the graph is another.
        let mut walking = Box::pin(walk(far.clone(), question(at, &["shop"])));
        assert!(walking.as_mut().now_or_never().is_none(), "the walk is too short to meet another graph");
        // Names that are read before others, where a graph is read whole.
        for n in 0..8 {
            let other = version("a-new-artifact", &format!("v{n}"));
            let run = execution(&format!("a-new-run-{n}")).produces(&format!("a-new-name-{n}"), &other);
            app.ingest(&[run.record()]).await;
        }
        far.follow_newest().await.unwrap();
        assert_eq!(walking.await, before);
        assert_eq!(walk(far.clone(), question(at, &["shop"])).await, before);
    }

    // Which executions pass a filter on states is decided by what is known of them now.
    async fn a_cursor_is_refused_when_what_was_shown_is_another_by_now(db: TestDb) {
        let app = TestApp::new(db).await;
        app.create(&version("hub", "h")).await;
        let run = |n: usize, state| execution(&format!("run-{n}")).state(state).consumes("in", "hub", "h").record();
        app.ingest(&(0..6).map(|n| run(n, "RUNNING")).collect::<Vec<_>>()).await;
        let root = app.artifact("hub", "id").await["id"].clone();
        let page = |after: Value| {
            let options = json!({"direction": "DOWNSTREAM", "limit": 3, "where": {"states": ["RUNNING"]}, "after": after});
            app.query(QUERY, json!({"root": root, "options": options}))
        };
        let first = page(Value::Null).await.ok()["lineage"].clone();
        assert_eq!(page(first["endCursor"].clone()).await.ok()["lineage"]["nodeCount"], json!(6));
        app.ingest(&[run(0, "SUCCEEDED")]).await;
        page(first["endCursor"].clone()).await.refused("BAD_CURSOR").says(&["states", "begin again"]);
    }

    async fn filters_that_contradict_themselves_are_refused(db: TestDb) {
        let app = TestApp::new(db).await;
        let id = app.create(&version("orders", "v1")).await.id;
        let ask = |filter: Value| app.query(QUERY, json!({"root": id, "options": {"where": filter}}));
        ask(json!({"projects": ["nope"]})).await.refused("NOT_FOUND").says(&["nope"]);
        ask(json!({"projects": ["production"]})).await.refused("NOT_FOUND");
        let other = json!({"version": {"artifact": {"project": "other", "domain": "d", "name": "n"}, "version": "1"}});
        app.ingest(&[other]).await;
        ask(json!({"projects": ["other"], "artifacts": [artifact("orders")]})).await.refused("BAD_USER_INPUT").says(&["shop", "projects"]);
        ask(json!({"projects": ["shop", "other"], "artifacts": [artifact("orders")]})).await.ok();
    }

    // Clients leave variables out that they have no value for, and send filters of any length.
    async fn options_may_be_left_out_or_long(db: TestDb) {
        let app = TestApp::new(db).await;
        let id = app.create(&version("orders", "v1")).await.id;
        let query = "query($id: ID!, $depth: Int, $where: LineageFilter) { lineage(roots: [$id], options: {depth: $depth, where: $where}) { nodeCount } }";
        assert_eq!(app.query(query, json!({"id": id})).await.ok()["lineage"]["nodeCount"], 1);
        let many: Vec<Value> = (0..300).map(|_| artifact("orders")).collect();
        let variables = json!({"root": id, "options": {"where": {"artifacts": many}}});
        assert_eq!(app.query(QUERY, variables).await.ok()["lineage"]["nodeCount"], 1);
    }

    async fn what_would_be_too_much_to_answer_is_refused(db: TestDb) {
        let mut config = Config::default();
        config.limits.lineage_edges_maximum = 5;
        config.limits.lineage_export_maximum = 6;
        let app = TestApp::with(db, config).await;
        let run = (0..3).fold(execution("all"), |run, n| run.consumes(&format!("i{n}"), "raw", &format!("r{n}")));
        let run = (0..3).fold(run, |run, n| run.produces(&format!("o{n}"), &version("made", &format!("m{n}"))));
        app.ingest(&[run.record()]).await;
        let root = app.artifact("raw", "id").await["id"].clone();
        let ask = |level: &str, field: &str| {
            let query = format!("query($root: ID!) {{ lineage(roots: [$root], options: {{direction: DOWNSTREAM, level: {level}}}) {{ nodeCount {field} }} }}");
            let variables = json!({"root": root});
            let app = &app;
            async move { app.query(&query, variables).await }
        };
        ask("VERSION", "edges { source }").await.refused("LIMIT_EXCEEDED").says(&["limits.lineage_edges_maximum", "5"]);
        ask("ARTIFACT", "edges { source } export(format: DOT)").await.ok();
        ask("EXECUTION", "edges { source }").await.ok();
        ask("FULL", "export(format: CSV)").await.refused("LIMIT_EXCEEDED");
    }
}
