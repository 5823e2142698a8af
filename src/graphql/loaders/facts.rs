//! Single facts about nodes and revisions.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use entity::{ArtifactId, ExecutionId, PartitionId, VersionId};

use super::{Batch, in_order};
use crate::domain::time::Timestamp;
use crate::store::artifact_list::{self, ProjectRow};
use crate::store::scope::{Recorded, revision_at, revision_newest};
use crate::store::version::{self, Parts, ProducerRow, VersionContent, VersionRow};
use crate::store::version_latest::{self, LatestOf};
use crate::store::{Scope, Session, StoreError, artifact, event, execution, partition};

/// The newest revision; asked in the scope of the empty store, since it decides the others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Newest;

impl Batch for Newest {
    type Of = ();
    type Value = Recorded;

    async fn run(&self, db: &Session, _: &Scope, of: &[()]) -> Result<Vec<Recorded>, StoreError> {
        let newest = revision_newest(db).await?;
        Ok(vec![newest; of.len()])
    }
}

/// The newest revision that had been recorded at an instant; a statement for each.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RevisionAt;

impl Batch for RevisionAt {
    type Of = Timestamp;
    type Value = Recorded;

    async fn run(&self, db: &Session, _: &Scope, of: &[Timestamp]) -> Result<Vec<Recorded>, StoreError> {
        let mut revisions = Vec::with_capacity(of.len());
        for instant in of {
            revisions.push(revision_at(db, *instant).await?);
        }
        Ok(revisions)
    }
}

/// When revisions were recorded.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RevisionTime;

impl Batch for RevisionTime {
    type Of = i64;
    type Value = Option<Timestamp>;

    async fn run(&self, db: &Session, _: &Scope, of: &[i64]) -> Result<Vec<Self::Value>, StoreError> {
        let times: HashMap<i64, Timestamp> = version::revision_times(db, of).await?.into_iter().collect();
        Ok(of.iter().map(|revision| times.get(revision).copied()).collect())
    }
}

/// All projects and domains.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Projects;

impl Batch for Projects {
    type Of = ();
    type Value = Arc<[ProjectRow]>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[()]) -> Result<Vec<Self::Value>, StoreError> {
        let projects: Arc<[ProjectRow]> = artifact_list::artifact_projects(db, scope).await?.into();
        Ok(vec![projects; of.len()])
    }
}

/// When artifacts got their newest version.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactUpdatedAt;

impl Batch for ArtifactUpdatedAt {
    type Of = ArtifactId;
    type Value = Option<Timestamp>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ArtifactId]) -> Result<Vec<Self::Value>, StoreError> {
        artifact_list::artifact_updated_at(db, scope, of).await
    }
}

/// Other names of artifacts, each a namespace and a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OtherNames;

impl Batch for OtherNames {
    type Of = ArtifactId;
    type Value = Arc<[(String, String)]>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ArtifactId]) -> Result<Vec<Self::Value>, StoreError> {
        let names = artifact::artifact_other_names(db, scope, of).await?;
        Ok(names.into_iter().map(Into::into).collect())
    }
}

/// What events have said of datasets, apart from any run: a JSON object, as text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactMetadata;

impl Batch for ArtifactMetadata {
    type Of = ArtifactId;
    type Value = Option<Arc<str>>;

    async fn run(&self, db: &Session, _: &Scope, of: &[ArtifactId]) -> Result<Vec<Self::Value>, StoreError> {
        let metadata = artifact::artifact_metadata(db, of).await?;
        Ok(metadata.into_iter().map(|text| text.map(Into::into)).collect())
    }
}

/// The texts of events.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventBody;

impl Batch for EventBody {
    type Of = i64;
    type Value = Option<Arc<str>>;

    async fn run(&self, db: &Session, _: &Scope, of: &[i64]) -> Result<Vec<Self::Value>, StoreError> {
        let bodies: HashMap<i64, String> = event::event_bodies(db, of).await?.into_iter().collect();
        Ok(of
            .iter()
            .map(|id| bodies.get(id).map(|body| body.as_str().into()))
            .collect())
    }
}

