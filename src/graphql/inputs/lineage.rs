//! What is asked of lineage.

use async_graphql::{Enum, InputObject};

use super::filters::partition;
use super::queries::{AsOf, PartitionFilter};
use super::{ArtifactKey, DateTimeRange};
use crate::config::Limits;
use crate::domain::{filter, key};
use crate::graphql::enums::ExecutionState;
use crate::graphql::error::ApiError;
use crate::lineage::question;

/// Which way to walk. An edge runs from upstream to downstream: from the input to the execution to the output.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "question::Direction")]
pub enum Direction {
    /// To what the roots were made from.
    Upstream,
    /// To what was made from the roots.
    Downstream,
    /// Both: all that is upstream of the roots and all that is downstream of them, but not what is merely beside them.
    Both,
}

/// Which nodes an answer shows. What a level does not show is passed through: the hops over it become one DERIVED edge.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "question::Level")]
pub enum LineageLevel {
    /// Versions and executions.
    Full,
    /// Versions.
    Version,
    /// Executions.
    Execution,
    /// Partitions: which partitions of which artifacts fed this one. A version that has no partition is shown by its artifact.
    Partition,
    /// Artifacts: the graph of names.
    Artifact,
}

/// How an answer is drawn or written.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::lineage::draw::Format")]
pub enum LineageFormat {
    /// A flowchart of Mermaid, as Markdown pages of many services draw it.
    Mermaid,
    /// A digraph of Graphviz.
    Dot,
    /// One JSON object with `nodes` and `edges`.
    Json,
    /// A table of the edges, with both ends in full, by RFC 4180.
    Csv,
}

/// The options of a walk.
///
/// An edge runs from upstream to downstream. A hop is one edge between shown nodes, so that at level FULL one hop leads from a
/// version to the execution that made it, and the second to what that took in.
#[derive(InputObject, Clone, Debug, Default)]
pub struct LineageOptions {
    /// Which way to walk; null: UPSTREAM.
    #[graphql(default_with = "Some(Direction::Upstream)")]
    pub direction: Option<Direction>,
    /// Which nodes are shown; null: FULL. A root of a kind that the level does not show means all of it: an artifact or a partition all its
    /// versions, an execution its inputs when walking upstream and its outputs when walking downstream, a version at level
    /// EXECUTION its producers or its consumers.
    #[graphql(default_with = "Some(LineageLevel::Full)")]
    pub level: Option<LineageLevel>,
    /// The most hops, at least 1; null: no limit. `stoppedBy` has DEPTH only when something lies beyond.
    pub depth: Option<i32>,
    /// The most nodes on this page, at least 1; null: 500; the server's `limits.lineageNodesMaximum` is the most. `endCursor` leads to the
    /// next page.
    #[graphql(default_with = "Some(500)")]
    pub limit: Option<i32>,
    /// The most neighbours of one node that are followed in one direction, at least 1, the first in the order of `nodes`; null:
    /// all. The rest is counted in `upstreamCount` and `downstreamCount`; `stoppedBy` has FAN_OUT when some of it is not shown.
    pub fan_out: Option<i32>,
    /// What is shown only; null: everything. The roots are shown in any case.
    #[graphql(name = "where")]
    pub filter: Option<LineageFilter>,
    /// In this past state of the store: what was recorded later is not there.
    pub as_of: Option<AsOf>,
    /// Goes on where an earlier page stopped: its `endCursor`. The roots and the other options must be those of the earlier
    /// page, except `limit` and `deadlineMs`. The page is read in the state that the first one was.
    pub after: Option<String>,
    /// How long to walk, in milliseconds, at least 1; null, and more than the server's `limits.lineageDeadlineMs`, mean that. What
    /// has been reached by then is answered, with DEADLINE in `stoppedBy`. Finding the edges may take as long again.
    pub deadline_ms: Option<i32>,
}

/// What an answer shows only: every part that is given must hold of a node that it applies to; null: anything. An empty list is
/// BAD_USER_INPUT, since nothing would pass it. Without `prune`, what tests executions changes nothing at a level that shows none,
/// and what tests versions changes nothing at level EXECUTION.
#[derive(InputObject, Clone, Debug)]
pub struct LineageFilter {
    /// Of versions: only those of these artifacts. One that does not exist is NOT_FOUND.
    pub artifacts: Option<Vec<ArtifactKey>>,
    /// Of versions and executions: only those of these projects. One that does not exist is NOT_FOUND, and BAD_USER_INPUT when
    /// one of `artifacts` is in none of them.
    pub projects: Option<Vec<String>>,
    /// Of versions: only those in partitions like this. Where none of `artifacts` has a key that is asked for:
    /// UNKNOWN_PARTITION_KEY.
    pub partition: Option<PartitionFilter>,
    /// Of executions: only those in these states, as known now. Where they change between two pages, the cursor may be BAD_CURSOR.
    pub states: Option<Vec<ExecutionState>>,
    /// Of versions: only those whose `createdAt` is in this span.
    pub created_at: Option<DateTimeRange>,
    /// False: what does not pass is passed through and not shown, and the hops over it become DERIVED edges. True: the walk
    /// stops there, and `stoppedBy` has HIDDEN.
    #[graphql(default_with = "Some(false)")]
    pub prune: Option<bool>,
}

