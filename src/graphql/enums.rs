//! The enumerations of the schema.

use async_graphql::Enum;

use crate::domain::{openlineage, record, time};

/// The size of an artifact's time windows, from fine to coarse. All windows are of UTC.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "time::Granularity")]
pub enum Granularity {
    /// A minute; label such as `2026-11-23T14:05`.
    Minute,
    /// An hour; label such as `2026-11-23T14`.
    Hour,
    /// A day from midnight; label such as `2026-11-23`.
    Day,
    /// A week from Monday; label such as `2026-W48` (ISO 8601).
    Week,
    /// A calendar month; label such as `2026-11`.
    Month,
    /// A calendar year; label such as `2026`.
    Year,
}

/// What kind of run an execution is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "record::ExecutionKind")]
pub enum ExecutionKind {
    /// A run of a workflow: usually the parent of the runs of its tasks.
    Workflow,
    /// A run of a task.
    Task,
}

/// How far an execution is. Of two records about one execution, the state further along wins:
/// QUEUED, then RUNNING, then one of FAILED, ABORTED and SUCCEEDED.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "record::ExecutionState")]
pub enum ExecutionState {
    /// Waiting to run; also when nothing has been recorded about its state.
    Queued,
    /// Running.
    Running,
    /// Ended with an error, which `error` tells.
    Failed,
    /// Ended by somebody before its time.
    Aborted,
    /// Ended well.
    Succeeded,
}

/// What an OpenLineage event is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "openlineage::EventKind")]
pub enum EventKind {
    /// A run of a job (RunEvent).
    Run,
    /// A job, apart from any run (JobEvent).
    Job,
    /// A dataset, apart from any job (DatasetEvent).
    Dataset,
}

/// What an OpenLineage event says has happened to a run.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "openlineage::EventType")]
pub enum EventType {
    /// It began.
    Start,
    /// It goes on.
    Running,
    /// It ended well.
    Complete,
    /// It was ended.
    Abort,
    /// It ended with an error.
    Fail,
    /// Something is said about it, apart from where it stands.
    Other,
}

/// What events can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::store::event::EventOrderField")]
pub enum EventOrderField {
    /// When they happened.
    EventTime,
    /// When this server heard them first.
    RecordedAt,
}

/// The order of a list.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderDirection {
    /// The smallest, oldest or alphabetically first comes first.
    Asc,
    /// The greatest, newest or alphabetically last comes first.
    Desc,
}

/// What a list of artifacts is ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArtifactOrderField {
    /// Its name, by code points.
    Name,
    /// When it was first recorded.
    CreatedAt,
    /// When its newest version was created, else when it was first recorded itself.
    UpdatedAt,
}

/// What a list of versions is ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionOrderField {
    /// When it was produced, then the order of recording; a REFERENCED version counts as of when it was first named.
    CreatedAt,
    /// The start of its time partition, then `CREATED_AT`; a version without one counts as the oldest.
    TimePartition,
    /// Its version string, by code points.
    Version,
}

/// What a list of executions is ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionOrderField {
    /// When it started; one that has not started counts as the oldest.
    StartedAt,
    /// The order in which this server first heard of them.
    RecordedAt,
}

/// What there is of a version.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::store::version::VersionState")]
pub enum VersionState {
    /// Some execution names it, and nobody has produced it yet.
    Referenced,
    /// It was produced, and is there.
    Available,
    /// It was produced and later deleted: its location, metadata and card are gone, its place in lineage stays.
    Deleted,
}

/// What became of a record.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IngestStatus {
    /// It was recorded, and something changed.
    Applied,
    /// All that it says was there already.
    Unchanged,
    /// It was refused, and nothing of it was recorded; `error` says why.
    Rejected,
}
