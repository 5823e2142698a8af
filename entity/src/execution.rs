//! Executions: runs of workflows and tasks, merged from the records that came about them.

use sea_orm::entity::prelude::*;

use crate::ExecutionId;

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "execution")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExecutionId,
    /// Digest of project, domain and name, near those of executions whose names begin alike; unique.
    pub key_digest: Vec<u8>,
    /// First part of the key.
    pub project: String,
    /// Second part of the key.
    pub domain: String,
    /// Third part of the key.
    pub name: String,
    /// The revision that first named it.
    pub revision: i64,
    /// The revision of the first record about it, or `NEVER` while it is only somebody's parent.
    pub reported_revision: i64,
    /// `WORKFLOW` or `TASK`; where no record said, `TASK` for one with a parent, else `WORKFLOW`.
    pub kind: String,
    /// `QUEUED`, `RUNNING`, `SUCCEEDED`, `FAILED` or `ABORTED`; where no record said, `QUEUED`.
    pub state: String,
    /// The workflow's or task's name.
    pub entity: Option<String>,
    /// Its version.
    pub entity_version: Option<String>,
    /// The node of the workflow that it ran for.
    pub node_id: Option<String>,
    /// Number of the attempt, as the producer counts.
    pub attempt: Option<i32>,
    /// Who ran it.
    pub principal: Option<String>,
    /// The execution that it is part of.
    pub parent_id: Option<ExecutionId>,
    /// When it started, or `NO_TIME`.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// A JSON object, as text.
    pub metadata: Option<String>,
    /// How far along the record was that gave each field, as JSON: what later records are weighed against.
    pub field_ranks: String,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
