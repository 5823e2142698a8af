//! What is asked of the graph.

use rustc_hash::FxHashMap;

use super::graph::{Name, Snapshot, Way};
use super::node::{Kind, Node};
use crate::domain::filter::{DateTimeRange, PartitionFilter};
use crate::domain::record::ExecutionState;
use crate::domain::time::{Granularity, Timestamp};

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To what the roots were made from.
    Upstream,
    /// To what was made from the roots.
    Downstream,
    /// Each of the two, from the roots on.
    Both,
}

impl Direction {
    /// The ways to go.
    pub const fn ways(self) -> &'static [Way] {
        match self {
            Self::Upstream => &[Way::Up],
            Self::Downstream => &[Way::Down],
            Self::Both => &[Way::Up, Way::Down],
        }
    }
}

/// Which nodes an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Versions and executions.
    Full,
    /// Versions; executions are passed through.
    Version,
    /// Executions; versions are passed through.
    Execution,
    /// Partitions, each with all its versions; of a version without one, its artifact.
    Partition,
    /// Artifacts, each with all its versions.
    Artifact,
}

impl Level {
    /// The node that shows a version or an execution; none when the level passes through it.
    pub(super) fn shows(self, snapshot: Snapshot<'_>, base: Node) -> Option<Node> {
        match (self, base.kind()) {
            (Self::Full | Self::Version, Kind::Version) | (Self::Full | Self::Execution, Kind::Execution) => Some(base),
            (Self::Partition, Kind::Version) => snapshot.partition_of(base).or_else(|| snapshot.artifact_of(base)),
            (Self::Artifact, Kind::Version) => snapshot.artifact_of(base),
            _ => None,
        }
    }
}

/// What an answer shows only, or what the walk stops at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Versions of these artifacts only.
    pub artifacts: Option<Vec<Node>>,
    /// Versions and executions of these projects only.
    pub projects: Option<Vec<String>>,
    /// Versions in partitions like this only.
    pub partition: Option<PartitionFilter>,
    /// Executions in these states only.
    pub states: Option<Vec<ExecutionState>>,
    /// Versions created in this span only.
    pub created_at: Option<DateTimeRange>,
    /// Whether the walk stops at what does not pass; else it is passed through and not shown.
    pub prune: bool,
}

/// A question about the graph as of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Where to begin: nodes of any kind that are there, each once.
    pub roots: Vec<Node>,
    /// Which way.
    pub direction: Direction,
    /// Which nodes are shown.
    pub level: Level,
    /// The most hops between shown nodes; none for no limit.
    pub depth: Option<u32>,
    /// The most neighbours of one node that are followed; none for no limit.
    pub fan_out: Option<u32>,
    /// What is shown only.
    pub filter: Option<Filter>,
    /// The revision.
    pub revision: i64,
}

/// A filter, ready to be held against nodes.
#[derive(Debug)]
pub(super) struct Test {
    filter: Filter,
    projects: Option<Vec<Name>>,
    /// Where a window must start, for each granularity.
    ranges: [Vec<(Timestamp, Timestamp)>; 6],
    /// Partitions that have been looked at.
    partitions: FxHashMap<Node, bool>,
}

impl Test {
    pub fn new(filter: Filter, snapshot: Snapshot<'_>) -> Self {
        let projects = filter.projects.as_ref();
        let projects = projects.map(|names| names.iter().filter_map(|name| snapshot.find_name(name)).collect());
        let time = filter.partition.as_ref().and_then(|partition| partition.time.as_ref());
        Self {
            ranges: Granularity::ALL.map(|granularity| time.map_or(Vec::new(), |time| time.starts(granularity))),
            filter,
            projects,
            partitions: FxHashMap::default(),
        }
    }

    /// Whether the walk stops at what does not pass.
    pub fn prunes(&self) -> bool {
        self.filter.prune
    }

    /// Whether a version or an execution passes.
    pub fn passes(&mut self, snapshot: Snapshot<'_>, base: Node) -> bool {
        let is_of_project = self
            .projects
            .as_ref()
            .is_none_or(|names| snapshot.project(base).is_some_and(|project| names.contains(&project)));
        is_of_project
            && match base.kind() {
                Kind::Execution => {
                    let states = self.filter.states.as_ref();
                    states.is_none_or(|states| states.contains(&snapshot.execution_state(base)))
                }
                _ => self.passes_version(snapshot, base),
            }
    }

    fn passes_version(&mut self, snapshot: Snapshot<'_>, version: Node) -> bool {
        if let Some(artifacts) = &self.filter.artifacts
            && snapshot
                .artifact_of(version)
                .is_none_or(|artifact| artifacts.binary_search(&artifact).is_err())
        {
            return false;
        }
        if let Some(DateTimeRange { from, to }) = self.filter.created_at {
            let created_at = snapshot.created_at(version);
            if from.is_some_and(|from| created_at < from) || to.is_some_and(|to| created_at >= to) {
                return false;
            }
        }
        match (&self.filter.partition, snapshot.partition_of(version)) {
            (None, _) => true,
            (Some(_), Some(partition)) => self.passes_partition(snapshot, partition),
            // A filter that is strict about nothing asks for what has no partition.
            (Some(filter), None) => {
                filter.strict && filter.values.is_empty() && filter.time.is_none() && snapshot.is_unpartitioned(version)
            }
        }
    }

    fn passes_partition(&mut self, snapshot: Snapshot<'_>, partition: Node) -> bool {
        if let Some(&passes) = self.partitions.get(&partition) {
            return passes;
        }
        let passes = self.filter.partition.as_ref().is_none_or(|filter| {
            let values = snapshot.values(partition);
            let of_key = |key: &str| values.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            let window = snapshot.window(partition);
            let in_time = match (&filter.time, window) {
                (None, _) => !(filter.strict && window.is_some()),
                (Some(_), None) => false,
                (Some(_), Some(window)) => {
                    let ranges = &self.ranges[window.granularity as usize];
                    ranges.iter().any(|(from, to)| (*from..*to).contains(&window.start))
                }
            };
            let is_named = |key: &str| filter.values.iter().any(|test| test.key == key);
            in_time
                && filter
                    .values
                    .iter()
                    .all(|test| of_key(&test.key).is_some_and(|value| test.matches(value)))
                && !(filter.strict && values.iter().any(|(key, _)| !is_named(key)))
        });
        self.partitions.insert(partition, passes);
        passes
    }
}
