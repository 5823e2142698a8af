//! [PROV-JSON](https://www.w3.org/submissions/prov-json/): the members of a document, one statement at a time.
//!
//! Only what is known is said. Versions are entities, and each a specialization of its artifact; executions are activities
//! that used and generated them; principals are agents. That an output was derived from an input is not known: it was made
//! by a run that also took the input in, which is what is said. Neither is it known that a child was informed by its parent: it
//! is part of it, in the words of Dublin Core.
//!
//! Names are IRIs: those of artifacts and versions are the URIs by which they are queried.

use serde_json::{Map, Value, json};

use super::{EXECUTION_URN, execution_path};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{CreateVersion, ExecutionKind, ExecutionState};
use crate::domain::time::Timestamp;
use crate::domain::uri;
use crate::store::export::{ExportedArtifact, ExportedExecution, ExportedVersion};

/// The prefixes of the names in a document.
pub const PREFIXES: [(&str, &str); 7] = [
    ("artifact", uri::ROOT),
    ("execution", EXECUTION_URN),
    ("principal", "urn:heirloom:principal:"),
    ("partition", "urn:heirloom:partition:"),
    ("heirloom", "urn:heirloom:term:"),
    ("dcterms", "http://purl.org/dc/terms/"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
];

/// A statement about something that has a name: the name, and what is said.
pub type Named = (String, Value);

/// An artifact, as an entity.
pub fn artifact(artifact: &ExportedArtifact) -> Named {
    let mut said = Attributes::of_type("heirloom:Artifact");
    said.key(&artifact.key.project, &artifact.key.domain, &artifact.key.name);
    said.text("prov:label", Some(&artifact.key.name));
    said.text("dcterms:description", artifact.description.as_deref());
    (artifact_name(&artifact.key), said.into())
}

/// A version, as an entity.
pub fn version(version: &ExportedVersion) -> Named {
    let content = &version.content;
    let mut said = Attributes::of_type("heirloom:Version");
    if let Some(data_type) = &content.data_type {
        said.add("prov:type", json!([name_value("heirloom:Version"), data_type]));
    }
    let key = &content.artifact;
    said.key(&key.project, &key.domain, &key.name);
    let name = content.version.as_deref().unwrap_or_default();
    said.text("heirloom:version", Some(name));
    said.text("prov:label", Some(&format!("{}@{name}", key.name)));
    said.text("heirloom:state", Some(state(version)));
    said.text("prov:location", content.location.as_deref());
    said.time("heirloom:createdAt", content.created_at);
    for value in &content.partition {
        said.text(&format!("partition:{}", local(&value.key)), Some(&value.value));
    }
    said.time("heirloom:timePartition", content.time_partition);
    said.text("dcterms:description", content.description.as_deref());
    said.json("heirloom:metadata", content.metadata.as_ref());
    said.text("heirloom:card", content.card.as_deref());
    (content_name(content), said.into())
}

fn state(version: &ExportedVersion) -> &'static str {
    match (version.deleted_at, version.is_produced) {
        (Some(_), _) => "DELETED",
        (None, true) => "AVAILABLE",
        (None, false) => "REFERENCED",
    }
}

/// An execution, as an activity.
pub fn activity(execution: &ExportedExecution) -> Named {
    let record = &execution.record;
    let kind = match record.kind {
        Some(ExecutionKind::Workflow) => "heirloom:Workflow",
        _ => "heirloom:Task",
    };
    let mut said = Attributes::of_type(kind);
    said.key(&record.key.project, &record.key.domain, &record.key.name);
    said.text("prov:label", Some(record.entity.as_ref().unwrap_or(&record.key.name)));
    said.plain_time("prov:startTime", record.started_at);
    said.plain_time("prov:endTime", record.ended_at);
    said.text("heirloom:state", record.state.map(ExecutionState::as_str));
    said.text("heirloom:entity", record.entity.as_deref());
    said.text("heirloom:entityVersion", record.entity_version.as_deref());
    said.text("heirloom:nodeId", record.node_id.as_deref());
    if let Some(attempt) = record.attempt {
        said.add(
            "heirloom:attempt",
            json!({ "$": attempt.to_string(), "type": "xsd:int" }),
        );
    }
    said.text("heirloom:error", record.error.as_deref());
    said.json("heirloom:metadata", record.metadata.as_ref());
    if let Some(parent) = &record.parent {
        said.add("dcterms:isPartOf", name_value(&execution_name(parent)));
    }
    (execution_name(&record.key), said.into())
}

