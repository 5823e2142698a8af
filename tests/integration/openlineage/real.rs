//! Published events of Airflow, Spark and a simple client.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::picture::edges;
use crate::{
    on_both_databases,
    support::{TestApp, TestDb},
};

/// The events of the OpenLineage project's producer tests, one a line: `data/README.md` says where they are from.
const EVENTS: &str = include_str!("data/events.jsonl");

/// All of them, in the order in which they were sent.
pub fn events() -> Vec<Value> {
    EVENTS.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the events say by themselves: every dataset that each run reads or writes.
fn said(events: &[Value]) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for event in events {
        let run = event["run"]["runId"].as_str().unwrap();
        let names = |list: &str| -> Vec<String> {
            let items = event[list].as_array().cloned().unwrap_or_default();
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect()
        };
        said.extend(names("inputs").iter().map(|name| format!("{name} -> {run}")));
        said.extend(names("outputs").iter().map(|name| format!("{run} -> {name}")));
    }
    said
}

/// Edges without versions.
fn without_versions(edges: &[String]) -> BTreeSet<String> {
    let plain = |end: &str| end.rsplit_once('@').map_or(end, |(name, _)| name).to_owned();
    edges
        .iter()
        .map(|edge| {
            edge.split_once(" -> ")
                .map(|(from, to)| format!("{} -> {}", plain(from), plain(to)))
                .unwrap()
        })
        .collect()
}

on_both_databases! {
    async fn the_graph_is_what_the_events_say(db: TestDb) {
        let app = TestApp::new(db).await;
        let events = events();
        for event in &events {
            let reply = app.send_json("/api/v1/lineage", event).await;
            assert_eq!(reply.status, 201, "{}", reply.body);
        }
        let edges = edges(&app).await;
        assert_eq!(without_versions(&edges), said(&events));
        assert_eq!(edges.len(), said(&events).len(), "each run takes one version of each dataset: {edges:#?}");
        let counts = app.data("{ artifacts { totalCount } executions { totalCount } }", json!({})).await;
        let named = events.iter().flat_map(|event| ["inputs", "outputs"].map(|list| event[list].as_array().cloned().unwrap_or_default()));
        let datasets: BTreeSet<String> = named.flatten().map(|dataset| format!("{} {}", dataset["namespace"], dataset["name"])).collect();
        let runs: BTreeSet<&str> = events.iter().map(|e| e["run"]["runId"].as_str().unwrap()).collect();
        assert_eq!(counts, json!({"artifacts": {"totalCount": datasets.len()}, "executions": {"totalCount": runs.len()}}));
        // The chain of the BigQuery run goes through the versions that its tasks made.
        let at = |run: &str| edges.iter().filter(|edge| edge.ends_with(run)).cloned().collect::<Vec<_>>();
        assert_eq!(at("-> 01936893-9751-7150-bbde-96d39c5c4c8d"), ["mock-project.test.upload_cp@01936893-9751-7b10-a4a7-cd7454722d0f -> 01936893-9751-7150-bbde-96d39c5c4c8d"]);
        assert_eq!(at("-> 01936893-9751-7b10-a4a7-cd7454722d0f"), ["mock-project.test.upload@01936893-9751-7b3c-8f76-8ac6d0e5f8a3 -> 01936893-9751-7b10-a4a7-cd7454722d0f"]);
        // Once more, the other way round: nothing changes.
        let revision = app.revision().await;
        let again: Vec<Value> = events.iter().rev().cloned().collect();
        app.hear(&again).await;
        for event in &events[..3] {
            assert_eq!(app.send_json("/api/v1/lineage", event).await.status, 200, "it is known");
        }
        assert_eq!(app.revision().await, revision);
    }
}
