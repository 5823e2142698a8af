//! Partitions as rows, their lists and counts.

use std::collections::BTreeMap;

use ::entity::{ArtifactId, NO_TIME, PartitionId};

use super::artifact::read_granularity;
use super::cells::Cells;
use super::page::{Key, KeyKind, OrderDirection, Page, Slice, Walk};
use super::partition_filter::{Inner, PartitionTest};
use super::sql::{Binds, deal, read, spread};
use super::version_conditions::{Conditions, has_value, in_ranges};
use super::version_count::version_count;
use super::version_list::{VersionFilter, VersionsOf};
use super::version_place::single;
use super::{Reader, Scope, StoreError, dialect};
use crate::domain::time::{Timestamp, Window};

/// What the keys of partitions are made of.
pub const PARTITION_SHAPE: &[KeyKind] = &[KeyKind::Int, KeyKind::Int];

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionRow {
    /// Its id.
    pub id: PartitionId,
    /// Whose partition it is.
    pub artifact_id: ArtifactId,
    /// The value of each key that it has.
    pub values: BTreeMap<String, String>,
    /// Its window of time, when it has one.
    pub window: Option<Window>,
}

impl PartitionRow {
    /// Its place in lists.
    pub fn key(&self) -> Key {
        let start = self.window.map_or(NO_TIME, |window| window.start.0);
        Key(vec![start.into(), self.id.0.into()])
    }
}

/// Whose partitions are wanted: an artifact's, perhaps only some.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionsOf {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Which of its partitions.
    pub filter: Option<PartitionTest>,
}

const PARTITION_COLUMNS: usize = 5;
const COLUMNS: &str = "partition.id, partition.artifact_id, partition.\"values\", partition.window_start, coalesce(partition.granularity, '')";

fn read_partition(cells: &mut Cells) -> Result<PartitionRow, StoreError> {
    let (id, artifact_id) = (cells.next()?, cells.next()?);
    let values: String = cells.next()?;
    let values = serde_json::from_str(&values)
        .map_err(|e| StoreError::Inconsistent(format!("partition values {values}: {e}")))?;
    let start = Timestamp(cells.next()?);
    let granularity = cells.text()?.map(|text| read_granularity(&text)).transpose()?;
    Ok(PartitionRow {
        id,
        artifact_id,
        values,
        window: granularity.map(|granularity| Window { start, granularity }),
    })
}

/// Partitions by id.
pub async fn partition_find_many(
    db: &impl Reader,
    scope: &Scope,
    ids: &[PartitionId],
) -> Result<Vec<PartitionRow>, StoreError> {
    let mut binds = Binds::new(db);
    let revision = binds.bind(scope.revision);
    let list = binds.bind(dialect::numbers(binds.backend, ids.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "partition.id", &list);
    let visible = visible(&revision);
    let sql = format!("SELECT {COLUMNS} FROM partition WHERE {these} AND {visible}");
    read(&binds.many(db, &sql, PARTITION_COLUMNS).await?, read_partition)
}

/// Whether a partition is there as of a revision.
pub(super) fn visible(revision: &str) -> String {
    format!("partition.revision <= {revision} AND partition.retired_revision > {revision}")
}

/// What a partition must be to pass a filter.
pub(super) fn passes(binds: &mut Binds, test: &Inner) -> Conditions {
    let mut all = Conditions::default();
    if let Some(ranges) = &test.windows {
        all.and(&in_ranges(binds, "partition.window_start", ranges));
    }
    for value in &test.values {
        all.and(&has_value(binds, test, value, "partition.id"));
    }
    if test.strict {
        let count = binds.bind(i64::try_from(test.key_count()).unwrap_or(i64::MAX));
        all.and(&format!("partition.key_count = {count}"));
        if test.windows.is_none() {
            all.and(&format!("partition.window_start = {}", binds.bind(NO_TIME)));
        }
    }
    all
}

/// The condition that a partition belongs to a parent and passes its filter, and how it is found: by digest where the
/// filter names all that can match.
pub(super) fn of_test(binds: &mut Binds, revision: &str, test: &Inner) -> (String, String) {
    let mut all = Conditions::default();
    all.and(&visible(revision));
    if test.asks_for_none() {
        all.and("1 = 0");
        return ("partition".to_owned(), all.as_str().to_owned());
    }
    if let Some(digests) = &test.named {
        let list = binds.bind(dialect::digests(binds.backend, digests.iter().copied()));
        let named = dialect::each_digest(binds.backend, &list).replace(" AS parent", " AS named");
        let then = dialect::then_join(binds.backend);
        let from = format!("{named} {then} partition ON partition.digest = named.value");
        return (from, all.as_str().to_owned());
    }
    all.and(&format!("partition.artifact_id = {}", binds.bind(test.artifact.0)));
    all.and(passes(binds, test).as_str());
    ("partition".to_owned(), all.as_str().to_owned())
}

/// The partitions of many artifacts, newest window first, those without one last; of the same window, the later recorded
/// first: a page for each, in their order.
pub async fn partition_list(
    db: &impl Reader,
    scope: &Scope,
    of: &[PartitionsOf],
    page: &Page,
) -> Result<Vec<Slice<PartitionRow>>, StoreError> {
    let walk = page.walk(OrderDirection::Descending, PARTITION_SHAPE)?;
    let mut lists: Vec<Vec<PartitionRow>> = std::iter::repeat_with(Vec::new).take(of.len()).collect();
    let (plain, tests) = split(of);
    if !plain.is_empty() {
        let mut binds = Binds::new(db);
        let revision = binds.bind(scope.revision);
        let list = binds.bind(dialect::numbers(binds.backend, plain.iter().map(|(_, id)| id.0)));
        let parents = dialect::each_number(binds.backend, &list);
        let conditions = format!("{} AND partition.artifact_id = parent.value", visible(&revision));
        let sql = picked(&mut binds, &parents, "partition", &conditions, walk);
        let rows = deal(
            plain.len(),
            &binds.many(db, &sql, 1 + PARTITION_COLUMNS).await?,
            read_partition,
        )?;
        plain
            .iter()
            .zip(rows)
            .for_each(|((position, _), rows)| lists[*position] = rows);
    }
    for tests in tests.chunks(16) {
        let mut binds = Binds::new(db);
        let revision = binds.bind(scope.revision);
        let members: Vec<String> = tests
            .iter()
            .enumerate()
            .map(|(index, (_, test))| {
                let parent = single(&mut binds, index);
                let (from, conditions) = of_test(&mut binds, &revision, test);
                picked(&mut binds, &parent, &from, &conditions, walk)
            })
            .collect();
        let rows = deal(
            tests.len(),
            &binds
                .many(db, &members.join(" UNION ALL "), 1 + PARTITION_COLUMNS)
                .await?,
            read_partition,
        )?;
        tests
            .iter()
            .zip(rows)
            .for_each(|((position, _), rows)| lists[*position] = rows);
    }
    for list in &mut lists {
        walk.merge(list, PartitionRow::key);
    }
    Ok(lists.into_iter().map(|rows| page.slice(rows)).collect())
}

/// Parents without a filter, and those with one, each with its position.
type Split<'a> = (Vec<(usize, ArtifactId)>, Vec<(usize, &'a Inner)>);

