//! What is recorded: the inputs of the mutations, and the record that each becomes.

use async_graphql::{ID, InputObject, OneofObject};
use serde_json::{Map, Value};

use super::queries::VersionQuery;
use super::{ArtifactKey, ExecutionKey};
use crate::domain::{Invalid, record};
use crate::graphql::enums::{ExecutionKind, ExecutionState, Granularity};
use crate::graphql::scalars::{DateTime, Json};

/// Declares which partition keys and which time partition an artifact has. Declaring the same again is fine; a different
/// declaration is FAILED_PRECONDITION. Versions that came before are placed anew, and those that do not fit are flagged in
/// `schemaMismatch`.
#[derive(InputObject, Clone, Debug)]
pub struct DeclareArtifactInput {
    /// The artifact.
    pub key: ArtifactKey,
    /// Its partition keys, at most 10, in the order in which they are to be shown, such as `["region", "model"]`. Refused are
    /// `time_partition`, `project`, `domain`, `partitions`, `tag` and `version`.
    #[graphql(default)]
    pub partition_keys: Vec<String>,
    /// The size of its time partition's windows; null: it has no time partition.
    pub time_partition_granularity: Option<Granularity>,
    /// What it is, for people.
    pub description: Option<String>,
}

/// A value of a partition key.
#[derive(InputObject, Clone, Debug)]
pub struct PartitionValueInput {
    /// The key, such as `region`.
    pub key: String,
    /// Its value, such as `EU`: 1 to 255 characters.
    pub value: String,
}

/// Creates a version. The identical content again answers the version that is there, with `created: false`; other content under
/// the same key is CONFLICT, and the first stays.
#[derive(InputObject, Clone, Debug)]
pub struct CreateVersionInput {
    /// The artifact; it comes to be with its first version, when nobody has declared it before.
    pub artifact: ArtifactKey,
    /// The version, 1 to 1,024 characters, not `latest`; null: 32 hexadecimal digits made by the server.
    pub version: Option<String>,
    /// A value for every partition key that the artifact has declared, and for no other; for an artifact that is not declared,
    /// any keys.
    #[graphql(default)]
    pub partition: Vec<PartitionValueInput>,
    /// An instant in its time partition, which is the window of the artifact's granularity that contains it.
    pub time_partition: Option<DateTime>,
    /// Where the data lies, such as `s3://bucket/orders/2026-11-23.parquet`. The server never opens it.
    pub location: Option<String>,
    /// What kind of thing it is, in the producer's words, such as `parquet` or `model`.
    #[graphql(name = "type")]
    pub data_type: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Facts about it: a JSON object, such as `{"rows": 1204, "auc": 0.91}`.
    pub metadata: Option<Json>,
    /// A page about it, in Markdown.
    pub card: Option<String>,
    /// When it was produced; null: now. One that is not given is not compared when the version comes again.
    pub created_at: Option<DateTime>,
}

/// Records an execution, or more of one. It may be sent many times, in any order: a field that is not given leaves what is
/// there, of states the one further along wins, of other fields given twice the one of the record further along, and inputs and
/// outputs add up.
#[derive(InputObject, Clone, Debug)]
pub struct RecordExecutionInput {
    /// The execution.
    pub key: ExecutionKey,
    /// What kind of run it is; while no record says: TASK for one with a parent, else WORKFLOW.
    pub kind: Option<ExecutionKind>,
    /// How far it is; while no record says: QUEUED.
    pub state: Option<ExecutionState>,
    /// The workflow's or task's name, such as `train_model`.
    pub entity: Option<String>,
    /// The workflow's or task's version.
    pub entity_version: Option<String>,
    /// The node of the workflow that it ran for, such as `n0`.
    pub node_id: Option<String>,
    /// The number of the attempt, as the producer counts.
    pub attempt: Option<i32>,
    /// Who ran it: a person or a service account.
    pub principal: Option<String>,
    /// The execution that it is part of; one that nobody has recorded yet is noted by its key.
    pub parent: Option<ExecutionKey>,
    /// When it started.
    pub started_at: Option<DateTime>,
    /// When it ended.
    pub ended_at: Option<DateTime>,
    /// Why it failed.
    pub error: Option<String>,
    /// Facts about it: a JSON object.
    pub metadata: Option<Json>,
    /// What it took in.
    pub inputs: Option<Vec<ExecutionInputInput>>,
    /// What it gave out.
    pub outputs: Option<Vec<ExecutionOutputInput>>,
}

/// What an execution took in, under its name for it.
#[derive(InputObject, Clone, Debug)]
pub struct ExecutionInputInput {
    /// The execution's name for it, such as `training_data`: 1 to 255 characters.
    pub name: String,
    /// Which version. An exact one that nobody has produced yet becomes a REFERENCED version. Any other query is resolved once,
    /// when it is first recorded, and the edge names the version chosen; one that finds none is NOT_FOUND.
    pub version: VersionQuery,
}

/// What an execution gave out, under its name for it.
#[derive(InputObject, Clone, Debug)]
pub struct ExecutionOutputInput {
    /// The execution's name for it, such as `model`: 1 to 255 characters.
    pub name: String,
    /// The version that it produced. One that is there already with the same content is kept, with this as a further producer.
    pub version: CreateVersionInput,
    /// Whether it is only going to produce it: then the version is named and stays REFERENCED until a record produces it; of its
    /// content nothing is kept yet.
    #[graphql(default = false)]
    pub announced: bool,
}

