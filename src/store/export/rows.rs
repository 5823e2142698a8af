//! From rows to the records that would make them.

use std::collections::BTreeMap;

use entity::{NO_TIME, artifact, execution, version};
use sea_orm::QueryResult;
use serde_json::Map;

use super::super::StoreError;
use super::{ExportedArtifact, ExportedExecution, ExportedInput, ExportedVersion, Parent};
use crate::domain::json;
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{
    CreateVersion, DeclareArtifact, ExecutionKind, ExecutionState, PartitionValue, RecordExecution,
};
use crate::domain::time::Timestamp;

pub(super) fn artifact_key(row: &QueryResult) -> Result<ArtifactKey, StoreError> {
    Ok(ArtifactKey {
        project: row.try_get("", "artifact_project")?,
        domain: row.try_get("", "artifact_domain")?,
        name: row.try_get("", "artifact_name")?,
    })
}

pub(super) fn parent(row: &QueryResult) -> Result<Parent, StoreError> {
    let Some(project) = row.try_get("", "parent_project")? else {
        return Ok(Parent::default());
    };
    Ok(Parent {
        key: Some(ExecutionKey {
            project,
            domain: row.try_get("", "parent_domain")?,
            name: row.try_get("", "parent_name")?,
        }),
        entity: row.try_get("", "parent_entity")?,
    })
}

fn inconsistent(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Inconsistent(format!("{what}: {error}"))
}

fn key(row: &artifact::Model) -> ArtifactKey {
    ArtifactKey {
        project: row.project.clone(),
        domain: row.domain.clone(),
        name: row.name.clone(),
    }
}

pub(super) fn artifact(row: artifact::Model, revision: i64) -> Result<ExportedArtifact, StoreError> {
    Ok(ExportedArtifact {
        key: key(&row),
        description: row.description.filter(|_| row.described_revision <= revision),
    })
}

pub(super) fn declaration(row: artifact::Model, revision: i64) -> Result<DeclareArtifact, StoreError> {
    let keys = row.declared_keys.as_deref().unwrap_or("[]");
    let granularity = row.declared_granularity.as_deref().map(str::parse).transpose();
    Ok(DeclareArtifact {
        key: key(&row),
        partition_keys: serde_json::from_str(keys).map_err(|e| inconsistent("declared keys", e))?,
        time_partition_granularity: granularity.map_err(|e| inconsistent("declared granularity", e))?,
        description: row.description.filter(|_| row.described_revision <= revision),
    })
}

/// An execution, without its edges.
pub(super) fn execution(
    row: execution::Model,
    parent: Parent,
    columns: &QueryResult,
) -> Result<ExportedExecution, StoreError> {
    let recorded_at: Option<i64> = columns.try_get("", "recorded_at")?;
    Ok(ExportedExecution {
        record: RecordExecution {
            key: ExecutionKey {
                project: row.project,
                domain: row.domain,
                name: row.name,
            },
            kind: Some(ExecutionKind::from_stored(&row.kind)),
            state: Some(ExecutionState::from_stored(&row.state)),
            entity: row.entity,
            entity_version: row.entity_version,
            node_id: row.node_id,
            attempt: row.attempt,
            principal: row.principal,
            parent: parent.key,
            started_at: (row.started_at != NO_TIME).then_some(Timestamp(row.started_at)),
            ended_at: row.ended_at.map(Timestamp),
            error: row.error,
            metadata: row.metadata.as_deref().map(object).transpose()?,
            inputs: None,
            outputs: None,
        },
        field_ranks: row.field_ranks,
        parent_entity: parent.entity,
        recorded_at: Timestamp(recorded_at.unwrap_or_default()),
        inputs: vec![],
        outputs: vec![],
    })
}

/// What an execution took in; of a version that nobody had produced by a revision, its name.
pub(super) fn input(row: &QueryResult, revision: i64) -> Result<ExportedInput, StoreError> {
    let produced: i64 = row.try_get("", "produced_revision")?;
    let values: Option<String> = row.try_get("", "given_values")?;
    let time: Option<i64> = row.try_get("", "given_time")?;
    let is_known = produced <= revision;
    Ok(ExportedInput {
        name: row.try_get("", "edge_name")?,
        artifact: artifact_key(row)?,
        version: row.try_get("", "version")?,
        partition: given(values.as_deref().filter(|_| is_known))?,
        time_partition: time.filter(|_| is_known).map(Timestamp),
    })
}

/// A version as of a revision, with when it was deleted.
pub(super) fn version(
    row: version::Model,
    artifact: ArtifactKey,
    deleted_at: Option<i64>,
    revision: i64,
) -> Result<ExportedVersion, StoreError> {
    let is_produced = row.produced_revision <= revision;
    let content = if is_produced {
        content(row, artifact, revision)?
    } else {
        CreateVersion::named(artifact, row.version)
    };
    Ok(ExportedVersion {
        content,
        is_produced,
        deleted_at: deleted_at.map(Timestamp),
    })
}

/// The record that makes a version; of a deleted one, what is left of it.
pub(super) fn content(row: version::Model, artifact: ArtifactKey, revision: i64) -> Result<CreateVersion, StoreError> {
    let kept = row.deleted_revision > revision;
    Ok(CreateVersion {
        artifact,
        version: Some(row.version),
        partition: given(row.given_values.as_deref())?,
        time_partition: row.given_time.map(Timestamp),
        location: row.location.filter(|_| kept),
        data_type: row.data_type,
        description: row.description,
        metadata: row.metadata.filter(|_| kept).as_deref().map(object).transpose()?,
        card: row.card.filter(|_| kept),
        created_at: Some(Timestamp(row.created_at)),
    })
}

/// Partition values as stored.
pub(super) fn given(stored: Option<&str>) -> Result<Vec<PartitionValue>, StoreError> {
    let Some(stored) = stored else {
        return Ok(Vec::new());
    };
    let values: BTreeMap<String, String> =
        serde_json::from_str(stored).map_err(|e| inconsistent("partition values", e))?;
    Ok(values
        .into_iter()
        .map(|(key, value)| PartitionValue { key, value })
        .collect())
}

/// Metadata as stored, read back.
fn object(stored: &str) -> Result<Map<String, serde_json::Value>, StoreError> {
    json::read(stored).map_err(|e| inconsistent("metadata", e))
}
