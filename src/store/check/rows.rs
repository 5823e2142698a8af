//! Rows with what a rule needs beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use entity::{ArtifactId, VersionId, artifact, partition, partition_value, revision, version, version_value};
use sea_orm::{FromQueryResult, Value};

use super::super::lineage::Changed;

/// An artifact with the keys that its versions have brought, and the revision that first brought each.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The artifact.
    pub row: artifact::Model,
    /// Its keys.
    pub keys: BTreeMap<String, i64>,
}

/// An artifact, shared by the rows that are its.
pub type ArtifactRow = Arc<Owner>;

/// A partition.
#[derive(Clone, Debug)]
pub struct PartitionRow {
    /// The row.
    pub row: partition::Model,
    /// Whose it is; none when there is no such artifact.
    pub artifact: Option<ArtifactRow>,
    /// Its rows of `partition_value`.
    pub values: Vec<partition_value::Model>,
}

/// A version.
#[derive(Clone, Debug)]
pub struct VersionRow {
    /// The row.
    pub row: version::Model,
    /// Whose it is; none when there is no such artifact.
    pub artifact: Option<ArtifactRow>,
    /// The digest of the partition that it is in.
    pub partition: Option<Vec<u8>>,
    /// The digest of the partition that it was in.
    pub prior_partition: Option<Vec<u8>>,
}

/// What the values of a version are made from.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Content {
    /// The version.
    pub id: VersionId,
    /// Its artifact.
    pub artifact_id: ArtifactId,
    /// When it was produced.
    pub created_at: i64,
    /// Its place among those of the same time.
    pub ordinal: i64,
    /// Its partition values as given.
    pub given_values: Option<String>,
}

/// The columns of [`Content`].
pub(super) const CONTENT: [version::Column; 5] = [
    version::Column::Id,
    version::Column::ArtifactId,
    version::Column::CreatedAt,
    version::Column::Ordinal,
    version::Column::GivenValues,
];

/// A value of a version.
#[derive(Clone, Debug)]
pub struct VersionValueRow {
    /// The row.
    pub row: version_value::Model,
    /// The version that it names; none when there is no such version.
    pub version: Option<Arc<Content>>,
}

/// A revision in the log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Its number.
    pub id: i64,
    /// When it was recorded.
    pub recorded_at: i64,
    /// Whether what it says that it changed can be read.
    pub is_readable: bool,
}

impl From<revision::Model> for Log {
    fn from(row: revision::Model) -> Self {
        Self {
            id: row.id,
            recorded_at: row.recorded_at,
            is_readable: Changed::from_stored(row.changed.as_deref()).is_ok(),
        }
    }
}

/// A row with its number, to be bound.
pub(super) fn bound(number: i64, row: &version_value::Model) -> [Value; 7] {
    [
        number.into(),
        row.artifact_id.0.into(),
        row.key.as_str().into(),
        row.value.as_str().into(),
        row.created_at.into(),
        row.ordinal.into(),
        row.version_id.0.into(),
    ]
}
