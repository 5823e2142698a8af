//! Inputs that name no version: which of them may have to move, and where each belongs.
//!
//! An input belongs at the version that was produced last, up to the start of its run, of its artifact or of one partition of it;
//! of two at the same instant, at the one whose digest has the greater hash, so that it does not matter which came first. What the run
//! itself wrote does not count, nor does a later deletion: the run has read what was there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{ArtifactId, ExecutionId, NEVER, VersionId, edge};

use super::cells::{Cell, Cells};
use super::sql::{Binds, read};
use super::{Reader, StoreError, Transaction, dialect};

/// The inputs that may belong at versions that were produced, each given by its artifact and its time: those that started then or
/// later, up to the time of the next version, which those that started later are at or past. Two kinds are not held back
/// by the next version: inputs of a partition, of which it may not be, and those of runs that wrote it.
pub(super) async fn past(db: &Transaction, produced: &[(i64, i64)]) -> Result<BTreeSet<i64>, StoreError> {
    if produced.is_empty() {
        return Ok(BTreeSet::new());
    }
    let spans = spans(db, produced).await?;
    let mut earliest: BTreeMap<i64, i64> = BTreeMap::new();
    for (artifact, at) in produced {
        let known = earliest.entry(*artifact).or_insert(*at);
        *known = (*known).min(*at);
    }
    let earliest: Vec<(i64, i64)> = earliest.into_iter().collect();
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::lists(&spans));
    let spans = dialect::each_span(binds.backend, &list);
    let list = binds.bind(dialect::pairs(&earliest));
    let pairs = dialect::each_range(binds.backend, &list);
    let then = dialect::then_join(binds.backend);
    let output = edge::OUTPUT;
    let sql = format!(
        "SELECT floating_input.id FROM {spans} {then} floating_input ON floating_input.artifact_id = span.owner \
         AND floating_input.started_at >= span.low AND floating_input.started_at <= span.high \
         WHERE floating_input.partition_digest IS NULL \
         UNION SELECT floating_input.id FROM {pairs} {then} floating_input ON floating_input.artifact_id = range.low \
         AND floating_input.started_at >= range.high WHERE floating_input.partition_digest IS NOT NULL \
         UNION SELECT floating_input.id FROM {spans} {then} edge ON edge.version_id = span.next AND edge.role = {output} \
         AND edge.ended_revision = {NEVER} {then} floating_input ON floating_input.execution_id = edge.execution_id \
         WHERE floating_input.artifact_id = span.owner AND floating_input.started_at >= span.high"
    );
    Ok(read(&binds.many(db, &sql, 1).await?, next)?.into_iter().collect())
}

/// Artifacts with the times of versions, up to the time of the version that was produced next, and that version; 0 where there is
/// none.
async fn spans(db: &Transaction, produced: &[(i64, i64)]) -> Result<Vec<[i64; 4]>, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::pairs(produced));
    let pairs = dialect::each_range(binds.backend, &list);
    let end = i64::MAX;
    let sql = format!(
        "SELECT found.low, found.high, coalesce((SELECT version.created_at FROM version WHERE version.id = found.next), {end}), found.next \
         FROM (SELECT range.low, range.high, coalesce((SELECT version.id FROM version WHERE version.artifact_id = range.low \
         AND version.created_at > range.high AND version.produced_revision < {NEVER} AND version.ordinal > 0 \
         ORDER BY version.created_at, version.ordinal LIMIT 1), 0) AS next FROM {pairs}) AS found"
    );
    read(&binds.many(db, &sql, 4).await?, |cells| {
        Ok([cells.next()?, cells.next()?, cells.next()?, cells.next()?])
    })
}

fn next<T: Cell>(cells: &mut Cells) -> Result<T, StoreError> {
    cells.next()
}

