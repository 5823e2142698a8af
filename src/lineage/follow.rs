//! How the graph gets into memory, and follows what is written afterwards by whomever.
//!
//! Ids are given in order of recording, so what is new in a revision has greater ids than all before; what it changed besides
//! stands in the log. A graph that is complete to one revision thus becomes complete to a later one by reading what was written
//! between.

use super::graph::{FirstEdges, Graph};
use super::node::Kind;
use crate::store::lineage::{
    ArtifactFacts, Changed, EdgeFacts, EdgesOf, ExecutionFacts, LogEntry, PartitionFacts, Rows, VersionFacts,
    artifact_facts, edge_facts, execution_facts, log_after, partition_facts, version_facts,
};
use crate::store::{Session, StoreError};

/// Rows read in one statement.
const ROWS: i64 = 20_000;
/// Executions whose edges are read in one statement, when a graph is read whole.
const EXECUTIONS: i64 = 5_000;
/// Revisions that are followed in one step.
pub(super) const REVISIONS: i64 = 64;

/// Reads a graph whole, complete at least to a revision, into an empty one.
pub(super) async fn load(db: &Session, mut graph: Graph, through: i64) -> Result<Graph, StoreError> {
    let mut log = Vec::new();
    while log.last().map_or(0, |entry: &LogEntry| entry.revision) < through {
        let last = log.last().map_or(0, |entry: &LogEntry| entry.revision);
        let more = log_after(db, last, ROWS).await?;
        if more.is_empty() {
            break;
        }
        log.extend(more);
    }
    let through = log.last().map_or(0, |entry| entry.revision);
    while let rows @ [_, ..] = &artifact_facts(db, after(&graph, Kind::Artifact, through)).await?[..] {
        rows.iter().try_for_each(|row| graph.put_artifact(row.clone()))?;
    }
    while let rows @ [_, ..] = &partition_facts(db, after(&graph, Kind::Partition, through)).await?[..] {
        rows.iter().try_for_each(|row| graph.put_partition(row.clone()))?;
    }
    while let rows @ [_, ..] = &version_facts(db, after(&graph, Kind::Version, through)).await?[..] {
        rows.iter().try_for_each(|row| graph.put_version(row))?;
    }
    while let rows @ [_, ..] = &execution_facts(db, after(&graph, Kind::Execution, through)).await?[..] {
        rows.iter().try_for_each(|row| graph.put_execution(row))?;
    }
    let mut edges = FirstEdges::default();
    let last = graph.last_id(Kind::Execution);
    let mut after = 0;
    while after < last {
        let range = EdgesOf::Range {
            after,
            last: after + EXECUTIONS,
        };
        for row in edge_facts(db, range, 0, through).await? {
            graph.first_edge(&mut edges, &row)?;
        }
        after += EXECUTIONS;
    }
    graph.add_first_edges(&edges);
    graph.complete(&log);
    Ok(graph)
}

fn after(graph: &Graph, kind: Kind, through: i64) -> Rows<'static> {
    Rows::After {
        id: graph.last_id(kind),
        through,
        limit: ROWS,
    }
}

/// What takes a graph some revisions further.
#[derive(Debug)]
pub(super) struct Step {
    log: Vec<LogEntry>,
    artifacts: Vec<ArtifactFacts>,
    partitions: Vec<PartitionFacts>,
    versions: Vec<VersionFacts>,
    executions: Vec<ExecutionFacts>,
    edges: Vec<EdgeFacts>,
}

/// Where a graph stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The revision that it is complete to.
    pub revision: i64,
    /// The last id of each kind.
    last: [i64; 4],
}

impl Position {
    pub fn of(graph: &Graph) -> Self {
        Self {
            revision: graph.revision(),
            last: Kind::ALL.map(|kind| graph.last_id(kind)),
        }
    }

    /// The rows of a kind that have been added since.
    fn added(self, kind: Kind, through: i64) -> Rows<'static> {
        Rows::After {
            id: self.last[kind as usize],
            through,
            limit: i64::MAX,
        }
    }
}

impl Step {
    /// Reads the next step of a graph; none when there is no later revision.
    pub async fn read(db: &Session, from: Position) -> Result<Option<Self>, StoreError> {
        let log = log_after(db, from.revision, REVISIONS).await?;
        let Some(through) = log.last().map(|entry| entry.revision) else {
            return Ok(None);
        };
        let mut changed = Changed::default();
        log.iter().for_each(|entry| changed.extend(entry.changed.clone()));
        let [artifacts, versions, executions] = [&changed.artifacts, &changed.versions, &changed.executions]
            .map(|ids| ids.iter().copied().collect::<Vec<_>>());
        let mut step = Self {
            log,
            artifacts: artifact_facts(db, from.added(Kind::Artifact, through)).await?,
            partitions: partition_facts(db, from.added(Kind::Partition, through)).await?,
            versions: version_facts(db, from.added(Kind::Version, through)).await?,
            executions: execution_facts(db, from.added(Kind::Execution, through)).await?,
            edges: Vec::new(),
        };
        if !artifacts.is_empty() {
            step.artifacts
                .extend(artifact_facts(db, Rows::Named(&artifacts)).await?);
            let theirs = Rows::OfArtifacts {
                ids: &artifacts,
                through,
            };
            step.partitions.extend(partition_facts(db, theirs).await?);
            step.versions.extend(version_facts(db, theirs).await?);
        }
        if !versions.is_empty() {
            step.versions.extend(version_facts(db, Rows::Named(&versions)).await?);
        }
        if let Some(last) = step.executions.last().map(|row| row.id) {
            let after = from.last[Kind::Execution as usize];
            step.edges = edge_facts(db, EdgesOf::Range { after, last }, from.revision, through).await?;
        }
        if !executions.is_empty() {
            step.executions
                .extend(execution_facts(db, Rows::Named(&executions)).await?);
            // Those of executions that are new themselves are read already.
            let known = from.last[Kind::Execution as usize];
            let older: Vec<i64> = executions.iter().copied().filter(|id| *id <= known).collect();
            let further = edge_facts(db, EdgesOf::Executions(&older), from.revision, through).await?;
            step.edges.extend(further);
        }
        Ok(Some(step))
    }

    /// Takes the graph that it was read for further.
    pub fn apply(self, graph: &mut Graph) -> Result<(), StoreError> {
        for row in self.artifacts {
            graph.put_artifact(row)?;
        }
        for row in self.partitions {
            graph.put_partition(row)?;
        }
        self.versions.iter().try_for_each(|row| graph.put_version(row))?;
        self.executions.iter().try_for_each(|row| graph.put_execution(row))?;
        self.edges.iter().try_for_each(|row| graph.put_edge(row))?;
        graph.complete(&self.log);
        Ok(())
    }
}
