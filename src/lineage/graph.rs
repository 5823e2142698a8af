//! The graph in memory: what the walk and the rows of its answers need, for any revision up to the one it is complete to.
//!
//! Everything is kept by number (the stored id) in plain vectors, with the revisions that say since when it holds. A
//! [`Snapshot`] is the graph as of one of them.

use std::sync::Arc;

use entity::{NEVER, NO_TIME};
use rustc_hash::{FxHashMap, FxHashSet};

use super::lists::Lists;
use super::node::{Kind, Node};
use crate::domain::record::{ExecutionKind, ExecutionState};
use crate::domain::time::{Granularity, Timestamp, Window};
use crate::store::StoreError;
use crate::store::lineage::{ArtifactFacts, EdgeFacts, ExecutionFacts, LogEntry, PartitionFacts, VersionFacts};
use crate::store::version::VersionState;

/// A revision in four bytes; what has not happened is the greatest.
type Revision = u32;
/// A text that is kept once, by number.
pub(super) type Name = u32;

fn revision(stored: i64) -> Revision {
    Revision::try_from(stored).unwrap_or(Revision::MAX)
}

/// An edge, seen from one end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    /// What stands at the other end: its number among its kind.
    pub other: u32,
    /// What the execution calls it.
    pub name: Name,
    /// The revision that recorded it.
    pub revision: Revision,
    /// The revision since which it is no more.
    pub ended: Revision,
}

#[derive(Clone, Debug, Default)]
struct Artifact {
    key: [Name; 3],
    /// `u32::MAX` as long as it is not there.
    revision: Revision,
    merged: Revision,
    returned: Revision,
    declared: Revision,
    declared_keys: Box<[Name]>,
}

#[derive(Clone, Debug)]
struct Partition {
    artifact: u32,
    revision: Revision,
    retired: Revision,
    /// Where its values lie among all.
    values: (u32, u8),
    granularity: Option<Granularity>,
    start: i64,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    artifact: u32,
    revision: Revision,
    produced: Revision,
    deleted: Revision,
    /// Since when it is not there.
    withdrawn: Revision,
    placed: Revision,
    partition: u32,
    prior_partition: u32,
    /// Whether it does not fit its artifact's declaration; and whether it did not before.
    flagged: [bool; 2],
    created_at: i64,
    named_at: i64,
    text: Text,
}

#[derive(Clone, Copy, Debug)]
struct Execution {
    project: Name,
    domain: Name,
    name: Text,
    entity: Name,
    revision: Revision,
    kind: ExecutionKind,
    state: ExecutionState,
    started_at: i64,
    ended_at: i64,
}

/// A text among many that lie one after the other.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    start: usize,
    length: u32,
}

/// Texts that occur often, each kept once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, Name>,
}

impl Names {
    fn number(&mut self, text: &str) -> Name {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let shared: Arc<str> = text.into();
        self.texts.push(Arc::clone(&shared));
        self.numbers.insert(shared, number);
        number
    }

    fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied()
    }

    fn text(&self, number: Name) -> &str {
        self.texts.get(number as usize).map_or("", |text| text)
    }
}

/// The graph, complete up to a revision.
#[derive(Debug, Default)]
pub struct Graph {
    revision: i64,
    /// When each revision was recorded, from revision 1 on.
    times: Vec<i64>,
    artifacts: Vec<Option<Artifact>>,
    partitions: Vec<Option<Partition>>,
    partition_values: Vec<(Name, Name)>,
    versions: Vec<Option<Version>>,
    executions: Vec<Option<Execution>>,
    versions_of_artifact: Lists<u32>,
    /// The versions that a partition has or had; each once.
    versions_of_partition: Lists<u32>,
    producers: Lists<Link>,
    consumers: Lists<Link>,
    inputs: Lists<Link>,
    outputs: Lists<Link>,
    names: Names,
    texts: String,
    /// The projects of artifacts and executions.
    projects: FxHashSet<Name>,
}

