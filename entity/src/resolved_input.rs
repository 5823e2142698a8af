//! Inputs that were given by a query, with the version each was resolved to when it was first recorded: a record sent
//! again finds its answer here and is not resolved anew.

use sea_orm::entity::prelude::*;

use crate::{ExecutionId, VersionId};

/// One resolved input.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resolved_input")]
pub struct Model {
    /// The execution that asked.
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: ExecutionId,
    /// Digest of the input's name and its query.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    /// The version chosen.
    pub version_id: VersionId,
    /// The revision in which it was chosen.
    pub revision: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
