//! From the arguments of `lineage` to a question that the graph can be asked, and from a page to its cursor.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::{Answer, Lineage};
use crate::domain::key::Digest;
use crate::graphql::error::ApiError;
use crate::graphql::inputs::lineage::{LineageOptions, NamedFilter, at_least_one};
use crate::graphql::inputs::queries::AsOf;
use crate::graphql::loaders::nodes::ArtifactByKey;
use crate::graphql::node_id::NodeId;
use crate::graphql::resources::Resources;
use crate::graphql::view::View;
use crate::lineage::graph::Snapshot;
use crate::lineage::node::Node;
use crate::lineage::question::{Direction, Filter, Level, Question};
use crate::lineage::walk::Stop;
use crate::store::partition_filter::PartitionTest;

impl Lineage {
    /// Walks from roots that `argument` names, seen in a view.
    pub async fn ask(
        resources: &Resources,
        view: View,
        argument: &str,
        roots: Vec<NodeId>,
        options: Option<LineageOptions>,
    ) -> Result<Self, ApiError> {
        let options = options.unwrap_or_default();
        let limit = options.page_limit(resources.limits())?;
        let deadline_ms = options.deadline(resources.limits())?;
        let depth = at_least_one("depth", options.depth)?;
        let fan_out = at_least_one("fanOut", options.fan_out)?;
        let view = view.as_of(resources, options.as_of).await?;
        let cursor = options.after.as_deref().map(Cursor::read).transpose()?;
        let view = following(resources, view, options.as_of, cursor.as_ref()).await?;
        let filter = match options.filter {
            Some(filter) => filter.into_domain()?,
            None => None,
        };
        let filter = match filter {
            Some(filter) => Some(find_artifacts(resources, view, filter).await?),
            None => None,
        };
        let lineage = resources.lineage();
        // The newest also where a past state is asked: an execution's own fields are those known now.
        lineage
            .follow(resources.newest().await?.revision.max(view.scope.revision))
            .await?;
        let roots = existing(lineage.graph().at(view.scope.revision), view, argument, &roots)?;
        if let Some(filter) = &filter {
            check_projects(lineage.graph().at(view.scope.revision), filter)?;
        }
        let question = Arc::new(Question {
            roots,
            direction: options.direction.map_or(Direction::Upstream, Into::into),
            level: options.level.map_or(Level::Full, Into::into),
            depth,
            fan_out,
            filter,
            revision: view.scope.revision,
        });
        let mark = Mark::of(&question, lineage.graph().at(view.scope.revision));
        let skip = cursor.as_ref().map_or(Ok(0), |cursor| cursor.skip(&mark))?;
        let deadline = Duration::from_millis(deadline_ms);
        let walked = lineage.walk(question, skip, limit, deadline).await;
        if cursor
            .as_ref()
            .is_some_and(|cursor| walked.sum(skip) != Some(cursor.sum))
        {
            let message = "The nodes before the cursor in after are others by now, since the filter asks for states of executions, which are \
                           those known now: begin again without it.";
            return Err(ApiError::bad_cursor("options.after", message));
        }
        let resumes = walked
            .stops()
            .iter()
            .any(|stop| matches!(stop, Stop::Limit | Stop::Deadline));
        let shown = walked.node_count();
        let cursor = resumes.then(|| mark.cursor(shown, walked.sum(shown).unwrap_or_default()));
        Ok(Self(Arc::new(Answer {
            lineage: lineage.clone(),
            walked,
            view,
            cursor,
            deadline_ms,
            limits: resources.limits().clone(),
        })))
    }
}

/// The view of a page that follows a cursor.
async fn following(
    resources: &Resources,
    view: View,
    as_of: Option<AsOf>,
    cursor: Option<&Cursor>,
) -> Result<View, ApiError> {
    let Some(cursor) = cursor else { return Ok(view) };
    // An instant that has not come is the newest state, which was an earlier one when the first page was read.
    let is_to_come = matches!(as_of, Some(AsOf::Time(_))) && view.scope.revision == resources.newest().await?.revision;
    if is_to_come && cursor.revision < view.scope.revision {
        return Ok(View {
            scope: view.scope.as_of(cursor.revision),
            ..view
        });
    }
    if view.pinned && view.scope.revision != cursor.revision {
        let message = format!(
            "The cursor in after is of an answer as of revision {}, but asOf asks for revision {}: leave asOf as it was, or begin again \
             without after.",
            cursor.revision, view.scope.revision
        );
        return Err(ApiError::bad_cursor("options.after", message));
    }
    let following = view.of_cursor(resources, Some(cursor.revision)).await;
    following.map_err(|error| error.about("options.after"))
}

