//! Versions: immutable materialisations of artifacts, placeholders for those not yet produced, and tombstones.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, PartitionId, VersionId};

/// One version.
///
/// Its state as of revision R: DELETED when `deleted_revision <= R`, else AVAILABLE when `produced_revision <= R`,
/// else REFERENCED when `revision <= R`, else not there.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "version")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VersionId,
    /// The artifact that it is a version of.
    pub artifact_id: ArtifactId,
    /// Digest of the artifact's key and the version, near those of versions with the same first characters; unique among those that are not withdrawn.
    pub key_digest: Vec<u8>,
    /// The version string.
    pub version: String,
    /// The revision that first named it.
    pub revision: i64,
    /// The revision that recorded its content, or `NEVER` while it is only referenced.
    pub produced_revision: i64,
    /// The revision that deleted it, or `NEVER`.
    pub deleted_revision: i64,
    /// When it was produced; while it is only referenced, when it was first named.
    pub created_at: i64,
    /// Whether the producer gave `created_at`, so that it counts when contents are compared.
    pub created_at_given: bool,
    /// Order in which contents were recorded: the tie-breaker of "the most recent". Negative once it is withdrawn: what events had
    /// made of it they make of another one now, so that since `deleted_revision` it is not there at all. When something names it
    /// again, that is another row.
    pub ordinal: i64,
    /// For a version that began as a placeholder, when it was first named.
    pub named_at: Option<i64>,
    /// The revision since which it has its partition, window and mismatch: that of its production, or of the declaration
    /// that placed it anew. Before it, the `prior_` columns hold. `NEVER` while it is only referenced.
    pub placed_revision: i64,
    /// Its partition; none when unpartitioned, only referenced, or flagged.
    pub partition_id: Option<PartitionId>,
    /// Start of its time window, or `NO_TIME`.
    pub window_start: i64,
    /// Why its partition does not fit the artifact's keys; none when it does.
    pub schema_mismatch: Option<String>,
    /// `partition_id` before the artifact was declared, where the declaration changed it.
    pub prior_partition_id: Option<PartitionId>,
    /// `window_start` before the declaration, or `NO_TIME`.
    pub prior_window_start: i64,
    /// `schema_mismatch` before the declaration.
    pub prior_schema_mismatch: Option<String>,
    /// The partition values as given, a JSON object with keys ascending; none when none were given.
    pub given_values: Option<String>,
    /// The time partition's instant as given.
    pub given_time: Option<i64>,
    /// Where the data lies.
    pub location: Option<String>,
    /// What kind of thing it is, in the producer's words.
    pub data_type: Option<String>,
    /// What the producer says it is.
    pub description: Option<String>,
    /// A JSON object, as text.
    pub metadata: Option<String>,
    /// Markdown. No read needs a column behind it, so that rows which are read without it end before it.
    pub card: Option<String>,
    /// Whether events describe it, or did: what they say of it adds up, beside what a record said (`recorded_version`). A version
    /// that records alone speak of never changes. Only writers look at it.
    pub is_described: bool,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
