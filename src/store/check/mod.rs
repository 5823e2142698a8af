//! Reading one state of the store, table by table, for whoever verifies it: what a statement can find wrong
//! (`statements.rs`), and the rows that rules have to look at, a chunk at a time.

mod events;
mod rows;
mod statements;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entity::{
    ArtifactId, PartitionId, alias, artifact, artifact_key, edge, execution, partition, partition_value, revision,
    revision_counter, version, version_value,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    TransactionTrait, Value,
};

use super::lineage::Changed;
use super::{Store, StoreError, bulk, dialect};
pub use rows::{ArtifactRow, Log, Owner, PartitionRow, VersionRow, VersionValueRow};
use statements::TEXTS;
pub use statements::{CHECKED_TABLES, CheckedTable, Query, queries};

/// Rows read at a time: few enough to hold the widest.
const CHUNK: u64 = 500;
/// Narrow rows read at a time.
const NARROW_CHUNK: u64 = 5_000;

/// One state of the store.
#[derive(Debug)]
pub struct Snapshot {
    transaction: DatabaseTransaction,
    counter: Option<revision_counter::Model>,
}

/// A row that a statement found, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which row it is.
    pub row: String,
    /// What would be right of it.
    pub right: String,
}

impl Store {
    /// The store as it is now, however long it is read and whatever is written meanwhile.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let options = dialect::snapshot_options(self.backend());
        let transaction = self.reader.begin_with_options(options).await?;
        dialect::plan_for_all_rows(&transaction).await?;
        let counter = revision_counter::Entity::find().one(&transaction).await?;
        Ok(Snapshot { transaction, counter })
    }
}

impl Snapshot {
    /// The counter row; none when it is missing.
    pub fn counter(&self) -> Option<&revision_counter::Model> {
        self.counter.as_ref()
    }

    /// The newest revision, by the counter.
    pub fn newest(&self) -> i64 {
        self.counter.as_ref().map_or(0, |counter| counter.revision)
    }

    /// What a statement finds, at most `limit` rows.
    pub async fn found_by(&self, query: &Query, limit: usize) -> Result<Vec<Found>, StoreError> {
        if query.name == TEXTS {
            let mut found = texts::replace_unreadable(&self.transaction).await?;
            found.truncate(limit);
            return Ok(found);
        }
        let sql = format!("SELECT * FROM ({}) AS found LIMIT {limit}", query.text(self.newest()));
        let rows = self.rows(&sql, []).await?;
        rows.iter()
            .map(|row| {
                Ok(Found {
                    row: row.try_get_by_index(0)?,
                    right: row.try_get_by_index(1)?,
                })
            })
            .collect()
    }

    /// The statements that apply to this database.
    pub fn queries(&self) -> Vec<Query> {
        queries(self.transaction.get_database_backend())
    }

    /// What revisions say that they changed, by revision; what cannot be read is left out, for the log's own check.
    pub async fn changed_in(&self, revisions: &BTreeSet<i64>) -> Result<BTreeMap<i64, Changed>, StoreError> {
        let ids: Vec<i64> = revisions.iter().copied().collect();
        let rows = bulk::find_in::<revision::Entity, _>(&self.transaction, revision::Column::Id, &ids).await?;
        let read = rows.into_iter().filter_map(|row| {
            let changed = Changed::from_stored(row.changed.as_deref()).ok()?;
            Some((row.id, changed))
        });
        Ok(read.collect())
    }

    /// The log after a revision, ascending.
    pub async fn log(&self, after: i64) -> Result<Vec<Log>, StoreError> {
        let select = revision::Entity::find().filter(revision::Column::Id.gt(after));
        let rows = select.order_by_asc(revision::Column::Id).limit(NARROW_CHUNK);
        Ok(rows.all(&self.transaction).await?.into_iter().map(Log::from).collect())
    }

    /// The artifacts after an id, ascending.
    pub async fn artifacts(&self, after: i64) -> Result<Vec<ArtifactRow>, StoreError> {
        let select = artifact::Entity::find().filter(artifact::Column::Id.gt(after));
        let rows = select.order_by_asc(artifact::Column::Id).limit(CHUNK);
        self.with_keys(rows.all(&self.transaction).await?).await
    }