/// Who ran executions, as an agent.
pub fn agent(principal: &str) -> Named {
    (agent_name(principal), json!({ "prov:label": principal }))
}

/// What an execution took in.
pub fn used(execution: &ExportedExecution) -> impl Iterator<Item = Value> {
    let activity = execution_name(&execution.record.key);
    execution.inputs.iter().map(move |input| {
        json!({
            "prov:activity": activity,
            "prov:entity": version_name(&input.artifact, &input.version),
            "prov:role": input.name,
        })
    })
}

/// What an execution gave out, at the time that it gave.
pub fn generated(execution: &ExportedExecution) -> impl Iterator<Item = Value> {
    let activity = execution_name(&execution.record.key);
    execution.outputs.iter().map(move |output| {
        let mut said = json!({
            "prov:entity": content_name(&output.version),
            "prov:activity": activity,
            "prov:role": output.name,
        });
        if let Some(at) = output.version.created_at {
            said["prov:time"] = at.to_string().into();
        }
        said
    })
}

/// Who ran an execution.
pub fn associated(execution: &ExportedExecution) -> Option<Value> {
    let agent = agent_name(execution.record.principal.as_deref()?);
    Some(json!({ "prov:activity": execution_name(&execution.record.key), "prov:agent": agent }))
}

/// Whose run made what an execution gave out.
pub fn attributed(execution: &ExportedExecution) -> impl Iterator<Item = Value> {
    let agent = execution.record.principal.as_deref().map(agent_name);
    let outputs = execution.outputs.iter();
    outputs.filter_map(move |output| {
        let agent = agent.as_ref()?;
        Some(json!({ "prov:entity": content_name(&output.version), "prov:agent": agent }))
    })
}

/// Of which artifact a version is one.
pub fn specialization(version: &ExportedVersion) -> Value {
    let content = &version.content;
    json!({ "prov:specificEntity": content_name(content), "prov:generalEntity": artifact_name(&content.artifact) })
}

/// When a version was deleted.
pub fn invalidated(version: &ExportedVersion) -> Option<Value> {
    let at = version.deleted_at?;
    Some(json!({ "prov:entity": content_name(&version.content), "prov:time": at.to_string() }))
}

fn artifact_name(key: &ArtifactKey) -> String {
    name("artifact", uri::of_artifact(key).trim_start_matches(uri::ROOT))
}

fn version_name(key: &ArtifactKey, version: &str) -> String {
    name("artifact", uri::of_version(key, version).trim_start_matches(uri::ROOT))
}

fn content_name(content: &CreateVersion) -> String {
    version_name(&content.artifact, content.version.as_deref().unwrap_or_default())
}

fn execution_name(key: &ExecutionKey) -> String {
    name("execution", &execution_path(key))
}

fn agent_name(principal: &str) -> String {
    format!("principal:{}", local(principal))
}

/// A text as the local part of a name.
fn local(text: &str) -> String {
    ends(&uri::encode(text).to_string())
}

fn name(prefix: &str, encoded: &str) -> String {
    format!("{prefix}:{}", ends(encoded))
}

/// A local part cannot begin with a hyphen or a dot, nor end with a dot; anywhere else they need no escape.
fn ends(encoded: &str) -> String {
    let mut text = encoded.to_owned();
    if text.ends_with('.') {
        text.replace_range(text.len() - 1.., "%2E");
    }
    match text.chars().next() {
        Some('-') => text.replace_range(..1, "%2D"),
        Some('.') => text.replace_range(..1, "%2E"),
        _ => {}
    }
    text
}

/// A name where a value stands.
fn name_value(name: &str) -> Value {
    json!({ "$": name, "type": "xsd:QName" })
}

/// What is said of something.
#[derive(Debug)]
struct Attributes(Map<String, Value>);

impl Attributes {
    fn of_type(name: &str) -> Self {
        let mut said = Self(Map::new());
        said.add("prov:type", name_value(name));
        said
    }