/// How many versions artifacts have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactVersionCount;

impl Batch for ArtifactVersionCount {
    type Of = ArtifactId;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ArtifactId]) -> Result<Vec<i64>, StoreError> {
        artifact_list::artifact_version_counts(db, scope, of).await
    }
}

/// How many versions partitions have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartitionVersionCount;

impl Batch for PartitionVersionCount {
    type Of = PartitionId;
    type Value = i64;

    async fn run(&self, db: &Session, scope: &Scope, of: &[PartitionId]) -> Result<Vec<i64>, StoreError> {
        partition::partition_version_counts(db, scope, of).await
    }
}

/// The most recent version of artifacts, or of what a filter leaves of each.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LatestOfArtifact;

impl Batch for LatestOfArtifact {
    type Of = LatestOf;
    type Value = Option<Arc<VersionRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[LatestOf]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = version_latest::version_latest_by_artifacts(db, scope, of).await?;
        Ok(rows.into_iter().map(|row| row.map(Arc::new)).collect())
    }
}

/// The most recent version of partitions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LatestOfPartition;

impl Batch for LatestOfPartition {
    type Of = PartitionId;
    type Value = Option<Arc<VersionRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[PartitionId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = version_latest::version_latest_by_partitions(db, scope, of).await?;
        Ok(rows.into_iter().map(|row| row.map(Arc::new)).collect())
    }
}

/// Columns of versions that most queries do not read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Location, type and description.
    Text,
    /// Metadata.
    Metadata,
    /// The card.
    Card,
}

impl Batch for Content {
    type Of = VersionId;
    type Value = Option<Arc<VersionContent>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionId]) -> Result<Vec<Self::Value>, StoreError> {
        let parts = Parts {
            text: *self == Self::Text,
            metadata: *self == Self::Metadata,
            card: *self == Self::Card,
        };
        let rows = version::version_content(db, scope, of, parts).await?;
        Ok(in_order(of, rows.into_iter().map(|row| (row.id, Arc::new(row)))))
    }
}

/// The aliases that stand at versions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Aliases;

impl Batch for Aliases {
    type Of = VersionId;
    type Value = Arc<[String]>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionId]) -> Result<Vec<Self::Value>, StoreError> {
        let aliases = version::version_aliases(db, scope, of).await?;
        Ok(aliases.into_iter().map(Into::into).collect())
    }
}

/// The executions that produced versions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Producer;

impl Batch for Producer {
    type Of = VersionId;
    type Value = Option<Arc<ProducerRow>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[VersionId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = version::version_producers(db, scope, of).await?;
        Ok(in_order(of, rows.into_iter().map(|row| (row.version, Arc::new(row)))))
    }
}

/// A version's row, told apart by its id.
#[derive(Clone)]
pub struct RowOf(pub Arc<VersionRow>);

impl PartialEq for RowOf {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for RowOf {}

impl Hash for RowOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

/// Whether versions are the latest of their partitions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IsLatest;

impl Batch for IsLatest {
    type Of = RowOf;
    type Value = bool;

    async fn run(&self, db: &Session, scope: &Scope, of: &[RowOf]) -> Result<Vec<bool>, StoreError> {
        let rows: Vec<VersionRow> = of.iter().map(|row| row.0.as_ref().clone()).collect();
        version_latest::version_is_latest(db, scope, &rows).await
    }
}

/// The metadata of executions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionMetadata;

impl Batch for ExecutionMetadata {
    type Of = ExecutionId;
    type Value = Option<Arc<str>>;

    async fn run(&self, db: &Session, scope: &Scope, of: &[ExecutionId]) -> Result<Vec<Self::Value>, StoreError> {
        let rows = execution::execution_metadata(db, scope, of).await?;
        let rows = in_order(of, rows);
        Ok(rows
            .into_iter()
            .map(|metadata| metadata.flatten().map(Into::into))
            .collect())
    }
}
