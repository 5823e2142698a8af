//! Nodes by id and by key.

use std::sync::Arc;

use entity::{ArtifactId, ExecutionId, PartitionId, VersionId};

use super::{Batch, in_order};
use crate::domain::filter::VersionKeyQuery;
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::store::artifact::{self, ArtifactRow};
use crate::store::execution::{self, ExecutionRow};
use crate::store::explain::{Explanation, version_explain};
use crate::store::partition::{self, PartitionRow};
use crate::store::partition_filter::UnknownKey;
use crate::store::resolve::{SelectError, Selection, version_select};
use crate::store::version::{self, VersionRow};
use crate::store::{Scope, Session, StoreError};

/// Artifacts by id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactById;

impl Batch for ArtifactById {
    type Of = ArtifactId;
    type Value = Option<Arc<ArtifactRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ArtifactId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = artifact::artifact_find_many(db, scope, of).await?;
        Ok(in_order(of, rows.into_iter().map(|row| (row.id, Arc::new(row)))))
    }
}

/// Partitions by id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartitionById;

impl Batch for PartitionById {
    type Of = PartitionId;
    type Value = Option<Arc<PartitionRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[PartitionId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = partition::partition_find_many(db, scope, of).await?;
        Ok(in_order(of, rows.into_iter().map(|row| (row.id, Arc::new(row)))))
    }
}

/// Versions by id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionById;

impl Batch for VersionById {
    type Of = VersionId;
    type Value = Option<Arc<VersionRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = version::version_find_many(db, scope, of).await?;
        Ok(in_order(of, rows.into_iter().map(|row| (row.id, Arc::new(row)))))
    }
}

/// Executions by id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionById;

impl Batch for ExecutionById {
    type Of = ExecutionId;
    type Value = Option<Arc<ExecutionRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = execution::execution_find_many(db, scope, of).await?;
        Ok(in_order(of, rows.into_iter().map(|row| (row.id, Arc::new(row)))))
    }
}

/// Artifacts by key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactByKey;

impl Batch for ArtifactByKey {
    type Of = ArtifactKey;
    type Value = Option<Arc<ArtifactRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ArtifactKey]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = artifact::artifact_find_by_keys(db, scope, of).await?;
        Ok(rows.into_iter().map(|row| row.map(Arc::new)).collect())
    }
}

/// Executions by key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionByKey;

impl Batch for ExecutionByKey {
    type Of = ExecutionKey;
    type Value = Option<Arc<ExecutionRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionKey]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = execution::execution_find_by_keys(db, scope, of).await?;
        Ok(rows.into_iter().map(|row| row.map(Arc::new)).collect())
    }
}

/// The version that a query chooses, which is to be normalized; each query has its own statements.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Select;

impl Batch for Select {
    type Of = Arc<VersionKeyQuery>;
    type Value = Result<Arc<Selection>, UnknownKey>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Self::Of]) -> Result<Vec<Self::Value>, StoreError> {
        let mut selections = Vec::with_capacity(of.len());
        for query in of {
            selections.push(known(version_select(db, scope, query).await)?);
        }
        Ok(selections)
    }
}

/// The same choice, explained.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Explain {
    /// The most candidates to name.
    pub limit: u32,
}

impl Batch for Explain {
    type Of = Arc<VersionKeyQuery>;
    type Value = Result<Arc<Explanation>, UnknownKey>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Self::Of]) -> Result<Vec<Self::Value>, StoreError> {
        let mut explanations = Vec::with_capacity(of.len());
        for query in of {
            explanations.push(known(version_explain(db, scope, query, self.limit).await)?);
        }
        Ok(explanations)
    }
}

fn known<T>(answer: Result<T, SelectError>) -> Result<Result<Arc<T>, UnknownKey>, StoreError> {
    match answer {
        Ok(answer) => Ok(Ok(Arc::new(answer))),
        Err(SelectError::UnknownKey(unknown)) => Ok(Err(unknown)),
        Err(SelectError::Store(error)) => Err(error),
    }
}
