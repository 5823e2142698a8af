//! Events as they were sent: what they mean stands in other tables, and nothing of them is lost to that.

use sea_orm::entity::prelude::*;

use crate::{ArtifactId, ExecutionId};

/// One OpenLineage event.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Given in order of recording.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Digest of its JSON, whatever the spelling, near those of events of the same time; unique.
    pub digest: Vec<u8>,
    /// `RUN`, `JOB` or `DATASET`.
    pub kind: String,
    /// `START`, `RUNNING`, `COMPLETE`, `ABORT`, `FAIL` or `OTHER`; none where it did not say.
    pub event_type: Option<String>,
    /// When what it tells happened.
    pub event_time: i64,
    /// Of its job; of a dataset's event, of the dataset.
    pub namespace: String,
    /// Of its job; of a dataset's event, of the dataset.
    pub name: String,
    /// Its run.
    pub run_id: Option<String>,
    /// The execution that it is about.
    pub execution_id: Option<ExecutionId>,
    /// The artifact that it is about.
    pub artifact_id: Option<ArtifactId>,
    /// The revision that recorded it.
    pub revision: i64,
    /// Its JSON on one line, otherwise as it was sent.
    pub body: String,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