fn split(of: &[PartitionsOf]) -> Split<'_> {
    let (mut plain, mut tests) = (Vec::new(), Vec::new());
    for (position, of) in of.iter().enumerate() {
        match &of.filter {
            Some(test) if !test.0.is_empty() => tests.push((position, &*test.0)),
            _ => plain.push((position, of.artifact)),
        }
    }
    (plain, tests)
}

fn picked(binds: &mut Binds, parents: &str, from: &str, conditions: &str, walk: Walk) -> String {
    let keys = ["partition.window_start", "partition.id"];
    let bounds = walk.bounds(binds, &keys);
    let order = walk.order_and_limit(binds, &keys);
    let pick = format!("SELECT partition.id FROM {from} WHERE {conditions}{bounds} {order}");
    format!(
        "SELECT parent.key, {COLUMNS} FROM {parents} {}",
        dialect::join_picked(binds.backend, "partition", &pick)
    )
}

/// How many partitions artifacts have: an answer for each, in their order.
pub async fn partition_count(db: &impl Reader, scope: &Scope, of: &[PartitionsOf]) -> Result<Vec<i64>, StoreError> {
    let mut counts = vec![0; of.len()];
    let (plain, tests) = split(of);
    if !plain.is_empty() {
        let mut binds = Binds::new(db);
        let revision = binds.bind(scope.revision);
        let list = binds.bind(dialect::numbers(binds.backend, plain.iter().map(|(_, id)| id.0)));
        let parents = dialect::each_number(binds.backend, &list);
        let sql = format!(
            "SELECT parent.key, (SELECT count(*) FROM partition WHERE partition.artifact_id = parent.value AND {}) FROM {parents}",
            visible(&revision)
        );
        let found = spread(plain.len(), &binds.many(db, &sql, 2).await?)?;
        plain
            .iter()
            .zip(found)
            .for_each(|((position, _), count)| counts[*position] = count);
    }
    for tests in tests.chunks(16) {
        let mut binds = Binds::new(db);
        let revision = binds.bind(scope.revision);
        let members: Vec<String> = tests
            .iter()
            .enumerate()
            .map(|(index, (_, test))| {
                let parent = single(&mut binds, index);
                let (from, conditions) = of_test(&mut binds, &revision, test);
                format!("SELECT parent.key, (SELECT count(*) FROM {from} WHERE {conditions}) FROM {parent}")
            })
            .collect();
        let found = spread(tests.len(), &binds.all(db, &members.join(" UNION ALL ")).await?)?;
        tests
            .iter()
            .zip(found)
            .for_each(|((position, _), count)| counts[*position] = count);
    }
    Ok(counts)
}

/// How many versions partitions have: an answer for each, in their order.
pub async fn partition_version_counts(
    db: &impl Reader,
    scope: &Scope,
    ids: &[PartitionId],
) -> Result<Vec<i64>, StoreError> {
    let of: Vec<VersionsOf> = ids.iter().copied().map(VersionsOf::Partition).collect();
    version_count(db, scope, &of, &VersionFilter::default()).await
}
