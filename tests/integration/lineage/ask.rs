//! Questions to the API, and its answers in the words of the reference.

use serde_json::{Value, json};

use super::reference::{Answer, Line, Path, Seen};
use crate::support::{Reply, TestApp};

/// Everything that an answer has.
pub const FIELDS: &str = "revision roots { id } nodes { distance upstreamCount downstreamCount node { id __typename } }
    edges { source target role name recordedAt } complete stoppedBy endCursor nodeCount counts { distance kind count }";

/// Runs `lineage`.
pub async fn ask(app: &TestApp, roots: &[impl AsRef<str>], options: Value, fields: &str) -> Reply {
    let query = format!(
        "query($roots: [ID!]!, $options: LineageOptions) {{ lineage(roots: $roots, options: $options) {{ {fields} }} }}"
    );
    let roots: Vec<&str> = roots.iter().map(AsRef::as_ref).collect();
    app.query(&query, json!({"roots": roots, "options": options})).await
}

/// Runs `lineage`, which must succeed, and reads all of its answer.
pub async fn answer(app: &TestApp, roots: &[impl AsRef<str>], options: Value) -> Answer {
    read(&ask(app, roots, options, FIELDS).await.ok()["lineage"])
}

/// Some fields of an answer that must succeed.
pub async fn part(app: &TestApp, roots: &[impl AsRef<str>], options: Value, fields: &str) -> Value {
    ask(app, roots, options, fields).await.ok()["lineage"].clone()
}

/// Reads an answer that has all [`FIELDS`].
pub fn read(lineage: &Value) -> Answer {
    let mut edges: Vec<Line> = list(&lineage["edges"]).iter().map(line).collect();
    edges.sort();
    Answer {
        revision: lineage["revision"].as_i64().unwrap(),
        roots: list(&lineage["roots"]).iter().map(|root| text(&root["id"])).collect(),
        nodes: list(&lineage["nodes"]).iter().map(seen).collect(),
        edges,
        complete: lineage["complete"].as_bool().unwrap(),
        stopped_by: list(&lineage["stoppedBy"]).iter().map(text).collect(),
        has_cursor: lineage["endCursor"].is_string(),
        node_count: size(&lineage["nodeCount"]),
        counts: list(&lineage["counts"])
            .iter()
            .map(|count| (size(&count["distance"]), text(&count["kind"]), size(&count["count"])))
            .collect(),
    }
}

fn seen(json: &Value) -> Seen {
    let id = text(&json["node"]["id"]);
    let kind = text(&json["node"]["__typename"]).to_lowercase();
    assert!(id.starts_with(&kind), "{json}");
    Seen {
        id,
        distance: size(&json["distance"]),
        upstream: size(&json["upstreamCount"]),
        downstream: size(&json["downstreamCount"]),
    }
}

fn line(json: &Value) -> Line {
    Line {
        source: text(&json["source"]),
        target: text(&json["target"]),
        role: text(&json["role"]),
        name: json["name"].as_str().map(str::to_owned),
        recorded_at: text(&json["recordedAt"]),
    }
}

/// Runs `lineagePaths`; without a number, as who asks for none.
pub async fn ask_paths(app: &TestApp, from: &str, to: &str, first: Option<i64>, as_of: Option<i64>) -> Reply {
    let query = "query($from: ID!, $to: ID!, $asOf: AsOf) { lineagePaths(from: $from, to: $to, asOf: $asOf FIRST) {
        nodes { id } edges { source target role name recordedAt } } }";
    let first = first.map(|first| format!(", first: {first}")).unwrap_or_default();
    let as_of = as_of.map(|revision| json!({"revision": revision}));
    let variables = json!({"from": from, "to": to, "asOf": as_of});
    app.query(&query.replace("FIRST", &first), variables).await
}

/// Runs `lineagePaths`, which must succeed.
pub async fn paths(app: &TestApp, from: &str, to: &str, first: i64, as_of: Option<i64>) -> Vec<Path> {
    let reply = ask_paths(app, from, to, Some(first), as_of).await;
    let path = |json: &Value| {
        (
            list(&json["nodes"]).iter().map(|node| text(&node["id"])).collect(),
            list(&json["edges"]).iter().map(line).collect(),
        )
    };
    list(&reply.ok()["lineagePaths"]).iter().map(path).collect()
}

/// The id of the newest version that a name and a version stand for, in the project and domain of the tests.
pub async fn version_id(app: &TestApp, artifact: &str, version: &str) -> String {
    text(
        &app.chosen(crate::support::fixtures::exact(artifact, version), "id")
            .await["id"],
    )
}

/// The id of an execution in the project and domain of the tests.
pub async fn execution_id(app: &TestApp, name: &str) -> String {
    text(&app.execution(name, "id").await["id"])
}

/// The id of an artifact in the project and domain of the tests.
pub async fn artifact_id(app: &TestApp, name: &str) -> String {
    text(&app.artifact(name, "id").await["id"])
}

fn list(json: &Value) -> &Vec<Value> {
    json.as_array().unwrap_or_else(|| panic!("no list: {json}"))
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("no text: {json}")).to_owned()
}

fn size(json: &Value) -> usize {
    usize::try_from(json.as_u64().unwrap_or_else(|| panic!("no number: {json}"))).unwrap()
}
