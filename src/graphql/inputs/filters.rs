//! What lists are filtered by.

use async_graphql::{ID, InputObject, MaybeUndefined};
use serde_json::Value;

use super::queries::PartitionFilter;
use super::{DateTimeRange, ExecutionKey};
use crate::domain::key::{self, check_text};
use crate::domain::openlineage::Dataset;
use crate::domain::{Invalid, filter};
use crate::graphql::enums::{EventKind, EventType, ExecutionKind, ExecutionState, VersionState};
use crate::graphql::error::ApiError;
use crate::graphql::node_id::expect_execution;
use crate::graphql::scalars::Json;
use crate::store::artifact_list::ArtifactFilter as StoredArtifactFilter;
use crate::store::event::{EventFilter as StoredEventFilter, EventSubject};
use crate::store::execution_list::ExecutionFilter as StoredExecutionFilter;
use crate::store::version_list::{MetadataFilter as StoredMetadataFilter, VersionFilter as StoredVersionFilter};

/// A filter on artifacts: every part that is given must hold.
#[derive(InputObject, Clone, Debug)]
pub struct ArtifactFilter {
    /// Of this project.
    pub project: Option<String>,
    /// Of this domain.
    pub domain: Option<String>,
    /// With exactly this name.
    pub name: Option<String>,
    /// With this in the name; the case of the letters A to Z does not matter.
    pub name_contains: Option<String>,
    /// Whether it has a partition key or a time partition.
    pub partitioned: Option<bool>,
    /// With this partition key.
    pub has_partition_key: Option<String>,
    /// Whose `updatedAt` is in this span.
    pub updated_at: Option<DateTimeRange>,
}

/// A filter on versions: every part that is given must hold.
#[derive(InputObject, Clone, Debug)]
pub struct VersionFilter {
    /// In a partition like this. It finds no REFERENCED version and none that is flagged in `schemaMismatch`.
    pub partition: Option<PartitionFilter>,
    /// Whose `createdAt` is in this span.
    pub created_at: Option<DateTimeRange>,
    /// In one of these states; null: in any, and `[]` finds nothing.
    pub states: Option<Vec<VersionState>>,
    /// Which this execution produced, as the first or a further one.
    pub produced_by: Option<ExecutionKey>,
    /// Whose `principal` is this.
    pub principal: Option<String>,
    /// At which this alias stands.
    pub alias: Option<String>,
    /// Whose `type` is this.
    #[graphql(name = "type")]
    pub data_type: Option<String>,
    /// Whose metadata passes all of these tests.
    pub metadata: Option<Vec<MetadataFilter>>,
}

/// A filter on one entry of a version's metadata. Give at least one test; all that are given must hold.
#[derive(InputObject, Clone, Debug)]
pub struct MetadataFilter {
    /// The entry's name, at the top of the metadata object; names inside of it cannot be asked for.
    pub key: String,
    /// Its value is equal to this one: numbers by value, objects whatever the order of their entries; `null` is the entry that
    /// holds null.
    pub eq: MaybeUndefined<Json>,
    /// Its value is equal to one of these.
    #[graphql(name = "in")]
    pub is_in: Option<Vec<Json>>,
    /// Whether there is such an entry.
    pub exists: Option<bool>,
}

/// A filter on executions: every part that is given must hold.
#[derive(InputObject, Clone, Debug)]
pub struct ExecutionFilter {
    /// Of this project.
    pub project: Option<String>,
    /// Of this domain.
    pub domain: Option<String>,
    /// Of this kind.
    pub kind: Option<ExecutionKind>,
    /// In one of these states; null: in any, and `[]` finds nothing.
    pub states: Option<Vec<ExecutionState>>,
    /// Of the workflow or task with this name.
    pub entity: Option<String>,
    /// Run by this principal.
    pub principal: Option<String>,
    /// Whose `startedAt` is in this span; one that has not started is in none.
    pub started_at: Option<DateTimeRange>,
}