/// The version at which each of some inputs belongs; none where nothing had been produced.
pub(super) async fn targets(db: &impl Reader, inputs: &[i64]) -> Result<HashMap<i64, Option<VersionId>>, StoreError> {
    let mut found = HashMap::with_capacity(inputs.len());
    for of_partition in [false, true] {
        let mut binds = Binds::new(db);
        let list = binds.bind(dialect::numbers(binds.backend, inputs.iter().copied()));
        let these = dialect::in_numbers(binds.backend, "floating_input.id", &list);
        let (has, within) = if of_partition {
            let partition =
                "SELECT partition.id FROM partition WHERE partition.digest = floating_input.partition_digest";
            ("IS NOT NULL", format!("version.partition_id = ({partition})"))
        } else {
            ("IS NULL", "version.artifact_id = floating_input.artifact_id".to_owned())
        };
        let output = edge::OUTPUT;
        // Of two that were created at the same time, the same one in whatever order they came.
        let hash = "substr(version.key_digest, length(version.key_digest) - 15)";
        let sql = format!(
            "SELECT floating_input.id, coalesce((SELECT version.id FROM version WHERE {within} \
             AND version.created_at <= floating_input.started_at AND version.produced_revision < {NEVER} AND version.ordinal > 0 \
             AND NOT EXISTS (SELECT 1 FROM edge WHERE edge.version_id = version.id AND edge.role = {output} \
             AND edge.execution_id = floating_input.execution_id AND edge.ended_revision = {NEVER}) \
             ORDER BY version.created_at DESC, {hash} DESC LIMIT 1), 0) \
             FROM floating_input WHERE {these} AND floating_input.partition_digest {has}"
        );
        let rows = read(&binds.many(db, &sql, 2).await?, |cells| {
            Ok((cells.next::<i64>()?, cells.next::<i64>()?))
        })?;
        found.extend(
            rows.into_iter()
                .map(|(id, version)| (id, Some(version).filter(|v| *v != 0).map(VersionId))),
        );
    }
    Ok(found)
}

/// Who holds versions, by edges that stand.
#[derive(Debug, Default)]
pub struct Holders {
    /// Those that an execution produced.
    pub produced: BTreeSet<VersionId>,
    /// Those that an execution consumed and names, or that a record says it consumed.
    pub named: BTreeSet<VersionId>,
    /// Those that an execution consumed without naming them: such an input moves on when it has to.
    pub floated: BTreeSet<VersionId>,
}

/// Who holds some versions.
pub(super) async fn holders(db: &Transaction, versions: &[VersionId]) -> Result<Holders, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::numbers(binds.backend, versions.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "edge.version_id", &list);
    let output = edge::OUTPUT;
    let sql = format!(
        "SELECT DISTINCT edge.version_id, CASE WHEN edge.role = {output} THEN 0 \
         WHEN NOT edge.is_recorded AND EXISTS (SELECT 1 FROM floating_input WHERE floating_input.version_id = edge.version_id \
         AND floating_input.execution_id = edge.execution_id AND floating_input.name = edge.name) THEN 2 ELSE 1 END \
         FROM edge WHERE {these} AND edge.ended_revision = {NEVER}"
    );
    let mut holders = Holders::default();
    for (id, how) in read(&binds.many(db, &sql, 2).await?, |cells| {
        Ok((cells.next::<VersionId>()?, cells.next::<i32>()?))
    })? {
        match how {
            0 => holders.produced.insert(id),
            1 => holders.named.insert(id),
            _ => holders.floated.insert(id),
        };
    }
    Ok(holders)
}

/// The executions that have edges that stand to versions of some artifacts, or inputs that float over them.
pub(super) async fn executions_of(db: &Transaction, artifacts: &[ArtifactId]) -> Result<Vec<ExecutionId>, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::numbers(binds.backend, artifacts.iter().map(|id| id.0)));
    let versions = dialect::in_numbers(binds.backend, "version.artifact_id", &list);
    let inputs = dialect::in_numbers(binds.backend, "floating_input.artifact_id", &list);
    let then = dialect::then_join(binds.backend);
    let sql = format!(
        "SELECT edge.execution_id FROM version {then} edge ON edge.version_id = version.id \
         WHERE {versions} AND edge.ended_revision = {NEVER} \
         UNION SELECT floating_input.execution_id FROM floating_input WHERE {inputs}"
    );
    read(&binds.many(db, &sql, 1).await?, next)
}

/// Who produced versions, by edges that stand.
pub(super) async fn producers(
    db: &Transaction,
    versions: &[VersionId],
) -> Result<Vec<(VersionId, ExecutionId)>, StoreError> {
    let mut binds = Binds::new(db);
    let list = binds.bind(dialect::numbers(binds.backend, versions.iter().map(|id| id.0)));
    let these = dialect::in_numbers(binds.backend, "edge.version_id", &list);
    let output = edge::OUTPUT;
    let sql = format!(
        "SELECT edge.version_id, edge.execution_id FROM edge WHERE {these} AND edge.role = {output} AND edge.ended_revision = {NEVER}"
    );
    read(&binds.many(db, &sql, 2).await?, |cells| {
        Ok((cells.next()?, cells.next()?))
    })
}
