//! What the events about one run come to, so that the next one, in whatever order, need not read those before.

use sea_orm::entity::prelude::*;

use crate::ExecutionId;

/// The story of one run.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_story")]
pub struct Model {
    /// The execution.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExecutionId,
    /// A `domain::openlineage::RunStory`, as JSON.
    pub story: String,
    /// What records say of the execution, as JSON of `service::merge::Fields`; none where no record speaks of it.
    pub recorded: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