    fn add(&mut self, attribute: &str, value: Value) {
        self.0.insert(attribute.to_owned(), value);
    }

    /// The parts of a key, which a reader would have to cut out of the name.
    fn key(&mut self, project: &str, domain: &str, name: &str) {
        self.text("heirloom:project", Some(project));
        self.text("heirloom:domain", Some(domain));
        self.text("heirloom:name", Some(name));
    }

    fn text(&mut self, attribute: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(attribute, value.into());
        }
    }

    /// One of PROV's own attributes, whose type needs not be said.
    fn plain_time(&mut self, attribute: &str, value: Option<Timestamp>) {
        self.text(attribute, value.map(|time| time.to_string()).as_deref());
    }

    fn time(&mut self, attribute: &str, value: Option<Timestamp>) {
        if let Some(time) = value {
            self.add(attribute, json!({ "$": time.to_string(), "type": "xsd:dateTime" }));
        }
    }

    fn json(&mut self, attribute: &str, value: Option<&Map<String, Value>>) {
        if let Some(object) = value {
            let text = serde_json::to_string(object).unwrap_or_default();
            self.add(attribute, json!({ "$": text, "type": "rdf:JSON" }));
        }
    }
}

impl From<Attributes> for Value {
    fn from(attributes: Attributes) -> Self {
        Self::Object(attributes.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ends, local, version, version_name};
    use crate::domain::key::ArtifactKey;
    use crate::domain::record::{CreateVersion, PartitionValue};
    use crate::domain::time::Timestamp;
    use crate::domain::uri;
    use crate::store::export::ExportedVersion;

    fn key(project: &str, name: &str) -> ArtifactKey {
        ArtifactKey {
            project: project.into(),
            domain: "d".into(),
            name: name.into(),
        }
    }

    #[test]
    fn a_deleted_version_says_what_is_left_of_it() {
        let mut content = CreateVersion::named(key("p", "s3://bucket/a b"), "1".into());
        content.partition.push(PartitionValue {
            key: "région".into(),
            value: "EU".into(),
        });
        content.data_type = Some("table".into());
        content.created_at = Some(Timestamp(0));
        let (name, said) = version(&ExportedVersion {
            content,
            is_produced: true,
            deleted_at: Some(Timestamp(1)),
        });
        assert_eq!(name, "artifact:p/d/s3%3A%2F%2Fbucket%2Fa%20b@1");
        let expected = json!({
            "prov:type": [{ "$": "heirloom:Version", "type": "xsd:QName" }, "table"],
            "prov:label": "s3://bucket/a b@1",
            "heirloom:project": "p", "heirloom:domain": "d", "heirloom:name": "s3://bucket/a b", "heirloom:version": "1",
            "heirloom:state": "DELETED",
            "heirloom:createdAt": { "$": "1970-01-01T00:00:00Z", "type": "xsd:dateTime" },
            "partition:r%C3%A9gion": "EU",
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn ends_of_local_parts_are_escaped_where_the_grammar_wants_it() {
        let cases = [
            ("-a-", "%2Da-"),
            (".", "%2E"),
            (".a.b.", "%2Ea.b%2E"),
            ("a", "a"),
            ("~", "~"),
        ];
        for (text, expected) in cases {
            assert_eq!(ends(text), expected);
        }
        assert_eq!(local("a:b'é"), "a%3Ab%27%C3%A9");
    }

    proptest::proptest! {
        #[test]
        fn every_key_makes_the_round_trip(project in "[-.~]?[^\\p{Cc}\\s]{1,20}", name in "[^\\p{Cc}\\s]{1,40}", version in "[^\\p{Cc}\\s]{1,40}[-.]?") {
            let name = version_name(&key(&project, &name), &version);
            let local = name.strip_prefix("artifact:").unwrap();
            proptest::prop_assert!(!local.starts_with(['-', '.']) && !local.ends_with('.'));
            proptest::prop_assert!(local.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/@%".contains(c)));
            let query = uri::parse(&format!("{}{local}", uri::ROOT)).unwrap();
            proptest::prop_assert_eq!(&query.artifact.project, &project);
            proptest::prop_assert_eq!(query.version, (version != "latest").then_some(version));
        }
    }
}
