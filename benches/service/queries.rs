//! The queries, each with the statements that fetch the same rows.

use heirloom::domain::key::ArtifactKey;
use heirloom::domain::partition::PartitionKey;
use heirloom::domain::time::{Granularity, Timestamp, Window};

use super::data::{LAYERED, PARTITIONED, RANGE};

pub struct Query {
    pub name: &'static str,
    pub document: String,
    pub variables: serde_json::Value,
    /// At least so many ids are in the answer.
    pub ids: usize,
    pub floor: Steps,
}

impl Query {
    /// Stops at an answer that is an error, or has too few rows.
    pub fn check(&self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        assert!(!text.contains("\"errors\""), "{}: {text}", self.name);
        assert!(
            text.matches("\"id\":").count() >= self.ids,
            "{}: fewer rows than expected: {text}",
            self.name
        );
    }
}

/// How the floor fetches the rows.
pub enum Steps {
    /// Artifact and partition by digest, then the newest version.
    LatestOfPartition { artifact: Vec<u8>, partition: Vec<u8> },
    /// Artifact by digest, then the newest version with a value of a key.
    LatestOfKey {
        artifact: Vec<u8>,
        key: &'static str,
        value: &'static str,
    },
    /// Artifact by digest, then fifty versions of a range of windows, the newest first.
    Range { artifact: Vec<u8>, from: i64, to: i64 },
    /// Artifact by digest, twenty versions, and twice the producer with ten inputs.
    Tree { artifact: Vec<u8> },
}

const VERSION: &str =
    "id version createdAt artifact { project domain name } partition { values { key value } timePartition { start } }";

fn artifact(name: &str) -> ArtifactKey {
    let (project, domain, name) = match name {
        PARTITIONED => ("ads", "production", name),
        _ => ("bench", "production", name),
    };
    ArtifactKey {
        project: project.into(),
        domain: domain.into(),
        name: name.into(),
    }
}

fn variables(key: &ArtifactKey) -> serde_json::Value {
    serde_json::json!({ "artifact": key })
}

pub fn all() -> Vec<Query> {
    let key = artifact(PARTITIONED);
    let digest = key.digest().to_vec();
    let day = Timestamp::parse("2026-11-20T00:00:00Z").unwrap();
    let partition = PartitionKey {
        values: [("region", "EU"), ("channel", "search")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        window: Some(Window::containing(day, Granularity::Day)),
    };
    let (from, to) = RANGE.map_both();
    let layered = artifact(LAYERED);
    let latest = |filter: &str| {
        format!(
            "query($artifact: ArtifactKey!) {{ version(query: {{ key: {{ artifact: $artifact, partition: {{ {filter} }} }} }}) {{ {VERSION} }} }}"
        )
    };
    vec![
        Query {
            name: "latest by full partition",
            document: latest(
                r#"values: [{ key: "region", eq: "EU" }, { key: "channel", eq: "search" }], time: { at: "2026-11-20T07:00:00Z" }"#,
            ),
            variables: variables(&key),
            ids: 1,
            floor: Steps::LatestOfPartition {
                artifact: digest.clone(),
                partition: partition.digest(&key).to_vec(),
            },
        },
        Query {
            name: "latest by one of several keys",
            document: latest(r#"values: [{ key: "region", eq: "EU" }]"#),
            variables: variables(&key),
            ids: 1,
            floor: Steps::LatestOfKey {
                artifact: digest.clone(),
                key: "region",
                value: "EU",
            },
        },
        Query {
            name: "page of 50 in a time range",
            document: format!(
                "query($artifact: ArtifactKey!) {{ artifact(key: $artifact) {{ versions(first: 50, where: {{ partition: {{ time: {{ from: \"{from}\", to: \"{to}\" }} }} }}) {{ nodes {{ {VERSION} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
            ),
            variables: variables(&key),
            ids: 50,
            floor: Steps::Range {
                artifact: digest,
                from: from.0,
                to: to.0,
            },
        },
        Query {
            name: "tree 20 × 10 × 10",
            document: format!(
                "query($artifact: ArtifactKey!) {{ artifact(key: $artifact) {{ versions(first: 20) {{ nodes {{ {VERSION} producer {{ {EXECUTION} inputs(first: 10) {{ edges {{ name node {{ {VERSION} producer {{ {EXECUTION} inputs(first: 10) {{ edges {{ name node {{ {VERSION} }} }} }} }} }} }} }} }} }} }} }} }}"
            ),
            variables: variables(&layered),
            ids: 20 + 20 + 200 + 200 + 2_000,
            floor: Steps::Tree {
                artifact: layered.digest().to_vec(),
            },
        },
    ]
}

const EXECUTION: &str = "id name state startedAt endedAt";
