//! The partition keys that an artifact's versions have brought: what an artifact that is not declared has as its keys.

use sea_orm::entity::prelude::*;

use crate::ArtifactId;

/// One key seen on one artifact.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact_key")]
pub struct Model {
    /// The artifact.
    #[sea_orm(primary_key, auto_increment = false)]
    pub artifact_id: ArtifactId,
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The revision that first brought it.
    pub revision: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
