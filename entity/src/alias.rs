//! Aliases and their history: which version of an artifact a name such as `production` stood at, from when to when.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, VersionId};

/// One stay of an alias at a version: from `revision` up to, not including, `ended_revision`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alias")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The artifact in which the name is unique at any time.
    pub artifact_id: ArtifactId,
    /// The alias.
    pub name: String,
    /// Where it stood.
    pub version_id: VersionId,
    /// The revision that set it.
    pub revision: i64,
    /// The revision that moved or removed it, or `NEVER`.
    pub ended_revision: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