/// A filter on OpenLineage events: every part that is given must hold.
#[derive(InputObject, Clone, Debug)]
pub struct EventFilter {
    /// About this.
    pub kind: Option<EventKind>,
    /// Of one of these types; null: of any or none, and `[]` finds nothing.
    pub types: Option<Vec<EventType>>,
    /// Whose `eventTime` is in this span.
    pub event_time: Option<DateTimeRange>,
    /// Of this job, or of a run of it. Not together with `dataset`.
    pub job: Option<EventNameInput>,
    /// About this dataset, apart from any run. Not together with `job`.
    pub dataset: Option<EventNameInput>,
    /// Of the run with this id.
    pub run_id: Option<String>,
    /// About this execution, by its id.
    pub execution: Option<ID>,
}

/// A name of OpenLineage.
#[derive(InputObject, Clone, Debug)]
pub struct EventNameInput {
    /// The namespace, such as `s3://lake` or `airflow`.
    pub namespace: String,
    /// The name in there.
    pub name: String,
}

impl EventFilter {
    /// As the store takes it.
    pub fn into_stored(given: Option<Self>) -> Result<StoredEventFilter, ApiError> {
        let Some(given) = given else {
            return Ok(StoredEventFilter::default());
        };
        let named = |name: EventNameInput| Dataset {
            namespace: name.namespace,
            name: name.name,
        };
        let subject = match (given.job, given.dataset) {
            (Some(_), Some(_)) => {
                let message = "where has both a job and a dataset: no event is about both, so give one.";
                return Err(ApiError::bad_user_input("where.dataset", message));
            }
            (Some(job), None) => Some((EventSubject::Job, named(job))),
            (None, Some(dataset)) => Some((EventSubject::Dataset, named(dataset))),
            (None, None) => None,
        };
        let texts = subject
            .iter()
            .flat_map(|(_, name)| [&name.namespace, &name.name])
            .chain(&given.run_id);
        texts.map(Some).try_for_each(|given| text("where", given))?;
        let execution = given.execution.map(|id| expect_execution("where.execution", &id));
        Ok(StoredEventFilter {
            kind: given.kind.map(Into::into),
            types: given.types.map(|types| types.into_iter().map(Into::into).collect()),
            event_time: range("where.eventTime", given.event_time)?,
            subject,
            run_id: given.run_id,
            execution: execution.transpose()?,
            artifact: None,
        })
    }
}

/// A span of time in the argument `argument`, checked.
fn range(argument: &str, given: Option<DateTimeRange>) -> Result<Option<filter::DateTimeRange>, Invalid> {
    let range = given.map(filter::DateTimeRange::from);
    range.map_or(Ok(()), |range| range.validate(argument))?;
    Ok(range)
}

fn text(argument: &str, given: Option<&String>) -> Result<(), Invalid> {
    check_text(argument, given.map(String::as_str))
}

/// The filter on partitions in the argument `argument`, checked; none when it asks for nothing.
pub fn partition(argument: &str, given: Option<PartitionFilter>) -> Result<Option<filter::PartitionFilter>, ApiError> {
    let filter = given
        .map(filter::PartitionFilter::from)
        .filter(|filter| !filter.is_empty());
    filter
        .as_ref()
        .map_or(Ok(()), filter::PartitionFilter::validate)
        .map_err(|invalid| invalid.within(argument))?;
    Ok(filter)
}

impl ArtifactFilter {
    /// As the store takes it.
    pub fn into_stored(given: Option<Self>) -> Result<StoredArtifactFilter, ApiError> {
        let Some(given) = given else {
            return Ok(StoredArtifactFilter::default());
        };
        let texts = [
            ("project", &given.project),
            ("domain", &given.domain),
            ("name", &given.name),
            ("nameContains", &given.name_contains),
            ("hasPartitionKey", &given.has_partition_key),
        ];
        texts
            .into_iter()
            .try_for_each(|(argument, given)| text(argument, given.as_ref()))
            .map_err(in_where)?;
        Ok(StoredArtifactFilter {
            project: given.project,
            domain: given.domain,
            name: given.name,
            name_contains: given.name_contains,
            partitioned: given.partitioned,
            has_partition_key: given.has_partition_key,
            updated_at: range("updatedAt", given.updated_at).map_err(in_where)?,
        })
    }
}

