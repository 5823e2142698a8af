//! Lineage as a field of nodes, in the view in which the node is seen, and the fields of nodes in lineage.

use serde_json::{Value, json};

use super::ask::{FIELDS, answer, artifact_id, part, read, version_id};
use crate::{
    on_both_databases,
    support::{TestApp, TestDb, declaration, execution, fixtures::exact, version},
};

/// Thirty days of orders by region, each made from the clicks of its day by a run, and read by a report.
pub async fn furnished(db: TestDb) -> TestApp {
    let app = TestApp::new(db).await;
    app.declare(declaration("orders", &["region"], Some("DAY"))).await.ok();
    let mut records = vec![];
    for n in 0..30 {
        let day = format!("2026-10-{:02}", 1 + n);
        let orders = version("orders", &format!("o{n}"))
            .at(&[("region", "EU")])
            .time(&day)
            .created_at(&day)
            .with("location", format!("s3://{n}"));
        let run = execution(&format!("load{n}"))
            .state("SUCCEEDED")
            .consumes("in", "clicks", &format!("c{n}"))
            .produces("out", &orders);
        records.push(run.record());
        records.push(
            execution(&format!("report{n}"))
                .consumes("orders", "orders", &format!("o{n}"))
                .produces("out", &version("report", &n.to_string()))
                .record(),
        );
    }
    app.ingest(&records).await;
    app
}

/// A question to the root field, and to the node itself: both give the same answer.
async fn same_nested(app: &TestApp, id: &str, options: Value) {
    let kind = id.split_once('_').unwrap().0;
    let kind = kind[..1].to_uppercase() + &kind[1..];
    let query = format!(
        "query($id: ID!, $options: LineageOptions) {{ node(id: $id) {{ ... on {kind} {{ lineage(options: $options) {{ {FIELDS} }} }} }} }}"
    );
    let data = app.data(&query, json!({"id": id, "options": options})).await;
    assert_eq!(
        read(&data["node"]["lineage"]),
        answer(app, &[id], options).await,
        "{kind}"
    );
}

