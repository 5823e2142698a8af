//! Records: what a pipeline tells the store. Their serde form is the line of an import or export file, which is the
//! `RecordInput` of the GraphQL schema written as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::filter::VersionQuery;
use super::key::{ArtifactKey, ExecutionKey};
use super::openlineage::Event;
use super::time::{Granularity, Timestamp};

/// One thing to record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// An artifact's declaration.
    Artifact(DeclareArtifact),
    /// A version.
    Version(CreateVersion),
    /// An execution, or more of one.
    Execution(RecordExecution),
    /// An alias to set, by key.
    Alias(SetAlias),
    /// An alias to remove.
    AliasRemoval(RemoveAlias),
    /// A version to delete, by key.
    Deletion(DeleteVersion),
    /// An OpenLineage event.
    Event(Box<Event>),
}

/// Declares which partition keys and which time partition an artifact has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeclareArtifact {
    /// The artifact.
    pub key: ArtifactKey,
    /// Its keys, in the order in which they are to be shown.
    #[serde(default)]
    pub partition_keys: Vec<String>,
    /// Its time partition; none: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_partition_granularity: Option<Granularity>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A value of a partition key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionValue {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Creates a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateVersion {
    /// The artifact that it is a version of.
    pub artifact: ArtifactKey,
    /// The version string; none: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its partition values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition: Vec<PartitionValue>,
    /// An instant in its time window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_partition: Option<Timestamp>,
    /// Where the data lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What kind of thing it is.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// When it was produced; none: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

impl CreateVersion {
    /// A version of which no more is known than its name.
    pub fn named(artifact: ArtifactKey, version: String) -> Self {
        Self {
            artifact,
            version: Some(version),
            partition: Vec::new(),
            time_partition: None,
            location: None,
            data_type: None,
            description: None,
            metadata: None,
            card: None,
            created_at: None,
        }
    }
}

/// What kind of run an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionKind {
    /// A run of a workflow.
    Workflow,
    /// A run of a task.
    Task,
}

/// How far an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionState {
    /// Waiting.
    Queued,
    /// Under way.
    Running,
    /// Ended with an error.
    Failed,
    /// Ended by somebody.
    Aborted,
    /// Ended well.
    Succeeded,
}

impl ExecutionKind {
    /// As stored and as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "WORKFLOW",
            Self::Task => "TASK",
        }
    }

    /// As read back.
    pub fn from_stored(text: &str) -> Self {
        if text == "WORKFLOW" { Self::Workflow } else { Self::Task }
    }
}

impl ExecutionState {
    /// Every state, from the least to the furthest along.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Failed,
        Self::Aborted,
        Self::Succeeded,
    ];

    /// As stored and as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
            Self::Succeeded => "SUCCEEDED",
        }
    }

    /// As read back.
    pub fn from_stored(text: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .unwrap_or(Self::Queued)
    }

    /// Whether the execution is over.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Aborted | Self::Succeeded)
    }
}

/// Records an execution; may be sent many times as it goes on, and merges in any order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecordExecution {
    /// The execution.
    pub key: ExecutionKey,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ExecutionKind>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ExecutionState>,
    /// The workflow's or task's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_version: Option<String>,
    /// The node of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// Number of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// Who ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The execution that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ExecutionKey>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// What it took in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<ExecutionInput>>,
    /// What it gave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<ExecutionOutput>>,
}

/// What an execution took in, under its name for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionInput {
    /// The execution's name for it.
    pub name: String,
    /// Which version; a query is resolved when it is first recorded.
    pub version: VersionQuery,
}

/// What an execution gave out, under its name for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionOutput {
    /// The execution's name for it.
    pub name: String,
    /// The version that it produced.
    pub version: CreateVersion,
    /// Whether it is only going to produce it: then the version is named, and stays REFERENCED until somebody does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub announced: bool,
}

/// Sets an alias, by key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SetAlias {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The version at which it is to stand.
    pub version: String,
    /// The alias.
    pub alias: String,
    /// Whether to move it when it stands at another version.
    #[serde(default)]
    pub overwrite: bool,
}

/// Removes an alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RemoveAlias {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The alias.
    pub alias: String,
}

/// Deletes a version, by key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeleteVersion {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The version.
    pub version: String,
}
