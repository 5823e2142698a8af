//! Inputs of events that name no version. Each is at the version that was the latest when its run started, as far as is known:
//! when another one is heard of later, the edge moves.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, ExecutionId, VersionId};

/// One floating input.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "floating_input")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Digest of the execution, the dataset and the partition; unique.
    pub digest: Vec<u8>,
    /// The execution that consumes it.
    pub execution_id: ExecutionId,
    /// The artifact of which it takes a version.
    pub artifact_id: ArtifactId,
    /// What the execution calls it.
    pub name: String,
    /// Digest of the partition of which it takes a version; none: of any.
    pub partition_digest: Option<Vec<u8>>,
    /// The version that stands for what nobody is known to have produced.
    pub placeholder: String,
    /// When the run started: only what was produced by then counts.
    pub started_at: i64,
    /// The version that it is at; none until that is settled, in the same transaction.
    pub version_id: Option<VersionId>,
    /// Whether it is no more, since an event has named a version.
    pub is_gone: bool,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
