//! Executions told as [OpenLineage](https://openlineage.io) run events, of specification 2-0-2.
//!
//! An execution that came as records has no events of its own. It is told by those that a producer would have sent: START
//! where its start is known, and one more for its end. The last one has all that it took in and gave out.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::execution_urn;
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::openlineage::DOMAIN;
use crate::domain::record::{CreateVersion, ExecutionKind, ExecutionState, PartitionValue};
use crate::domain::time::Timestamp;
use crate::store::export::{ExportedExecution, ExportedInput};

const PRODUCER: &str = concat!("urn:heirloom:", env!("CARGO_PKG_VERSION"));
const SPECIFICATION: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/";
const FACETS: &str = "https://openlineage.io/spec/facets/";
/// The dimension of a subset in which the instant of a time partition stands; no partition key can be called so.
const TIME_DIMENSION: &str = "time_partition";

/// The events of an execution, in the order in which they would have been sent.
///
/// An event has a time. Where the end of a run that is over is not known, it is that of the last thing it gave out, or else of its
/// start; where nothing is known, the time at which the store first heard of it.
pub fn events(execution: &ExportedExecution) -> Vec<Value> {
    let record = &execution.record;
    let state = record.state.unwrap_or(ExecutionState::Queued);
    let mut events = Vec::new();
    let is_over = state.is_final();
    if let Some(started_at) = record.started_at {
        events.push(event(execution, "START", started_at, !is_over));
    }
    if is_over || events.is_empty() {
        events.push(event(execution, last_type(state), last_time(execution), true));
    }
    events
}

fn last_type(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Queued => "OTHER",
        ExecutionState::Running => "RUNNING",
        ExecutionState::Failed => "FAIL",
        ExecutionState::Aborted => "ABORT",
        ExecutionState::Succeeded => "COMPLETE",
    }
}

fn last_time(execution: &ExportedExecution) -> Timestamp {
    let record = &execution.record;
    let made = execution.outputs.iter().filter_map(|output| output.version.created_at);
    let known = record.ended_at.or_else(|| made.max().max(record.started_at));
    known.unwrap_or(execution.recorded_at)
}

fn event(execution: &ExportedExecution, event_type: &str, at: Timestamp, is_last: bool) -> Value {
    let outputs: Vec<Value> = if is_last { outputs(execution) } else { Vec::new() };
    json!({
        "eventType": event_type,
        "eventTime": at.to_string(),
        "producer": PRODUCER,
        "schemaURL": format!("{SPECIFICATION}RunEvent"),
        "run": { "runId": run_id(&execution.record.key), "facets": run_facets(execution, is_last) },
        "job": job(execution),
        "inputs": execution.inputs.iter().map(input).collect::<Vec<_>>(),
        "outputs": outputs,
    })
}

fn outputs(execution: &ExportedExecution) -> Vec<Value> {
    execution
        .outputs
        .iter()
        .map(|output| self::output(&output.name, &output.version))
        .collect()
}

/// The UUID of a run: an execution's own name where it is one, as that of an event is; else one that follows from its key.
pub fn run_id(key: &ExecutionKey) -> String {
    let is_uuid = key.name.len() == 36 && Uuid::try_parse(&key.name).is_ok();
    if is_uuid {
        return key.name.clone();
    }
    Uuid::new_v5(&Uuid::NAMESPACE_URL, execution_urn(key).as_bytes()).to_string()
}

/// The namespace of a project and domain. A slash in the domain is escaped, so that the last one parts the two, whatever
/// a project is called. The domain of what events name has no place in a namespace.
fn namespace(project: &str, domain: &str) -> String {
    if domain == DOMAIN {
        return project.to_owned();
    }
    let domain = domain.replace('%', "%25").replace('/', "%2F");
    format!("{project}/{domain}")
}

/// A job is what an execution is a run of; without a name for that, it is a job that has one run.
fn job_name<'a>(key: &'a ExecutionKey, entity: Option<&'a str>) -> &'a str {
    entity.filter(|entity| !entity.is_empty()).unwrap_or(&key.name)
}

fn job(execution: &ExportedExecution) -> Value {
    let record = &execution.record;
    let kind = record.kind.map_or("TASK", ExecutionKind::as_str);
    let job_type = json!({ "processingType": "BATCH", "integration": "HEIRLOOM", "jobType": kind });
    json!({
        "namespace": namespace(&record.key.project, &record.key.domain),
        "name": job_name(&record.key, record.entity.as_deref()),
        "facets": { "jobType": facet("2-0-4/JobTypeJobFacet", job_type) },
    })
}