    async fn with_keys(&self, artifacts: Vec<artifact::Model>) -> Result<Vec<ArtifactRow>, StoreError> {
        let ids: Vec<ArtifactId> = artifacts.iter().map(|row| row.id).collect();
        let found =
            bulk::find_in::<artifact_key::Entity, _>(&self.transaction, artifact_key::Column::ArtifactId, &ids).await?;
        let mut keys: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
        for row in found {
            keys.entry(row.artifact_id.0).or_default().insert(row.key, row.revision);
        }
        let rows = artifacts.into_iter().map(|row| {
            let keys = keys.remove(&row.id.0).unwrap_or_default();
            Arc::new(Owner { row, keys })
        });
        Ok(rows.collect())
    }

    async fn owners(&self, ids: BTreeSet<i64>) -> Result<BTreeMap<i64, ArtifactRow>, StoreError> {
        let ids: Vec<i64> = ids.into_iter().collect();
        let rows = bulk::find_in::<artifact::Entity, _>(&self.transaction, artifact::Column::Id, &ids).await?;
        let owners = self.with_keys(rows).await?;
        Ok(owners.into_iter().map(|owner| (owner.row.id.0, owner)).collect())
    }

    /// The partitions after an id, ascending.
    pub async fn partitions(&self, after: i64) -> Result<Vec<PartitionRow>, StoreError> {
        let select = partition::Entity::find().filter(partition::Column::Id.gt(after));
        let rows = select.order_by_asc(partition::Column::Id).limit(CHUNK);
        let rows = rows.all(&self.transaction).await?;
        let owners = self.owners(rows.iter().map(|row| row.artifact_id.0).collect()).await?;
        let ids: Vec<PartitionId> = rows.iter().map(|row| row.id).collect();
        let column = partition_value::Column::PartitionId;
        let mut values: BTreeMap<i64, Vec<partition_value::Model>> = BTreeMap::new();
        for value in bulk::find_in::<partition_value::Entity, _>(&self.transaction, column, &ids).await? {
            values.entry(value.partition_id.0).or_default().push(value);
        }
        let rows = rows.into_iter().map(|row| PartitionRow {
            artifact: owners.get(&row.artifact_id.0).cloned(),
            values: values.remove(&row.id.0).unwrap_or_default(),
            row,
        });
        Ok(rows.collect())
    }

    /// The versions after an id, ascending.
    pub async fn versions(&self, after: i64) -> Result<Vec<VersionRow>, StoreError> {
        let select = version::Entity::find().filter(version::Column::Id.gt(after));
        let rows = select.order_by_asc(version::Column::Id).limit(CHUNK);
        let rows = rows.all(&self.transaction).await?;
        let owners = self.owners(rows.iter().map(|row| row.artifact_id.0).collect()).await?;
        let named = rows.iter().flat_map(|row| [row.partition_id, row.prior_partition_id]);
        let ids: BTreeSet<PartitionId> = named.flatten().collect();
        let ids: Vec<PartitionId> = ids.into_iter().collect();
        let found = bulk::find_in::<partition::Entity, _>(&self.transaction, partition::Column::Id, &ids).await?;
        let digests: BTreeMap<i64, Vec<u8>> = found.into_iter().map(|row| (row.id.0, row.digest)).collect();
        let digest = |id: Option<PartitionId>| digests.get(&id?.0).cloned();
        let rows = rows.into_iter().map(|row| VersionRow {
            artifact: owners.get(&row.artifact_id.0).cloned(),
            partition: digest(row.partition_id),
            prior_partition: digest(row.prior_partition_id),
            row,
        });
        Ok(rows.collect())
    }