/// Filling it.
impl Graph {
    /// An empty one, in which texts have the numbers that they have in another: walks keep them while the graph is exchanged.
    pub(super) fn numbering_as(other: &Self) -> Self {
        Self {
            names: other.names.clone(),
            ..Self::default()
        }
    }

    /// The revision that it is complete to.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The last id of a kind that it has.
    pub(super) fn last_id(&self, kind: Kind) -> i64 {
        let length = match kind {
            Kind::Artifact => self.artifacts.len(),
            Kind::Partition => self.partitions.len(),
            Kind::Version => self.versions.len(),
            Kind::Execution => self.executions.len(),
        };
        i64::try_from(length).unwrap_or(i64::MAX).saturating_sub(1).max(0)
    }

    /// Takes in the log up to a revision, after all that it speaks of.
    pub(super) fn complete(&mut self, log: &[LogEntry]) {
        for entry in log {
            self.revision = entry.revision;
            self.times.push(entry.recorded_at.0);
        }
    }

    pub(super) fn put_artifact(&mut self, row: ArtifactFacts) -> Result<(), StoreError> {
        let number = number(Kind::Artifact, row.id)?;
        let artifact = Artifact {
            key: row.key.each_ref().map(|part| self.names.number(part)),
            revision: revision(row.revision),
            merged: revision(row.merged_revision),
            returned: revision(row.returned_revision),
            declared: revision(row.declared_revision),
            declared_keys: row.declared_keys.iter().map(|key| self.names.number(key)).collect(),
        };
        self.projects.insert(artifact.key[0]);
        put(&mut self.artifacts, number, artifact);
        Ok(())
    }

    pub(super) fn put_partition(&mut self, row: PartitionFacts) -> Result<(), StoreError> {
        let at = number(Kind::Partition, row.id)?;
        let known = self.partitions.get(at as usize).and_then(Option::as_ref);
        // Of a partition that is known, nothing changes but its end.
        let values = if let Some(known) = known {
            known.values
        } else {
            let start = u32::try_from(self.partition_values.len()).unwrap_or(u32::MAX);
            for (key, value) in &row.values {
                let pair = (self.names.number(key), self.names.number(value));
                self.partition_values.push(pair);
            }
            (start, u8::try_from(row.values.len()).unwrap_or(u8::MAX))
        };
        let partition = Partition {
            artifact: number(Kind::Artifact, row.artifact_id)?,
            revision: revision(row.revision),
            retired: revision(row.retired_revision),
            values,
            granularity: row.window.map(|(_, granularity)| granularity),
            start: row.window.map_or(NO_TIME, |(start, _)| start),
        };
        put(&mut self.partitions, at, partition);
        Ok(())
    }

    pub(super) fn put_version(&mut self, row: &VersionFacts) -> Result<(), StoreError> {
        let at = number(Kind::Version, row.id)?;
        let known = self.versions.get(at as usize).copied().flatten();
        let version = Version {
            artifact: number(Kind::Artifact, row.artifact_id)?,
            revision: revision(row.revision),
            produced: revision(row.produced_revision),
            deleted: revision(row.deleted_revision),
            withdrawn: if row.is_withdrawn {
                revision(row.deleted_revision)
            } else {
                Revision::MAX
            },
            placed: revision(row.placed_revision),
            partition: number(Kind::Partition, row.partition_id)?,
            prior_partition: number(Kind::Partition, row.prior_partition_id)?,
            flagged: row.flagged,
            created_at: row.created_at,
            named_at: row.named_at.unwrap_or(NO_TIME),
            text: known.map_or_else(|| push_text(&mut self.texts, &row.version), |known| known.text),
        };
        if known.is_none() {
            self.versions_of_artifact.push(version.artifact, at);
        }
        let before = known.map_or([0, 0], |known| [known.partition, known.prior_partition]);
        // A declaration may leave a version where it was.
        let moved = version.prior_partition != version.partition;
        for (partition, is_another) in [(version.partition, true), (version.prior_partition, moved)] {
            if partition != 0 && is_another && !before.contains(&partition) {
                self.versions_of_partition.push(partition, at);
            }
        }
        put(&mut self.versions, at, version);
        Ok(())
    }

