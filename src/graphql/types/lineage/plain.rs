//! The plain fields of the nodes of lineage, and how they are written from the graph in memory.

use super::selection::{Fields, Plain, Selected, list, optional, text};
use crate::domain::key::ArtifactKey;
use crate::domain::time::{Timestamp, Window};
use crate::domain::uri;
use crate::graphql::node_id::NodeId;
use crate::lineage::graph::Snapshot;
use crate::lineage::node::{Kind, Node};

/// What is selected of nodes, for each kind of them.
pub struct NodeFields {
    artifact: Option<Fields<ArtifactField>>,
    partition: Option<Fields<PartitionField>>,
    version: Option<Fields<VersionField>>,
    execution: Option<Fields<ExecutionField>>,
}

impl NodeFields {
    /// Reads a selection of `Node`.
    pub fn read(selected: &Selected<'_>) -> Self {
        Self {
            artifact: selected.fields(),
            partition: selected.fields(),
            version: selected.fields(),
            execution: selected.fields(),
        }
    }

    /// Whether it asks none of these kinds for what is not plain.
    pub fn are_plain_for(&self, mut kinds: impl Iterator<Item = Kind>) -> bool {
        kinds.all(|kind| match kind {
            Kind::Artifact => self.artifact.is_some(),
            Kind::Partition => self.partition.is_some(),
            Kind::Version => self.version.is_some(),
            Kind::Execution => self.execution.is_some(),
        })
    }

    /// Writes a node.
    pub fn write(&self, json: &mut Vec<u8>, graph: Snapshot<'_>, node: Node) {
        match node.kind() {
            Kind::Artifact => write(json, self.artifact.as_ref(), |json, fields| {
                write_artifact(json, fields, graph, node);
            }),
            Kind::Partition => write(json, self.partition.as_ref(), |json, fields| {
                write_partition(json, fields, graph, node);
            }),
            Kind::Version => write(json, self.version.as_ref(), |json, fields| {
                write_version(json, fields, graph, node);
            }),
            Kind::Execution => write(json, self.execution.as_ref(), |json, fields| {
                write_execution(json, fields, graph, node);
            }),
        }
    }
}

/// Writes something, or `null`.
fn write<T>(json: &mut Vec<u8>, given: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match given {
        Some(given) => write(json, given),
        None => json.extend_from_slice(b"null"),
    }
}

/// Writes the id of a node.
pub fn id(json: &mut Vec<u8>, node: Node) {
    json.push(b'"');
    NodeId::from(node).push_to(json);
    json.push(b'"');
}

/// Writes an instant.
pub fn instant(json: &mut Vec<u8>, instant: Timestamp) {
    json.push(b'"');
    instant.push_to(json);
    json.push(b'"');
}

enum ArtifactField {
    Id,
    Project,
    Domain,
    Name,
    Uri,
}

impl Plain for ArtifactField {
    const TYPE: &'static str = "Artifact";
    const IS_NODE: bool = true;

    fn named(name: &str, _: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "project" => Self::Project,
            "domain" => Self::Domain,
            "name" => Self::Name,
            "uri" => Self::Uri,
            _ => return None,
        })
    }
}

fn write_artifact(json: &mut Vec<u8>, fields: &Fields<ArtifactField>, graph: Snapshot<'_>, node: Node) {
    let [project, domain, name] = graph.key(node);
    fields.write(json, |json, field| match field {
        ArtifactField::Id => id(json, node),
        ArtifactField::Project => text(json, project),
        ArtifactField::Domain => text(json, domain),
        ArtifactField::Name => text(json, name),
        ArtifactField::Uri => text(json, &uri::of_artifact(&artifact_key(graph, node))),
    });
}

fn artifact_key(graph: Snapshot<'_>, artifact: Node) -> ArtifactKey {
    let [project, domain, name] = graph.key(artifact).map(str::to_owned);
    ArtifactKey { project, domain, name }
}

enum PartitionField {
    Id,
    Artifact(Fields<ArtifactField>),
    Values(Fields<ValueField>),
    TimePartition(Fields<WindowField>),
}

impl Plain for PartitionField {
    const TYPE: &'static str = "Partition";
    const IS_NODE: bool = true;

    fn named(name: &str, selected: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "artifact" => Self::Artifact(selected.fields()?),
            "values" => Self::Values(selected.fields()?),
            "timePartition" => Self::TimePartition(selected.fields()?),
            _ => return None,
        })
    }
}

