//! Partitions: the distinct combinations of partition values and time window of an artifact.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, PartitionId};

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partition")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartitionId,
    /// Whose partition it is.
    pub artifact_id: ArtifactId,
    /// Digest of the artifact, the values and the window, near those of windows that begin at the same time; unique.
    pub digest: Vec<u8>,
    /// The values as a JSON object; keys ascending.
    pub values: String,
    /// How many keys have a value.
    pub key_count: i16,
    /// Start of the time window, or `NO_TIME`.
    pub window_start: i64,
    /// Granularity of the window; none without one.
    pub granularity: Option<String>,
    /// The revision that first placed a version in it.
    pub revision: i64,
    /// The revision of the declaration that it does not fit, or `NEVER`.
    pub retired_revision: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
