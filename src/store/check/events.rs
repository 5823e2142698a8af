//! Reading events, and what they have come to.

use std::collections::{BTreeMap, HashMap};

use entity::{ArtifactId, ExecutionId, NEVER, VersionId, dataset_name, edge, event, floating_input, symlink, version};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value};

use super::Snapshot;
use crate::store::{StoreError, bulk, floating};

/// Events and stories read at a time: they can be long.
const LONG_CHUNK: u64 = 100;

/// Any table with an `id`, and rows by any column.
impl Snapshot {
    /// The rows after an id, ascending.
    pub async fn after<E: EntityTrait>(&self, id: E::Column, after: i64) -> Result<Vec<E::Model>, StoreError> {
        let select = E::find().filter(id.gt(after)).order_by_asc(id).limit(LONG_CHUNK);
        Ok(select.all(&self.transaction).await?)
    }

    /// The rows that have one of some values in a column.
    pub async fn with<E: EntityTrait, V: Into<Value> + Clone>(
        &self,
        column: E::Column,
        values: &[V],
    ) -> Result<Vec<E::Model>, StoreError> {
        bulk::find_in::<E, V>(&self.transaction, column, values).await
    }
}

impl Snapshot {
    /// The events about executions after one, by execution.
    pub async fn events_of_executions(&self, after: Option<&event::Model>) -> Result<Vec<event::Model>, StoreError> {
        let sql = format!(
            "SELECT * FROM event WHERE execution_id IS NOT NULL AND (execution_id, event_time, id) > ($1, $2, $3)
             ORDER BY execution_id, event_time, id LIMIT {LONG_CHUNK}"
        );
        let execution = after.and_then(|row| row.execution_id).map_or(i64::MIN, |id| id.0);
        let first: [Value; 3] = [
            execution.into(),
            after.map_or(i64::MIN, |row| row.event_time).into(),
            after.map_or(i64::MIN, |row| row.id).into(),
        ];
        let statement = Statement::from_sql_and_values(self.transaction.get_database_backend(), sql, first);
        Ok(event::Entity::find()
            .from_raw_sql(statement)
            .all(&self.transaction)
            .await?)
    }

    /// The events about some artifacts after an id, ascending.
    pub async fn events_of_artifacts(
        &self,
        artifacts: &[ArtifactId],
        after: i64,
    ) -> Result<Vec<event::Model>, StoreError> {
        let select = event::Entity::find()
            .filter(event::Column::ArtifactId.is_in(artifacts.iter().copied()))
            .filter(event::Column::Id.gt(after));
        let rows = select.order_by_asc(event::Column::Id).limit(LONG_CHUNK);
        Ok(rows.all(&self.transaction).await?)
    }

    /// The edges of some executions that stand, and whether records say them.
    pub async fn standing_edges(
        &self,
        executions: &[ExecutionId],
    ) -> Result<BTreeMap<(ExecutionId, i16, String, VersionId), bool>, StoreError> {
        let rows = self
            .with::<edge::Entity, _>(edge::Column::ExecutionId, executions)
            .await?;
        let standing = rows.into_iter().filter(|row| row.ended_revision == NEVER);
        Ok(standing
            .map(|row| ((row.execution_id, row.role, row.name, row.version_id), row.is_recorded))
            .collect())
    }

    /// The versions at which some floating inputs belong, by the id of the input; none where nothing had been produced.
    pub async fn floating_targets(
        &self,
        inputs: &[floating_input::Model],
    ) -> Result<HashMap<i64, Option<VersionId>>, StoreError> {
        let ids: Vec<i64> = inputs.iter().map(|row| row.id).collect();
        floating::targets(&self.transaction, &ids).await
    }

    /// The pairs in which some names are.
    pub async fn symlinks_of(&self, names: &[Vec<u8>]) -> Result<Vec<symlink::Model>, StoreError> {
        let mut found = self
            .with::<symlink::Entity, _>(symlink::Column::AliasDigest, names)
            .await?;
        found.extend(
            self.with::<symlink::Entity, _>(symlink::Column::DatasetDigest, names)
                .await?,
        );
        Ok(found)
    }

    /// Of which artifacts names are now, by a column.
    pub async fn names<V: Into<Value> + Clone>(
        &self,
        column: dataset_name::Column,
        keys: &[V],
    ) -> Result<Vec<dataset_name::Model>, StoreError> {
        let mut rows = self.with::<dataset_name::Entity, _>(column, keys).await?;
        rows.retain(|row| row.ended_revision == NEVER);
        Ok(rows)
    }

    /// The artifacts after an id that have other names, ascending.
    pub async fn artifacts_with_names(&self, after: i64) -> Result<Vec<ArtifactId>, StoreError> {
        let select = dataset_name::Entity::find()
            .select_only()
            .column(dataset_name::Column::ArtifactId);
        let rows = select
            .distinct()
            .filter(dataset_name::Column::ArtifactId.gt(after))
            .filter(dataset_name::Column::EndedRevision.eq(NEVER))
            .order_by_asc(dataset_name::Column::ArtifactId)
            .limit(LONG_CHUNK);
        Ok(rows.into_tuple().all(&self.transaction).await?)
    }

    /// The versions after an id that events describe, ascending.
    pub async fn described_versions(&self, after: i64) -> Result<Vec<version::Model>, StoreError> {
        let select = version::Entity::find()
            .filter(version::Column::Id.gt(after))
            .filter(version::Column::IsDescribed.eq(true))
            .filter(version::Column::ProducedRevision.lt(NEVER))
            .filter(version::Column::Ordinal.gt(0));
        let rows = select.order_by_asc(version::Column::Id).limit(LONG_CHUNK);
        Ok(rows.all(&self.transaction).await?)
    }
}
