//! Writing what a transaction has changed: parents before children.

use std::collections::BTreeMap;

use entity::{
    NEVER, alias, artifact, artifact_key, dataset_name, dataset_story, edge, event, execution, floating_input,
    partition, partition_value, recorded_version, resolved_input, revision, revision_counter, run_story, symlink,
    version, version_story, version_value,
};
use sea_orm::{ConnectionTrait, Statement};

use super::Ledger;
use crate::store::table::Unsaved;
use crate::store::together::Together;
use crate::store::{StoreError, Transaction, bulk};

impl Ledger {
    /// Whether anything changed so far.
    pub fn is_changed(&self) -> bool {
        self.written
            || self.artifacts.is_dirty()
            || self.versions.is_dirty()
            || !self.withdrawn.changed.is_empty()
            || self.recorded.is_dirty()
            || self.executions.is_dirty()
            || self.aliases.is_dirty()
            || self.events.is_dirty()
            || self.run_stories.is_dirty()
            || self.edges.is_dirty()
            || !self.new_resolved.new.is_empty()
            || !self.ended_aliases.new.is_empty()
    }

    /// Writes what has been changed, so that statements of this transaction see it. Parents go before children.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        let mut rows = Together::default();
        self.flush_with(&mut rows).await?;
        rows.write(&self.tx).await
    }

    async fn flush_with(&mut self, rows: &mut Together) -> Result<(), StoreError> {
        self.written = self.is_changed();
        self.flush_artifacts(rows).await?;
        self.flush_versions(rows).await?;
        self.flush_executions(rows).await?;
        self.flush_events(rows).await?;
        rows.insert::<resolved_input::Entity>(&self.tx, &self.new_resolved.take())
            .await?;
        self.flush_aliases(rows).await
    }

    /// Writes artifacts, and the partitions that their versions are in.
    async fn flush_artifacts(&mut self, rows: &mut Together) -> Result<(), StoreError> {
        let artifacts = self.artifacts.take_unsaved();
        let touched = artifacts.changed.iter().map(|row| row.id.0);
        let last = self.counter_at_open.artifact_id;
        self.changed.artifacts.extend(older(touched, last));
        rows.insert::<artifact::Entity>(&self.tx, &artifacts.new).await?;
        rows.update::<artifact::Entity>(&self.tx, &artifacts.changed).await?;
        rows.insert::<artifact_key::Entity>(&self.tx, &self.keys.take()).await?;
        let partitions = self.partitions.take_unsaved();
        rows.insert::<partition::Entity>(&self.tx, &partitions.new).await?;
        rows.update::<partition::Entity>(&self.tx, &partitions.changed).await?;
        rows.insert::<partition_value::Entity>(&self.tx, &self.partition_values.take())
            .await
    }

    /// Writes versions: what is withdrawn first, and by itself, since another row may take its name.
    async fn flush_versions(&mut self, rows: &mut Together) -> Result<(), StoreError> {
        let withdrawn = std::mem::take(&mut self.withdrawn);
        let leaves_names = !withdrawn.changed.is_empty();
        let last = self.counter_at_open.version_id;
        for versions in [withdrawn, self.versions.take_unsaved()] {
            let touched = versions.changed.iter().map(|row| row.id.0);
            self.changed.versions.extend(older(touched, last));
            rows.insert::<version::Entity>(&self.tx, &versions.new).await?;
            rows.update::<version::Entity>(&self.tx, &versions.changed).await?;
            flush_version_values(&self.tx, rows, &versions).await?;
            if leaves_names {
                rows.write(&self.tx).await?;
            }
        }
        for recorded in self.recorded.take_unsaved().both() {
            rows.update::<recorded_version::Entity>(&self.tx, &recorded).await?;
        }
        Ok(())
    }

    /// Writes executions with their edges.
    async fn flush_executions(&mut self, rows: &mut Together) -> Result<(), StoreError> {
        let executions = self.executions.take_unsaved();
        let edges = self.edges.take_unsaved();
        let connected = edges.new.iter().chain(&edges.changed);
        let touched = executions.changed.iter().map(|row| row.id.0);
        let touched = touched.chain(connected.map(|row| row.execution_id.0));
        let last = self.counter_at_open.execution_id;
        self.changed.executions.extend(older(touched, last));
        rows.insert::<execution::Entity>(&self.tx, &executions.new).await?;
        rows.update::<execution::Entity>(&self.tx, &executions.changed).await?;
        rows.insert::<edge::Entity>(&self.tx, &edges.new).await?;
        rows.update::<edge::Entity>(&self.tx, &edges.changed).await
    }

    /// Writes aliases, one statement after the other: of two at one name one has to end before the other stands, and one that was
    /// set and ended in this transaction is among the ended ones too.
    async fn flush_aliases(&mut self, rows: &mut Together) -> Result<(), StoreError> {
        if self.ended_aliases.new.is_empty() && !self.aliases.is_dirty() {
            return Ok(());
        }
        rows.write(&self.tx).await?;
        bulk::update::<alias::Entity>(&self.tx, &self.ended_aliases.take()).await?;
        let aliases = self.aliases.take_unsaved();
        bulk::update::<alias::Entity>(&self.tx, &aliases.changed).await?;
        bulk::update::<alias::Entity>(&self.tx, &aliases.new).await
    }

    /// Writes events and what they come to, after what those refer to.
    async fn flush_events(&mut self, together: &mut Together) -> Result<(), StoreError> {
        together
            .insert::<event::Entity>(&self.tx, &self.events.take_unsaved().new)
            .await?;
        for rows in self.run_stories.take_unsaved().both() {
            together.update::<run_story::Entity>(&self.tx, &rows).await?;
        }
        for rows in self.dataset_stories.take_unsaved().both() {
            together.update::<dataset_story::Entity>(&self.tx, &rows).await?;
        }
        for rows in self.version_stories.take_unsaved().both() {
            together.update::<version_story::Entity>(&self.tx, &rows).await?;
        }
        for rows in self.floating.take_unsaved().both() {
            together.update::<floating_input::Entity>(&self.tx, &rows).await?;
        }
        together
            .insert::<symlink::Entity>(&self.tx, &self.symlinks.take_unsaved().new)
            .await?;
        let ended = self.ended_names.take();
        if !ended.is_empty() {
            // Of two rows of one name the first has to end before the other is there.
            together.write(&self.tx).await?;
            bulk::update::<dataset_name::Entity>(&self.tx, &ended).await?;
        }
        for rows in self.names.take_unsaved().both() {
            together.update::<dataset_name::Entity>(&self.tx, &rows).await?;
        }
        Ok(())
    }

    /// Ends the transaction. Answers the revision in which everything that was asked is visible: this one, or, where
    /// nothing changed, the one before, and then there is no new revision.
    pub async fn commit(mut self) -> Result<i64, StoreError> {
        if !self.is_changed() {
            let newest = self.counter.revision - 1;
            self.tx.rollback().await?;
            return Ok(newest);
        }
        let mut rows = Together::default();
        self.flush_with(&mut rows).await?;
        let log = revision::Model {
            id: self.counter.revision,
            recorded_at: self.counter.recorded_at,
            changed: self.changed.to_stored()?,
        };
        rows.insert::<revision::Entity>(&self.tx, &[log]).await?;
        let counter = std::slice::from_ref(&self.counter);
        rows.update::<revision_counter::Entity>(&self.tx, counter).await?;
        rows.write(&self.tx).await?;
        let revision = self.counter.revision;
        self.tx.commit().await?;
        Ok(revision)
    }
}

