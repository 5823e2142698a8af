//! A write transaction: the next revision, the rows that its records touch, and what is to be written at its end.
//!
//! Rows are read in bulk by the digests of their natural keys, changed in memory by the rules of the service, and written
//! in bulk. On PostgreSQL the counter row, taken first, keeps every other writer out until commit, so what was read stays
//! true; on SQLite the transaction has the write lock from its beginning.

mod read;
mod unsettled;
mod write;

use std::collections::{BTreeSet, HashMap};

use entity::{
    ArtifactId, ExecutionId, NEVER, PartitionId, VersionId, alias, artifact, artifact_key, dataset_name, dataset_story,
    edge, event, execution, floating_input, partition, partition_value, recorded_version, resolved_input,
    revision_counter, run_story, symlink, version, version_story,
};
use sea_orm::{ConnectionTrait, Statement};

use super::cells::Cells;
use super::lineage::Changed;
use super::sql::first;
use super::table::{Table, Unsaved};
use super::{Scope, StoreError, Transaction, bulk, dialect};
use crate::domain::key::Digest;
use crate::domain::time::Timestamp;
pub use read::Needs;
pub use unsettled::Unsettled;

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

/// A digest that was read back.
///
/// # Errors
/// When it is none.
pub fn digest(stored: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(stored)
        .ok_or_else(|| StoreError::Inconsistent("a digest has not as many bytes as one has".to_owned()))
}
