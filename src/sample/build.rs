//! Records in few words: what the pipelines of the sample are written with.

use serde_json::{Map, Value};

use crate::domain::filter::{VersionKeyQuery, VersionQuery};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{
    CreateVersion, DeclareArtifact, DeleteVersion, ExecutionInput, ExecutionKind, ExecutionOutput, ExecutionState,
    PartitionValue, Record, RecordExecution, SetAlias,
};
use crate::domain::time::{Granularity, Timestamp};

/// A project and one of its domains.
#[derive(Clone, Copy)]
pub(super) struct Place {
    project: &'static str,
    domain: &'static str,
}

impl Place {
    pub const fn new(project: &'static str, domain: &'static str) -> Self {
        Self { project, domain }
    }

    pub fn artifact(self, name: impl Into<String>) -> ArtifactKey {
        ArtifactKey {
            project: self.project.to_owned(),
            domain: self.domain.to_owned(),
            name: name.into(),
        }
    }

    pub fn execution(self, name: impl Into<String>) -> ExecutionKey {
        ExecutionKey {
            project: self.project.to_owned(),
            domain: self.domain.to_owned(),
            name: name.into(),
        }
    }
}

/// A declaration.
pub(super) fn declare(key: ArtifactKey, keys: &[&str], time: Option<Granularity>, description: &str) -> Record {
    Record::Artifact(DeclareArtifact {
        key,
        partition_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        time_partition_granularity: time,
        description: Some(description.to_owned()),
    })
}

/// An alias set, or moved from where it stands.
pub(super) fn alias(artifact: ArtifactKey, alias: &str, version: String, overwrite: bool) -> Record {
    Record::Alias(SetAlias {
        artifact,
        version,
        alias: alias.to_owned(),
        overwrite,
    })
}

/// A deletion.
pub(super) fn delete(artifact: ArtifactKey, version: String) -> Record {
    Record::Deletion(DeleteVersion { artifact, version })
}

/// A JSON object, from what `serde_json::json!` makes.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A version in the making.
#[derive(Clone)]
pub(super) struct Made(CreateVersion);

impl Made {
    pub fn new(artifact: ArtifactKey, version: impl Into<String>, created_at: Timestamp) -> Self {
        Self(CreateVersion {
            artifact,
            version: Some(version.into()),
            partition: Vec::new(),
            time_partition: None,
            location: None,
            data_type: None,
            description: None,
            metadata: None,
            card: None,
            created_at: Some(created_at),
        })
    }

    pub fn value(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.partition.push(PartitionValue {
            key: key.to_owned(),
            value: value.into(),
        });
        self
    }

    pub fn time(mut self, instant: Timestamp) -> Self {
        self.0.time_partition = Some(instant);
        self
    }

    /// What kind of thing it is and where it lies: below the bucket of its project, under its artifact's name and version.
    pub fn stored(mut self, data_type: &str, suffix: &str) -> Self {
        let version = self.0.version.as_deref().unwrap_or_default();
        let key = &self.0.artifact;
        self.0.location = Some(format!(
            "s3://{}-{}/{}/{version}{suffix}",
            key.project, key.domain, key.name
        ));
        self.0.data_type = Some(data_type.to_owned());
        self
    }

    pub fn described(mut self, description: &str) -> Self {
        self.0.description = Some(description.to_owned());
        self
    }

    pub fn metadata(mut self, metadata: Value) -> Self {
        self.0.metadata = Some(object(metadata));
        self
    }

    pub fn card(mut self, card: String) -> Self {
        self.0.card = Some(card);
        self
    }

    pub fn record(self) -> Record {
        Record::Version(self.0)
    }
}

/// An execution in the making.
#[derive(Clone)]
pub(super) struct Run(RecordExecution);

impl Run {
    pub fn new(kind: ExecutionKind, key: ExecutionKey, entity: &str) -> Self {
        Self(RecordExecution {
            key,
            kind: Some(kind),
            state: None,
            entity: Some(entity.to_owned()),
            entity_version: None,
            node_id: None,
            attempt: None,
            principal: None,
            parent: None,
            started_at: None,
            ended_at: None,
            error: None,
            metadata: None,
            inputs: None,
            outputs: None,
        })
    }

    pub fn workflow(key: ExecutionKey, entity: &str) -> Self {
        Self::new(ExecutionKind::Workflow, key, entity)
    }

    /// A task of a workflow, named after the node that it runs for.
    pub fn task(parent: &ExecutionKey, node: &str, entity: &str) -> Self {
        let key = ExecutionKey {
            name: format!("{}/{node}", parent.name),
            ..parent.clone()
        };
        let mut run = Self::new(ExecutionKind::Task, key, entity);
        run.0.parent = Some(parent.clone());
        run.0.node_id = Some(node.split('/').next().unwrap_or(node).to_owned());
        run.0.attempt = Some(1);
        run
    }

    pub fn attempt(mut self, attempt: i32) -> Self {
        self.0.attempt = Some(attempt);
        self
    }

    pub fn code(mut self, version: &str) -> Self {
        self.0.entity_version = Some(version.to_owned());
        self
    }

    pub fn by(mut self, principal: &str) -> Self {
        self.0.principal = Some(principal.to_owned());
        self
    }

    pub fn queued(mut self) -> Self {
        self.0.state = Some(ExecutionState::Queued);
        self
    }

    pub fn running(mut self, from: Timestamp) -> Self {
        self.0.state = Some(ExecutionState::Running);
        self.0.started_at = Some(from);
        self
    }

    pub fn succeeded(self, from: Timestamp, to: Timestamp) -> Self {
        self.ended(ExecutionState::Succeeded, from, to)
    }

    pub fn failed(mut self, from: Timestamp, to: Timestamp, error: &str) -> Self {
        self.0.error = Some(error.to_owned());
        self.ended(ExecutionState::Failed, from, to)
    }

    pub fn ended(mut self, state: ExecutionState, from: Timestamp, to: Timestamp) -> Self {
        self.0.state = Some(state);
        self.0.started_at = Some(from);
        self.0.ended_at = Some(to);
        self
    }

    pub fn metadata(mut self, metadata: Value) -> Self {
        self.0.metadata = Some(object(metadata));
        self
    }

    /// Took in this very version.
    pub fn input(self, name: impl Into<String>, artifact: &ArtifactKey, version: impl Into<String>) -> Self {
        let query = VersionKeyQuery {
            artifact: artifact.clone(),
            version: Some(version.into()),
            alias: None,
            partition: None,
        };
        self.query(name, query)
    }

    /// Took in what a query chooses.
    pub fn query(mut self, name: impl Into<String>, query: VersionKeyQuery) -> Self {
        let input = ExecutionInput {
            name: name.into(),
            version: VersionQuery::Key(query),
        };
        self.0.inputs.get_or_insert_default().push(input);
        self
    }

    pub fn output(mut self, name: impl Into<String>, made: Made) -> Self {
        self.0.outputs.get_or_insert_default().push(ExecutionOutput {
            name: name.into(),
            version: made.0,
            announced: false,
        });
        self
    }

    pub fn record(self) -> Record {
        Record::Execution(self.0)
    }
}
