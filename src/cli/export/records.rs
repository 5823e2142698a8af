//! The form of records, one a line.
//!
//! Importing an export into an empty store gives a store whose export is the same. What an export does not hold: the
//! past (revisions, earlier places of aliases, the content of deleted versions), and which query chose an input.

use anyhow::Result;
use heirloom::domain::filter::{VersionKeyQuery, VersionQuery};
use heirloom::domain::record::{ExecutionInput, ExecutionState, Record, RecordExecution};
use heirloom::domain::time::Timestamp;
use heirloom::service::merge::Ranks;
use heirloom::store::StoreError;
use heirloom::store::export::{Edges, Export, ExportedExecution, ExportedInput};

use super::{Sink, each};

/// Writes them.
pub async fn write(export: &Export, sink: &mut Sink) -> Result<()> {
    each(export.declarations(), |declared| sink.line(&Record::Artifact(declared))).await?;
    each(export.contents(), |content| sink.line(&Record::Version(content))).await?;
    each(export.executions(Edges::All), |execution| {
        let mut records = execution_records(execution)?.into_iter();
        records.try_for_each(|record| sink.line(&record))
    })
    .await?;
    each(export.aliases(), |alias| sink.line(&Record::Alias(alias))).await?;
    each(export.deletions(), |deletion| sink.line(&Record::Deletion(deletion))).await
}

/// The records of an execution: one for each stage of its life from which a field has stayed. Told all at once, a
/// field that only an early record gave would weigh as much as the last, and merge otherwise with records to come.
fn execution_records(execution: ExportedExecution) -> Result<Vec<Record>, StoreError> {
    let stored = &execution.field_ranks;
    let ranks = Ranks::parse(stored).ok_or_else(|| StoreError::Inconsistent(format!("field ranks: {stored:?}")))?;
    let mut stages = ranks.records();
    if stages.is_empty() {
        stages.push((None, None, Vec::new()));
    }
    let mut records = Vec::with_capacity(stages.len());
    for (state, end, fields) in stages {
        records.push(stage(&execution.record, state, end, &fields));
    }
    if let Some(last) = records.last_mut() {
        let inputs = execution.inputs.into_iter().map(input).collect();
        last.inputs = Some(inputs).filter(|inputs: &Vec<_>| !inputs.is_empty());
        last.outputs = Some(execution.outputs).filter(|outputs| !outputs.is_empty());
    }
    Ok(records.into_iter().map(Record::Execution).collect())
}

fn input(input: ExportedInput) -> ExecutionInput {
    ExecutionInput {
        name: input.name,
        version: VersionQuery::Key(VersionKeyQuery {
            artifact: input.artifact,
            version: Some(input.version),
            alias: None,
            partition: None,
        }),
    }
}

/// What one stage said: its own state and end, and the fields that it gave.
fn stage(known: &RecordExecution, state: Option<ExecutionState>, end: Option<i64>, fields: &[&str]) -> RecordExecution {
    let gives = |field: &str| fields.contains(&field);
    let text = |field: &str, value: &Option<String>| value.clone().filter(|_| gives(field));
    RecordExecution {
        key: known.key.clone(),
        kind: known.kind.filter(|_| gives("kind")),
        state,
        entity: text("entity", &known.entity),
        entity_version: text("entityVersion", &known.entity_version),
        node_id: text("nodeId", &known.node_id),
        attempt: known.attempt.filter(|_| gives("attempt")),
        principal: text("principal", &known.principal),
        parent: known.parent.clone().filter(|_| gives("parent")),
        started_at: known.started_at.filter(|_| gives("startedAt")),
        ended_at: if gives("endedAt") {
            known.ended_at
        } else {
            end.map(Timestamp)
        },
        error: text("error", &known.error),
        metadata: known.metadata.clone().filter(|_| gives("metadata")),
        inputs: None,
        outputs: None,
    }
}

#[cfg(test)]
mod tests {
    use super::execution_records;
    use heirloom::domain::time::Timestamp;
    use heirloom::store::export::ExportedExecution;
    use serde_json::json;

    fn lines(field_ranks: &str) -> Vec<String> {
        let known = json!({
            "key": { "project": "p", "domain": "d", "name": "n" }, "kind": "TASK", "state": "SUCCEEDED", "entity": "train", "attempt": 2,
            "startedAt": "1970-01-01", "endedAt": "1970-01-01T00:00:07Z", "metadata": { "a": 1 },
        });
        let execution = ExportedExecution {
            record: serde_json::from_value(known).unwrap(),
            field_ranks: field_ranks.into(),
            parent_entity: None,
            recorded_at: Timestamp(0),
            inputs: vec![],
            outputs: vec![],
        };
        let records = execution_records(execution).unwrap();
        records
            .iter()
            .map(|record| serde_json::to_string(record).unwrap())
            .collect()
    }

    #[test]
    fn each_stage_says_what_it_gave() {
        let key = "{\"execution\":{\"key\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"n\"}";
        assert_eq!(lines(""), [format!("{key}}}}}")]);
        let none = i64::MIN;
        assert_eq!(
            lines(&format!("2,{none},0=eb;3,7000000,4=samf")),
            [
                format!("{key},\"state\":\"RUNNING\",\"entity\":\"train\",\"startedAt\":\"1970-01-01T00:00:00Z\"}}}}"),
                format!(
                    "{key},\"state\":\"SUCCEEDED\",\"attempt\":2,\"endedAt\":\"1970-01-01T00:00:07Z\",\"metadata\":{{\"a\":1}}}}}}"
                ),
            ]
        );
    }
}
