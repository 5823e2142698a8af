//! Which version a consumer gets: an exact one, the one at an alias, or the most recent; and why.

use super::artifact::{ArtifactRow, artifact_find, artifact_find_by_other_name};
use super::partition::{PartitionRow, partition_find_many};
use super::partition_filter::{PartitionTest, UnknownKey};
use super::sql::{Binds, first};
use super::version::{VersionRow, VersionState, is_there, read_version, version_columns};
use super::version_latest::{LatestOf, version_latest_by_artifacts};
use super::{Reader, Scope, StoreError};
use crate::domain::filter::{PartitionFilter, VersionKeyQuery};

/// Why no choice could be made.
#[derive(Clone, Debug)]
pub enum SelectError {
    /// The query names a partition key that the artifact does not have.
    UnknownKey(UnknownKey),
    /// The store failed.
    Store(StoreError),
}

impl From<UnknownKey> for SelectError {
    fn from(error: UnknownKey) -> Self {
        Self::UnknownKey(error)
    }
}

impl From<StoreError> for SelectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a query chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The version; none when none matches.
    pub version: Option<VersionRow>,
    /// The artifact, where it was read on the way.
    pub artifact: Option<ArtifactRow>,
    /// The version's partition, where the query names it.
    pub partition: Option<PartitionRow>,
}

/// Chooses a version. An exact one and the one at an alias are answered in whatever state they are; only the most recent
/// passes over those that are only referenced or deleted and, where a partition is asked for, flagged.
///
/// One statement without a partition; two for the most recent of one.
pub async fn version_select(
    db: &impl Reader,
    scope: &Scope,
    query: &VersionKeyQuery,
) -> Result<Selection, SelectError> {
    let Some(filter) = asked(query) else {
        return Ok(Selection {
            version: under_any_name(db, scope, query).await?,
            ..Selection::default()
        });
    };
    let Some(artifact) = artifact_find(db, scope, &query.artifact).await? else {
        return Ok(Selection::default());
    };
    let test = PartitionTest::compile(&artifact, filter)?;
    let version = if query.version.is_none() && query.alias.is_none() {
        most_recent(db, scope, &artifact, Some(test.clone())).await?
    } else {
        match under_any_name(db, scope, query).await? {
            Some(version) if in_partition(db, scope, &version, &test).await? => Some(version),
            _ => None,
        }
    };
    Ok(Selection {
        partition: version.as_ref().and_then(|version| named_partition(version, &test)),
        version,
        artifact: Some(artifact),
    })
}

/// The version of an artifact, or of the one of which its key is another name.
pub(super) async fn under_any_name(
    db: &impl Reader,
    scope: &Scope,
    query: &VersionKeyQuery,
) -> Result<Option<VersionRow>, StoreError> {
    if let Some(version) = without_partition(db, scope, query).await? {
        return Ok(Some(version));
    }
    let Some(artifact) = artifact_find_by_other_name(db, scope, &query.artifact).await? else {
        return Ok(None);
    };
    let query = VersionKeyQuery {
        artifact: artifact.key_of(),
        ..query.clone()
    };
    without_partition(db, scope, &query).await
}

/// The partition of a version that passed a test which names only one.
fn named_partition(version: &VersionRow, test: &PartitionTest) -> Option<PartitionRow> {
    let key = test.0.only.clone()?;
    Some(PartitionRow {
        id: version.partition_id?,
        artifact_id: version.artifact_id,
        values: key.values,
        window: key.window,
    })
}

/// The query's filter on partitions, when it asks for anything.
pub(super) fn asked(query: &VersionKeyQuery) -> Option<&PartitionFilter> {
    query.partition.as_ref().filter(|filter| !filter.is_empty())
}

async fn most_recent(
    db: &impl Reader,
    scope: &Scope,
    artifact: &ArtifactRow,
    partition: Option<PartitionTest>,
) -> Result<Option<VersionRow>, StoreError> {
    let of = [LatestOf {
        artifact: artifact.id,
        partition,
    }];
    Ok(version_latest_by_artifacts(db, scope, &of).await?.pop().flatten())
}

/// What a query without its partition chooses, in one statement.
async fn without_partition(
    db: &impl Reader,
    scope: &Scope,
    query: &VersionKeyQuery,
) -> Result<Option<VersionRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let chosen = if let Some(version) = &query.version {
        let digest = binds.bind(query.artifact.version_digest(version).to_vec());
        format!("version.key_digest = {digest}")
    } else {
        let digest = binds.bind(query.artifact.digest().to_vec());
        let artifact = format!(
            "(SELECT artifact.id FROM artifact WHERE artifact.key_digest = {digest} AND artifact.revision <= {revision})"
        );
        let id = match &query.alias {
            Some(alias) => format!(
                "SELECT alias.version_id FROM alias WHERE alias.artifact_id = {artifact} AND alias.name = {} \
                 AND alias.revision <= {revision} AND alias.ended_revision > {revision} LIMIT 1",
                binds.bind(alias.as_str())
            ),
            None => format!(
                "SELECT version.id FROM version WHERE version.artifact_id = {artifact} AND version.produced_revision <= {revision} \
                 AND version.deleted_revision > {revision} ORDER BY version.created_at DESC, version.ordinal DESC LIMIT 1"
            ),
        };
        format!("version.id = ({id})")
    };
    let columns = version_columns(&revision);
    let sql = format!(
        "SELECT {columns} FROM version WHERE {chosen} AND {}",
        is_there(&revision)
    );
    first(&binds.all(db, &sql).await?, read_version)
}

/// Whether a version belongs to a partition that passes.
async fn in_partition(
    db: &impl Reader,
    scope: &Scope,
    version: &VersionRow,
    test: &PartitionTest,
) -> Result<bool, StoreError> {
    let Some(id) = version.partition_id else {
        let unpartitioned = version.state != VersionState::Referenced && version.schema_mismatch.is_none();
        return Ok(unpartitioned && test.0.asks_for_none());
    };
    let partitions = partition_find_many(db, scope, &[id]).await?;
    Ok(partitions.iter().any(|partition| test.matches(partition)))
}
