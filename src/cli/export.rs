//! `heirloom export`: everything recorded, as records, one a line.
//!
//! Importing an export into an empty store gives a store whose export is the same. What an export does not hold: the
//! past (revisions, earlier places of aliases, the content of deleted versions), and which query chose an input.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use heirloom::config::Config;
use heirloom::domain::key::ExecutionKey;
use heirloom::domain::record::{ExecutionKind, ExecutionState, Record, RecordExecution};
use heirloom::domain::time::Timestamp;
use heirloom::service::merge::Ranks;
use heirloom::store::StoreError;
use heirloom::store::export::{Exported, ExportedExecution, object};
use indicatif::{ProgressBar, ProgressStyle};

use super::database::{self, Behind};
use super::output::Output;

/// What to export, and where to.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write, compressed when its name ends with `.gz`; else standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What had been recorded up to this revision. Executions show what is known of them now.
    #[arg(long, value_name = "REVISION")]
    as_of: Option<i64>,
}

/// Exports.
pub async fn run(config: &Config, arguments: Arguments) -> Result<ExitCode> {
    let store = database::open_existing(config, Behind::MigrateFile).await?;
    let mut export = store.export().await?;
    if let Some(revision) = arguments.as_of {
        if !(0..=export.revision()).contains(&revision) {
            bail!("there is no revision {revision}: the newest is {}", export.revision());
        }
        export = export.as_of(revision);
    }
    let mut output = Output::open(arguments.output.as_deref())?;
    // Beside records on a terminal there is no room for a count of them.
    let progress = if arguments.output.is_some() {
        counter()
    } else {
        ProgressBar::hidden()
    };
    let mut records = 0_u64;
    while let Some(chunk) = export.next().await? {
        for exported in chunk {
            for record in records_of(exported)? {
                serde_json::to_writer(output.writer(), &record).map_err(std::io::Error::from)?;
                output.writer().write_all(b"\n")?;
                records += 1;
            }
        }
        progress.set_position(records);
    }
    output.finish()?;
    progress.finish_and_clear();
    eprintln!("{records} records as of revision {}", export.revision());
    drop(export);
    store.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn counter() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} records")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn records_of(exported: Exported) -> Result<Vec<Record>, StoreError> {
    match exported {
        Exported::Record(record) => Ok(vec![record]),
        Exported::Execution(execution) => execution_records(*execution),
    }
}

/// The records of an execution: one for each stage of its life from which a field has stayed. Told all at once, a
/// field that only an early record gave would weigh as much as the last, and merge otherwise with records to come.
fn execution_records(execution: ExportedExecution) -> Result<Vec<Record>, StoreError> {
    let stored = &execution.row.field_ranks;
    let ranks = Ranks::parse(stored).ok_or_else(|| StoreError::Inconsistent(format!("field ranks: {stored:?}")))?;
    let mut stages = ranks.records();
    if stages.is_empty() {
        stages.push((None, None, Vec::new()));
    }
    let mut records = Vec::with_capacity(stages.len());
    for (state, end, fields) in stages {
        records.push(stage(&execution, state, end, &fields)?);
    }
    if let Some(last) = records.last_mut() {
        last.inputs = Some(execution.inputs).filter(|inputs| !inputs.is_empty());
        last.outputs = Some(execution.outputs).filter(|outputs| !outputs.is_empty());
    }
    Ok(records.into_iter().map(Record::Execution).collect())
}

/// What one stage said: its own state and end, and the fields that it gave.
fn stage(
    execution: &ExportedExecution,
    state: Option<ExecutionState>,
    end: Option<i64>,
    fields: &[&str],
) -> Result<RecordExecution, StoreError> {
    let row = &execution.row;
    let text = |field: &str, value: &Option<String>| value.clone().filter(|_| fields.contains(&field));
    let gives = |field: &str| fields.contains(&field);
    Ok(RecordExecution {
        key: ExecutionKey {
            project: row.project.clone(),
            domain: row.domain.clone(),
            name: row.name.clone(),
        },
        kind: gives("kind").then(|| ExecutionKind::from_stored(&row.kind)),
        state,
        entity: text("entity", &row.entity),
        entity_version: text("entityVersion", &row.entity_version),
        node_id: text("nodeId", &row.node_id),
        attempt: row.attempt.filter(|_| gives("attempt")),
        principal: text("principal", &row.principal),
        parent: execution.parent.clone().filter(|_| gives("parent")),
        started_at: gives("startedAt").then_some(Timestamp(row.started_at)),
        ended_at: if gives("endedAt") { row.ended_at } else { end }.map(Timestamp),
        error: text("error", &row.error),
        metadata: row
            .metadata
            .as_deref()
            .filter(|_| gives("metadata"))
            .map(object)
            .transpose()?,
        inputs: None,
        outputs: None,
    })
}

#[cfg(test)]
mod tests {
    use super::execution_records;
    use entity::{ExecutionId, execution};
    use heirloom::store::export::ExportedExecution;

    fn lines(field_ranks: &str) -> Vec<String> {
        let row = execution::Model {
            id: ExecutionId(1),
            key_digest: vec![],
            project: "p".into(),
            domain: "d".into(),
            name: "n".into(),
            revision: 1,
            reported_revision: 1,
            kind: "TASK".into(),
            state: "SUCCEEDED".into(),
            entity: Some("train".into()),
            entity_version: None,
            node_id: None,
            attempt: Some(2),
            principal: None,
            parent_id: None,
            started_at: 0,
            ended_at: Some(7_000_000),
            error: None,
            metadata: Some("{\"a\":1}".into()),
            field_ranks: field_ranks.into(),
        };
        let execution = ExportedExecution {
            row,
            parent: None,
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
