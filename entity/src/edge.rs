//! Edges of the lineage graph: an execution took a version in (`INPUT`) or gave it out (`OUTPUT`).

use sea_orm::entity::prelude::*;

use crate::{ExecutionId, VersionId};

/// `role` of an edge from a version to the execution that consumed it.
pub const INPUT: i16 = 0;
/// `role` of an edge from an execution to the version that it produced.
pub const OUTPUT: i16 = 1;

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "edge")]
pub struct Model {
    /// The execution.
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: ExecutionId,
    /// [`INPUT`] or [`OUTPUT`].
    #[sea_orm(primary_key, auto_increment = false)]
    pub role: i16,
    /// What the execution calls it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version_id: VersionId,
    /// The revision that recorded it. One that has ended may come again, in a later revision.
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// The revision since which it is no more, or `NEVER`.
    pub ended_revision: i64,
    /// Whether a record says it: then it stays when events say something else. Only writers look at it.
    pub is_recorded: bool,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