    pub(super) fn put_execution(&mut self, row: &ExecutionFacts) -> Result<(), StoreError> {
        let at = number(Kind::Execution, row.id)?;
        let known = self.executions.get(at as usize).copied().flatten();
        let [project, domain, name] = &row.key;
        let execution = Execution {
            project: self.names.number(project),
            domain: self.names.number(domain),
            name: known.map_or_else(|| push_text(&mut self.texts, name), |known| known.name),
            entity: self.names.number(&row.entity),
            revision: revision(row.revision),
            kind: row.kind,
            state: row.state,
            started_at: row.started_at,
            ended_at: row.ended_at,
        };
        self.projects.insert(execution.project);
        put(&mut self.executions, at, execution);
        Ok(())
    }

    /// Adds an edge, or the end of one that is there.
    pub(super) fn put_edge(&mut self, row: &EdgeFacts) -> Result<(), StoreError> {
        let execution = number(Kind::Execution, row.execution_id)?;
        let version = number(Kind::Version, row.version_id)?;
        let link = Link {
            other: version,
            name: self.names.number(&row.name),
            revision: revision(row.revision),
            ended: revision(row.ended_revision),
        };
        let back = Link {
            other: execution,
            ..link
        };
        let (of_execution, of_version) = if row.is_output {
            (&mut self.outputs, &mut self.producers)
        } else {
            (&mut self.inputs, &mut self.consumers)
        };
        // One that comes with its end is either news or has just ended.
        let is_known = link.ended != Revision::MAX && end(of_execution, execution, link);
        if is_known {
            end(of_version, version, back);
        } else {
            of_execution.push(execution, link);
            of_version.push(version, back);
        }
        Ok(())
    }

    /// Adds many edges to a graph that has none, in exactly as much memory as they take.
    pub(super) fn add_first_edges(&mut self, rows: &FirstEdges) {
        let executions = self.executions.len();
        let versions = self.versions.len();
        for (is_output, of_execution, of_version) in [
            (false, &mut self.inputs, &mut self.consumers),
            (true, &mut self.outputs, &mut self.producers),
        ] {
            let mut lengths = (vec![0; executions], vec![0; versions]);
            for row in rows.0.iter().filter(|row| row.is_output == is_output) {
                lengths.0[row.execution as usize] += 1;
                lengths.1[row.version as usize] += 1;
            }
            *of_execution = Lists::with_room(&lengths.0);
            *of_version = Lists::with_room(&lengths.1);
            for row in rows.0.iter().filter(|row| row.is_output == is_output) {
                let link = |other| Link {
                    other,
                    name: row.name,
                    revision: row.revision,
                    ended: row.ended,
                };
                of_execution.push(row.execution, link(row.version));
                of_version.push(row.version, link(row.execution));
            }
        }
    }

    /// Keeps an edge for [`Graph::add_first_edges`].
    pub(super) fn first_edge(&mut self, rows: &mut FirstEdges, row: &EdgeFacts) -> Result<(), StoreError> {
        let edge = FirstEdge {
            execution: number(Kind::Execution, row.execution_id)?,
            version: number(Kind::Version, row.version_id)?,
            name: self.names.number(&row.name),
            revision: revision(row.revision),
            ended: revision(row.ended_revision),
            is_output: row.is_output,
        };
        if edge.execution as usize >= self.executions.len() || edge.version as usize >= self.versions.len() {
            return Err(StoreError::Inconsistent(
                "an edge has an end that is not there".to_owned(),
            ));
        }
        rows.0.push(edge);
        Ok(())
    }
}