fn run_facets(execution: &ExportedExecution, is_last: bool) -> Value {
    let record = &execution.record;
    let mut facets = Map::new();
    if let Some(parent) = &record.parent {
        let job = json!({
            "namespace": namespace(&parent.project, &parent.domain),
            "name": job_name(parent, execution.parent_entity.as_deref()),
        });
        let said = json!({ "run": { "runId": run_id(parent) }, "job": job });
        facets.insert("parent".into(), facet("1-2-0/ParentRunFacet", said));
    }
    if let Some(error) = record.error.as_deref().filter(|_| is_last) {
        let said = json!({ "message": error, "programmingLanguage": "UNKNOWN" });
        facets.insert("errorMessage".into(), facet("1-0-1/ErrorMessageRunFacet", said));
    }
    let own = json!({
        "key": record.key,
        "entityVersion": record.entity_version,
        "nodeId": record.node_id,
        "attempt": record.attempt,
        "principal": record.principal,
        "metadata": record.metadata,
    });
    facets.insert("heirloom".into(), own_facet("RunFacet", own));
    facets.into()
}

fn input(input: &ExportedInput) -> Value {
    let own = json!({ "name": input.name });
    let mut dataset = dataset(&input.artifact, &input.version, own);
    if let Some(condition) = condition(&input.partition, input.time_partition) {
        let schema = "1-0-0/BaseSubsetDatasetFacet.json#/$defs/InputSubsetInputDatasetFacet";
        let subset = with_schema(&format!("{FACETS}{schema}"), json!({ "inputCondition": condition }));
        dataset["inputFacets"] = json!({ "subset": subset });
    }
    dataset
}

fn output(name: &str, version: &CreateVersion) -> Value {
    let own = json!({
        "name": name,
        "location": version.location,
        "type": version.data_type,
        "description": version.description,
        "metadata": version.metadata,
        "card": version.card,
        "createdAt": version.created_at,
    });
    let mut dataset = dataset(&version.artifact, version.version.as_deref().unwrap_or_default(), own);
    if let Some(condition) = condition(&version.partition, version.time_partition) {
        let schema = "1-0-0/BaseSubsetDatasetFacet.json#/$defs/OutputSubsetOutputDatasetFacet";
        let subset = with_schema(&format!("{FACETS}{schema}"), json!({ "outputCondition": condition }));
        dataset["outputFacets"] = json!({ "subset": subset });
    }
    dataset
}

fn dataset(key: &ArtifactKey, version: &str, own: Value) -> Value {
    let version = facet("1-0-1/DatasetVersionDatasetFacet", json!({ "datasetVersion": version }));
    json!({
        "namespace": namespace(&key.project, &key.domain),
        "name": key.name,
        "facets": { "version": version, "heirloom": own_facet("DatasetFacet", own) },
    })
}

/// The partition of a version, as the one of a subset.
fn condition(values: &[PartitionValue], time: Option<Timestamp>) -> Option<Value> {
    let mut dimensions: Map<String, Value> = values
        .iter()
        .map(|value| (value.key.clone(), value.value.as_str().into()))
        .collect();
    if let Some(time) = time {
        dimensions.insert(TIME_DIMENSION.into(), time.to_string().into());
    }
    let partition = json!({ "type": "partition", "partitions": [{ "dimensions": dimensions }] });
    (!dimensions.is_empty()).then_some(partition)
}

/// One of the specification's facets, by version and name.
fn facet(schema: &str, said: Value) -> Value {
    let name = schema.rsplit('/').next().unwrap_or_default();
    with_schema(&format!("{FACETS}{schema}.json#/$defs/{name}"), said)
}

/// What the specification has no facet for; nothing is said of what is not known.
fn own_facet(kind: &str, mut said: Value) -> Value {
    if let Some(members) = said.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    with_schema(&format!("{SPECIFICATION}{kind}"), said)
}

