//! A write transaction: the next revision, the rows that its records touch, and what is to be written at its end.
//!
//! Rows are read in bulk by the digests of their natural keys, changed in memory by the rules of the service, and written
//! in bulk. On PostgreSQL the counter row, taken first, keeps every other writer out until commit, so what was read stays
//! true; on SQLite the transaction has the write lock from its beginning.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{
    ArtifactId, ExecutionId, NEVER, PartitionId, VersionId, alias, artifact, artifact_key, dataset_name, dataset_story,
    edge, event, execution, floating_input, partition, partition_value, recorded_version, resolved_input, revision,
    revision_counter, run_story, symlink, version, version_story, version_value,
};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement};

use super::cells::Cells;
use super::floating::Holders;
use super::lineage::Changed;
use super::sql::first;
use super::table::{Table, Unsaved};
use super::together::Together;
use super::{Scope, StoreError, Transaction, bulk, dialect, floating};
use crate::domain::key::Digest;
use crate::domain::time::Timestamp;

/// Aliases looked up in one statement.
const ALIASES_TOGETHER: usize = 64;

/// One transaction's view.
#[derive(Debug)]
pub struct Ledger {
    tx: Transaction,
    counter: revision_counter::Model,
    counter_at_begin: revision_counter::Model,
    /// Which rows were there before.
    counter_at_open: revision_counter::Model,
    /// Those of them that have been changed.
    changed: Changed,
    /// Artifacts by digest of their key.
    pub artifacts: Table<Digest, artifact::Model>,
    /// Versions by digest of their full key.
    pub versions: Table<Digest, version::Model>,
    /// What records said of versions that events describe too.
    pub recorded: Table<VersionId, recorded_version::Model>,
    /// Partitions by digest.
    pub partitions: Table<Digest, partition::Model>,
    /// Executions by digest of their key.
    pub executions: Table<Digest, execution::Model>,
    /// Open aliases by artifact and name; one that was ended in this transaction is still there, with its end.
    pub aliases: Table<(ArtifactId, String), alias::Model>,
    /// Events by digest: of those that were there before, only that they are.
    pub events: Table<Digest, event::Model>,
    /// What events about runs come to.
    pub run_stories: Table<ExecutionId, run_story::Model>,
    /// What events about datasets come to.
    pub dataset_stories: Table<ArtifactId, dataset_story::Model>,
    /// What they say of versions that are kept apart from a story, by digest.
    pub version_stories: Table<Digest, version_story::Model>,
    /// Inputs without a version, by digest.
    pub floating: Table<Digest, floating_input::Model>,
    /// What was said of other names of datasets, by digest.
    pub symlinks: Table<Digest, symlink::Model>,
    /// Which artifact an other name is of, by digest of the key that it makes.
    pub names: Table<Digest, dataset_name::Model>,
    /// What is to be settled before the end.
    pub unsettled: Unsettled,
    withdrawn: Unsaved<version::Model>,
    keys: Additions<artifact_key::Model, (ArtifactId, String)>,
    /// The last stay of each edge.
    edges: Table<EdgeKey, edge::Model>,
    /// The executions whose edges and resolved inputs have been read.
    edges_read: BTreeSet<Digest>,
    resolved: HashMap<(ExecutionId, Digest), VersionId>,
    /// What the record under way added to `resolved`.
    chosen: Vec<(ExecutionId, Digest)>,
    new_resolved: Additions<resolved_input::Model, (ExecutionId, Vec<u8>)>,
    partition_values: Additions<partition_value::Model, (PartitionId, String)>,
    ended_aliases: Additions<alias::Model, i64>,
    ended_names: Additions<dataset_name::Model, i64>,
    /// Whether rows that were read have been given up since.
    forgotten: bool,
    /// Whether something was written before the last flush.
    written: bool,
}

/// What an edge is, whenever it stands.
type EdgeKey = (ExecutionId, i16, String, VersionId);

