//! The log of revisions: one row for each committed write transaction, numbered from 1 without gaps.

use sea_orm::entity::prelude::*;

/// One committed write.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revision")]
pub struct Model {
    /// The number that orders everything.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// When this server recorded it; never before that of a smaller revision.
    pub recorded_at: i64,
    /// Which rows of earlier revisions it changed, as JSON: `{"artifacts": […], "versions": […], "executions": […]}`, by id; none
    /// when it only added rows. Executions that got further edges are among them. An index in memory follows the log by
    /// these and by the ids that come after those that it knows.
    pub changed: Option<String>,
}

/// None: rows refer to revisions by number.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
