//! What an Airflow and the Spark job that it starts have sent on the last evening, as OpenLineage events.
//!
//! Orders are copied from the lake into the warehouse. The first attempt at the load fails, the second is good; a dashboard's
//! extract reads what it loaded by the name that the warehouse has for it.

use serde_json::{Value, json};

use super::calendar::Day;
use crate::domain::openlineage::Event;
use crate::domain::record::Record;
use crate::domain::time::Granularity;

/// The namespace of the jobs.
const JOBS: &str = "airflow";
const LAKE: &str = "s3://retail-lake";
const WAREHOUSE: &str = "snowflake://shop-eu";

/// The events of an evening.
pub(super) fn of_evening(day: Day) -> Vec<Record> {
    let day = day.label(Granularity::Day);
    let at = |time: &str| format!("{day}T{time}Z");
    let run = |task: &str| format!("warehouse-{day}-{task}");
    let event = |event_type: &str, time: &str, job: &str, id: &str| {
        json!({
            "eventType": event_type, "eventTime": at(time), "producer": "https://github.com/apache/airflow/tree/providers-openlineage",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": run(id), "facets": {}}, "job": {"namespace": JOBS, "name": job, "facets": {}}, "inputs": [], "outputs": [],
        })
    };
    let part = |mut event: Value| {
        event["run"]["facets"]["parent"] =
            json!({"run": {"runId": run("dag")}, "job": {"namespace": JOBS, "name": "warehouse"}});
        event
    };
    let reads = |mut event: Value, dataset: Value| {
        event["inputs"] = json!([dataset]);
        event
    };
    let writes = |mut event: Value, dataset: Value| {
        event["outputs"] = json!([dataset]);
        event
    };
    let dag = |mut event: Value| {
        event["job"]["facets"]["jobType"] =
            json!({"processingType": "BATCH", "integration": "AIRFLOW", "jobType": "DAG"});
        event["run"]["facets"]["nominalTime"] = json!({"nominalStartTime": at("21:00:00")});
        event
    };
    let raw = json!({
        "namespace": LAKE, "name": "orders/raw",
        "inputFacets": {"subset": {"inputCondition": {"type": "partition", "partitions": [{"dimensions": {"day": day}}]}}},
    });
    let clean = json!({
        "namespace": LAKE, "name": "orders/clean",
        "facets": {
            "schema": {"fields": [{"name": "order_id", "type": "BIGINT"}, {"name": "amount", "type": "DECIMAL(12,2)"}]},
            "columnLineage": {"fields": {"amount": {"inputFields": [{"namespace": LAKE, "name": "orders/raw", "field": "gross"}]}}},
        },
        "outputFacets": {"outputStatistics": {"rowCount": 48_211, "size": 3_920_114}},
    });
    let table = json!({
        "namespace": WAREHOUSE, "name": "SHOP.PUBLIC.ORDERS",
        "facets": {
            "version": {"datasetVersion": "snapshot-3817"},
            "symlinks": {"identifiers": [{"namespace": WAREHOUSE, "name": "shop.orders", "type": "TABLE"}]},
        },
    });
    let mut failed = part(event("FAIL", "21:12:40", "warehouse.load", "load-1"));
    failed["run"]["facets"]["errorMessage"] =
        json!({"message": "warehouse SHOP_LOAD is suspended", "programmingLanguage": "SQL"});
    let lake = |name: &str| json!({"namespace": LAKE, "name": name});
    let by_its_name = json!({"namespace": WAREHOUSE, "name": "shop.orders"});
    let events = [
        dag(event("START", "21:00:02", "warehouse", "dag")),
        part(event("START", "21:00:10", "warehouse.clean", "clean")),
        writes(
            reads(part(event("COMPLETE", "21:09:31", "warehouse.clean", "clean")), raw),
            clean,
        ),
        reads(
            part(event("START", "21:10:00", "warehouse.load", "load-1")),
            lake("orders/clean"),
        ),
        failed,
        reads(
            part(event("START", "21:15:00", "warehouse.load", "load-2")),
            lake("orders/clean"),
        ),
        writes(part(event("COMPLETE", "21:19:45", "warehouse.load", "load-2")), table),
        reads(
            part(event("START", "21:30:00", "dashboard.extract", "extract")),
            by_its_name,
        ),
        dag(event("COMPLETE", "21:31:12", "warehouse", "dag")),
    ];
    // What is not read would be missing in the sample, and its test says so.
    let read = events.iter().filter_map(|event| Event::parse(&event.to_string()).ok());
    read.map(|event| Record::Event(Box::new(event))).collect()
}