/// One thing to record: give exactly one of the fields. The same JSON, one a line, is what `heirloom import` reads.
#[derive(OneofObject, Clone, Debug)]
pub enum RecordInput {
    /// An artifact's declaration.
    Artifact(DeclareArtifactInput),
    /// A version.
    Version(CreateVersionInput),
    /// An execution, or more of one.
    Execution(RecordExecutionInput),
    /// An alias to set, by key.
    Alias(AliasRecordInput),
    /// An alias to remove.
    AliasRemoval(RemoveAliasInput),
    /// A version to delete, by key.
    Deletion(DeletionRecordInput),
}

/// An alias to set, by key.
#[derive(InputObject, Clone, Debug)]
pub struct AliasRecordInput {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The version at which the alias is to stand.
    pub version: String,
    /// The alias, such as `production`: 1 to 255 characters, not `latest`.
    pub alias: String,
    /// Whether to move it when it stands at another version; else that is CONFLICT.
    #[graphql(default_with = "Some(false)")]
    pub overwrite: Option<bool>,
}

/// A version to delete, by key.
#[derive(InputObject, Clone, Debug)]
pub struct DeletionRecordInput {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The version.
    pub version: String,
}

/// Sets an alias.
#[derive(InputObject, Clone, Debug)]
pub struct SetAliasInput {
    /// The id of the version at which it is to stand.
    pub version: ID,
    /// The alias, such as `production`: 1 to 255 characters, not `latest`.
    pub alias: String,
    /// Whether to move it when it stands at another version of the artifact; else that is CONFLICT.
    #[graphql(default_with = "Some(false)")]
    pub overwrite: Option<bool>,
}

/// Removes an alias.
#[derive(InputObject, Clone, Debug)]
pub struct RemoveAliasInput {
    /// The artifact.
    pub artifact: ArtifactKey,
    /// The alias.
    pub alias: String,
}

/// Deletes a version.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteVersionInput {
    /// The id of the version.
    pub version: ID,
}

impl TryFrom<RecordInput> for record::Record {
    type Error = Invalid;

    fn try_from(input: RecordInput) -> Result<Self, Invalid> {
        Ok(match input {
            RecordInput::Artifact(artifact) => Self::Artifact(artifact.into()),
            RecordInput::Version(version) => {
                Self::Version(version.try_into().map_err(|e: Invalid| e.within("version"))?)
            }
            RecordInput::Execution(execution) => {
                Self::Execution(execution.try_into().map_err(|e: Invalid| e.within("execution"))?)
            }
            RecordInput::Alias(AliasRecordInput {
                artifact,
                version,
                alias,
                overwrite,
            }) => Self::Alias(record::SetAlias {
                artifact: artifact.into(),
                version,
                alias,
                overwrite: overwrite.unwrap_or_default(),
            }),
            RecordInput::AliasRemoval(removal) => Self::AliasRemoval(removal.into()),
            RecordInput::Deletion(DeletionRecordInput { artifact, version }) => Self::Deletion(record::DeleteVersion {
                artifact: artifact.into(),
                version,
            }),
        })
    }
}

impl From<DeclareArtifactInput> for record::DeclareArtifact {
    fn from(input: DeclareArtifactInput) -> Self {
        Self {
            key: input.key.into(),
            partition_keys: input.partition_keys,
            time_partition_granularity: input.time_partition_granularity.map(Into::into),
            description: input.description,
        }
    }
}

impl From<RemoveAliasInput> for record::RemoveAlias {
    fn from(RemoveAliasInput { artifact, alias }: RemoveAliasInput) -> Self {
        Self {
            artifact: artifact.into(),
            alias,
        }
    }
}

impl TryFrom<CreateVersionInput> for record::CreateVersion {
    type Error = Invalid;

    fn try_from(input: CreateVersionInput) -> Result<Self, Invalid> {
        let value = |PartitionValueInput { key, value }| record::PartitionValue { key, value };
        Ok(Self {
            artifact: input.artifact.into(),
            version: input.version,
            partition: input.partition.into_iter().map(value).collect(),
            time_partition: input.time_partition.map(|t| t.0),
            location: input.location,
            data_type: input.data_type,
            description: input.description,
            metadata: input.metadata.map(object).transpose()?,
            card: input.card,
            created_at: input.created_at.map(|t| t.0),
        })
    }
}

impl TryFrom<RecordExecutionInput> for record::RecordExecution {
    type Error = Invalid;

    fn try_from(input: RecordExecutionInput) -> Result<Self, Invalid> {
        let consumed = |ExecutionInputInput { name, version }| record::ExecutionInput {
            name,
            version: version.into(),
        };
        let outputs = input
            .outputs
            .map(|list| list.into_iter().enumerate().map(output).collect())
            .transpose()?;
        Ok(Self {
            key: input.key.into(),
            kind: input.kind.map(Into::into),
            state: input.state.map(Into::into),
            entity: input.entity,
            entity_version: input.entity_version,
            node_id: input.node_id,
            attempt: input.attempt,
            principal: input.principal,
            parent: input.parent.map(Into::into),
            started_at: input.started_at.map(|t| t.0),
            ended_at: input.ended_at.map(|t| t.0),
            error: input.error,
            metadata: input.metadata.map(object).transpose()?,
            inputs: input.inputs.map(|list| list.into_iter().map(consumed).collect()),
            outputs,
        })
    }
}

fn output((index, output): (usize, ExecutionOutputInput)) -> Result<record::ExecutionOutput, Invalid> {
    let within = |e: Invalid| e.within(&format!("outputs.{index}.version"));
    Ok(record::ExecutionOutput {
        name: output.name,
        version: output.version.try_into().map_err(within)?,
        announced: output.announced,
    })
}

fn object(Json(text): Json) -> Result<Map<String, Value>, Invalid> {
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Invalid::new(
            "metadata",
            "metadata is no JSON object: write names and values in braces, such as {\"rows\": 1204}.",
        )),
    }
}
