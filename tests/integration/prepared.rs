//! Lists that are written from prepared rows are, byte for byte, what the library answers field by field.

use fastrand::Rng;
use heirloom::{demo::record_sample, domain::time::Timestamp, sample};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{TestApp, TestDb},
};

/// Makes selections: plain fields, at times others, under aliases, twice, in fragments, left out by directives.
struct Documents(Rng);

/// The fields of a type: plain ones, those with a selection of their own, and some that are not plain.
struct Fields {
    plain: &'static [&'static str],
    nested: &'static [(&'static str, &'static str)],
    others: &'static [&'static str],
}

fn fields(of: &str) -> Fields {
    let (plain, nested, others): (&[&str], &[(&str, &str)], &[&str]) = match of {
        "Artifact" => (
            &["id", "project", "domain", "name", "uri"],
            &[],
            &["partitionKeys", "versionCount", "latest { id }"],
        ),
        "Partition" => (
            &["id"],
            &[
                ("artifact", "Artifact"),
                ("values", "PartitionValue"),
                ("timePartition", "TimeWindow"),
            ],
            &["versionCount", "value(key: \"region\")", "latest { version }"],
        ),
        "Version" => (
            &["id", "version", "uri", "state", "createdAt", "recordedAt"],
            &[("artifact", "Artifact"), ("partition", "Partition")],
            &["location", "aliases", "isLatest", "producer { name }", "metadata"],
        ),
        "Execution" => (
            &[
                "id",
                "project",
                "domain",
                "name",
                "kind",
                "state",
                "entity",
                "startedAt",
                "endedAt",
                "recordedAt",
            ],
            &[],
            &[
                "principal",
                "attempt",
                "parent { id }",
                "inputs(first: 2) { nodes { id } }",
            ],
        ),
        "PartitionValue" => (&["key", "value"], &[], &[]),
        "TimeWindow" => (&["start", "end", "granularity", "label"], &[], &[]),
        "LineageNode" => (
            &["distance", "upstreamCount", "downstreamCount"],
            &[("node", "Node")],
            &[],
        ),
        "LineageEdge" => (&["source", "target", "role", "name", "recordedAt"], &[], &[]),
        _ => (&["id"], &[], &[]),
    };
    Fields { plain, nested, others }
}

impl Documents {
    fn one_in(&mut self, n: u32) -> bool {
        self.0.u32(0..n) == 0
    }

    fn selection(&mut self, of: &str, depth: u32) -> String {
        let count = self.0.usize(1..6);
        let mut items: Vec<String> = (0..count).map(|_| self.item(of, depth)).collect();
        if of == "Node" {
            let kinds = ["Artifact", "Partition", "Version", "Execution"];
            for _ in 0..self.0.usize(1..5) {
                let kind = kinds[self.0.usize(0..kinds.len())];
                let fragment = format!("... on {kind} {}", self.selection(kind, depth));
                items.push(fragment);
            }
            self.0.shuffle(&mut items);
        }
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, of: &str, depth: u32) -> String {
        let directive = match self.0.u32(0..24) {
            0 => " @include(if: $yes)",
            1 => " @skip(if: $yes)",
            2 => " @skip(if: false)",
            _ => "",
        };
        let Fields { plain, nested, others } = fields(of);
        let item = match self.0.u32(0..12) {
            0 => "__typename".to_owned(),
            1 if depth < 4 => return format!("...{directive} {}", self.selection(of, depth + 1)),
            2 if depth < 4 => return format!("... on {of}{directive} {}", self.selection(of, depth + 1)),
            3 | 4 | 5 if !nested.is_empty() && depth < 4 => {
                let (name, inner) = nested[self.0.usize(0..nested.len())];
                format!("{name}{directive} {}", self.selection(inner, depth + 1))
            }
            6 if !others.is_empty() && self.one_in(4) => others[self.0.usize(0..others.len())].to_owned(),
            7 if of == "Version" || of == "Artifact" => return format!("...Some{of}{directive}"),
            _ => format!("{}{directive}", plain[self.0.usize(0..plain.len())]),
        };
        // The same key always stands for the same field.
        let name = item.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        let has_arguments = item.contains('(');
        if self.one_in(6) || has_arguments {
            format!("x_{name}: {item}")
        } else {
            item
        }
    }

    fn document(&mut self) -> String {
        let options = [
            "level: FULL, limit: 40",
            "level: FULL, limit: 12, direction: BOTH",
            "level: VERSION, limit: 30, depth: 2",
            "level: EXECUTION, limit: 20, direction: DOWNSTREAM",
            "level: PARTITION, limit: 30",
            "level: ARTIFACT, direction: BOTH",
        ];
        let options = options[self.0.usize(0..options.len())];
        let mut lists = vec![
            format!("nodes {}", self.selection("LineageNode", 0)),
            format!("edges {}", self.selection("LineageEdge", 0)),
            format!("roots {}", self.selection("Node", 0)),
            "complete stoppedBy nodeCount".to_owned(),
        ];
        if self.one_in(3) {
            let again = format!("nodes {}", self.selection("LineageNode", 0));
            lists.push(again);
        }
        if self.one_in(5) {
            let again = format!("... on Lineage {{ n: nodes {} }}", self.selection("LineageNode", 0));
            lists.push(again);
        }
        self.0.shuffle(&mut lists);
        format!(
            "query($roots: [ID!]!, $yes: Boolean!) {{ lineage(roots: $roots, options: {{ {options} }}) {{ {} }} unused: revision {{ number @include(if: $yes) }} }} \
             fragment SomeVersion on Version {{ id artifact {{ ...SomeArtifact }} version }} \
             fragment SomeArtifact on Artifact {{ name id }} \
             fragment Used on Query {{ v: node(id: \"version_b\") {{ ...SomeVersion }} }}",
            lists.join(" ")
        )
        .replace("unused: revision", "...Used unused: revision")
    }
}

on_both_databases! {
    async fn prepared_rows_are_what_the_library_answers(db: TestDb) {
        let app = TestApp::new(db).await;
        let options = sample::Options { versions: 300, ..sample::Options::default() };
        let now = Timestamp::parse(&app.now()).unwrap();
        record_sample(&app.store, options, now, |_| {}).await.unwrap();
        let library = app.resolving_by_field();
        let roots = app.data("{ artifacts(first: 100) { nodes { id versions(first: 2) { nodes { id producer { id } partition { id } } } } } }", json!({})).await;
        let mut ids: Vec<String> = Vec::new();
        collect_ids(&roots, &mut ids);
        let mut documents = Documents(Rng::with_seed(7));
        let (mut valid, mut rows) = (0, 0);
        for _ in 0..400 {
            let document = documents.document();
            let count = documents.0.usize(1..4);
            let roots: Vec<&String> = (0..count).map(|_| &ids[documents.0.usize(0..ids.len())]).collect();
            let variables = json!({"roots": roots, "yes": documents.0.bool()});
            let prepared = app.query(&document, variables.clone()).await;
            let resolved = TestApp::query_on(&library, &document, variables).await;
            assert_eq!(prepared.body, resolved.body, "{document}");
            valid += usize::from(prepared.errors.is_empty());
            rows += prepared.data["lineage"]["nodes"].as_array().map_or(0, Vec::len);
        }
        assert!(valid > 300 && rows > 2_000, "too little was compared: {valid} documents with {rows} rows");
    }
}

fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            ids.extend(members.get("id").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect_ids(value, ids));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_ids(value, ids)),
        _ => {}
    }
}