/// What records of a transaction leave to be settled when all of them have been applied. It may name too much: whoever settles it
/// looks at what is there.
#[derive(Debug, Default)]
pub struct Unsettled {
    /// Artifacts of which a version was produced, with its time: an input that has floated past it may belong there.
    pub produced: BTreeSet<(ArtifactId, i64)>,
    /// Inputs that are new, have another start, or have lost the version that they were at.
    pub floating: BTreeSet<Digest>,
    /// Versions that have lost an edge: what nothing names any more goes.
    pub left: BTreeSet<VersionId>,
    /// Versions of which several speak, or of which one speaks no more: what they say adds up.
    pub shared: BTreeSet<VersionId>,
    /// Artifacts that are known to be others under other names: those that are left without a version go.
    pub merging: BTreeSet<ArtifactId>,
}

/// Rows that are only ever added: those known, and those to write.
#[derive(Debug)]
struct Additions<R, K> {
    known: BTreeSet<K>,
    new: Vec<(K, R)>,
    at_begin: usize,
}

impl<R: Clone, K: Clone + Ord> Additions<R, K> {
    fn new() -> Self {
        Self {
            known: BTreeSet::new(),
            new: Vec::new(),
            at_begin: 0,
        }
    }

    /// Adds a row unless it is known; whether it was not.
    fn add(&mut self, key: K, row: R) -> bool {
        let fresh = self.known.insert(key.clone());
        if fresh {
            self.new.push((key, row));
        }
        fresh
    }

    fn begin(&mut self) {
        self.at_begin = self.new.len();
    }

    fn undo(&mut self) {
        for (key, _) in self.new.drain(self.at_begin..) {
            self.known.remove(&key);
        }
    }

