//! Reading the rows that records name, and those that a rule asks for.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    ArtifactId, ExecutionId, NEVER, VersionId, alias, artifact, artifact_key, dataset_name, dataset_story, event,
    execution, floating_input, partition, recorded_version, resolved_input, run_story, symlink, version, version_story,
};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ModelTrait, QueryFilter, QuerySelect, TryIntoModel};

use super::{Ledger, digest};
use crate::domain::key::Digest;
use crate::store::table::Table;
use crate::store::{StoreError, Transaction, bulk};

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
        look_up(&self.tx, &mut self.versions, versions.iter().copied()).await?;
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
        look_up(&self.tx, &mut self.events, needs.events.iter().copied()).await?;
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
        look_up(&self.tx, &mut self.symlinks, needs.symlinks.iter().copied()).await?;
        Ok(())
    }

    /// Reads of which artifacts names are.
    pub async fn load_names(&mut self, names: impl Iterator<Item = Digest>) -> Result<(), StoreError> {
        look_up(&self.tx, &mut self.names, names).await?;
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
        let read = look_up(&self.tx, &mut self.artifacts, artifacts.into_iter()).await?;
        let rows = read.iter().filter_map(|digest| self.artifacts.get(digest));
        let undeclared: Vec<ArtifactId> = rows
            .filter(|row| row.declared_revision == NEVER)
            .map(|row| row.id)
            .collect();
        for row in
            bulk::find::<artifact_key::Entity, _>(&self.tx, artifact_key::Column::ArtifactId, &undeclared).await?
        {
            self.keys.known.insert((row.artifact_id, row.key));
        }
        Ok(())
    }

    async fn load_executions(&mut self, needs: &Needs) -> Result<(), StoreError> {
        let named = needs.executions.union(&needs.parents).copied();
        look_up(&self.tx, &mut self.executions, named).await?;
        let mut ids = Vec::new();
        for digest in &needs.executions {
            if self.edges_read.insert(*digest) {
                ids.extend(self.executions.get(digest).map(|row| row.id));
            }
        }
        self.load_edges_of(&ids).await?;
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
        look_up(&self.tx, &mut self.partitions, digests).await?;
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
        look_up(&self.tx, &mut self.version_stories, digests).await?;
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

/// A row that is found by a digest.
trait Digested: ModelTrait {
    const COLUMN: <Self::Entity as EntityTrait>::Column;

    fn digest(&self) -> &[u8];

    /// Whether it is there: another row with the digest may be.
    fn is_there(&self) -> bool;
}

macro_rules! digested {
    ($($table:ident: $column:ident, $digest:ident, $is_there:expr;)*) => {$(
        impl Digested for $table::Model {
            const COLUMN: $table::Column = $table::Column::$column;

            fn digest(&self) -> &[u8] {
                &self.$digest
            }

            fn is_there(&self) -> bool {
                let is_there: fn(&Self) -> bool = $is_there;
                is_there(self)
            }
        }
    )*};
}

digested! {
    artifact: KeyDigest, key_digest, |_| true;
    dataset_name: Digest, digest, |row| row.ended_revision == NEVER;
    event: Digest, digest, |_| true;
    execution: KeyDigest, key_digest, |_| true;
    partition: Digest, digest, |_| true;
    symlink: Digest, digest, |_| true;
    version: KeyDigest, key_digest, is_there;
    version_story: Digest, digest, |_| true;
}

/// Reads the rows under digests that have not been looked up. Answers which digests those are.
async fn look_up<M>(
    tx: &Transaction,
    table: &mut Table<Digest, M>,
    digests: impl Iterator<Item = Digest>,
) -> Result<Vec<Digest>, StoreError>
where
    M: Digested + Clone,
    M::Entity: EntityTrait<Model = M>,
    <M::Entity as EntityTrait>::ActiveModel: TryIntoModel<M>,
{
    let unknown: Vec<Digest> = digests.filter(|digest| !table.knows(digest)).collect();
    let rows = bulk::find::<M::Entity, _>(tx, M::COLUMN, &bytes(&unknown)).await?;
    for row in rows.into_iter().filter(M::is_there) {
        table.read(digest(row.digest())?, Some(row));
    }
    for digest in &unknown {
        table.read(*digest, None);
    }
    Ok(unknown)
}