/// Makes produced versions findable by their partition values; those that have moved, where they are now.
async fn flush_version_values(
    tx: &Transaction,
    rows: &mut Together,
    versions: &Unsaved<version::Model>,
) -> Result<(), StoreError> {
    let mut values = Vec::new();
    for row in &versions.new {
        values.extend(values_of(row)?);
    }
    for (stored, row) in versions.stored.iter().zip(&versions.changed) {
        let (before, after) = (values_of(stored)?, values_of(row)?);
        for value in before.iter().filter(|value| !after.contains(value)) {
            let sql = "DELETE FROM version_value \
                 WHERE artifact_id = $1 AND key = $2 AND value = $3 AND created_at = $4 AND ordinal = $5";
            let place = [
                value.artifact_id.0.into(),
                value.key.as_str().into(),
                value.value.as_str().into(),
                value.created_at.into(),
                value.ordinal.into(),
            ];
            let delete = Statement::from_sql_and_values(tx.get_database_backend(), sql, place);
            tx.execute(delete).await?;
        }
        values.extend(after.into_iter().filter(|value| !before.contains(value)));
    }
    rows.insert::<version_value::Entity>(tx, &values).await
}

/// What a version is found by: each of its values, once it has been produced.
fn values_of(row: &version::Model) -> Result<Vec<version_value::Model>, StoreError> {
    let Some(given) = row.given_values.as_deref().filter(|_| row.produced_revision != NEVER) else {
        return Ok(Vec::new());
    };
    let values: BTreeMap<String, String> =
        serde_json::from_str(given).map_err(|e| StoreError::Inconsistent(format!("partition values: {e}")))?;
    let values = values.into_iter().map(|(key, value)| version_value::Model {
        artifact_id: row.artifact_id,
        key,
        value,
        created_at: row.created_at,
        ordinal: row.ordinal,
        version_id: row.id,
    });
    Ok(values.collect())
}

/// The ids up to the last that was there before.
fn older(ids: impl Iterator<Item = i64>, last: i64) -> impl Iterator<Item = i64> {
    ids.filter(move |id| *id <= last)
}
