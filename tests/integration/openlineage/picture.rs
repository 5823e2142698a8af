//! What a store holds, told apart from when it was recorded.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    openlineage::NAMESPACE,
    process::{run, text},
};

/// The edges of all executions: `job of r1: s3://lake/d@v -> r1` for inputs, `r1 -> …` for outputs.
pub async fn edges(app: &TestApp) -> Vec<String> {
    edges_as_of(app, None).await
}

/// The same, as of a revision.
pub async fn edges_as_of(app: &TestApp, revision: Option<i64>) -> Vec<String> {
    let fields = "executions(first: 500) { nodes { name inputs { edges { node { version state artifact { name } } } }
        outputs { edges { node { version state artifact { name } } } } } }";
    let data = match revision {
        Some(number) => {
            let query = format!("query($number: Long!) {{ at(asOf: {{revision: $number}}) {{ {fields} }} }}");
            app.data(&query, json!({"number": number})).await["at"].clone()
        }
        None => app.data(&format!("{{ {fields} }}"), json!({})).await,
    };
    let mut edges = Vec::new();
    for execution in data["executions"]["nodes"].as_array().unwrap() {
        let name = execution["name"].as_str().unwrap();
        let of = |list: &str| execution[list]["edges"].as_array().unwrap().clone();
        edges.extend(
            of("inputs")
                .iter()
                .map(|edge| format!("{} -> {name}", end(&edge["node"]))),
        );
        edges.extend(
            of("outputs")
                .iter()
                .map(|edge| format!("{name} -> {}", end(&edge["node"]))),
        );
    }
    edges.sort();
    edges
}

/// `orders@v1`; with `?` behind it as long as nobody has produced it.
fn end(version: &Value) -> String {
    let mark = if version["state"] == "REFERENCED" { "?" } else { "" };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    format!(
        "{}@{}{mark}",
        text(&version["artifact"]["name"]),
        text(&version["version"])
    )
}

/// Fields of the artifact that a dataset is.
pub async fn dataset(app: &TestApp, name: &str, fields: &str) -> Value {
    let query = format!("query($key: ArtifactKey!) {{ artifact(key: $key) {{ {fields} }} }}");
    let key = json!({"project": NAMESPACE, "domain": "default", "name": name});
    app.data(&query, json!({"key": key})).await["artifact"].clone()
}

/// Fields of the execution that a run is.
pub async fn execution(app: &TestApp, run: &str, fields: &str) -> Value {
    let query = format!("query($key: ExecutionKey!) {{ execution(key: $key) {{ {fields} }} }}");
    let key = json!({"project": NAMESPACE, "domain": "default", "name": run});
    app.data(&query, json!({"key": key})).await["execution"].clone()
}

/// Everything that the command line exports.
pub async fn export(url: &str) -> String {
    let url = url.to_owned();
    let exported = tokio::task::spawn_blocking(move || run(&["export", "--database", &url]))
        .await
        .unwrap();
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    text(&exported.stdout)
}
