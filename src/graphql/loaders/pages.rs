//! Pages of lists, and how long the lists are.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use entity::{ExecutionId, VersionId};

use super::Batch;
use crate::domain::time::Granularity;
use crate::store::artifact::ArtifactRow;
use crate::store::artifact_list::{self, ArtifactFilter, ArtifactOrder};
use crate::store::edge::{self, EdgeRow, Role};
use crate::store::event::{self, EventFilter, EventOrder, EventRow};
use crate::store::execution::ExecutionRow;
use crate::store::execution_list::{self, ExecutionFilter, ExecutionOrder};
use crate::store::page::{Page, Slice};
use crate::store::partition::{self, PartitionRow, PartitionsOf};
use crate::store::partition_filter::PartitionTest;
use crate::store::partition_value::{self, BucketRow, ValueRow};
use crate::store::version::VersionRow;
use crate::store::version_count;
use crate::store::version_list::{self, VersionFilter, VersionOrder, VersionsOf};
use crate::store::{Scope, Session, StoreError};

/// A page of rows, cheap to clone.
pub type Rows<T> = Arc<Slice<Arc<T>>>;

fn shared<T>(slice: Slice<T>) -> Rows<T> {
    let Slice {
        rows,
        has_next,
        has_previous,
    } = slice;
    Arc::new(Slice {
        rows: rows.into_iter().map(Arc::new).collect(),
        has_next,
        has_previous,
    })
}

fn each_shared<T>(slices: Vec<Slice<T>>) -> Vec<Rows<T>> {
    slices.into_iter().map(shared).collect()
}

/// A page of all artifacts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactPage {
    /// Which.
    pub filter: Arc<ArtifactFilter>,
    /// In which order.
    pub order: ArtifactOrder,
    /// From where, how many.
    pub page: Page,
}

impl Batch for ArtifactPage {
    type Of = ();
    type Value = Rows<ArtifactRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = shared(artifact_list::artifact_list(db, scope, &self.filter, self.order, &self.page).await?);
        Ok(vec![rows; of.len()])
    }
}

/// How many artifacts there are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactCount {
    /// Which.
    pub filter: Arc<ArtifactFilter>,
}

impl Batch for ArtifactCount {
    type Of = ();
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<i64>, StoreError> {
        Ok(vec![
            artifact_list::artifact_count(db, scope, &self.filter).await?;
            of.len()
        ])
    }
}

/// Pages of the artifacts of domains, by name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DomainPage {
    /// From where, how many.
    pub page: Page,
}

impl Batch for DomainPage {
    type Of = (String, String);
    type Value = Rows<ArtifactRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Self::Of]) -> Result<Vec<Self::Value>, StoreError> {
        Ok(each_shared(
            artifact_list::artifact_list_by_domains(db, scope, of, &self.page).await?,
        ))
    }
}

/// How many artifacts domains have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DomainCount;

impl Batch for DomainCount {
    type Of = (String, String);
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Self::Of]) -> Result<Vec<i64>, StoreError> {
        artifact_list::artifact_count_by_domains(db, scope, of).await
    }
}

/// Pages of the versions of artifacts or partitions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionPage {
    /// Which.
    pub filter: Arc<VersionFilter>,
    /// In which order.
    pub order: VersionOrder,
    /// From where, how many.
    pub page: Page,
}

impl Batch for VersionPage {
    type Of = VersionsOf;
    type Value = Rows<VersionRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionsOf]) -> Result<Vec<Self::Value>, StoreError> {
        Ok(each_shared(
            version_list::version_list(db, scope, of, &self.filter, self.order, &self.page).await?,
        ))
    }
}

/// How many versions artifacts or partitions have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionCount {
    /// Which.
    pub filter: Arc<VersionFilter>,
}

impl Batch for VersionCount {
    type Of = VersionsOf;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionsOf]) -> Result<Vec<i64>, StoreError> {
        version_count::version_count(db, scope, of, &self.filter).await
    }
}

/// Pages of the partitions of artifacts, newest window first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartitionPage {
    /// From where, how many.
    pub page: Page,
}

impl Batch for PartitionPage {
    type Of = PartitionsOf;
    type Value = Rows<PartitionRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[PartitionsOf]) -> Result<Vec<Self::Value>, StoreError> {
        Ok(each_shared(partition::partition_list(db, scope, of, &self.page).await?))
    }
}

/// How many partitions artifacts have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartitionCount;

impl Batch for PartitionCount {
    type Of = PartitionsOf;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[PartitionsOf]) -> Result<Vec<i64>, StoreError> {
        partition::partition_count(db, scope, of).await
    }
}

/// The partitions of an artifact that pass a filter.
#[derive(Clone, PartialEq, Eq)]
pub struct Within {
    /// The artifact.
    pub artifact: Arc<ArtifactRow>,
    /// The filter.
    pub filter: Option<PartitionTest>,
}

/// By the artifact's id: its row may be another in the view of a later page, and is the same list.
impl Hash for Within {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.artifact.id, &self.filter).hash(state);
    }
}

