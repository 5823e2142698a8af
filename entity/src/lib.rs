//! Rows: one file per table, each with its `Model` and nothing else, and the typed ids.
//!
//! Instants are microseconds since 1970-01-01T00:00:00Z. A column that says *when* something came to be holds a
//! revision; [`NEVER`] in it means that it has not happened. No queries and no rules live here.

pub mod alias;
pub mod artifact;
pub mod artifact_key;
pub mod dataset_name;
pub mod dataset_story;
pub mod edge;
pub mod event;
pub mod execution;
pub mod floating_input;
pub mod idempotent_answer;
pub mod ids;
pub mod partition;
pub mod partition_value;
pub mod recorded_version;
pub mod resolved_input;
pub mod revision;
pub mod revision_counter;
pub mod run_story;
pub mod symlink;
pub mod version;
pub mod version_story;
pub mod version_value;

pub use ids::{ArtifactId, ExecutionId, PartitionId, VersionId};

/// The revision of what has not happened: greater than every revision, so that `revision <= scope` is all a read asks.
pub const NEVER: i64 = i64::MAX;

/// The instant of what has no time (no time partition, not started): before every real one, so that it sorts as oldest.
pub const NO_TIME: i64 = i64::MIN;