    fn take(&mut self) -> Vec<R> {
        self.at_begin = 0;
        self.new.drain(..).map(|(_, row)| row).collect()
    }
}

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
    /// Takes the next revision, if nobody else of another process has it.
    pub async fn open(tx: Transaction, now: Timestamp) -> Result<Self, StoreError> {
        let backend = tx.get_database_backend();
        let sql = format!(
            "SELECT id, revision + 1, recorded_at, artifact_id, partition_id, version_id, execution_id, alias_id, event_id \
             FROM revision_counter WHERE id = 1{}",
            dialect::until_commit(backend)
        );
        let counter = first(&tx.rows(Statement::from_string(backend, sql)).await?, read_counter)?;
        let counter = counter.ok_or_else(|| StoreError::Inconsistent("the counter row is missing".to_owned()))?;
        let counter = revision_counter::Model {
            recorded_at: counter.recorded_at.max(now.0),
            ..counter
        };
        Ok(Self {
            tx,
            counter_at_begin: counter.clone(),
            counter_at_open: counter.clone(),
            changed: Changed::default(),
            counter,
            artifacts: Table::new(),
            versions: Table::new(),
            recorded: Table::new(),
            partitions: Table::new(),
            executions: Table::new(),
            aliases: Table::new(),
            events: Table::new(),
            run_stories: Table::new(),
            dataset_stories: Table::new(),
            version_stories: Table::new(),
            floating: Table::new(),
            symlinks: Table::new(),
            names: Table::new(),
            unsettled: Unsettled::default(),
            withdrawn: Unsaved::default(),
            keys: Additions::new(),
            edges: Table::new(),
            edges_read: BTreeSet::new(),
            resolved: HashMap::new(),
            chosen: Vec::new(),
            new_resolved: Additions::new(),
            partition_values: Additions::new(),
            ended_aliases: Additions::new(),
            ended_names: Additions::new(),
            forgotten: false,
            written: false,
        })
    }

    /// The revision that this transaction makes, if it changes anything.
    pub fn revision(&self) -> i64 {
        self.counter.revision
    }

    /// When it is recorded: now, but never before an earlier revision.
    pub fn recorded_at(&self) -> Timestamp {
        Timestamp(self.counter.recorded_at)
    }

    /// The view of a reader inside of this transaction, on what has been flushed.
    pub fn scope(&self) -> Scope {
        Scope::at(self.revision())
    }

    /// The transaction, for reads.
    pub fn transaction(&self) -> &Transaction {
        &self.tx
    }

    /// The next artifact id.
    pub fn next_artifact_id(&mut self) -> ArtifactId {
        self.counter.artifact_id += 1;
        ArtifactId(self.counter.artifact_id)
    }

    /// The next partition id.
    pub fn next_partition_id(&mut self) -> PartitionId {
        self.counter.partition_id += 1;
        PartitionId(self.counter.partition_id)
    }

    /// The next version id, or ordinal: the two share a sequence, so that either tells which came later.
    pub fn next_version_id(&mut self) -> VersionId {
        self.counter.version_id += 1;
        VersionId(self.counter.version_id)
    }

    /// The next execution id.
    pub fn next_execution_id(&mut self) -> ExecutionId {
        self.counter.execution_id += 1;
        ExecutionId(self.counter.execution_id)
    }

    /// The next alias id.
    pub fn next_alias_id(&mut self) -> i64 {
        self.counter.alias_id += 1;
        self.counter.alias_id
    }

    /// The next id of an event, a floating input or a symlink: they share a sequence.
    pub fn next_event_id(&mut self) -> i64 {
        self.counter.event_id += 1;
        self.counter.event_id
    }

    /// Whether any event has ever been heard of: without one, nothing floats.
    pub fn knows_events(&self) -> bool {
        self.counter.event_id > 0
    }

    /// Whether an execution was there before this transaction.
    pub fn was_there(&self, execution: ExecutionId) -> bool {
        execution.0 <= self.counter_at_open.execution_id
    }

    /// Notes that a version of an artifact was produced, or is now known to have been produced earlier: inputs may move to it.
    pub fn note_produced(&mut self, artifact_id: ArtifactId, created_at: i64) {
        self.unsettled.produced.insert((artifact_id, created_at));
    }

    /// Leaves it to be settled at which versions the inputs of an execution are that name none. It must have been loaded.
    pub fn unsettle_inputs_of(&mut self, execution_id: ExecutionId) {
        let rows = self
            .floating
            .rows()
            .filter(|row| row.execution_id == execution_id && !row.is_gone);
        let digests: Vec<Digest> = rows.filter_map(|row| Digest::from_slice(&row.digest)).collect();
        self.unsettled.floating.extend(digests);
    }

    /// Begins a record: what is done from here on can be taken back by [`Ledger::undo`].
    pub fn begin(&mut self) {
        self.counter_at_begin = self.counter.clone();
        self.artifacts.begin();
        self.versions.begin();
        self.recorded.begin();
        self.partitions.begin();
        self.executions.begin();
        self.aliases.begin();
        self.events.begin();
        self.run_stories.begin();
        self.dataset_stories.begin();
        self.version_stories.begin();
        self.floating.begin();
        self.symlinks.begin();
        self.names.begin();
        self.keys.begin();
        self.edges.begin();
        self.chosen.clear();
        self.new_resolved.begin();
        self.partition_values.begin();
        self.ended_aliases.begin();
        self.ended_names.begin();
    }

    /// Takes back what was done since [`Ledger::begin`].
    pub fn undo(&mut self) {
        self.counter = self.counter_at_begin.clone();
        self.artifacts.undo();
        self.versions.undo();
        self.recorded.undo();
        self.partitions.undo();
        self.executions.undo();
        self.aliases.undo();
        self.events.undo();
        self.run_stories.undo();
        self.dataset_stories.undo();
        self.version_stories.undo();
        self.floating.undo();
        self.symlinks.undo();
        self.names.undo();
        self.keys.undo();
        self.edges.undo();
        for key in self.chosen.drain(..) {
            self.resolved.remove(&key);
        }
        self.new_resolved.undo();
        self.partition_values.undo();
        self.ended_aliases.undo();
        self.ended_names.undo();
    }

    /// Gives up the versions and partitions that were read: statements of this transaction have changed them.
    pub fn forget_placements(&mut self) {
        self.versions.forget();
        self.partitions.forget();
        self.forgotten = true;
    }

    /// Whether what was read for all records at the beginning may be missing by now.
    pub fn has_forgotten(&self) -> bool {
        self.forgotten
    }

    /// Notes that an artifact's version brought a key; whether that is news.
    pub fn add_key(&mut self, artifact_id: ArtifactId, key: &str) -> bool {
        let row = artifact_key::Model {
            artifact_id,
            key: key.to_owned(),
            revision: self.revision(),
        };
        self.keys.add((artifact_id, key.to_owned()), row)
    }

    /// The keys that an artifact's versions have brought, ascending. The artifact must have been loaded.
    pub fn keys_of(&self, artifact_id: ArtifactId) -> BTreeSet<String> {
        let from = (artifact_id, String::new());
        self.keys
            .known
            .range(from..)
            .take_while(|(id, _)| *id == artifact_id)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Adds an edge that a record says; whether that is news. The execution must have been loaded.
    pub fn record_edge(&mut self, execution_id: ExecutionId, role: i16, name: &str, version_id: VersionId) -> bool {
        self.put_edge((execution_id, role, name.to_owned(), version_id), true)
    }

    /// Adds an edge that events say, and may take back. The execution must have been loaded.
    pub fn add_edge(&mut self, execution_id: ExecutionId, role: i16, name: &str, version_id: VersionId) {
        self.put_edge((execution_id, role, name.to_owned(), version_id), false);
    }

    fn put_edge(&mut self, key: EdgeKey, is_recorded: bool) -> bool {
        let revision = self.revision();
        let edge = match self.edges.get(&key) {
            Some(edge) if edge.ended_revision == NEVER && (edge.is_recorded || !is_recorded) => return false,
            // What ended in this very revision has not ended.
            Some(edge) if [NEVER, revision].contains(&edge.ended_revision) => edge::Model {
                ended_revision: NEVER,
                is_recorded,
                ..edge.clone()
            },
            _ => edge::Model {
                execution_id: key.0,
                role: key.1,
                name: key.2.clone(),
                version_id: key.3,
                revision,
                ended_revision: NEVER,
                is_recorded,
            },
        };
        self.edges.put(key, edge);
        true
    }

    /// Moves the edges that name a version to another, after a flush. Inputs that float over it find another themselves.
    pub async fn move_edges(&mut self, from: VersionId, to: VersionId) -> Result<(), StoreError> {
        let floating: BTreeSet<(ExecutionId, String)> = self
            .floating
            .rows()
            .filter(|row| row.version_id == Some(from) && !row.is_gone)
            .map(|row| (row.execution_id, row.name.clone()))
            .collect();
        let revision = self.revision();
        for row in bulk::find::<edge::Entity, _>(&self.tx, edge::Column::VersionId, &[from]).await? {
            let floats = !row.is_recorded && floating.contains(&(row.execution_id, row.name.clone()));
            if row.ended_revision != NEVER || floats {
                continue;
            }
            let key = (row.execution_id, row.role, row.name.clone(), from);
            self.edges.read(key.clone(), Some(row.clone()));
            self.put_edge((row.execution_id, row.role, row.name.clone(), to), row.is_recorded);
            let sql =
                "UPDATE resolved_input SET version_id = $1, revision = $2 WHERE execution_id = $3 AND version_id = $4";
            let values: [sea_orm::Value; 4] = [to.0.into(), revision.into(), row.execution_id.0.into(), from.0.into()];
            let update = Statement::from_sql_and_values(self.tx.get_database_backend(), sql, values);
            self.tx.execute(update).await?;
            let ended = edge::Model {
                ended_revision: revision,
                ..row
            };
            self.edges.put(key, ended);
        }
        Ok(())
    }

    /// Withdraws a version that has been written: it is not there since this revision, and its name is free for another row.
    pub fn withdraw(&mut self, digest: Digest, row: &version::Model) {
        let withdrawn = version::Model {
            deleted_revision: self.revision(),
            ordinal: -row.ordinal,
            ..row.clone()
        };
        self.versions.vacate(digest);
        self.withdrawn.changed.push(withdrawn);
        self.withdrawn.stored.push(row.clone());
    }

    /// Ends an edge that events do not say any more, if it stands and no record says it. The execution must have been loaded.
    pub fn end_edge(&mut self, execution_id: ExecutionId, role: i16, name: &str, version_id: VersionId) {
        let key = (execution_id, role, name.to_owned(), version_id);
        if role == edge::OUTPUT {
            self.unsettled.shared.insert(version_id);
        }
        let may_end = |edge: &&edge::Model| edge.ended_revision == NEVER && !edge.is_recorded;
        if let Some(edge) = self.edges.get(&key).filter(may_end) {
            let ended_revision = self.counter.revision;
            let edge = edge::Model {
                ended_revision,
                ..edge.clone()
            };
            self.edges.put(key, edge);
            self.unsettled.left.insert(version_id);
        }
    }

    /// The version that a query of an execution's input was resolved to before.
    pub fn resolved(&self, execution_id: ExecutionId, digest: Digest) -> Option<VersionId> {
        self.resolved.get(&(execution_id, digest)).copied()
    }

    /// Keeps the version that a query was resolved to; whether that is news.
    pub fn add_resolved(&mut self, execution_id: ExecutionId, digest: Digest, version_id: VersionId) -> bool {
        let row = resolved_input::Model {
            execution_id,
            digest: digest.to_vec(),
            version_id,
            revision: self.revision(),
        };
        let fresh = self.new_resolved.add((execution_id, digest.to_vec()), row);
        if fresh {
            self.resolved.insert((execution_id, digest), version_id);
            self.chosen.push((execution_id, digest));
        }
        fresh
    }

    /// Makes a partition findable by one of its values.
    pub fn add_partition_value(&mut self, value: partition_value::Model) {
        self.partition_values
            .add((value.partition_id, value.key.clone()), value);
    }

    /// Has another name be of another artifact from now on.
    pub fn rename(&mut self, digest: Digest, is: dataset_name::Model) {
        match self.names.get(&digest).cloned() {
            // Nobody has seen what was made in this very revision.
            Some(was) if was.revision == is.revision => {
                self.names.put(digest, dataset_name::Model { id: was.id, ..is });
            }
            was => {
                if let Some(mut was) = was {
                    was.ended_revision = is.revision;
                    self.ended_names.add(was.id, was);
                }
                self.names.put(digest, is);
            }
        }
    }

    /// Ends a stay of an alias that began in an earlier revision.
    pub fn end_alias(&mut self, mut stay: alias::Model) {
        stay.ended_revision = self.revision();
        self.ended_aliases.add(stay.id, stay);
    }
}

