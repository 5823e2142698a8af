//! Artifacts: the names that get versions, and what was declared of them.

use sea_orm::entity::prelude::*;

use crate::ArtifactId;

/// One artifact.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artifact")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ArtifactId,
    /// Digest of project, domain and name; unique.
    pub key_digest: Vec<u8>,
    /// First part of the key.
    pub project: String,
    /// Second part of the key.
    pub domain: String,
    /// Third part of the key.
    pub name: String,
    /// When this server first recorded it.
    pub created_at: i64,
    /// The revision that first named it.
    pub revision: i64,
    /// The revision that declared its partitions, or `NEVER`.
    pub declared_revision: i64,
    /// Declared partition keys as a JSON array, in declared order.
    pub declared_keys: Option<String>,
    /// Declared granularity (`MINUTE` … `YEAR`); none: declared without a time partition, or not declared.
    pub declared_granularity: Option<String>,
    /// What a declaration said it is.
    pub description: Option<String>,
    /// The revision that gave the description, or `NEVER`.
    pub described_revision: i64,
    /// The first revision in which a version brought a time partition, or `NEVER`.
    pub time_seen_revision: i64,
    /// The revision since which it is known to be another artifact under another name, or `NEVER`: then it is no more.
    pub merged_revision: i64,
    /// The revision since which it is there again, since a record names it, or `NEVER`.
    pub returned_revision: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
