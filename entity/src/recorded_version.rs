//! What a record said of a version that events describe too, kept apart so that neither takes the other's place.

use sea_orm::entity::prelude::*;

use crate::VersionId;

/// What a record said of one version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recorded_version")]
pub struct Model {
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VersionId,
    /// The revision that recorded it.
    pub revision: i64,
    /// A `service::content::Recorded`, as JSON.
    pub content: String,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