/// Reading.
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
    async fn load_recorded(&mut self, versions: impl IntoIterator<Item = &Digest>) -> Result<(), StoreError> {
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
    async fn load_runs(&mut self, ids: &[ExecutionId]) -> Result<(), StoreError> {
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
}

/// Reading what is to be settled, after a flush.
impl Ledger {
    /// The inputs without a version that may belong at a version that was produced, by artifact and time.
    pub async fn load_floating_past(
        &mut self,
        produced: &BTreeSet<(ArtifactId, i64)>,
    ) -> Result<Vec<Digest>, StoreError> {
        let pairs: Vec<(i64, i64)> = produced.iter().map(|(id, at)| (id.0, *at)).collect();
        let ids: Vec<i64> = floating::past(&self.tx, &pairs).await?.into_iter().collect();
        self.load_floating(floating_input::Column::Id, &ids).await
    }

    /// The inputs without a version that are at one of these.
    pub async fn load_floating_at(&mut self, versions: &[VersionId]) -> Result<Vec<Digest>, StoreError> {
        self.load_floating(floating_input::Column::VersionId, versions).await
    }

    async fn load_floating<V: Into<sea_orm::Value> + Clone>(
        &mut self,
        column: floating_input::Column,
        keys: &[V],
    ) -> Result<Vec<Digest>, StoreError> {
        let rows = bulk::find::<floating_input::Entity, _>(&self.tx, column, keys).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| !row.is_gone) {
            let digest = digest(&row.digest)?;
            self.floating.read(digest, Some(row));
            found.push(digest);
        }
        Ok(found)
    }

    /// The versions at which inputs belong, by the id of the input; none where nothing had been produced.
    pub async fn floating_targets(&self, inputs: &[i64]) -> Result<HashMap<i64, Option<VersionId>>, StoreError> {
        floating::targets(&self.tx, inputs).await
    }

    /// Reads the edges of executions that may end.
    pub async fn load_edges_of(&mut self, executions: &[ExecutionId]) -> Result<(), StoreError> {
        let rows = bulk::find::<edge::Entity, _>(&self.tx, edge::Column::ExecutionId, executions).await?;
        for row in rows.into_iter().filter(|row| row.ended_revision == NEVER) {
            let key = (row.execution_id, row.role, row.name.clone(), row.version_id);
            self.edges.read(key, Some(row));
        }
        Ok(())
    }

    /// Versions by id, without those that are withdrawn.
    pub async fn load_versions_by_id(&mut self, ids: &[VersionId]) -> Result<Vec<Digest>, StoreError> {
        let ids: Vec<VersionId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = Vec::with_capacity(ids.len());
        let rows = bulk::find::<version::Entity, _>(&self.tx, version::Column::Id, &ids).await?;
        for row in rows.into_iter().filter(is_there) {
            let digest = digest(&row.key_digest)?;
            self.versions.read(digest, Some(row));
            found.push(digest);
        }
        self.load_recorded(&found).await?;
        Ok(found)
    }

    /// Artifacts by id.
    pub async fn artifacts_by_id(&self, ids: &[ArtifactId]) -> Result<Vec<artifact::Model>, StoreError> {
        bulk::find::<artifact::Entity, _>(&self.tx, artifact::Column::Id, ids).await
    }

    /// Who produced versions, after a flush; their stories are read.
    pub async fn load_producers(
        &mut self,
        versions: &[VersionId],
    ) -> Result<Vec<(VersionId, ExecutionId)>, StoreError> {
        let producers = floating::producers(&self.tx, versions).await?;
        // One run may have produced all of them.
        self.load_unread_runs(&producers.iter().map(|(_, run)| *run).collect())
            .await?;
        Ok(producers)
    }

    /// Who produced a version, those of this transaction among them; their stories are read.
    pub async fn producers_of(&mut self, version: VersionId) -> Result<BTreeSet<ExecutionId>, StoreError> {
        let stored = floating::producers(&self.tx, &[version]).await?;
        let mut runs: BTreeSet<ExecutionId> = stored.into_iter().map(|(_, run)| run).collect();
        let is_its = |edge: &&edge::Model| edge.role == edge::OUTPUT && edge.version_id == version;
        for edge in self.edges.unsaved().filter(is_its) {
            if edge.ended_revision == NEVER {
                runs.insert(edge.execution_id);
            } else {
                runs.remove(&edge.execution_id);
            }
        }
        self.load_unread_runs(&runs).await?;
        Ok(runs)
    }

    async fn load_unread_runs(&mut self, runs: &BTreeSet<ExecutionId>) -> Result<(), StoreError> {
        let unread = runs.iter().filter(|run| !self.run_stories.knows(run));
        let unread: Vec<ExecutionId> = unread.copied().collect();
        self.load_runs(&unread).await
    }

    /// Who holds some versions, after a flush.
    pub async fn holders(&self, versions: &[VersionId]) -> Result<Holders, StoreError> {
        floating::holders(&self.tx, versions).await
    }

    /// The pairs of names in which one of these names is, after a flush.
    pub async fn symlinks_of(&self, names: &[Digest]) -> Result<Vec<symlink::Model>, StoreError> {
        let names = bytes(names);
        let mut found = bulk::find::<symlink::Entity, _>(&self.tx, symlink::Column::AliasDigest, &names).await?;
        found.extend(bulk::find::<symlink::Entity, _>(&self.tx, symlink::Column::DatasetDigest, &names).await?);
        Ok(found)
    }

    /// The executions that have edges to versions of artifacts, after a flush: their rows and stories are read.
    pub async fn load_runs_of(&mut self, artifacts: &[ArtifactId]) -> Result<Vec<Digest>, StoreError> {
        let ids: Vec<ExecutionId> = floating::executions_of(&self.tx, artifacts).await?;
        let mut found = Vec::with_capacity(ids.len());
        for row in bulk::find::<execution::Entity, _>(&self.tx, execution::Column::Id, &ids).await? {
            let digest = digest(&row.key_digest)?;
            self.executions.read(digest, Some(row));
            found.push(digest);
        }
        self.load_edges_of(&ids).await?;
        self.load_runs(&ids).await?;
        Ok(found)
    }

    /// Leaves versions of an artifact, which nobody describes any more, to be settled.
    pub async fn leave_versions(&mut self, artifact: ArtifactId, versions: &[String]) -> Result<(), StoreError> {
        let these = version::Entity::find()
            .filter(version::Column::ArtifactId.eq(artifact))
            .filter(version::Column::Version.is_in(versions));
        for row in self.tx.models(these).await? {
            self.unsettled.left.insert(row.id);
            self.unsettled.shared.insert(row.id);
        }
        Ok(())
    }

    /// Whether an artifact has versions that have not been withdrawn, after a flush.
    pub async fn has_versions(&self, artifact: ArtifactId) -> Result<bool, StoreError> {
        let versions = version::Entity::find()
            .filter(version::Column::ArtifactId.eq(artifact))
            .filter(version::Column::Ordinal.gt(0));
        Ok(!self.tx.models(versions.limit(1)).await?.is_empty())
    }

    /// The aliases that stand at some versions, and those that have.
    pub async fn stays_at(&self, versions: &[VersionId]) -> Result<Vec<alias::Model>, StoreError> {
        bulk::find::<alias::Entity, _>(&self.tx, alias::Column::VersionId, versions).await
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

/// Writing.
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
        let artifacts = self.artifacts.take_unsaved();
        let known = &self.counter_at_open;
        self.changed
            .artifacts
            .extend(older(artifacts.changed.iter().map(|row| row.id.0), known.artifact_id));
        rows.insert::<artifact::Entity>(&self.tx, &artifacts.new).await?;
        rows.update::<artifact::Entity>(&self.tx, &artifacts.changed).await?;
        rows.insert::<artifact_key::Entity>(&self.tx, &self.keys.take()).await?;
        let partitions = self.partitions.take_unsaved();
        rows.insert::<partition::Entity>(&self.tx, &partitions.new).await?;
        rows.update::<partition::Entity>(&self.tx, &partitions.changed).await?;
        rows.insert::<partition_value::Entity>(&self.tx, &self.partition_values.take())
            .await?;
        // What is withdrawn first, and by itself, since another row may take its name.
        let withdrawn = std::mem::take(&mut self.withdrawn);
        let leaves_names = !withdrawn.changed.is_empty();
        for versions in [withdrawn, self.versions.take_unsaved()] {
            self.changed.versions.extend(older(
                versions.changed.iter().map(|row| row.id.0),
                self.counter_at_open.version_id,
            ));
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
        let executions = self.executions.take_unsaved();
        let edges = self.edges.take_unsaved();
        let connected = edges.new.iter().chain(&edges.changed);
        let touched = executions
            .changed
            .iter()
            .map(|row| row.id.0)
            .chain(connected.map(|row| row.execution_id.0));
        self.changed.executions.extend(older(touched, known.execution_id));
        rows.insert::<execution::Entity>(&self.tx, &executions.new).await?;
        rows.update::<execution::Entity>(&self.tx, &executions.changed).await?;
        rows.insert::<edge::Entity>(&self.tx, &edges.new).await?;
        rows.update::<edge::Entity>(&self.tx, &edges.changed).await?;
        self.flush_events(rows).await?;
        rows.insert::<resolved_input::Entity>(&self.tx, &self.new_resolved.take())
            .await?;
        self.flush_aliases(rows).await
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

fn read_counter(cells: &mut Cells) -> Result<revision_counter::Model, StoreError> {
    Ok(revision_counter::Model {
        id: cells.next()?,
        revision: cells.next()?,
        recorded_at: cells.next()?,
        artifact_id: cells.next()?,
        partition_id: cells.next()?,
        version_id: cells.next()?,
        execution_id: cells.next()?,
        alias_id: cells.next()?,
        event_id: cells.next()?,
    })
}

/// Whether a version is not withdrawn.
fn is_there(row: &version::Model) -> bool {
    row.ordinal > 0
}

/// The ids up to the last that was there before.
fn older(ids: impl Iterator<Item = i64>, last: i64) -> impl Iterator<Item = i64> {
    ids.filter(move |id| *id <= last)
}

/// A digest that was read back.
///
/// # Errors
/// When it is none.
pub fn digest(stored: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(stored)
        .ok_or_else(|| StoreError::Inconsistent("a digest has not as many bytes as one has".to_owned()))
}

fn bytes(digests: &[Digest]) -> Vec<Vec<u8>> {
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