fn write_partition(json: &mut Vec<u8>, fields: &Fields<PartitionField>, graph: Snapshot<'_>, node: Node) {
    fields.write(json, |json, field| match field {
        PartitionField::Id => id(json, node),
        PartitionField::Artifact(fields) => write(json, graph.artifact_of(node), |json, artifact| {
            write_artifact(json, fields, graph, artifact);
        }),
        PartitionField::Values(fields) => list(json, graph.values(node), |json, (key, value)| {
            fields.write(json, |json, field| match field {
                ValueField::Key => text(json, key),
                ValueField::Value => text(json, value),
            });
        }),
        PartitionField::TimePartition(fields) => write(json, graph.window(node), |json, window| {
            write_window(json, fields, window);
        }),
    });
}

enum ValueField {
    Key,
    Value,
}

impl Plain for ValueField {
    const TYPE: &'static str = "PartitionValue";

    fn named(name: &str, _: &Selected<'_>) -> Option<Self> {
        match name {
            "key" => Some(Self::Key),
            "value" => Some(Self::Value),
            _ => None,
        }
    }
}

enum WindowField {
    Start,
    End,
    Granularity,
    Label,
}

impl Plain for WindowField {
    const TYPE: &'static str = "TimeWindow";

    fn named(name: &str, _: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "start" => Self::Start,
            "end" => Self::End,
            "granularity" => Self::Granularity,
            "label" => Self::Label,
            _ => return None,
        })
    }
}

fn write_window(json: &mut Vec<u8>, fields: &Fields<WindowField>, window: Window) {
    fields.write(json, |json, field| match field {
        WindowField::Start => instant(json, window.start),
        WindowField::End => instant(json, window.end()),
        WindowField::Granularity => text(json, window.granularity.as_str()),
        WindowField::Label => text(json, &window.label()),
    });
}

enum VersionField {
    Id,
    Artifact(Fields<ArtifactField>),
    Version,
    Uri,
    Partition(Fields<PartitionField>),
    State,
    CreatedAt,
    RecordedAt,
}

impl Plain for VersionField {
    const TYPE: &'static str = "Version";
    const IS_NODE: bool = true;

    fn named(name: &str, selected: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "artifact" => Self::Artifact(selected.fields()?),
            "version" => Self::Version,
            "uri" => Self::Uri,
            "partition" => Self::Partition(selected.fields()?),
            "state" => Self::State,
            "createdAt" => Self::CreatedAt,
            "recordedAt" => Self::RecordedAt,
            _ => return None,
        })
    }
}

fn write_version(json: &mut Vec<u8>, fields: &Fields<VersionField>, graph: Snapshot<'_>, node: Node) {
    let artifact = graph.artifact_of(node);
    fields.write(json, |json, field| match field {
        VersionField::Id => id(json, node),
        VersionField::Artifact(fields) => write(json, artifact, |json, artifact| {
            write_artifact(json, fields, graph, artifact);
        }),
        VersionField::Version => text(json, graph.version_name(node)),
        VersionField::Uri => write(json, artifact, |json, artifact| {
            let key = artifact_key(graph, artifact);
            text(json, &uri::of_version(&key, graph.version_name(node)));
        }),
        VersionField::Partition(fields) => write(json, graph.partition_of(node), |json, partition| {
            write_partition(json, fields, graph, partition);
        }),
        VersionField::State => text(json, graph.version_state(node).as_str()),
        VersionField::CreatedAt => instant(json, graph.created_at(node)),
        VersionField::RecordedAt => instant(json, graph.recorded_at(node)),
    });
}

enum ExecutionField {
    Id,
    Project,
    Domain,
    Name,
    Kind,
    State,
    Entity,
    StartedAt,
    EndedAt,
    RecordedAt,
}

impl Plain for ExecutionField {
    const TYPE: &'static str = "Execution";
    const IS_NODE: bool = true;

    fn named(name: &str, _: &Selected<'_>) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "project" => Self::Project,
            "domain" => Self::Domain,
            "name" => Self::Name,
            "kind" => Self::Kind,
            "state" => Self::State,
            "entity" => Self::Entity,
            "startedAt" => Self::StartedAt,
            "endedAt" => Self::EndedAt,
            "recordedAt" => Self::RecordedAt,
            _ => return None,
        })
    }
}

fn write_execution(json: &mut Vec<u8>, fields: &Fields<ExecutionField>, graph: Snapshot<'_>, node: Node) {
    let [project, domain, name] = graph.key(node);
    fields.write(json, |json, field| match field {
        ExecutionField::Id => id(json, node),
        ExecutionField::Project => text(json, project),
        ExecutionField::Domain => text(json, domain),
        ExecutionField::Name => text(json, name),
        ExecutionField::Kind => text(json, graph.execution_kind(node).as_str()),
        ExecutionField::State => text(json, graph.execution_state(node).as_str()),
        ExecutionField::Entity => optional(json, graph.entity(node)),
        ExecutionField::StartedAt => write(json, graph.started_at(node), instant),
        ExecutionField::EndedAt => write(json, graph.ended_at(node), instant),
        ExecutionField::RecordedAt => instant(json, graph.recorded_at(node)),
    });
}
