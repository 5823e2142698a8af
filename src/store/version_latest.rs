//! The latest versions: of artifacts, of partitions, and whether a version is one.

use std::collections::HashMap;

use ::entity::{ArtifactId, PartitionId, VersionId};

use super::page::{OrderDirection, Walk};
use super::partition_filter::PartitionTest;
use super::version::{VersionRow, VersionState};
use super::version_list::{VersionFilter, VersionOrderField, VersionsOf};
use super::version_pick::{Rows, pick_unpartitioned, pick_versions};
use super::{Reader, Scope, StoreError};

/// Of what the latest version is wanted: an artifact, perhaps only of some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LatestOf {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Which partitions; none: all versions, flagged ones too.
    pub partition: Option<PartitionTest>,
}

/// The latest is the newest; of the same instant, the one recorded later.
const NEWEST: Walk<'static> = Walk {
    direction: OrderDirection::Descending,
    above: None,
    below: None,
    limit: 1,
};

fn available() -> VersionFilter {
    VersionFilter {
        states: Some(vec![VersionState::Available]),
        ..VersionFilter::default()
    }
}

/// The latest versions of artifacts: an answer for each, in their order.
pub async fn version_latest_by_artifacts(
    db: &impl Reader,
    scope: &Scope,
    of: &[LatestOf],
) -> Result<Vec<Option<VersionRow>>, StoreError> {
    let parents = of.iter().map(|of| VersionsOf::Artifact {
        id: of.artifact,
        partition: of.partition.clone(),
    });
    latest(db, scope, &parents.collect::<Vec<_>>()).await
}

/// The latest versions of partitions: an answer for each, in their order.
pub async fn version_latest_by_partitions(
    db: &impl Reader,
    scope: &Scope,
    of: &[PartitionId],
) -> Result<Vec<Option<VersionRow>>, StoreError> {
    let parents: Vec<VersionsOf> = of.iter().copied().map(VersionsOf::Partition).collect();
    latest(db, scope, &parents).await
}

async fn latest(db: &impl Reader, scope: &Scope, of: &[VersionsOf]) -> Result<Vec<Option<VersionRow>>, StoreError> {
    Ok(firsts(
        pick_versions(db, scope, of, &available(), VersionOrderField::CreatedAt, NEWEST).await?,
    ))
}

fn firsts(rows: Rows) -> Vec<Option<VersionRow>> {
    rows.into_iter().map(|rows| rows.into_iter().next()).collect()
}

/// Whether versions are the latest of their partition (of the unpartitioned ones, for those that have none): an answer
/// for each, in their order. A version that is only referenced, deleted or flagged is not.
pub async fn version_is_latest(db: &impl Reader, scope: &Scope, of: &[VersionRow]) -> Result<Vec<bool>, StoreError> {
    let can_be = |row: &&VersionRow| row.state == VersionState::Available && row.schema_mismatch.is_none();
    let mut latest: HashMap<Place, VersionId> = HashMap::new();
    let mut partitions: Vec<PartitionId> = of.iter().filter(can_be).filter_map(|row| row.partition_id).collect();
    partitions.sort_unstable();
    partitions.dedup();
    if !partitions.is_empty() {
        let rows = version_latest_by_partitions(db, scope, &partitions).await?;
        let found = partitions.iter().zip(rows);
        latest.extend(found.filter_map(|(id, row)| Some((Place::Partition(*id), row?.id))));
    }
    let mut artifacts: Vec<ArtifactId> = of
        .iter()
        .filter(can_be)
        .filter(|row| row.partition_id.is_none())
        .map(|row| row.artifact_id)
        .collect();
    artifacts.sort_unstable();
    artifacts.dedup();
    if !artifacts.is_empty() {
        let rows = firsts(pick_unpartitioned(db, scope, &artifacts, &available(), NEWEST).await?);
        let found = artifacts.iter().zip(rows);
        latest.extend(found.filter_map(|(id, row)| Some((Place::Artifact(*id), row?.id))));
    }
    let place = |row: &VersionRow| {
        row.partition_id
            .map_or(Place::Artifact(row.artifact_id), Place::Partition)
    };
    Ok(of
        .iter()
        .map(|row| can_be(&row) && latest.get(&place(row)) == Some(&row.id))
        .collect())
}

#[derive(PartialEq, Eq, Hash)]
enum Place {
    Artifact(ArtifactId),
    Partition(PartitionId),
}
