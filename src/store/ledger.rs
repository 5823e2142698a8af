//! A write transaction: the next revision, the rows that its records touch, and what is to be written at its end.
//!
//! Rows are read in bulk by the digests of their natural keys, changed in memory by the rules of the service, and written
//! in bulk. On PostgreSQL the counter row, taken first, keeps every other writer out until commit, so what was read stays
//! true; on SQLite the transaction has the write lock from its beginning.

use std::collections::{BTreeSet, HashMap};

use entity::{
    ArtifactId, ExecutionId, NEVER, PartitionId, VersionId, alias, artifact, artifact_key, edge, execution, partition,
    partition_value, resolved_input, revision, revision_counter, version, version_value,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, Statement};

use super::lineage::Changed;
use super::table::Table;
use super::{Scope, StoreError, bulk};
use crate::domain::key::Digest;
use crate::domain::time::Timestamp;

/// Aliases looked up in one statement.
const ALIASES_TOGETHER: usize = 64;

/// One transaction's view.
#[derive(Debug)]
pub struct Ledger {
    tx: DatabaseTransaction,
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
    /// Partitions by digest.
    pub partitions: Table<Digest, partition::Model>,
    /// Executions by digest of their key.
    pub executions: Table<Digest, execution::Model>,
    /// Open aliases by artifact and name; one that was ended in this transaction is still there, with its end.
    pub aliases: Table<(ArtifactId, String), alias::Model>,
    keys: Additions<artifact_key::Model, (ArtifactId, String)>,
    edges: Additions<edge::Model, (ExecutionId, i16, String, VersionId)>,
    /// The executions whose edges and resolved inputs have been read.
    edges_read: BTreeSet<Digest>,
    resolved: HashMap<(ExecutionId, Digest), VersionId>,
    /// What the record under way added to `resolved`.
    chosen: Vec<(ExecutionId, Digest)>,
    new_resolved: Additions<resolved_input::Model, (ExecutionId, Vec<u8>)>,
    version_values: Additions<version_value::Model, (VersionId, String)>,
    partition_values: Additions<partition_value::Model, (PartitionId, String)>,
    ended_aliases: Additions<alias::Model, i64>,
    /// Whether rows that were read have been given up since.
    forgotten: bool,
    /// Whether something was written before the last flush.
    written: bool,
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
    /// Digests of executions that are recorded: their edges are read too.
    pub executions: BTreeSet<Digest>,
    /// Digests of executions that are only named as parents.
    pub parents: BTreeSet<Digest>,
    /// Aliases: the artifact's digest and the name.
    pub aliases: BTreeSet<(Digest, String)>,
}