fn with_schema(schema: &str, mut said: Value) -> Value {
    said["_producer"] = PRODUCER.into();
    said["_schemaURL"] = schema.into();
    said
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{events, namespace, run_id};
    use crate::domain::key::{ArtifactKey, ExecutionKey};
    use crate::domain::record::{CreateVersion, ExecutionOutput, ExecutionState, PartitionValue, RecordExecution};
    use crate::domain::time::Timestamp;
    use crate::store::export::{ExportedExecution, ExportedInput};

    fn execution(state: Option<ExecutionState>, started_at: Option<i64>, ended_at: Option<i64>) -> ExportedExecution {
        let mut record: RecordExecution =
            serde_json::from_value(json!({ "key": { "project": "p", "domain": "d", "name": "run" } })).unwrap();
        (record.state, record.entity) = (state, Some("train".into()));
        (record.started_at, record.ended_at) = (started_at.map(Timestamp), ended_at.map(Timestamp));
        let artifact = ArtifactKey {
            project: "p".into(),
            domain: "d".into(),
            name: "a".into(),
        };
        let mut made = CreateVersion::named(artifact.clone(), "2".into());
        made.created_at = Some(Timestamp(5_000_000));
        made.time_partition = Some(Timestamp(0));
        let input = ExportedInput {
            name: "in".into(),
            artifact,
            version: "1".into(),
            partition: vec![PartitionValue {
                key: "region".into(),
                value: "EU".into(),
            }],
            time_partition: None,
        };
        ExportedExecution {
            record,
            field_ranks: String::new(),
            parent_entity: None,
            recorded_at: Timestamp(9_000_000),
            inputs: vec![input],
            outputs: vec![ExecutionOutput {
                name: "out".into(),
                version: made,
                announced: false,
            }],
        }
    }

    fn told(execution: &ExportedExecution) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let line = |event: &Value| {
            let outputs = event["outputs"].as_array().unwrap().len();
            format!("{} {} {outputs}", word(&event["eventType"]), word(&event["eventTime"]))
        };
        events(execution).iter().map(line).collect()
    }

    #[test]
    fn a_run_is_told_by_its_start_and_its_end() {
        use ExecutionState::{Aborted, Failed, Queued, Running, Succeeded};
        let second = |n: i64| Some(n * 1_000_000);
        let at = |n: u8| format!("1970-01-01T00:00:0{n}Z");
        let cases = [
            (
                execution(Some(Succeeded), second(1), second(7)),
                vec![format!("START {} 0", at(1)), format!("COMPLETE {} 1", at(7))],
            ),
            (
                execution(Some(Failed), None, second(7)),
                vec![format!("FAIL {} 1", at(7))],
            ),
            (
                execution(Some(Aborted), second(1), None),
                vec![format!("START {} 0", at(1)), format!("ABORT {} 1", at(5))],
            ),
            (
                execution(Some(Running), second(1), None),
                vec![format!("START {} 1", at(1))],
            ),
            (
                execution(Some(Running), None, None),
                vec![format!("RUNNING {} 1", at(5))],
            ),
            (execution(Some(Queued), None, None), vec![format!("OTHER {} 1", at(5))]),
        ];
        for (execution, expected) in cases {
            assert_eq!(told(&execution), expected);
        }
        let mut silent = execution(None, None, None);
        silent.outputs.clear();
        assert_eq!(told(&silent), [format!("OTHER {} 0", at(9))]);
    }

    #[test]
    fn datasets_have_their_version_and_their_partition() {
        let event = &events(&execution(Some(ExecutionState::Running), Some(0), None))[0];
        assert_eq!(event["job"]["name"], "train");
        let input = &event["inputs"][0];
        assert_eq!((&input["namespace"], &input["name"]), (&json!("p/d"), &json!("a")));
        assert_eq!(input["facets"]["version"]["datasetVersion"], "1");
        let condition = json!({ "type": "partition", "partitions": [{ "dimensions": { "region": "EU" } }] });
        assert_eq!(input["inputFacets"]["subset"]["inputCondition"], condition);
        let condition = json!({ "type": "partition", "partitions": [{ "dimensions": { "time_partition": "1970-01-01T00:00:00Z" } }] });
        assert_eq!(
            event["outputs"][0]["outputFacets"]["subset"]["outputCondition"],
            condition
        );
    }

    #[test]
    fn runs_have_a_uuid_of_their_own() {
        let key = |name: &str, domain: &str| ExecutionKey {
            project: "p".into(),
            domain: domain.into(),
            name: name.into(),
        };
        let uuid = "0192b4f8-7c5e-7abc-8def-0123456789ab";
        assert_eq!(run_id(&key(uuid, "d")), uuid);
        assert_ne!(
            run_id(&key("0192b4f87c5e7abc8def0123456789ab", "d")),
            uuid,
            "only the form that the schema wants"
        );
        assert_eq!(run_id(&key("run", "d")), run_id(&key("run", "d")));
        assert_ne!(run_id(&key("run", "d")), run_id(&key("run", "e")));
        assert_ne!(namespace("a/b", "c"), namespace("a", "b/c"));
    }
}
