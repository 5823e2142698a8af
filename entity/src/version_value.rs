//! The partition values of versions in order of creation: answers "the newest version with region=EU" in one descent.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, VersionId};

/// One partition value of one produced version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "version_value")]
pub struct Model {
    /// The artifact.
    #[sea_orm(primary_key, auto_increment = false)]
    pub artifact_id: ArtifactId,
    /// The partition key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Its value.
    #[sea_orm(primary_key, auto_increment = false)]
    pub value: String,
    /// The version's `created_at`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub created_at: i64,
    /// The version's `ordinal`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ordinal: i64,
    /// The version.
    pub version_id: VersionId,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