/// The nodes of roots, each once; they must be there.
pub fn existing(snapshot: Snapshot<'_>, view: View, argument: &str, roots: &[NodeId]) -> Result<Vec<Node>, ApiError> {
    let mut nodes = Vec::with_capacity(roots.len());
    for &root in roots {
        let Some(node) = root.node().filter(|node| snapshot.has(*node)) else {
            let when = if view.pinned {
                format!(" as of revision {}", view.scope.revision)
            } else {
                String::new()
            };
            let message = format!("There is no node \"{root}\"{when}: use an id that the server has answered.");
            return Err(ApiError::not_found(message).about(argument));
        };
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

/// The filter with the artifacts that it names, which must be there.
async fn find_artifacts(resources: &Resources, view: View, named: NamedFilter) -> Result<Filter, ApiError> {
    let NamedFilter { artifacts, rest } = named;
    let Some(keys) = artifacts else { return Ok(rest) };
    let rows = resources.load_many(ArtifactByKey, view.scope, keys.clone()).await?;
    let mut nodes = Vec::with_capacity(rows.len());
    let mut unknown = None;
    let mut is_known = rest.partition.is_none();
    for (index, (row, key)) in rows.iter().zip(&keys).enumerate() {
        let Some(row) = row else {
            let message = format!(
                "There is no artifact {:?} in project {:?} and domain {:?}.",
                key.name, key.project, key.domain
            );
            return Err(ApiError::not_found(message).about(format!("options.where.artifacts[{index}]")));
        };
        nodes.extend(NodeId::Artifact(row.id).node());
        match rest
            .partition
            .as_ref()
            .map(|partition| PartitionTest::compile(row, partition))
        {
            Some(Err(error)) => unknown = Some(error),
            _ => is_known = true,
        }
    }
    if let Some(unknown) = unknown.filter(|_| !is_known) {
        return Err(ApiError::from(unknown).about("options.where.partition"));
    }
    nodes.sort_unstable();
    nodes.dedup();
    Ok(Filter {
        artifacts: Some(nodes),
        ..rest
    })
}

/// Refuses projects that do not exist, and artifacts that are in none of them: the answer would look as if there were nothing.
fn check_projects(graph: Snapshot<'_>, filter: &Filter) -> Result<(), ApiError> {
    let Some(projects) = &filter.projects else {
        return Ok(());
    };
    if let Some(unknown) = projects.iter().find(|project| !graph.knows_project(project)) {
        let message = format!("There is no project {unknown:?}.");
        return Err(ApiError::not_found(message).about("options.where.projects"));
    }
    let is_outside = |artifact: &&Node| !projects.iter().any(|project| project == graph.key(**artifact)[0]);
    if let Some(artifact) = filter.artifacts.iter().flatten().find(is_outside) {
        let [project, _, name] = graph.key(*artifact);
        let message = format!(
            "The artifact {name:?} is in project {project:?}, which is not among projects: nothing can pass both, so leave one of them out."
        );
        return Err(ApiError::bad_user_input("options.where.projects", message));
    }
    Ok(())
}

/// What tells the pages of one answer from those of any other.
struct Mark {
    revision: i64,
    recorded_at: i64,
    question: [u8; 4],
}

/// A place in an answer: the state of the store, which store that was, how many nodes have been shown, and of which question.
///
/// The walk is the same every time, so that their number says where it stood, in 32 bytes. The last four bytes are a digest of the
/// others.
struct Cursor {
    revision: i64,
    recorded_at: i64,
    shown: u32,
    /// A sum of the nodes that have been shown.
    sum: u32,
    question: [u8; 4],
}

const CURSOR_BYTES: usize = 32;

impl Mark {
    fn of(question: &Question, snapshot: Snapshot<'_>) -> Self {
        let mut roots: Vec<String> = question
            .roots
            .iter()
            .map(|root| NodeId::from(*root).to_string())
            .collect();
        roots.sort_unstable();
        let asked = format!(
            "{roots:?} {:?} {:?} {:?} {:?} {:?}",
            question.direction, question.level, question.depth, question.fan_out, question.filter
        );
        Self {
            revision: question.revision,
            recorded_at: snapshot.time_of(question.revision).0,
            question: digest(&asked),
        }
    }

    fn cursor(&self, shown: usize, sum: u32) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend(self.revision.to_be_bytes());
        bytes.extend(self.recorded_at.to_be_bytes());
        bytes.extend(u32::try_from(shown).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(sum.to_be_bytes());
        bytes.extend(self.question);
        let all = digest(&BASE64URL_NOPAD.encode(&bytes));
        bytes.extend(all);
        BASE64URL_NOPAD.encode(&bytes)
    }
}

fn digest(text: &str) -> [u8; 4] {
    let digest = Digest::of(b"lineage cursor", &[text]);
    let mut sum = [0; 4];
    sum.copy_from_slice(&digest.to_vec()[..4]);
    sum
}

impl Cursor {
    fn read(text: &str) -> Result<Self, ApiError> {
        let malformed = || {
            let message = "The cursor in after is none: use the endCursor of the page before, as it is.";
            ApiError::bad_cursor("options.after", message)
        };
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| malformed())?;
        let (content, given) = bytes.split_last_chunk::<4>().ok_or_else(malformed)?;
        if *given != digest(&BASE64URL_NOPAD.encode(content)) {
            return Err(malformed());
        }
        let (revision, rest) = content.split_first_chunk::<8>().ok_or_else(malformed)?;
        let (recorded_at, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let (shown, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        Ok(Self {
            revision: i64::from_be_bytes(*revision),
            recorded_at: i64::from_be_bytes(*recorded_at),
            shown: u32::from_be_bytes(*shown),
            sum: u32::from_be_bytes(*sum),
            question: rest.try_into().map_err(|_| malformed())?,
        })
    }

    /// How many nodes have been shown, if it is a cursor of this answer.
    fn skip(&self, mark: &Mark) -> Result<usize, ApiError> {
        if self.recorded_at != mark.recorded_at {
            let message = "The cursor in after is of another store, or of one that has been made anew since: begin again without it.";
            return Err(ApiError::bad_cursor("options.after", message));
        }
        if self.question != mark.question {
            let message = "The cursor in after is of another question: give the roots and the options of the page that it came from, \
                           or begin again without it.";
            return Err(ApiError::bad_cursor("options.after", message));
        }
        Ok(self.shown as usize)
    }
}
