//! What values a partition key has, and how versions are spread over time.

use std::collections::BTreeMap;

use ::entity::{NO_TIME, VersionId};
use sea_orm::ConnectionTrait;

use super::artifact::ArtifactRow;
use super::page::{Key, KeyKind, OrderDirection, Page, Slice};
use super::partition::{passes, visible};
use super::partition_filter::PartitionTest;
use super::sql::{Binds, read};
use super::version_conditions::{self as conditions, Conditions};
use super::{Scope, StoreError, dialect};
use crate::domain::time::{Granularity, Timestamp, Window};

/// What the keys of values are made of.
pub const VALUE_SHAPE: &[KeyKind] = &[KeyKind::Text];

/// A value of a partition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueRow {
    /// The value.
    pub value: String,
    /// How many partitions have it.
    pub partition_count: i64,
}

impl ValueRow {
    /// Its place in lists.
    pub fn key(&self) -> Key {
        Key(vec![self.value.clone().into()])
    }
}

/// The different values that a key has in an artifact's partitions, ascending by code point.
pub async fn partition_values(
    db: &impl ConnectionTrait,
    scope: &Scope,
    artifact: &ArtifactRow,
    key: &str,
    filter: Option<&PartitionTest>,
    page: &Page,
) -> Result<Slice<ValueRow>, StoreError> {
    let walk = page.walk(OrderDirection::Ascending, VALUE_SHAPE)?;
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let (artifact, key) = (binds.bind(artifact.id.0), binds.bind(key));
    let mut all = Conditions::default();
    all.and(&format!(
        "held.artifact_id = {artifact} AND held.key = {key} AND {}",
        visible(&revision)
    ));
    if let Some(test) = filter {
        all.and(passes(&mut binds, &test.0).as_str());
    }
    let bounds = walk.bounds(&mut binds, &["held.value"]);
    let order = walk.order_and_limit(&mut binds, &["held.value"]);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT held.value, count(*) FROM partition_value AS held {then} partition ON partition.id = held.partition_id \
         WHERE {}{bounds} GROUP BY held.value {order}",
        all.as_str()
    );
    let rows = read(&binds.many(db, &sql, 2).await?, |cells| {
        Ok(ValueRow {
            value: cells.next()?,
            partition_count: cells.next()?,
        })
    })?;
    Ok(page.slice(rows))
}

/// What lies in one window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRow {
    /// The window.
    pub window: Window,
    /// How many versions have a partition that starts in it, deleted ones too.
    pub version_count: i64,
    /// How many partitions start in it.
    pub partition_count: i64,
    /// The latest version of them.
    pub latest: Option<VersionId>,
}

/// How an artifact's partitions are spread over windows of a size, newest first; windows without a partition are left
/// out. A size finer than the artifact's means the artifact's. Three statements, whatever the number of windows.
pub async fn time_buckets(
    db: &impl ConnectionTrait,
    scope: &Scope,
    artifact: &ArtifactRow,
    granularity: Granularity,
    filter: Option<&PartitionTest>,
) -> Result<Vec<BucketRow>, StoreError> {
    let Some(own) = artifact.granularity else {
        return Ok(Vec::new());
    };
    let asked = Asked { artifact, filter };
    let granularity = granularity.max(own);
    let mut buckets: BTreeMap<Timestamp, BucketRow> = BTreeMap::new();
    for (start, count) in partitions(db, scope, asked).await? {
        bucket(&mut buckets, start, granularity).partition_count += count;
    }
    // The newest instant at which an available version was produced, of each bucket and of each of its windows.
    let mut newest: BTreeMap<Timestamp, i64> = BTreeMap::new();
    let mut windows: Vec<(i64, i64)> = Vec::new();
    for (start, count, created_at) in versions(db, scope, asked).await? {
        let bucket = bucket(&mut buckets, start, granularity);
        bucket.version_count += count;
        if created_at != NO_TIME {
            let known = newest.entry(bucket.window.start).or_insert(created_at);
            *known = created_at.max(*known);
            windows.push((start, created_at));
        }
    }
    windows.retain(|(start, created_at)| newest.get(&granularity.floor(Timestamp(*start))) == Some(created_at));
    let mut ordinals: BTreeMap<Timestamp, i64> = BTreeMap::new();
    for (start, ordinal, id) in latest(db, scope, asked, &windows).await? {
        let bucket = bucket(&mut buckets, start, granularity);
        let known = ordinals.entry(bucket.window.start).or_insert(i64::MIN);
        if ordinal > *known {
            *known = ordinal;
            bucket.latest = Some(id);
        }
    }
    Ok(buckets.into_values().rev().collect())
}