impl VersionFilter {
    /// As the store takes it, and apart from it the filter on partitions, which each artifact understands in its own way.
    pub fn into_stored(
        given: Option<Self>,
    ) -> Result<(StoredVersionFilter, Option<filter::PartitionFilter>), ApiError> {
        let Some(given) = given else {
            return Ok((StoredVersionFilter::default(), None));
        };
        let texts = [
            ("principal", &given.principal),
            ("alias", &given.alias),
            ("type", &given.data_type),
        ];
        texts
            .into_iter()
            .try_for_each(|(argument, given)| text(argument, given.as_ref()))
            .map_err(in_where)?;
        let produced_by = given.produced_by.map(key::ExecutionKey::from);
        produced_by
            .as_ref()
            .map_or(Ok(()), key::ExecutionKey::validate)
            .map_err(|e| in_where(e.within("producedBy")))?;
        let metadata = given
            .metadata
            .unwrap_or_default()
            .into_iter()
            .map(MetadataFilter::into_stored)
            .collect::<Result<_, _>>();
        let stored = StoredVersionFilter {
            created_at: range("createdAt", given.created_at).map_err(in_where)?,
            states: given.states.map(|states| states.into_iter().map(Into::into).collect()),
            produced_by,
            principal: given.principal,
            alias: given.alias,
            data_type: given.data_type,
            metadata: metadata.map_err(|e: Invalid| in_where(e.within("metadata")))?,
        };
        Ok((stored, partition("where.partition", given.partition)?))
    }
}

impl MetadataFilter {
    fn into_stored(self) -> Result<StoredMetadataFilter, Invalid> {
        check_text("key", Some(&self.key))?;
        let eq = match self.eq {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(Value::Null),
            MaybeUndefined::Value(json) => Some(value(&json)?),
        };
        let is_in = self
            .is_in
            .map(|list| list.iter().map(value).collect::<Result<_, _>>())
            .transpose()?;
        if eq.is_none() && is_in.is_none() && self.exists.is_none() {
            return Err(Invalid::new(
                "",
                format!("The filter on {:?} tests nothing: give eq, in or exists.", self.key),
            ));
        }
        Ok(StoredMetadataFilter {
            key: self.key,
            eq,
            is_in,
            exists: self.exists,
        })
    }
}

fn value(Json(text): &Json) -> Result<Value, Invalid> {
    serde_json::from_str(text).map_err(|_| Invalid::new("", "A value to compare metadata with is no JSON."))
}

impl ExecutionFilter {
    /// As the store takes it.
    pub fn into_stored(given: Option<Self>) -> Result<StoredExecutionFilter, ApiError> {
        let Some(given) = given else {
            return Ok(StoredExecutionFilter::default());
        };
        let texts = [
            ("project", &given.project),
            ("domain", &given.domain),
            ("entity", &given.entity),
            ("principal", &given.principal),
        ];
        texts
            .into_iter()
            .try_for_each(|(argument, given)| text(argument, given.as_ref()))
            .map_err(in_where)?;
        Ok(StoredExecutionFilter {
            project: given.project,
            domain: given.domain,
            kind: given.kind.map(Into::into),
            states: given.states.map(|states| states.into_iter().map(Into::into).collect()),
            entity: given.entity,
            principal: given.principal,
            started_at: range("startedAt", given.started_at).map_err(in_where)?,
        })
    }
}

fn in_where(invalid: Invalid) -> ApiError {
    invalid.within("where").into()
}