/// A filter whose artifacts are still keys.
#[derive(Clone, Debug)]
pub struct NamedFilter {
    /// The artifacts.
    pub artifacts: Option<Vec<key::ArtifactKey>>,
    /// The rest.
    pub rest: question::Filter,
}

impl LineageFilter {
    /// Checked; the filter that tests nothing is none.
    pub fn into_domain(self) -> Result<Option<NamedFilter>, ApiError> {
        not_empty("artifacts", self.artifacts.as_deref())?;
        not_empty("projects", self.projects.as_deref())?;
        not_empty("states", self.states.as_deref())?;
        let artifacts = self
            .artifacts
            .map(|keys| keys.into_iter().map(key::ArtifactKey::from).collect());
        for (index, key) in artifacts.iter().flatten().enumerate() {
            let key: &key::ArtifactKey = key;
            key.validate()
                .map_err(|invalid| invalid.within(&format!("options.where.artifacts[{index}]")))?;
        }
        let created_at = self.created_at.map(filter::DateTimeRange::from);
        created_at
            .map_or(Ok(()), |range| range.validate("createdAt"))
            .map_err(|invalid| invalid.within("options.where"))?;
        let mut rest = question::Filter {
            artifacts: None,
            projects: self.projects,
            partition: partition("options.where.partition", self.partition)?,
            states: self.states.map(|states| states.into_iter().map(Into::into).collect()),
            created_at,
            prune: self.prune.unwrap_or_default(),
        };
        rest.projects.iter_mut().for_each(|projects| projects.sort_unstable());
        let tests_nothing = artifacts.is_none()
            && rest
                == question::Filter {
                    prune: rest.prune,
                    ..question::Filter::default()
                };
        Ok((!tests_nothing).then_some(NamedFilter { artifacts, rest }))
    }
}

/// An empty list would hide everything, and the answer would look as if there were nothing.
fn not_empty<T>(name: &str, list: Option<&[T]>) -> Result<(), ApiError> {
    if list.is_some_and(<[T]>::is_empty) {
        let message = format!("{name} is an empty list, which nothing passes: leave it out, or name at least one.");
        return Err(ApiError::bad_user_input(format!("options.where.{name}"), message));
    }
    Ok(())
}

/// The nodes of a page when the options do not say.
pub const LIMIT_DEFAULT: i32 = 500;

impl LineageOptions {
    /// The nodes of a page.
    pub fn page_limit(&self, limits: &Limits) -> Result<usize, ApiError> {
        let maximum = limits.lineage_nodes_maximum;
        let default = maximum.min(LIMIT_DEFAULT.unsigned_abs() as usize);
        let limit = at_least_one("limit", self.limit)?.map_or(default, |limit| limit as usize);
        if limit > maximum {
            let error = ApiError::limit_exceeded("limits.lineage_nodes_maximum", "The nodes of a page", maximum, limit);
            return Err(error.about("options.limit"));
        }
        Ok(limit)
    }

    /// The most milliseconds to walk.
    pub fn deadline(&self, limits: &Limits) -> Result<u64, ApiError> {
        let maximum = limits.lineage_deadline_ms as u64;
        let asked = at_least_one("deadlineMs", self.deadline_ms)?;
        Ok(asked.map_or(maximum, |asked| maximum.min(asked.into())))
    }
}

/// A number in the options that has no meaning below 1.
pub fn at_least_one(name: &str, given: Option<i32>) -> Result<Option<u32>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    match u32::try_from(given) {
        Ok(number @ 1..) => Ok(Some(number)),
        _ => {
            let message = format!("{name} is {given}, but must be at least 1.");
            Err(ApiError::bad_user_input(format!("options.{name}"), message))
        }
    }
}

/// The estimated cost of a walk. The rows of its lists are prepared, which costs a twentieth of what other fields do.
pub fn lineage_cost(options: Option<&LineageOptions>, child: usize) -> usize {
    let limit = options.and_then(|options| options.limit).unwrap_or(LIMIT_DEFAULT);
    let rows = usize::try_from(limit).unwrap_or_default();
    child.saturating_add(rows.saturating_mul(child) / 20).min(1 << 40)
}
