//! Reading the rows that records name, and those that a rule asks for.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    ArtifactId, ExecutionId, NEVER, VersionId, alias, artifact, artifact_key, dataset_name, dataset_story, edge, event,
    execution, floating_input, partition, recorded_version, resolved_input, run_story, symlink, version, version_story,
};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};

use super::{Ledger, digest};
use crate::domain::key::Digest;
use crate::store::table::Table;
use crate::store::{StoreError, bulk};

/// Aliases looked up in one statement.
const ALIASES_TOGETHER: usize = 64;

/// What records name, to be read before they are applied.
#[derive(Debug, Default)]
pub struct Needs {
    /// Digests of artifacts.
    pub artifacts: BTreeSet<Digest>,
    /// Digests of versions.
    pub versions: BTreeSet<Digest>,
    /// Digests of versions that are only named, each with that of its artifact, which is read where the version is not there.
    pub named: BTreeMap<Digest, Digest>,
    /// Digests of executions that are recorded: their edges are read too.
    pub executions: BTreeSet<Digest>,
    /// Digests of executions that are only named as parents.
    pub parents: BTreeSet<Digest>,
    /// Aliases: the artifact's digest and the name.
    pub aliases: BTreeSet<(Digest, String)>,
    /// Digests of events.
    pub events: BTreeSet<Digest>,
    /// Digests of executions of which events may tell: their stories and floating inputs are read too; they are among `executions`.
    pub runs: BTreeSet<Digest>,
    /// Digests of artifacts whose stories are read too; they are among `artifacts`.
    pub datasets: BTreeSet<Digest>,
    /// Digests of datasets that may be other names of artifacts.
    pub names: BTreeSet<Digest>,
    /// Digests of pairs of names.
    pub symlinks: BTreeSet<Digest>,
}

impl Ledger {
    /// Reads what records name and has not been read yet.
    pub async fn load(&mut self, needs: &Needs) -> Result<(), StoreError> {
        let versions: BTreeSet<Digest> = needs.versions.iter().chain(needs.named.keys()).copied().collect();
        let unknown = unread(&self.versions, versions.iter().copied());
        let rows = bulk::find::<version::Entity, _>(&self.tx, version::Column::KeyDigest, &bytes(&unknown)).await?;
        for row in rows.into_iter().filter(is_there) {
            self.versions.read(digest(&row.key_digest)?, Some(row));
        }
        mark_absent(&mut self.versions, unknown);
        self.load_recorded(&versions).await?;
        self.load_artifacts(needs).await?;
        self.load_executions(needs).await?;
        self.load_events(needs).await?;
        self.load_aliases(needs).await
    }

    /// Reads what records said of those versions that events describe.
    pub(super) async fn load_recorded(
        &mut self,
        versions: impl IntoIterator<Item = &Digest>,
    ) -> Result<(), StoreError> {
        let described = versions.into_iter().filter_map(|digest| self.versions.get(digest));
        let described = described.filter(|row| row.is_described).map(|row| row.id);
        let unknown: Vec<VersionId> = described.filter(|id| !self.recorded.knows(id)).collect();
        for row in bulk::find::<recorded_version::Entity, _>(&self.tx, recorded_version::Column::Id, &unknown).await? {
            self.recorded.read(row.id, Some(row));
        }
        for id in unknown {
            self.recorded.read(id, None);
        }
        Ok(())
    }

    async fn load_events(&mut self, needs: &Needs) -> Result<(), StoreError> {
        if !self.knows_events() && needs.events.is_empty() {
            return Ok(());
        }
        let unknown = unread(&self.events, needs.events.iter().copied());
        for row in bulk::find::<event::Entity, _>(&self.tx, event::Column::Digest, &bytes(&unknown)).await? {
            self.events.read(digest(&row.digest)?, Some(row));
        }
        mark_absent(&mut self.events, unknown);
        let runs: Vec<ExecutionId> = needs
            .runs
            .iter()
            .filter_map(|digest| self.executions.get(digest))
            .map(|row| row.id)
            .filter(|id| !self.run_stories.knows(id))
            .collect();
        self.load_runs(&runs).await?;
        let datasets: Vec<ArtifactId> = needs
            .datasets
            .iter()
            .filter_map(|digest| self.artifacts.get(digest))
            .map(|row| row.id)
            .filter(|id| !self.dataset_stories.knows(id))
            .collect();
        self.load_dataset_stories(&datasets).await?;
        self.load_names(needs.names.iter().copied()).await?;
        let unknown = unread(&self.symlinks, needs.symlinks.iter().copied());
        for row in bulk::find::<symlink::Entity, _>(&self.tx, symlink::Column::Digest, &bytes(&unknown)).await? {
            self.symlinks.read(digest(&row.digest)?, Some(row));
        }
        mark_absent(&mut self.symlinks, unknown);
        Ok(())
    }

