//! Recording executions with what they took in and gave out (rules 15 to 17).

use entity::{ExecutionId, NEVER, NO_TIME, VersionId, edge, execution, run_story};

use super::apply::{ApplyError, version_or_placeholder};
use super::merge::{Contradiction, Fields, default_kind};
use super::prepare::{InputVersion, Mode, PreparedExecution, PreparedInput, PreparedOutput};
use super::rejection::{NodeRef, Rejection, RejectionCode, Touched, Verdict};
use super::story::{read, write};
use super::version::{produce, within};
use crate::domain::key::{Digest, ExecutionKey};
use crate::domain::openlineage::{Extent, RunStory};
use crate::domain::record::ExecutionState;
use crate::store::StoreError;
use crate::store::ledger::{Ledger, Needs};
use crate::store::resolve::{SelectError, version_select};

/// Merges a record into its execution.
pub async fn record(ledger: &mut Ledger, given: &PreparedExecution) -> Result<Verdict, ApplyError> {
    // First, because a query reads the database: nothing of this record may have been written when it is refused.
    let chosen = resolve_queries(ledger, given).await?;
    let parent = given
        .parent
        .as_ref()
        .map(|(key, digest)| execution_or_placeholder(ledger, key, *digest).id);
    let mut row = execution_or_placeholder(ledger, &given.key, given.digest);
    let created = row.reported_revision == NEVER;
    let merged = merge_fields(ledger, &mut row, given, parent).await?;
    if created {
        row.reported_revision = ledger.revision();
    }
    let id = row.id;
    if created || merged {
        ledger.executions.put(given.digest, row);
    }
    let inputs = add_inputs(ledger, id, &given.inputs, &chosen);
    let outputs = add_outputs(ledger, id, given).await?;
    if outputs {
        // A run does not read what it writes itself.
        ledger.unsettle_inputs_of(id);
    }
    let touched = Touched {
        created,
        ..Touched::known(NodeRef::Execution(id))
    };
    Ok(if created || merged || inputs || outputs {
        Verdict::Applied(touched)
    } else {
        Verdict::Unchanged(touched)
    })
}

/// Merges what a record gives into a row; whether it is news.
async fn merge_fields(
    ledger: &mut Ledger,
    row: &mut execution::Model,
    record: &PreparedExecution,
    parent: Option<ExecutionId>,
) -> Result<bool, ApplyError> {
    debug_assert!(ledger.executions.knows(&record.digest), "the execution was not loaded");
    let given = Fields::recorded(record, parent);
    let refuse = |contradiction| contradiction_of(record, contradiction);
    let Some(stored) = ledger.run_stories.get(&row.id).cloned() else {
        let mut fields = Fields::of(row)?;
        let changed = fields.merge(given).map_err(refuse)?;
        fields.put(row);
        return Ok(changed);
    };
    let told = told(ledger, &record.key, &stored).await?;
    told.clone().merge(given.clone()).map_err(refuse)?;
    let mut fields: Fields = read(stored.recorded.as_deref())?;
    let changed = fields.merge(given).map_err(refuse)?;
    let recorded = Some(write(&fields)?);
    if changed {
        ledger.run_stories.put(row.id, run_story::Model { recorded, ..stored });
    }
    fields.and(told).put(row);
    Ok(changed)
}

/// What events tell of an execution.
async fn told(ledger: &mut Ledger, key: &ExecutionKey, stored: &run_story::Model) -> Result<Fields, StoreError> {
    let story: RunStory = read(Some(&stored.story))?;
    let meaning = story.meaning_of(&Extent::none(), Clone::clone);
    let parent = meaning.parent.as_ref().filter(|parent| *parent != key);
    let mut needs = Needs::default();
    needs.parents.extend(parent.map(ExecutionKey::digest));
    ledger.load(&needs).await?;
    let parent = parent.and_then(|parent| ledger.executions.get(&parent.digest()));
    Ok(Fields::told(&meaning, parent.map(|row| row.id)))
}

fn contradiction_of(given: &PreparedExecution, Contradiction(field): Contradiction) -> Rejection {
    let along = given
        .state
        .map_or("without a state".to_owned(), |s| format!("in state {}", s.as_str()));
    let message = format!(
        "The execution {:?} has another {field} from a record that is as far along ({along}): the first stays; send what is new with a later state.",
        given.key.name
    );
    Rejection::new(RejectionCode::Conflict, format!("execution.{field}"), message)
}

