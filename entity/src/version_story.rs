//! What events say of versions that a run names beyond the first of a dataset, or that events about the dataset itself do: a story
//! that had all of them in it would be read and written whole for each event.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, ExecutionId};

/// What one story says of one version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "version_story")]
pub struct Model {
    /// Digest of whose story it is, of whether the run writes the dataset, of the dataset and the version; unique.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    /// The execution whose story it is of; none where it is that of a dataset.
    pub execution_id: Option<ExecutionId>,
    /// The artifact whose story it is of; none where it is that of a run.
    pub artifact_id: Option<ArtifactId>,
    /// Whether the run writes the version; otherwise it reads it.
    pub is_written: bool,
    /// A `domain::openlineage::Dataset`, as the run names it, as JSON; none where it is the story of a dataset.
    pub dataset: Option<String>,
    /// The version.
    pub version: String,
    /// A `domain::openlineage::Use`, as JSON; an empty one where it is said by another dataset now.
    pub story: String,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