    /// Which of some rows of `version_value` are not there as they should be.
    pub async fn absent_values(
        &self,
        expected: &[version_value::Model],
    ) -> Result<Vec<version_value::Model>, StoreError> {
        let backend = self.transaction.get_database_backend();
        let mut absent = Vec::new();
        let mut rest = expected;
        while !rest.is_empty() {
            let (chunk, remainder) = rest.split_at(bulk::chunk_size(rest.len(), 7));
            let mut sql =
                "WITH expected (number, artifact_id, key, value, created_at, ordinal, version_id) AS (VALUES "
                    .to_owned();
            bulk::push_tuples(&mut sql, backend, chunk.len(), 7);
            sql.push_str(
                ") SELECT number FROM expected e WHERE NOT EXISTS (SELECT 1 FROM version_value x
                 WHERE x.artifact_id = e.artifact_id AND x.key = e.key AND x.value = e.value
                   AND x.created_at = e.created_at AND x.ordinal = e.ordinal AND x.version_id = e.version_id)",
            );
            let values: Vec<Value> = (0_i64..).zip(chunk).flat_map(|(n, row)| rows::bound(n, row)).collect();
            for row in self.rows(&sql, values).await? {
                let number: i64 = row.try_get_by_index(0)?;
                absent.extend(usize::try_from(number).ok().and_then(|n| chunk.get(n)).cloned());
            }
            rest = remainder;
        }
        Ok(absent)
    }

    /// The values of versions after one, in order of their key, each with its version.
    pub async fn version_values(
        &self,
        after: Option<&version_value::Model>,
    ) -> Result<Vec<VersionValueRow>, StoreError> {
        let sql = format!(
            "SELECT * FROM version_value WHERE (artifact_id, key, value, created_at, ordinal) > ($1, $2, $3, $4, $5)
             ORDER BY artifact_id, key, value, created_at, ordinal LIMIT {NARROW_CHUNK}"
        );
        let first: [Value; 5] = [
            after.map_or(i64::MIN, |row| row.artifact_id.0).into(),
            after.map_or("", |row| &row.key).into(),
            after.map_or("", |row| &row.value).into(),
            after.map_or(i64::MIN, |row| row.created_at).into(),
            after.map_or(i64::MIN, |row| row.ordinal).into(),
        ];
        let statement = Statement::from_sql_and_values(self.transaction.get_database_backend(), sql, first);
        let rows = version_value::Entity::find()
            .from_raw_sql(statement)
            .all(&self.transaction)
            .await?;
        let ids: BTreeSet<i64> = rows.iter().map(|row| row.version_id.0).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let found = version::Entity::find()
            .select_only()
            .columns(rows::CONTENT)
            .filter(version::Column::Id.is_in(ids));
        let found = found.into_model::<rows::Content>().all(&self.transaction).await?;
        let versions: BTreeMap<i64, Arc<rows::Content>> =
            found.into_iter().map(|row| (row.id.0, Arc::new(row))).collect();
        let rows = rows.into_iter().map(|row| VersionValueRow {
            version: versions.get(&row.version_id.0).cloned(),
            row,
        });
        Ok(rows.collect())
    }

    /// The stays of aliases after an id, ascending.
    pub async fn aliases(&self, after: i64) -> Result<Vec<alias::Model>, StoreError> {
        let select = alias::Entity::find().filter(alias::Column::Id.gt(after));
        let rows = select.order_by_asc(alias::Column::Id).limit(NARROW_CHUNK);
        Ok(rows.all(&self.transaction).await?)
    }

    /// The executions after an id, ascending.
    pub async fn executions(&self, after: i64) -> Result<Vec<execution::Model>, StoreError> {
        let select = execution::Entity::find().filter(execution::Column::Id.gt(after));
        let rows = select.order_by_asc(execution::Column::Id).limit(CHUNK);
        Ok(rows.all(&self.transaction).await?)
    }

    /// The edges after one, in order of their key, each with the revision of its execution.
    pub async fn edges(&self, after: Option<&edge::Model>) -> Result<Vec<(edge::Model, Option<i64>)>, StoreError> {
        let sql = format!(
            "SELECT * FROM edge WHERE (execution_id, role, name, version_id, revision) > ($1, $2, $3, $4, $5)
             ORDER BY execution_id, role, name, version_id, revision LIMIT {NARROW_CHUNK}"
        );
        let first: [Value; 5] = [
            after.map_or(i64::MIN, |row| row.execution_id.0).into(),
            after.map_or(i16::MIN, |row| row.role).into(),
            after.map_or("", |row| &row.name).into(),
            after.map_or(i64::MIN, |row| row.version_id.0).into(),
            after.map_or(i64::MIN, |row| row.revision).into(),
        ];
        let statement = Statement::from_sql_and_values(self.transaction.get_database_backend(), sql, first);
        let rows = edge::Entity::find()
            .from_raw_sql(statement)
            .all(&self.transaction)
            .await?;
        let ids: BTreeSet<i64> = rows.iter().map(|row| row.execution_id.0).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let revisions = execution::Entity::find()
            .select_only()
            .columns([execution::Column::Id, execution::Column::Revision])
            .filter(execution::Column::Id.is_in(ids));
        let revisions: Vec<(i64, i64)> = revisions.into_tuple().all(&self.transaction).await?;
        let revisions: BTreeMap<i64, i64> = revisions.into_iter().collect();
        let rows = rows.into_iter().map(|row| {
            let revision = revisions.get(&row.execution_id.0).copied();
            (row, revision)
        });
        Ok(rows.collect())
    }

    async fn rows(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<sea_orm::QueryResult>, StoreError> {
        let backend = self.transaction.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.transaction.query_all_raw(statement).await?)
    }
}