/// Edges on their way into an empty graph.
#[derive(Debug, Default)]
pub(super) struct FirstEdges(Vec<FirstEdge>);

#[derive(Clone, Copy, Debug)]
struct FirstEdge {
    execution: u32,
    version: u32,
    name: Name,
    revision: Revision,
    ended: Revision,
    is_output: bool,
}

/// Ends a link that is in a list; whether it is.
fn end(lists: &mut Lists<Link>, of: u32, link: Link) -> bool {
    let same = |known: &&mut Link| (known.other, known.name, known.revision) == (link.other, link.name, link.revision);
    let known = lists.of_mut(of).iter_mut().find(same);
    known.is_some_and(|known| {
        known.ended = link.ended;
        true
    })
}

fn number(kind: Kind, id: i64) -> Result<u32, StoreError> {
    Node::of_id(kind, id)
        .map(Node::number)
        .ok_or_else(|| StoreError::Inconsistent(format!("the id {id} is more than lineage can number")))
}

fn put<T>(all: &mut Vec<Option<T>>, number: u32, row: T) {
    let number = number as usize;
    if number >= all.len() {
        all.resize_with(number + 1, || None);
    }
    all[number] = Some(row);
}

fn push_text(all: &mut String, text: &str) -> Text {
    let start = all.len();
    all.push_str(text);
    Text {
        start,
        length: u32::try_from(text.len()).unwrap_or(u32::MAX),
    }
}

/// The graph as of a revision.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    graph: &'a Graph,
    at: Revision,
}

impl Graph {
    /// As of a revision, which must not be greater than [`Graph::revision`].
    pub fn at(&self, at: i64) -> Snapshot<'_> {
        Snapshot {
            graph: self,
            at: revision(at),
        }
    }
}

/// Which way edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Against them: to what something was made from.
    Up,
    /// Along them: to what was made from it.
    Down,
}

/// The edges.
impl<'a> Snapshot<'a> {
    /// The edges of a version or an execution in one direction; none for other kinds.
    pub(super) fn links(self, node: Node, way: Way) -> impl Iterator<Item = Link> + 'a {
        let lists = match (node.kind(), way) {
            (Kind::Version, Way::Up) => Some(&self.graph.producers),
            (Kind::Version, Way::Down) => Some(&self.graph.consumers),
            (Kind::Execution, Way::Up) => Some(&self.graph.inputs),
            (Kind::Execution, Way::Down) => Some(&self.graph.outputs),
            _ => None,
        };
        let links = lists.map_or(&[][..], |lists| lists.of(node.number()));
        links
            .iter()
            .copied()
            .filter(move |link| link.revision <= self.at && link.ended > self.at)
    }

    /// The versions of an artifact, or of a partition.
    pub(super) fn versions_of(self, node: Node) -> impl Iterator<Item = Node> + 'a {
        let (numbers, partition) = match node.kind() {
            Kind::Artifact => (self.graph.versions_of_artifact.of(node.number()), None),
            Kind::Partition => (self.graph.versions_of_partition.of(node.number()), Some(node)),
            Kind::Version | Kind::Execution => (&[][..], None),
        };
        let versions = numbers.iter().map(|&number| Node::new(Kind::Version, number));
        versions.filter(move |&version| {
            self.has(version) && (partition.is_none() || self.partition_of(version) == partition)
        })
    }
}

/// The nodes.
impl<'a> Snapshot<'a> {
    /// Whether a node is there.
    pub fn has(self, node: Node) -> bool {
        let at = node.number() as usize;
        let (since, until) = match node.kind() {
            Kind::Artifact => {
                let row = row(&self.graph.artifacts, at);
                // What is back is there as if it had never been away.
                let merged = row.filter(|row| row.returned > self.at).map(|row| row.merged);
                (row.map(|row| row.revision), merged)
            }
            Kind::Partition => {
                let row = row(&self.graph.partitions, at);
                (row.map(|row| row.revision), row.map(|row| row.retired))
            }
            Kind::Version => {
                let row = row(&self.graph.versions, at);
                (row.map(|row| row.revision), row.map(|row| row.withdrawn))
            }
            Kind::Execution => (row(&self.graph.executions, at).map(|row| row.revision), None),
        };
        since.is_some_and(|since| since <= self.at) && until.is_none_or(|until| until > self.at)
    }