/// The execution under a key, or a row that has been named and not reported yet.
pub fn execution_or_placeholder(ledger: &mut Ledger, key: &ExecutionKey, digest: Digest) -> execution::Model {
    if let Some(row) = ledger.executions.get(&digest) {
        return row.clone();
    }
    let row = execution::Model {
        id: ledger.next_execution_id(),
        key_digest: digest.to_vec(),
        project: key.project.clone(),
        domain: key.domain.clone(),
        name: key.name.clone(),
        revision: ledger.revision(),
        reported_revision: NEVER,
        kind: default_kind(false).as_str().to_owned(),
        state: ExecutionState::Queued.as_str().to_owned(),
        entity: None,
        entity_version: None,
        node_id: None,
        attempt: None,
        principal: None,
        parent_id: None,
        started_at: NO_TIME,
        ended_at: None,
        error: None,
        metadata: None,
        field_ranks: String::new(),
    };
    ledger.executions.put(digest, row.clone());
    row
}

/// The version that each input given by a query stands for: chosen before, or chosen now. One for each input, none
/// where the input names its version.
async fn resolve_queries(ledger: &mut Ledger, given: &PreparedExecution) -> Result<Vec<Option<VersionId>>, ApplyError> {
    let known = ledger.executions.get(&given.digest).map(|e| e.id);
    let mut chosen = Vec::with_capacity(given.inputs.len());
    for (index, input) in given.inputs.iter().enumerate() {
        chosen.push(match &input.version {
            InputVersion::Exact(..) => None,
            InputVersion::Query(query, digest) => {
                let before = known.and_then(|id| ledger.resolved(id, *digest));
                Some(match before {
                    Some(version) => version,
                    None => choose(ledger, index, &input.name, query).await?,
                })
            }
        });
    }
    Ok(chosen)
}

async fn choose(
    ledger: &mut Ledger,
    index: usize,
    name: &str,
    query: &crate::domain::filter::VersionKeyQuery,
) -> Result<VersionId, ApplyError> {
    ledger.flush().await?;
    let place = format!("execution.inputs.{index}.version");
    let refuse = |code, message| Rejection::new(code, place.as_str(), message);
    let selection = version_select(ledger.transaction(), &ledger.scope(), query)
        .await
        .map_err(|error| match error {
            SelectError::UnknownKey(unknown) => {
                ApplyError::Rejected(refuse(RejectionCode::UnknownPartitionKey, unknown.to_string()))
            }
            SelectError::Store(error) => ApplyError::Store(error),
        })?;
    let found = selection.version.map(|version| version.id);
    found.ok_or_else(|| {
        let message =
            format!("No version matches the query of input {name:?}: produce one first, or name the version exactly.");
        refuse(RejectionCode::NotFound, message).into()
    })
}

/// Adds the edges of inputs, and keeps what queries chose; whether something of it is new.
fn add_inputs(ledger: &mut Ledger, id: ExecutionId, inputs: &[PreparedInput], chosen: &[Option<VersionId>]) -> bool {
    let mut new = false;
    for (input, chosen) in inputs.iter().zip(chosen) {
        let version_id = match (&input.version, chosen) {
            (InputVersion::Query(_, digest), Some(version)) => {
                new |= ledger.add_resolved(id, *digest, *version);
                *version
            }
            (InputVersion::Exact(artifact, version), _) => version_or_placeholder(ledger, artifact, version).id,
            (InputVersion::Query(..), None) => continue,
        };
        new |= ledger.record_edge(id, edge::INPUT, &input.name, version_id);
    }
    new
}

/// Records the versions that an execution produced, with their edges; whether there are new ones. A version that
/// another execution produced with the same content gets one more producing edge.
async fn add_outputs(ledger: &mut Ledger, id: ExecutionId, given: &PreparedExecution) -> Result<bool, ApplyError> {
    let mut new = false;
    for (
        index,
        PreparedOutput {
            name,
            version,
            announced,
        },
    ) in given.outputs.iter().enumerate()
    {
        let (row, created) = if *announced {
            (
                version_or_placeholder(ledger, &version.artifact, &version.version),
                false,
            )
        } else {
            produce(ledger, version, Mode::Ingest)
                .await
                .map_err(|e| within(e, &format!("execution.outputs.{index}.version")))?
        };
        new |= created | ledger.record_edge(id, edge::OUTPUT, name, row.id);
    }
    Ok(new)
}