    /// Reads of which artifacts names are.
    pub async fn load_names(&mut self, names: impl Iterator<Item = Digest>) -> Result<(), StoreError> {
        let unknown = unread(&self.names, names);
        let rows =
            bulk::find::<dataset_name::Entity, _>(&self.tx, dataset_name::Column::Digest, &bytes(&unknown)).await?;
        for row in rows.into_iter().filter(|row| row.ended_revision == NEVER) {
            self.names.read(digest(&row.digest)?, Some(row));
        }
        mark_absent(&mut self.names, unknown);
        Ok(())
    }

    /// Reads what events about runs come to, and their inputs without a version.
    pub(super) async fn load_runs(&mut self, ids: &[ExecutionId]) -> Result<(), StoreError> {
        for row in bulk::find::<run_story::Entity, _>(&self.tx, run_story::Column::Id, ids).await? {
            self.run_stories.read(row.id, Some(row));
        }
        for id in ids {
            self.run_stories.read(*id, None);
        }
        let floating =
            bulk::find::<floating_input::Entity, _>(&self.tx, floating_input::Column::ExecutionId, ids).await?;
        for row in floating {
            self.floating.read(digest(&row.digest)?, Some(row));
        }
        Ok(())
    }

    async fn load_artifacts(&mut self, needs: &Needs) -> Result<(), StoreError> {
        let of_missing = needs
            .named
            .iter()
            .filter(|(version, _)| self.versions.get(version).is_none());
        let artifacts: BTreeSet<Digest> = needs
            .artifacts
            .iter()
            .chain(of_missing.map(|(_, artifact)| artifact))
            .copied()
            .collect();
        let unknown = unread(&self.artifacts, artifacts.into_iter());
        let rows = bulk::find::<artifact::Entity, _>(&self.tx, artifact::Column::KeyDigest, &bytes(&unknown)).await?;
        let undeclared: Vec<ArtifactId> = rows
            .iter()
            .filter(|a| a.declared_revision == NEVER)
            .map(|a| a.id)
            .collect();
        for row in
            bulk::find::<artifact_key::Entity, _>(&self.tx, artifact_key::Column::ArtifactId, &undeclared).await?
        {
            self.keys.known.insert((row.artifact_id, row.key));
        }
        for row in rows {
            self.artifacts.read(digest(&row.key_digest)?, Some(row));
        }
        mark_absent(&mut self.artifacts, unknown);
        Ok(())
    }

    async fn load_executions(&mut self, needs: &Needs) -> Result<(), StoreError> {
        let named = needs.executions.union(&needs.parents).copied();
        let unknown = unread(&self.executions, named);
        let rows = bulk::find::<execution::Entity, _>(&self.tx, execution::Column::KeyDigest, &bytes(&unknown)).await?;
        for row in rows {
            self.executions.read(digest(&row.key_digest)?, Some(row));
        }
        mark_absent(&mut self.executions, unknown);
        let mut ids = Vec::new();
        for digest in &needs.executions {
            if self.edges_read.insert(*digest) {
                ids.extend(self.executions.get(digest).map(|row| row.id));
            }
        }
        for e in bulk::find::<edge::Entity, _>(&self.tx, edge::Column::ExecutionId, &ids).await? {
            if e.ended_revision == NEVER {
                self.edges
                    .read((e.execution_id, e.role, e.name.clone(), e.version_id), Some(e));
            }
        }
        for row in bulk::find::<resolved_input::Entity, _>(&self.tx, resolved_input::Column::ExecutionId, &ids).await? {
            self.resolved
                .insert((row.execution_id, digest(&row.digest)?), row.version_id);
            self.new_resolved.known.insert((row.execution_id, row.digest));
        }
        Ok(())
    }

    async fn load_aliases(&mut self, needs: &Needs) -> Result<(), StoreError> {
        let mut asked = Vec::new();
        for (artifact, name) in &needs.aliases {
            let Some(artifact) = self.artifacts.get(artifact) else {
                continue;
            };
            let key = (artifact.id, name.clone());
            if !self.aliases.knows(&key) {
                asked.push(key);
            }
        }
        for chunk in asked.chunks(ALIASES_TOGETHER) {
            let named = chunk.iter().fold(Condition::any(), |any, (artifact, name)| {
                let this = Condition::all()
                    .add(alias::Column::ArtifactId.eq(*artifact))
                    .add(alias::Column::Name.eq(name));
                any.add(this)
            });
            let open = alias::Entity::find()
                .filter(named)
                .filter(alias::Column::EndedRevision.eq(NEVER));
            for row in self.tx.models(open).await? {
                self.aliases.read((row.artifact_id, row.name.clone()), Some(row));
            }
        }
        for key in asked {
            self.aliases.read(key, None);
        }
        Ok(())
    }