impl Ledger {
    /// Takes the next revision.
    pub async fn open(tx: DatabaseTransaction, now: Timestamp) -> Result<Self, StoreError> {
        let sql = "UPDATE revision_counter SET revision = revision + 1, recorded_at = CASE WHEN recorded_at > $1 THEN recorded_at ELSE $1 END \
             WHERE id = 1 RETURNING id, revision, recorded_at, artifact_id, partition_id, version_id, execution_id, alias_id";
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [now.0.into()]);
        let counter = revision_counter::Entity::find()
            .from_raw_sql(statement)
            .one(&tx)
            .await?;
        let counter = counter.ok_or_else(|| StoreError::Inconsistent("the counter row is missing".to_owned()))?;
        Ok(Self {
            tx,
            counter_at_begin: counter.clone(),
            counter_at_open: counter.clone(),
            changed: Changed::default(),
            counter,
            artifacts: Table::new(),
            versions: Table::new(),
            partitions: Table::new(),
            executions: Table::new(),
            aliases: Table::new(),
            keys: Additions::new(),
            edges: Additions::new(),
            edges_read: BTreeSet::new(),
            resolved: HashMap::new(),
            chosen: Vec::new(),
            new_resolved: Additions::new(),
            version_values: Additions::new(),
            partition_values: Additions::new(),
            ended_aliases: Additions::new(),
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
    pub fn transaction(&self) -> &DatabaseTransaction {
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

    /// Begins a record: what is done from here on can be taken back by [`Ledger::undo`].
    pub fn begin(&mut self) {
        self.counter_at_begin = self.counter.clone();
        self.artifacts.begin();
        self.versions.begin();
        self.partitions.begin();
        self.executions.begin();
        self.aliases.begin();
        self.keys.begin();
        self.edges.begin();
        self.chosen.clear();
        self.new_resolved.begin();
        self.version_values.begin();
        self.partition_values.begin();
        self.ended_aliases.begin();
    }

    /// Takes back what was done since [`Ledger::begin`].
    pub fn undo(&mut self) {
        self.counter = self.counter_at_begin.clone();
        self.artifacts.undo();
        self.versions.undo();
        self.partitions.undo();
        self.executions.undo();
        self.aliases.undo();
        self.keys.undo();
        self.edges.undo();
        for key in self.chosen.drain(..) {
            self.resolved.remove(&key);
        }
        self.new_resolved.undo();
        self.version_values.undo();
        self.partition_values.undo();
        self.ended_aliases.undo();
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

    /// Adds an edge; whether it is new. The execution must have been loaded.
    pub fn add_edge(&mut self, edge: edge::Model) -> bool {
        let key = (edge.execution_id, edge.role, edge.name.clone(), edge.version_id);
        self.edges.add(key, edge)
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

    /// Makes a produced version findable by one of its partition values.
    pub fn add_version_value(&mut self, value: version_value::Model) {
        self.version_values.add((value.version_id, value.key.clone()), value);
    }

    /// Makes a partition findable by one of its values.
    pub fn add_partition_value(&mut self, value: partition_value::Model) {
        self.partition_values
            .add((value.partition_id, value.key.clone()), value);
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
        self.load_artifacts(needs).await?;
        let unknown = unread(&self.versions, needs.versions.iter().copied());
        for row in bulk::find_in::<version::Entity, _>(&self.tx, version::Column::KeyDigest, &bytes(&unknown)).await? {
            self.versions.read(digest(&row.key_digest)?, Some(row));
        }
        mark_absent(&mut self.versions, unknown);
        self.load_executions(needs).await?;
        self.load_aliases(needs).await
    }

    async fn load_artifacts(&mut self, needs: &Needs) -> Result<(), StoreError> {
        let unknown = unread(&self.artifacts, needs.artifacts.iter().copied());
        let rows =
            bulk::find_in::<artifact::Entity, _>(&self.tx, artifact::Column::KeyDigest, &bytes(&unknown)).await?;
        let undeclared: Vec<ArtifactId> = rows
            .iter()
            .filter(|a| a.declared_revision == NEVER)
            .map(|a| a.id)
            .collect();
        for row in
            bulk::find_in::<artifact_key::Entity, _>(&self.tx, artifact_key::Column::ArtifactId, &undeclared).await?
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
        let rows =
            bulk::find_in::<execution::Entity, _>(&self.tx, execution::Column::KeyDigest, &bytes(&unknown)).await?;
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
        for e in bulk::find_in::<edge::Entity, _>(&self.tx, edge::Column::ExecutionId, &ids).await? {
            self.edges.known.insert((e.execution_id, e.role, e.name, e.version_id));
        }
        for row in
            bulk::find_in::<resolved_input::Entity, _>(&self.tx, resolved_input::Column::ExecutionId, &ids).await?
        {
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
            for row in open.all(&self.tx).await? {
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
        for row in bulk::find_in::<partition::Entity, _>(&self.tx, partition::Column::Digest, &bytes(&unknown)).await? {
            self.partitions.read(digest(&row.digest)?, Some(row));
        }
        mark_absent(&mut self.partitions, unknown);
        Ok(())
    }

    /// Whether an alias stands at a version, or ever has, after a flush.
    pub async fn alias_has_stood(&mut self, version_id: VersionId, name: &str) -> Result<bool, StoreError> {
        self.flush().await?;
        let stays = alias::Entity::find()
            .filter(alias::Column::VersionId.eq(version_id))
            .filter(alias::Column::Name.eq(name));
        Ok(stays.one(&self.tx).await?.is_some())
    }

    /// Reads the open aliases of a version, after a flush.
    pub async fn load_aliases_of(&mut self, version_id: VersionId) -> Result<Vec<alias::Model>, StoreError> {
        self.flush().await?;
        let open = alias::Entity::find()
            .filter(alias::Column::VersionId.eq(version_id))
            .filter(alias::Column::EndedRevision.eq(NEVER));
        let rows = open.all(&self.tx).await?;
        for row in &rows {
            self.aliases
                .read((row.artifact_id, row.name.clone()), Some(row.clone()));
        }
        Ok(rows)
    }
}

/// Writing.
impl Ledger {
    /// Whether anything changed so far.
    pub fn is_changed(&self) -> bool {
        self.written
            || self.artifacts.is_dirty()
            || self.versions.is_dirty()
            || self.executions.is_dirty()
            || self.aliases.is_dirty()
            || !self.edges.new.is_empty()
            || !self.new_resolved.new.is_empty()
            || !self.ended_aliases.new.is_empty()
    }

    /// Writes what has been changed, so that statements of this transaction see it. Parents go before children.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        self.written = self.is_changed();
        let artifacts = self.artifacts.take_unsaved();
        let known = &self.counter_at_open;
        self.changed
            .artifacts
            .extend(older(artifacts.changed.iter().map(|row| row.id.0), known.artifact_id));
        bulk::insert::<artifact::Entity>(&self.tx, &artifacts.new).await?;
        bulk::update::<artifact::Entity>(&self.tx, &artifacts.changed).await?;
        bulk::insert::<artifact_key::Entity>(&self.tx, &self.keys.take()).await?;
        let partitions = self.partitions.take_unsaved();
        bulk::insert::<partition::Entity>(&self.tx, &partitions.new).await?;
        bulk::update::<partition::Entity>(&self.tx, &partitions.changed).await?;
        bulk::insert::<partition_value::Entity>(&self.tx, &self.partition_values.take()).await?;
        let versions = self.versions.take_unsaved();
        self.changed
            .versions
            .extend(older(versions.changed.iter().map(|row| row.id.0), known.version_id));
        bulk::insert::<version::Entity>(&self.tx, &versions.new).await?;
        bulk::update::<version::Entity>(&self.tx, &versions.changed).await?;
        bulk::insert::<version_value::Entity>(&self.tx, &self.version_values.take()).await?;
        let executions = self.executions.take_unsaved();
        let edges = self.edges.take();
        let touched = executions
            .changed
            .iter()
            .map(|row| row.id.0)
            .chain(edges.iter().map(|row| row.execution_id.0));
        self.changed.executions.extend(older(touched, known.execution_id));
        bulk::insert::<execution::Entity>(&self.tx, &executions.new).await?;
        bulk::update::<execution::Entity>(&self.tx, &executions.changed).await?;
        bulk::insert::<edge::Entity>(&self.tx, &edges).await?;
        bulk::insert::<resolved_input::Entity>(&self.tx, &self.new_resolved.take()).await?;
        bulk::update::<alias::Entity>(&self.tx, &self.ended_aliases.take()).await?;
        let aliases = self.aliases.take_unsaved();
        bulk::update::<alias::Entity>(&self.tx, &aliases.changed).await?;
        // One that was set and ended in this transaction is among the ended ones too.
        bulk::update::<alias::Entity>(&self.tx, &aliases.new).await
    }

    /// Ends the transaction. Answers the revision in which everything that was asked is visible: this one, or, where
    /// nothing changed, the one before, and then there is no new revision.
    pub async fn commit(mut self) -> Result<i64, StoreError> {
        if !self.is_changed() {
            let newest = self.counter.revision - 1;
            self.tx.rollback().await?;
            return Ok(newest);
        }
        self.flush().await?;
        let log = revision::Model {
            id: self.counter.revision,
            recorded_at: self.counter.recorded_at,
            changed: self.changed.to_stored()?,
        };
        bulk::insert::<revision::Entity>(&self.tx, &[log]).await?;
        bulk::update::<revision_counter::Entity>(&self.tx, std::slice::from_ref(&self.counter)).await?;
        let revision = self.counter.revision;
        self.tx.commit().await?;
        Ok(revision)
    }
}

/// The ids up to the last that was there before.
fn older(ids: impl Iterator<Item = i64>, last: i64) -> impl Iterator<Item = i64> {
    ids.filter(move |id| *id <= last)
}

fn digest(stored: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(stored).ok_or_else(|| StoreError::Inconsistent("a digest has not sixteen bytes".to_owned()))
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
