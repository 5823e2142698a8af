//! What the events about one dataset, apart from any run, come to.

use sea_orm::entity::prelude::*;

use crate::ArtifactId;

/// The story of one dataset.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dataset_story")]
pub struct Model {
    /// The artifact.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ArtifactId,
    /// A `domain::openlineage::DatasetStory`, as JSON.
    pub story: String,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