    fn artifact(self, node: Node) -> Option<&'a Artifact> {
        row(&self.graph.artifacts, node.number() as usize)
    }

    fn partition(self, node: Node) -> Option<&'a Partition> {
        row(&self.graph.partitions, node.number() as usize)
    }

    fn version(self, node: Node) -> Option<&'a Version> {
        row(&self.graph.versions, node.number() as usize)
    }

    fn execution(self, node: Node) -> Option<&'a Execution> {
        row(&self.graph.executions, node.number() as usize)
    }

    /// The artifact of a version or a partition.
    pub fn artifact_of(self, node: Node) -> Option<Node> {
        let number = match node.kind() {
            Kind::Version => self.version(node)?.artifact,
            Kind::Partition => self.partition(node)?.artifact,
            Kind::Artifact => node.number(),
            Kind::Execution => return None,
        };
        Some(Node::new(Kind::Artifact, number))
    }

    /// The partition of a version, if it has one.
    pub fn partition_of(self, version: Node) -> Option<Node> {
        let row = self.version(version)?;
        let partition = if row.produced > self.at {
            0
        } else if row.placed <= self.at {
            row.partition
        } else {
            row.prior_partition
        };
        (partition != 0).then(|| Node::new(Kind::Partition, partition))
    }

    /// Whether a version was produced and belongs to no partition, rightly so.
    pub(super) fn is_unpartitioned(self, version: Node) -> bool {
        self.version(version).is_some_and(|row| {
            let flagged = row.flagged[usize::from(row.placed > self.at)];
            row.produced <= self.at && !flagged && self.partition_of(version).is_none()
        })
    }

    /// What there is of a version.
    pub fn version_state(self, version: Node) -> VersionState {
        match self.version(version) {
            Some(row) if row.deleted <= self.at => VersionState::Deleted,
            Some(row) if row.produced <= self.at => VersionState::Available,
            _ => VersionState::Referenced,
        }
    }

    /// When a version was produced, or, as long as it is only referenced, first named.
    pub fn created_at(self, version: Node) -> Timestamp {
        let created_at = self.version(version).map_or(NO_TIME, |row| {
            if row.produced <= self.at || row.named_at == NO_TIME {
                row.created_at
            } else {
                row.named_at
            }
        });
        Timestamp(created_at)
    }

    /// A version's string.
    pub fn version_name(self, version: Node) -> &'a str {
        self.version(version).map_or("", |row| self.text(row.text))
    }

    /// The key of an artifact or an execution: project, domain, name.
    pub fn key(self, node: Node) -> [&'a str; 3] {
        match node.kind() {
            Kind::Execution => self.execution(node).map_or(Default::default(), |row| {
                [self.name(row.project), self.name(row.domain), self.text(row.name)]
            }),
            _ => self
                .artifact(node)
                .map_or(Default::default(), |row| row.key.map(|part| self.name(part))),
        }
    }

    /// The project of a version's artifact, or of an execution.
    pub(super) fn project(self, node: Node) -> Option<Name> {
        match node.kind() {
            Kind::Execution => Some(self.execution(node)?.project),
            _ => Some(self.artifact(self.artifact_of(node)?)?.key[0]),
        }
    }

    /// What kind of run an execution is.
    pub fn execution_kind(self, execution: Node) -> ExecutionKind {
        self.execution(execution)
            .map_or(ExecutionKind::Workflow, |row| row.kind)
    }

    /// How far an execution is, as known now.
    pub fn execution_state(self, execution: Node) -> ExecutionState {
        self.execution(execution)
            .map_or(ExecutionState::Queued, |row| row.state)
    }

    /// The workflow's or task's name; none when it was not given.
    pub fn entity(self, execution: Node) -> Option<&'a str> {
        let row = self.execution(execution)?;
        Some(self.name(row.entity)).filter(|entity| !entity.is_empty())
    }

    /// When an execution started, if it has.
    pub fn started_at(self, execution: Node) -> Option<Timestamp> {
        time(self.execution(execution)?.started_at)
    }

    /// When an execution ended, if it has.
    pub fn ended_at(self, execution: Node) -> Option<Timestamp> {
        time(self.execution(execution)?.ended_at)
    }

    /// The values of a partition, in the order in which its artifact's keys stand.
    pub fn values(self, partition: Node) -> Vec<(&'a str, &'a str)> {
        let Some(row) = self.partition(partition) else {
            return Vec::new();
        };
        let (start, length) = row.values;
        let (start, length) = (start as usize, usize::from(length));
        let values = self
            .graph
            .partition_values
            .get(start..start + length)
            .unwrap_or_default();
        let text = |&(key, value): &(Name, Name)| (self.name(key), self.name(value));
        let declared = self
            .artifact(Node::new(Kind::Artifact, row.artifact))
            .filter(|artifact| artifact.declared <= self.at && values.len() > 1);
        match declared {
            Some(artifact) => artifact
                .declared_keys
                .iter()
                .filter_map(|key| values.iter().find(|(name, _)| name == key))
                .map(text)
                .collect(),
            None => values.iter().map(text).collect(),
        }
    }

    /// A partition's window of time; none when it has none.
    pub fn window(self, partition: Node) -> Option<Window> {
        let row = self.partition(partition)?;
        row.granularity.map(|granularity| Window {
            start: Timestamp(row.start),
            granularity,
        })
    }

    /// When a node was recorded: a version's content, once that is there.
    pub fn recorded_at(self, node: Node) -> Timestamp {
        let revision = match node.kind() {
            Kind::Artifact => self.artifact(node).map(|row| row.revision),
            Kind::Partition => self.partition(node).map(|row| row.revision),
            Kind::Version => self.version(node).map(|row| {
                if row.produced <= self.at {
                    row.produced
                } else {
                    row.revision
                }
            }),
            Kind::Execution => self.execution(node).map(|row| row.revision),
        };
        self.time_of(revision.unwrap_or_default().into())
    }

    /// When a revision was recorded; the end of time for one that is not there.
    pub fn time_of(self, revision: i64) -> Timestamp {
        let index = usize::try_from(revision - 1).unwrap_or(usize::MAX);
        Timestamp(self.graph.times.get(index).copied().unwrap_or(NEVER))
    }

    /// The revision that this is as of.
    pub fn revision(self) -> i64 {
        self.at.into()
    }

    /// Whether there is anything of a project, now or at any time.
    pub fn knows_project(self, project: &str) -> bool {
        let name = self.find_name(project);
        name.is_some_and(|name| self.graph.projects.contains(&name))
    }

    /// A text that occurs in the graph as a name, by number.
    pub(super) fn find_name(self, text: &str) -> Option<Name> {
        self.graph.names.find(text)
    }

    /// The text with a number.
    pub(super) fn name(self, name: Name) -> &'a str {
        self.graph.names.text(name)
    }

    fn text(self, text: Text) -> &'a str {
        self.graph
            .texts
            .get(text.start..text.start + text.length as usize)
            .unwrap_or_default()
    }
}

fn row<T>(all: &[Option<T>], number: usize) -> Option<&T> {
    all.get(number).and_then(Option::as_ref)
}

fn time(micros: i64) -> Option<Timestamp> {
    Some(micros).filter(|micros| *micros != NO_TIME).map(Timestamp)
}
