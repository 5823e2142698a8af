//! The values of partitions, by key and value: answers filters and distinct values.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, PartitionId};

/// One value of one partition.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partition_value")]
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
    /// The partition that has it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub partition_id: PartitionId,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