/// As the store takes them.
fn within(of: &[Within]) -> Vec<partition_value::Within<'_>> {
    let borrow = of.iter().map(|within| partition_value::Within {
        artifact: &within.artifact,
        filter: within.filter.as_ref(),
    });
    borrow.collect()
}

/// Pages of the distinct values of a key, ascending.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ValuePage {
    /// The key.
    pub key: String,
    /// From where, how many.
    pub page: Page,
}

impl Batch for ValuePage {
    type Of = Within;
    type Value = Rows<ValueRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Within]) -> Result<Vec<Self::Value>, StoreError> {
        let pages = partition_value::partition_values(db, scope, &within(of), &self.key, &self.page).await?;
        Ok(each_shared(pages))
    }
}

/// How many distinct values a key has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ValueCount {
    /// The key.
    pub key: String,
}

impl Batch for ValueCount {
    type Of = Within;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Within]) -> Result<Vec<i64>, StoreError> {
        partition_value::partition_value_counts(db, scope, &within(of), &self.key).await
    }
}

/// The windows of time in which artifacts have versions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Buckets {
    /// The size of the windows.
    pub granularity: Granularity,
}

impl Batch for Buckets {
    type Of = Within;
    type Value = Arc<[BucketRow]>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[Within]) -> Result<Vec<Self::Value>, StoreError> {
        let buckets = partition_value::time_buckets(db, scope, &within(of), self.granularity).await?;
        Ok(buckets.into_iter().map(Into::into).collect())
    }
}

/// A page of all executions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionPage {
    /// Which.
    pub filter: Arc<ExecutionFilter>,
    /// In which order.
    pub order: ExecutionOrder,
    /// From where, how many.
    pub page: Page,
}

impl Batch for ExecutionPage {
    type Of = ();
    type Value = Rows<ExecutionRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = shared(execution_list::execution_list(db, scope, &self.filter, self.order, &self.page).await?);
        Ok(vec![rows; of.len()])
    }
}

/// How many executions there are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionCount {
    /// Which.
    pub filter: Arc<ExecutionFilter>,
}

impl Batch for ExecutionCount {
    type Of = ();
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<i64>, StoreError> {
        Ok(vec![
            execution_list::execution_count(db, scope, &self.filter).await?;
            of.len()
        ])
    }
}

/// A page of events.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventPage {
    /// Which.
    pub filter: Arc<EventFilter>,
    /// In which order.
    pub order: EventOrder,
    /// From where, how many.
    pub page: Page,
}

impl Batch for EventPage {
    type Of = ();
    type Value = Rows<EventRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = shared(event::event_list(db, scope, &self.filter, self.order, &self.page).await?);
        Ok(vec![rows; of.len()])
    }
}

/// How many events there are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventCount {
    /// Which.
    pub filter: Arc<EventFilter>,
}

impl Batch for EventCount {
    type Of = ();
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<i64>, StoreError> {
        Ok(vec![event::event_count(db, scope, &self.filter).await?; of.len()])
    }
}

/// Pages of the children of executions, in order of recording.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChildPage {
    /// From where, how many.
    pub page: Page,
}

impl Batch for ChildPage {
    type Of = ExecutionId;
    type Value = Rows<ExecutionRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionId]) -> Result<Vec<Self::Value>, StoreError> {
        Ok(each_shared(
            execution_list::execution_list_by_parents(db, scope, of, &self.page).await?,
        ))
    }
}

/// How many children executions have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChildCount;

impl Batch for ChildCount {
    type Of = ExecutionId;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionId]) -> Result<Vec<i64>, StoreError> {
        execution_list::execution_count_by_parents(db, scope, of).await
    }
}

/// Pages of the edges of executions, by name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionEdgePage {
    /// Inputs or outputs.
    pub role: Role,
    /// From where, how many.
    pub page: Page,
}

impl Batch for ExecutionEdgePage {
    type Of = ExecutionId;
    type Value = Rows<EdgeRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionId]) -> Result<Vec<Self::Value>, StoreError> {
        Ok(each_shared(
            edge::edge_list_by_executions(db, scope, of, self.role, &self.page).await?,
        ))
    }
}

/// How many inputs or outputs executions have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionEdgeCount {
    /// Inputs or outputs.
    pub role: Role,
}

impl Batch for ExecutionEdgeCount {
    type Of = ExecutionId;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionId]) -> Result<Vec<i64>, StoreError> {
        edge::edge_count_by_executions(db, scope, of, self.role).await
    }
}

/// Pages of the executions that consumed versions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConsumerPage {
    /// From where, how many.
    pub page: Page,
}

impl Batch for ConsumerPage {
    type Of = VersionId;
    type Value = Rows<EdgeRow>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionId]) -> Result<Vec<Self::Value>, StoreError> {
        Ok(each_shared(
            edge::edge_list_by_versions(db, scope, of, Role::Input, &self.page).await?,
        ))
    }
}

/// How many times versions were consumed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConsumerCount;

impl Batch for ConsumerCount {
    type Of = VersionId;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionId]) -> Result<Vec<i64>, StoreError> {
        edge::edge_count_by_versions(db, scope, of, Role::Input).await
    }
}
