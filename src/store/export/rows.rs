//! From rows to the records that would make them.

use std::collections::BTreeMap;

use entity::{artifact, version};
use sea_orm::{FromQueryResult, QueryResult};
use serde_json::Map;

use super::super::StoreError;
use super::Exported;
use crate::domain::json;
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{CreateVersion, DeclareArtifact, PartitionValue, Record};
use crate::domain::time::Timestamp;

pub(super) fn models<M: FromQueryResult>(rows: &[QueryResult]) -> Result<Vec<M>, StoreError> {
    Ok(rows
        .iter()
        .map(|row| M::from_query_result(row, ""))
        .collect::<Result<_, _>>()?)
}

pub(super) fn artifact_key(row: &QueryResult) -> Result<ArtifactKey, StoreError> {
    Ok(ArtifactKey {
        project: row.try_get("", "artifact_project")?,
        domain: row.try_get("", "artifact_domain")?,
        name: row.try_get("", "artifact_name")?,
    })
}

pub(super) fn parent_key(row: &QueryResult) -> Result<Option<ExecutionKey>, StoreError> {
    let Some(project) = row.try_get("", "parent_project")? else {
        return Ok(None);
    };
    Ok(Some(ExecutionKey {
        project,
        domain: row.try_get("", "parent_domain")?,
        name: row.try_get("", "parent_name")?,
    }))
}

fn inconsistent(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Inconsistent(format!("{what}: {error}"))
}

pub(super) fn declaration(row: artifact::Model, revision: i64) -> Result<Exported, StoreError> {
    let keys = row.declared_keys.as_deref().unwrap_or("[]");
    let granularity = row.declared_granularity.as_deref().map(str::parse).transpose();
    Ok(Exported::Record(Record::Artifact(DeclareArtifact {
        key: ArtifactKey {
            project: row.project,
            domain: row.domain,
            name: row.name,
        },
        partition_keys: serde_json::from_str(keys).map_err(|e| inconsistent("declared keys", e))?,
        time_partition_granularity: granularity.map_err(|e| inconsistent("declared granularity", e))?,
        description: row.description.filter(|_| row.described_revision <= revision),
    })))
}

/// The record that makes a version; of a deleted one, what is left of it.
pub(super) fn content(row: version::Model, artifact: ArtifactKey, revision: i64) -> Result<CreateVersion, StoreError> {
    let kept = row.deleted_revision > revision;
    Ok(CreateVersion {
        artifact,
        version: Some(row.version),
        partition: row.given_values.as_deref().map_or(Ok(vec![]), partition_values)?,
        time_partition: row.given_time.map(Timestamp),
        location: row.location.filter(|_| kept),
        data_type: row.data_type,
        description: row.description,
        metadata: row.metadata.filter(|_| kept).as_deref().map(object).transpose()?,
        card: row.card.filter(|_| kept),
        created_at: Some(Timestamp(row.created_at)),
    })
}

/// The name of a version that nobody has produced.
pub(super) fn announcement(row: version::Model, artifact: ArtifactKey) -> CreateVersion {
    CreateVersion {
        artifact,
        version: Some(row.version),
        partition: vec![],
        time_partition: None,
        location: None,
        data_type: None,
        description: None,
        metadata: None,
        card: None,
        created_at: None,
    }
}

fn partition_values(stored: &str) -> Result<Vec<PartitionValue>, StoreError> {
    let values: BTreeMap<String, String> =
        serde_json::from_str(stored).map_err(|e| inconsistent("partition values", e))?;
    Ok(values
        .into_iter()
        .map(|(key, value)| PartitionValue { key, value })
        .collect())
}

/// Metadata as stored, read back.
pub fn object(stored: &str) -> Result<Map<String, serde_json::Value>, StoreError> {
    json::read(stored).map_err(|e| inconsistent("metadata", e))
}
