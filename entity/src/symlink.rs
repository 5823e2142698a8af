//! What events say of other names of datasets: two names are of the same one.

use sea_orm::entity::prelude::*;

/// One pair of names.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "symlink")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Digest of both names; unique.
    pub digest: Vec<u8>,
    /// Digest of the key that the other name makes.
    pub alias_digest: Vec<u8>,
    /// Digest of the key of the dataset that was said to have it.
    pub dataset_digest: Vec<u8>,
    /// The other name: namespace and name, as JSON.
    pub alias: String,
    /// The dataset: namespace and name, as JSON.
    pub dataset: String,
    /// What kind of name it is, such as `TABLE`.
    pub kind: Option<String>,
    /// The revision that recorded it.
    pub revision: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
