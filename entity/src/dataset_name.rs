//! Which artifact a dataset's other name is of, and was of before. It follows from all symlinks that have been said.

use sea_orm::entity::prelude::*;

use crate::ArtifactId;

/// One other name.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dataset_name")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Digest of the key that the name makes; unique among those that have not ended.
    pub digest: Vec<u8>,
    /// The namespace of the name.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The artifact that it is of.
    pub artifact_id: ArtifactId,
    /// The name under which that artifact is kept: namespace and name, as JSON.
    pub dataset: String,
    /// The revision that recorded it.
    pub revision: i64,
    /// The revision from which on the name is of another artifact; [`NEVER`](crate::NEVER) where it is still of this one.
    pub ended_revision: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
