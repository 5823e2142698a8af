//! What values a partition key has, and how versions are spread over time.

use std::collections::BTreeMap;

use ::entity::{NO_TIME, VersionId};

use super::artifact::ArtifactRow;
use super::page::{Key, KeyKind, OrderDirection, Page, Slice};
use super::partition::{passes, visible};
use super::partition_filter::PartitionTest;
use super::sql::{Binds, deal, spread};
use super::version::not_withdrawn;
use super::version_conditions::{self as conditions, Conditions};
use super::{Reader, Scope, StoreError, dialect};
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

/// The partitions of an artifact, of which those that pass a filter.
#[derive(Clone, Copy, Debug)]
pub struct Within<'a> {
    /// The artifact.
    pub artifact: &'a ArtifactRow,
    /// The filter.
    pub filter: Option<&'a PartitionTest>,
}

/// How many artifacts share a statement.
const TOGETHER: usize = 64;

/// The different values that a key has in the partitions of many artifacts, ascending by code point: a page for each, in
/// their order.
pub async fn partition_values(
    db: &impl Reader,
    scope: &Scope,
    of: &[Within<'_>],
    key: &str,
    page: &Page,
) -> Result<Vec<Slice<ValueRow>>, StoreError> {
    let walk = page.walk(OrderDirection::Ascending, VALUE_SHAPE)?;
    let mut pages = Vec::with_capacity(of.len());
    for chunk in of.chunks(TOGETHER) {
        let mut binds = Binds::new(db);
        let members = members(chunk, |position, within| {
            let held = within.held(&mut binds, scope, key);
            let bounds = walk.bounds(&mut binds, &["held.value"]);
            let order = walk.order_and_limit(&mut binds, &["held.value"]);
            let values = format!(
                "SELECT held.value AS value, count(*) AS partitions {held}{bounds} GROUP BY held.value {order}"
            );
            format!("SELECT CAST({position} AS BIGINT), value, partitions FROM ({values}) AS page{position}")
        });
        let lists = deal(chunk.len(), &binds.many(db, &members, 3).await?, |cells| {
            Ok(ValueRow {
                value: cells.next()?,
                partition_count: cells.next()?,
            })
        })?;
        for mut list in lists {
            walk.merge(&mut list, ValueRow::key);
            pages.push(page.slice(list));
        }
    }
    Ok(pages)
}

/// How many different values a key has in the partitions of many artifacts, in their order.
pub async fn partition_value_counts(
    db: &impl Reader,
    scope: &Scope,
    of: &[Within<'_>],
    key: &str,
) -> Result<Vec<i64>, StoreError> {
    let mut counts = Vec::with_capacity(of.len());
    for chunk in of.chunks(TOGETHER) {
        let mut binds = Binds::new(db);
        let members = members(chunk, |position, within| {
            let held = within.held(&mut binds, scope, key);
            format!("SELECT CAST({position} AS BIGINT), count(DISTINCT held.value) {held}")
        });
        counts.extend(spread(chunk.len(), &binds.many(db, &members, 2).await?)?);
    }
    Ok(counts)
}

/// One statement of a member for each artifact, which begins with its position.
fn members(of: &[Within<'_>], mut member: impl FnMut(usize, Within<'_>) -> String) -> String {
    let members: Vec<String> = of
        .iter()
        .enumerate()
        .map(|(position, within)| member(position, *within))
        .collect();
    members.join(" UNION ALL ")
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

/// How the partitions of many artifacts are spread over windows of a size, newest first; windows without a partition
/// are left out. A size finer than an artifact's means the artifact's. Three statements for each 64 artifacts, whatever
/// the number of windows.
pub async fn time_buckets(
    db: &impl Reader,
    scope: &Scope,
    of: &[Within<'_>],
    granularity: Granularity,
) -> Result<Vec<Vec<BucketRow>>, StoreError> {
    let mut spread = Vec::with_capacity(of.len());
    for chunk in of.chunks(TOGETHER) {
        let mut buckets: Vec<Buckets> = chunk.iter().map(|within| Buckets::new(*within, granularity)).collect();
        for (buckets, found) in buckets.iter_mut().zip(partitions(db, scope, chunk).await?) {
            buckets.count_partitions(found);
        }
        for (buckets, found) in buckets.iter_mut().zip(versions(db, scope, chunk).await?) {
            buckets.count_versions(found);
        }
        let newest: Vec<Vec<(i64, i64)>> = buckets.iter().map(Buckets::newest_windows).collect();
        for (buckets, found) in buckets.iter_mut().zip(latest(db, scope, chunk, &newest).await?) {
            buckets.choose_latest(found);
        }
        spread.extend(buckets.into_iter().map(Buckets::newest_first));
    }
    Ok(spread)
}

/// The buckets of one artifact under way.
struct Buckets {
    granularity: Granularity,
    rows: BTreeMap<Timestamp, BucketRow>,
    /// The newest instant at which an available version was produced, of each bucket.
    newest: BTreeMap<Timestamp, i64>,
    /// The same of each of the artifact's windows.
    windows: Vec<(i64, i64)>,
}

impl Buckets {
    fn new(within: Within<'_>, granularity: Granularity) -> Self {
        let own = within.artifact.granularity.unwrap_or(granularity);
        Self {
            granularity: granularity.max(own),
            rows: BTreeMap::new(),
            newest: BTreeMap::new(),
            windows: Vec::new(),
        }
    }

    fn bucket(&mut self, start: i64) -> &mut BucketRow {
        let window = Window::containing(Timestamp(start), self.granularity);
        self.rows.entry(window.start).or_insert(BucketRow {
            window,
            version_count: 0,
            partition_count: 0,
            latest: None,
        })
    }

    fn count_partitions(&mut self, found: Vec<(i64, i64)>) {
        for (start, count) in found {
            self.bucket(start).partition_count += count;
        }
    }

    fn count_versions(&mut self, found: Vec<(i64, i64, i64)>) {
        for (start, count, created_at) in found {
            let bucket = self.bucket(start);
            bucket.version_count += count;
            let bucket = bucket.window.start;
            if created_at != NO_TIME {
                let known = self.newest.entry(bucket).or_insert(created_at);
                *known = created_at.max(*known);
                self.windows.push((start, created_at));
            }
        }
    }

    /// The windows that hold the newest version of their bucket, each with the instant at which it was produced.
    fn newest_windows(&self) -> Vec<(i64, i64)> {
        let is_newest = |(start, created_at): &&(i64, i64)| {
            self.newest.get(&self.granularity.floor(Timestamp(*start))) == Some(created_at)
        };
        self.windows.iter().filter(is_newest).copied().collect()
    }

    fn choose_latest(&mut self, found: Vec<(i64, i64, VersionId)>) {
        let mut ordinals: BTreeMap<Timestamp, i64> = BTreeMap::new();
        for (start, ordinal, id) in found {
            let bucket = self.bucket(start);
            let known = ordinals.entry(bucket.window.start).or_insert(i64::MIN);
            if ordinal > *known {
                *known = ordinal;
                bucket.latest = Some(id);
            }
        }
    }

    fn newest_first(self) -> Vec<BucketRow> {
        self.rows.into_values().rev().collect()
    }
}

impl Within<'_> {
    /// `FROM … WHERE …` of the values of a key that partitions hold.
    fn held(self, binds: &mut Binds, scope: &Scope, key: &str) -> String {
        let revision = binds.bind(scope.revision);
        let (artifact, key) = (binds.bind(self.artifact.id.0), binds.bind(key));
        let mut all = Conditions::default();
        all.and(&format!(
            "held.artifact_id = {artifact} AND held.key = {key} AND {}",
            visible(&revision)
        ));
        if let Some(test) = self.filter {
            all.and(passes(binds, &test.0).as_str());
        }
        let then = dialect::then_join(binds.backend);
        format!(
            "FROM partition_value AS held {then} partition ON partition.id = held.partition_id WHERE {}",
            all.as_str()
        )
    }

    /// The versions that lie in windows; none of an artifact without a time partition.
    fn versions(self, binds: &mut Binds, revision: &str) -> Conditions {
        let placement = self.artifact.placement;
        let mut all = Conditions::default();
        all.and(&format!("version.artifact_id = {}", binds.bind(self.artifact.id.0)));
        all.and(&format!("version.{} > {}", placement.window(), binds.bind(NO_TIME)));
        all.and(&format!("version.{} IS NOT NULL", placement.partition()));
        all.and(&format!("version.produced_revision <= {revision}"));
        all.and(&not_withdrawn(revision));
        if let Some(test) = self.filter.filter(|test| !test.0.is_empty()) {
            all.and(conditions::partition(binds, &test.0, true, None).as_str());
        }
        all
    }
}

/// Of each artifact's windows: the start, and how many partitions start there.
async fn partitions(db: &impl Reader, scope: &Scope, of: &[Within<'_>]) -> Result<Vec<Vec<(i64, i64)>>, StoreError> {
    let mut binds = Binds::new(db);
    let members = members(of, |position, within| {
        let revision = binds.bind(scope.revision);
        let (artifact, no_time) = (binds.bind(within.artifact.id.0), binds.bind(NO_TIME));
        let mut all = Conditions::default();
        all.and(&format!(
            "partition.artifact_id = {artifact} AND partition.window_start > {no_time} AND {}",
            visible(&revision)
        ));
        if let Some(test) = within.filter {
            all.and(passes(&mut binds, &test.0).as_str());
        }
        format!(
            "SELECT CAST({position} AS BIGINT), partition.window_start, count(*) FROM partition WHERE {} GROUP BY partition.window_start",
            all.as_str()
        )
    });
    deal(of.len(), &binds.many(db, &members, 3).await?, |cells| {
        Ok((cells.next()?, cells.next()?))
    })
}

/// Of each artifact's windows: the start, how many versions it has, and when the newest available one was produced.
async fn versions(db: &impl Reader, scope: &Scope, of: &[Within<'_>]) -> Result<Vec<Vec<(i64, i64, i64)>>, StoreError> {
    let mut binds = Binds::new(db);
    let members = members(of, |position, within| {
        let (revision, none) = (binds.bind(scope.revision), binds.bind(NO_TIME));
        let all = within.versions(&mut binds, &revision);
        let window = format!("version.{}", within.artifact.placement.window());
        format!(
            "SELECT CAST({position} AS BIGINT), {window}, count(*), \
             max(CASE WHEN version.deleted_revision > {revision} THEN version.created_at ELSE CAST({none} AS BIGINT) END) \
             FROM version WHERE {} GROUP BY {window}",
            all.as_str()
        )
    });
    let rows = binds.many(db, &members, 4).await?;
    deal(of.len(), &rows, |cells| {
        Ok((cells.next()?, cells.next()?, cells.next()?))
    })
}

/// The available versions that were produced at given instants in given windows of each artifact: window, ordinal, id.
async fn latest(
    db: &impl Reader,
    scope: &Scope,
    of: &[Within<'_>],
    windows: &[Vec<(i64, i64)>],
) -> Result<Vec<Vec<(i64, i64, VersionId)>>, StoreError> {
    let mut binds = Binds::new(db);
    let members = members(of, |position, within| {
        let revision = binds.bind(scope.revision);
        let list = binds.bind(dialect::pairs(&windows[position]));
        let pairs = dialect::each_range(binds.backend, &list);
        let all = within.versions(&mut binds, &revision);
        let window = format!("version.{}", within.artifact.placement.window());
        let then = dialect::then_join(binds.backend);
        format!(
            "SELECT CAST({position} AS BIGINT), {window}, version.ordinal, version.id FROM {pairs} {then} version ON {window} = range.low \
             AND version.created_at = range.high WHERE {} AND version.deleted_revision > {revision}",
            all.as_str()
        )
    });
    let rows = binds.many(db, &members, 4).await?;
    deal(of.len(), &rows, |cells| {
        Ok((cells.next()?, cells.next()?, cells.next()?))
    })
}
