//! The counter row. A write transaction updates it first, which on PostgreSQL locks out every other writer until
//! commit: that is what makes revisions gap-free and ids dense.

use sea_orm::entity::prelude::*;

/// The single row, with `id` 1.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revision_counter")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The newest revision; 0 in an empty store.
    pub revision: i64,
    /// When it was recorded.
    pub recorded_at: i64,
    /// The last artifact id given out.
    pub artifact_id: i64,
    /// The last partition id given out.
    pub partition_id: i64,
    /// The last version id (or version ordinal) given out.
    pub version_id: i64,
    /// The last execution id given out.
    pub execution_id: i64,
    /// The last alias id given out.
    pub alias_id: i64,
    /// The last id given out to an event, or to what one leaves behind: a floating input, a symlink. 0 in a store that has heard
    /// no event.
    pub event_id: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