fn bucket(buckets: &mut BTreeMap<Timestamp, BucketRow>, start: i64, granularity: Granularity) -> &mut BucketRow {
    let window = Window::containing(Timestamp(start), granularity);
    buckets.entry(window.start).or_insert(BucketRow {
        window,
        version_count: 0,
        partition_count: 0,
        latest: None,
    })
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    artifact: &'a ArtifactRow,
    filter: Option<&'a PartitionTest>,
}

impl Asked<'_> {
    /// The versions that lie in windows.
    fn versions(self, binds: &mut Binds, revision: &str) -> Conditions {
        let placement = self.artifact.placement;
        let mut all = Conditions::default();
        all.and(&format!("version.artifact_id = {}", binds.bind(self.artifact.id.0)));
        all.and(&format!("version.{} > {}", placement.window(), binds.bind(NO_TIME)));
        all.and(&format!("version.{} IS NOT NULL", placement.partition()));
        all.and(&format!("version.produced_revision <= {revision}"));
        if let Some(test) = self.filter.filter(|test| !test.0.is_empty()) {
            all.and(conditions::partition(binds, &test.0, true, None).as_str());
        }
        all
    }
}

async fn partitions(db: &impl ConnectionTrait, scope: &Scope, asked: Asked<'_>) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let artifact = binds.bind(asked.artifact.id.0);
    let no_time = binds.bind(NO_TIME);
    let mut all = Conditions::default();
    all.and(&format!(
        "partition.artifact_id = {artifact} AND partition.window_start > {no_time} AND {}",
        visible(&revision)
    ));
    if let Some(test) = asked.filter {
        all.and(passes(&mut binds, &test.0).as_str());
    }
    let sql = format!(
        "SELECT partition.window_start, count(*) FROM partition WHERE {} GROUP BY partition.window_start",
        all.as_str()
    );
    read(&binds.many(db, &sql, 2).await?, |cells| {
        Ok((cells.next()?, cells.next()?))
    })
}

/// Of each window: its start, how many versions it has, and when the newest available one was produced.
async fn versions(
    db: &impl ConnectionTrait,
    scope: &Scope,
    asked: Asked<'_>,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let none = binds.bind(NO_TIME);
    let all = asked.versions(&mut binds, &revision);
    let window = format!("version.{}", asked.artifact.placement.window());
    let sql = format!(
        "SELECT {window}, count(*), max(CASE WHEN version.deleted_revision > {revision} THEN version.created_at ELSE CAST({none} AS BIGINT) END) \
         FROM version WHERE {} GROUP BY {window}",
        all.as_str()
    );
    read(&binds.many(db, &sql, 3).await?, |cells| {
        Ok((cells.next()?, cells.next()?, cells.next()?))
    })
}

/// The available versions that were produced at given instants in given windows: window, ordinal, id.
async fn latest(
    db: &impl ConnectionTrait,
    scope: &Scope,
    asked: Asked<'_>,
    windows: &[(i64, i64)],
) -> Result<Vec<(i64, i64, VersionId)>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::pairs(windows));
    let pairs = dialect::each_range(binds.backend, &list);
    let all = asked.versions(&mut binds, &revision);
    let window = format!("version.{}", asked.artifact.placement.window());
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT {window}, version.ordinal, version.id FROM {pairs} {then} version ON {window} = range.low \
         AND version.created_at = range.high WHERE {} AND version.deleted_revision > {revision}",
        all.as_str()
    );
    read(&binds.many(db, &sql, 3).await?, |cells| {
        Ok((cells.next()?, cells.next()?, cells.next()?))
    })
}