    /// Reads partitions by digest.
    pub async fn load_partitions(&mut self, digests: impl Iterator<Item = Digest>) -> Result<(), StoreError> {
        let unknown = unread(&self.partitions, digests);
        for row in bulk::find::<partition::Entity, _>(&self.tx, partition::Column::Digest, &bytes(&unknown)).await? {
            self.partitions.read(digest(&row.digest)?, Some(row));
        }
        mark_absent(&mut self.partitions, unknown);
        Ok(())
    }

    /// Whether an alias of an artifact stands at the version of a name, or ever has, after a flush. What had the name before and was
    /// withdrawn counts too.
    pub async fn alias_has_stood(&mut self, of: ArtifactId, alias: &str, version: &str) -> Result<bool, StoreError> {
        self.flush().await?;
        let named = Query::select()
            .column(version::Column::Id)
            .from(version::Entity)
            .and_where(version::Column::ArtifactId.eq(of))
            .and_where(version::Column::Version.eq(version))
            .to_owned();
        let stays = alias::Entity::find()
            .filter(alias::Column::ArtifactId.eq(of))
            .filter(alias::Column::Name.eq(alias))
            .filter(alias::Column::VersionId.in_subquery(named));
        Ok(!self.tx.models(stays.limit(1)).await?.is_empty())
    }

    /// Reads the open aliases of a version, after a flush.
    pub async fn load_aliases_of(&mut self, version_id: VersionId) -> Result<Vec<alias::Model>, StoreError> {
        self.flush().await?;
        let open = alias::Entity::find()
            .filter(alias::Column::VersionId.eq(version_id))
            .filter(alias::Column::EndedRevision.eq(NEVER));
        let rows = self.tx.models(open).await?;
        for row in &rows {
            self.aliases
                .read((row.artifact_id, row.name.clone()), Some(row.clone()));
        }
        Ok(rows)
    }

    /// Reads what events about datasets come to.
    pub async fn load_dataset_stories(&mut self, ids: &[ArtifactId]) -> Result<(), StoreError> {
        for row in bulk::find::<dataset_story::Entity, _>(&self.tx, dataset_story::Column::Id, ids).await? {
            self.dataset_stories.read(row.id, Some(row));
        }
        for id in ids {
            self.dataset_stories.read(*id, None);
        }
        Ok(())
    }

    /// Reads what is kept apart from stories, by digest.
    pub async fn load_version_stories(&mut self, digests: impl Iterator<Item = Digest>) -> Result<(), StoreError> {
        let unknown = unread(&self.version_stories, digests);
        let column = version_story::Column::Digest;
        for row in bulk::find::<version_story::Entity, _>(&self.tx, column, &bytes(&unknown)).await? {
            self.version_stories.read(digest(&row.digest)?, Some(row));
        }
        mark_absent(&mut self.version_stories, unknown);
        Ok(())
    }

    /// All that is kept apart from the story of a run.
    pub async fn version_stories_of_run(&mut self, id: ExecutionId) -> Result<Vec<version_story::Model>, StoreError> {
        let is_its = |row: &&version_story::Model| row.execution_id == Some(id);
        self.version_stories_with(version_story::Column::ExecutionId, id.0, is_its)
            .await
    }

    /// All that is kept apart from the story of a dataset.
    pub async fn version_stories_of_dataset(
        &mut self,
        id: ArtifactId,
    ) -> Result<Vec<version_story::Model>, StoreError> {
        let is_its = |row: &&version_story::Model| row.artifact_id == Some(id);
        self.version_stories_with(version_story::Column::ArtifactId, id.0, is_its)
            .await
    }

    async fn version_stories_with(
        &mut self,
        column: version_story::Column,
        id: i64,
        is_its: impl Fn(&&version_story::Model) -> bool,
    ) -> Result<Vec<version_story::Model>, StoreError> {
        for row in bulk::find::<version_story::Entity, _>(&self.tx, column, &[id]).await? {
            self.version_stories.read(digest(&row.digest)?, Some(row));
        }
        Ok(self.version_stories.rows().filter(is_its).cloned().collect())
    }
}

/// Whether a version is not withdrawn.
pub(super) fn is_there(row: &version::Model) -> bool {
    row.ordinal > 0
}

pub(super) fn bytes(digests: &[Digest]) -> Vec<Vec<u8>> {
    digests.iter().map(|d| d.to_vec()).collect()
}

fn unread<R: Clone>(table: &Table<Digest, R>, digests: impl Iterator<Item = Digest>) -> Vec<Digest> {
    digests.filter(|d| !table.knows(d)).collect()
}

fn mark_absent<R: Clone>(table: &mut Table<Digest, R>, digests: Vec<Digest>) {
    for digest in digests {
        table.read(digest, None);
    }
}