on_both_databases! {
    async fn nested_lineage_is_that_of_the_root_field(db: TestDb) {
        let app = furnished(db).await;
        let orders = app.chosen(exact("orders", "o7"), "id artifact { id } partition { id } producer { id }").await;
        let ids = [&orders["id"], &orders["artifact"]["id"], &orders["partition"]["id"], &orders["producer"]["id"]];
        for id in ids {
            for level in ["FULL", "VERSION", "EXECUTION", "PARTITION", "ARTIFACT"] {
                for direction in ["UPSTREAM", "DOWNSTREAM", "BOTH"] {
                    same_nested(&app, id.as_str().unwrap(), json!({"level": level, "direction": direction})).await;
                }
            }
            same_nested(&app, id.as_str().unwrap(), json!({"direction": "BOTH", "depth": 1, "fanOut": 1, "limit": 2, "where": {"states": ["QUEUED"]}})).await;
        }
        let without = app.chosen(exact("orders", "o7"), "lineage { nodeCount complete }").await;
        assert_eq!(without["lineage"], json!({"nodeCount": 3, "complete": true}), "upstream, without options");
    }

    async fn lineage_of_many_costs_what_that_of_few_does(db: TestDb) {
        let app = furnished(db).await;
        let of = |list: &str, fields: &str| format!("query($first: Int!) {{ artifact(key: {{project: \"shop\", domain: \"production\", name: \"orders\"}}) {{ {list}(first: $first) {{ nodes {{ {fields} }} }} }} }}");
        let plain = "nodeCount nodes { node { id } }";
        let rich = "nodeCount nodes { distance node { __typename id ... on Version { version location aliases createdAt isLatest artifact { name versionCount } partition { values { value } timePartition { label } } producer { name state } consumers { totalCount } }
            ... on Execution { name state inputs { nodes { version } } parent { name } } ... on Partition { versionCount latest { version } artifact { name } } ... on Artifact { name latest { version } } } } edges { source target role name recordedAt }";
        let queries = [
            of("versions", &format!("lineage(options: {{depth: 1}}) {{ {plain} }}")),
            of("versions", &format!("lineage(options: {{direction: BOTH, limit: 20}}) {{ {rich} }}")),
            of("versions", &format!("lineage(options: {{level: PARTITION, limit: 20}}) {{ {rich} }}")),
            of("versions", &format!("up: lineage {{ {plain} }} down: lineage(options: {{direction: DOWNSTREAM, level: ARTIFACT, limit: 20}}) {{ {rich} }}")),
            of("versions", &format!("producer {{ lineage(options: {{direction: DOWNSTREAM, limit: 20, where: {{partition: {{values: [{{key: \"region\", eq: \"EU\"}}]}}}}}}) {{ {rich} }} }}")),
            of("partitions", &format!("lineage(options: {{direction: BOTH, level: VERSION, limit: 20}}) {{ {rich} }}")),
            "query($first: Int!) { executions(first: $first) { nodes { lineage(options: {level: EXECUTION}) { nodes { node { ... on Execution { name } } } } } } }".to_owned(),
        ];
        for query in queries {
            let mut costs = vec![];
            for first in [2, 20] {
                let reply = app.query(&query, json!({"first": first})).await;
                reply.ok();
                costs.push(reply.statements);
            }
            assert!(costs[0] > 0 && costs[0] == costs[1], "{costs:?}: {query}");
        }
    }

    async fn counts_and_edges_alone_read_no_nodes(db: TestDb) {
        let app = furnished(db).await;
        let id = artifact_id(&app, "orders").await;
        let cost = async |fields: &str| {
            let query = format!("query($roots: [ID!]!) {{ lineage(roots: $roots, options: {{direction: BOTH}}) {{ {fields} }} }}");
            let reply = app.query(&query, json!({"roots": [id]})).await;
            assert_eq!(reply.ok()["lineage"]["nodeCount"], 150);
            reply.statements
        };
        let counts = cost("nodeCount counts { distance kind count } complete stoppedBy endCursor revision").await;
        let edges = cost("nodeCount edges { source target role name recordedAt }").await;
        let ids = cost("nodeCount nodes { distance upstreamCount downstreamCount node { id __typename } }").await;
        let rows = cost("nodeCount nodes { node { ... on Version { location } ... on Execution { name } } }").await;
        // When each revision was recorded may be a statement, and each kind of node is one.
        assert!(ids <= counts + 1 && edges <= counts + 2 && (counts..=counts + 3).contains(&rows), "{counts} {edges} {ids} {rows}");
    }

    async fn fields_of_nodes_are_those_of_the_node(db: TestDb) {
        let app = furnished(db).await;
        let root = version_id(&app, "report", "3").await;
        app.set_alias(&version_id(&app, "orders", "o3").await, "golden", false).await.ok();
        let fields = "__typename id ... on Version { version uri state location aliases metadata createdAt artifact { name partitionKeys } partition { values { key value } timePartition { label } versionCount } producer { name } consumers { nodes { name } } }
            ... on Execution { name kind state startedAt inputs { edges { name node { version } } } outputs { nodes { version } } }";
        let found = part(&app, &[&root], json!({}), &format!("roots {{ {fields} }} nodes {{ node {{ {fields} }} }}")).await;
        let nodes = found["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 5);
        assert_eq!(found["roots"][0], nodes[0]["node"]);
        let query = format!("query($id: ID!) {{ node(id: $id) {{ {fields} }} }}");
        for seen in nodes {
            let alone = app.data(&query, json!({"id": seen["node"]["id"]})).await;
            assert_eq!(alone["node"], seen["node"]);
        }
        let orders = &nodes[2]["node"];
        assert_eq!((&orders["version"], &orders["location"], &orders["aliases"], &orders["producer"]["name"]), (&json!("o3"), &json!("s3://3"), &json!(["golden"]), &json!("load3")));
        // Fragments, aliases, @include and @skip are the library's also here.
        let query = "query($roots: [ID!]!, $yes: Boolean!) { a: lineage(roots: $roots) { ...N again: nodes @include(if: $yes) { distance } no: nodes @skip(if: $yes) { distance } } }
            fragment N on Lineage { nodes { d: distance distance node { ...V ...E ... on Node { id } } } edges { ...L __typename } }
            fragment V on Version { name: version } fragment E on Execution { name } fragment L on LineageEdge { from: source role }";
        let data = app.data(query, json!({"roots": [root], "yes": true})).await;
        let first = &data["a"]["nodes"][1];
        assert_eq!(first, &json!({"d": 1, "distance": 1, "node": {"name": "report3", "id": first["node"]["id"]}}));
        assert_eq!((data["a"]["again"].as_array().unwrap().len(), &data["a"]["no"]), (5, &Value::Null));
        assert_eq!((&data["a"]["edges"][0]["__typename"], data["a"]["edges"][0].as_object().unwrap().len()), (&json!("LineageEdge"), 3));
    }

    async fn inside_a_past_state_nested_lineage_is_of_then(db: TestDb) {
        let app = furnished(db).await;
        let then = app.revision().await;
        app.pass(1);
        app.record(&execution("late").consumes("in", "orders", "o1").produces("out", &version("late", "1"))).await;
        app.delete(&version_id(&app, "report", "1").await).await.ok();
        let query = "query($asOf: AsOf!) { at(asOf: $asOf) { version(query: {uri: \"flyte://av0.1/shop/production/orders@o1\"}) { lineage(options: {direction: DOWNSTREAM}) { revision nodeCount nodes { node { ... on Version { version state consumers { totalCount } } ... on Execution { name } } }
            roots { ... on Version { consumers { totalCount } } } } } } }";
        let before = app.data(query, json!({"asOf": {"revision": then}})).await["at"]["version"]["lineage"].clone();
        assert_eq!((&before["revision"], &before["nodeCount"]), (&json!(then), &json!(3)));
        assert_eq!(before["nodes"][0]["node"]["consumers"]["totalCount"], 1, "what is reached from a node is of then, too");
        assert_eq!(before["roots"][0]["consumers"]["totalCount"], 1);
        assert_eq!(before["nodes"][2]["node"], json!({"version": "1", "state": "AVAILABLE", "consumers": {"totalCount": 0}}));
        let now = app.data(query, json!({"asOf": {"revision": then + 2}})).await["at"]["version"]["lineage"].clone();
        assert_eq!((&now["nodeCount"], &now["nodes"][0]["node"]["consumers"]["totalCount"]), (&json!(5), &json!(2)));
        // An answer as of then, asked for now, shows its nodes as of then.
        let root = version_id(&app, "orders", "o1").await;
        let as_of = part(&app, &[&root], json!({"direction": "DOWNSTREAM", "asOf": {"revision": then}}), "nodes { node { ... on Version { state consumers { totalCount } } } }").await;
        assert_eq!(as_of["nodes"][2]["node"]["state"], "AVAILABLE");
        assert_eq!(as_of["nodes"][0]["node"]["consumers"]["totalCount"], 1);
        let deep = "{ at(asOf: {revision: THEN}) { artifact(key: {project: \"shop\", domain: \"production\", name: \"clicks\"}) { lineage(options: {direction: DOWNSTREAM, level: ARTIFACT, limit: 10}) { revision nodes { node { ... on Artifact { name lineage(options: {direction: DOWNSTREAM, level: ARTIFACT, limit: 10}) { revision nodeCount } } } } } } } }";
        let deep = app.data(&deep.replace("THEN", &then.to_string()), json!({})).await;
        let nodes = deep["at"]["artifact"]["lineage"]["nodes"].as_array().unwrap();
        let inner: Vec<_> = nodes.iter().map(|seen| (seen["node"]["name"].as_str().unwrap(), &seen["node"]["lineage"]["revision"], &seen["node"]["lineage"]["nodeCount"])).collect();
        let then = json!(then);
        assert_eq!(inner, [("clicks", &then, &json!(3)), ("orders", &then, &json!(2)), ("report", &then, &json!(1))]);
    }
}
