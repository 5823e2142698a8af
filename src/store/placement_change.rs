//! What a declaration does to the versions that came before it: their placement moves to the `prior_*` columns, where
//! reads of earlier revisions find it, and the new one takes its place.

use std::collections::BTreeMap;

use entity::{ArtifactId, NEVER, PartitionId, VersionId};
use sea_orm::{ConnectionTrait, Statement, Value};

use super::ledger::Ledger;
use super::sql::read;
use super::{StoreError, bulk};
use crate::domain::time::Timestamp;

/// A version as it was given, to be placed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedVersion {
    /// Its id.
    pub id: VersionId,
    /// Its partition values as given.
    pub values: BTreeMap<String, String>,
    /// The instant of its time partition as given.
    pub time: Option<Timestamp>,
}

/// Where a version belongs from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The version.
    pub version: VersionId,
    /// Its partition, if it has one.
    pub partition_id: Option<PartitionId>,
    /// The start of its window, or `NO_TIME`.
    pub window_start: i64,
    /// Why it has no partition, where it should.
    pub schema_mismatch: Option<String>,
}

impl Ledger {
    /// Produced versions of an artifact by id, from the one after `after` on, at most `limit`.
    pub async fn versions_to_place(
        &self,
        artifact: ArtifactId,
        after: i64,
        limit: u64,
    ) -> Result<Vec<PlacedVersion>, StoreError> {
        let sql = "SELECT id, given_values, given_time FROM version \
             WHERE artifact_id = $1 AND id > $2 AND produced_revision < $3 ORDER BY id LIMIT $4";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values: [Value; 4] = [artifact.0.into(), after.into(), NEVER.into(), limit.into()];
        let tx = self.transaction();
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        read(&tx.rows(statement).await?, |cells| {
            let id = cells.next()?;
            let given: Option<String> = cells.next()?;
            let values = given.map(|text| serde_json::from_str(&text)).transpose();
            Ok(PlacedVersion {
                id,
                values: values
                    .map_err(|e| StoreError::Inconsistent(format!("given values: {e}")))?
                    .unwrap_or_default(),
                time: cells.next::<Option<i64>>()?.map(Timestamp),
            })
        })
    }

    /// Moves versions to their new places.
    pub async fn place_anew(&self, placements: &[Placement]) -> Result<(), StoreError> {
        let tx = self.transaction();
        let mut rest = placements;
        while !rest.is_empty() {
            let (chunk, remainder) = rest.split_at(bulk::chunk_size(rest.len(), 4));
            let mut sql = "WITH placed (id, partition_id, window_start, schema_mismatch) AS (VALUES ".to_owned();
            bulk::push_tuples(&mut sql, tx.get_database_backend(), chunk.len(), 4);
            sql.push_str(&format!(
                ") UPDATE version SET prior_partition_id = version.partition_id, prior_window_start = version.window_start, \
                 prior_schema_mismatch = version.schema_mismatch, partition_id = placed.partition_id, \
                 window_start = placed.window_start, schema_mismatch = placed.schema_mismatch, placed_revision = {} \
                 FROM placed WHERE version.id = placed.id",
                self.revision()
            ));
            let values: Vec<Value> = chunk.iter().flat_map(values_of).collect();
            tx.execute(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
                .await?;
            rest = remainder;
        }
        Ok(())
    }

    /// Retires the partitions that do not have exactly these keys and this granularity.
    pub async fn retire_partitions(
        &self,
        artifact: ArtifactId,
        keys: &[String],
        granularity: Option<&str>,
    ) -> Result<(), StoreError> {
        let tx = self.transaction();
        let mut values: Vec<Value> = vec![
            self.revision().into(),
            artifact.0.into(),
            granularity.unwrap_or("").into(),
        ];
        let mut fits = format!("COALESCE(granularity, '') = $3 AND key_count = {}", keys.len());
        for key in keys {
            values.push(key.as_str().into());
            fits.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM partition_value v WHERE v.artifact_id = $2 AND v.partition_id = partition.id AND v.key = ${})",
                values.len()
            ));
        }
        let sql = format!(
            "UPDATE partition SET retired_revision = $1 WHERE artifact_id = $2 AND retired_revision = {NEVER} AND NOT ({fits})"
        );
        tx.execute(Statement::from_sql_and_values(tx.get_database_backend(), sql, values))
            .await?;
        Ok(())
    }
}

fn values_of(placement: &Placement) -> [Value; 4] {
    [
        placement.version.0.into(),
        placement.partition_id.map(|p| p.0).into(),
        placement.window_start.into(),
        placement.schema_mismatch.clone().into(),
    ]
}
