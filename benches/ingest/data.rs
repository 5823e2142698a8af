//! What is ingested: runs of tasks that each read 2.5 versions and write one, and events as real producers send them.

use serde_json::{Value, json};

/// Artifacts; each has a version for each round of runs.
const ARTIFACTS: u64 = 600;
const REGIONS: [&str; 3] = ["EU", "US", "APAC"];
/// When the first day begins, in seconds.
const FIRST_DAY: i64 = 1_577_836_800;
/// The real events, of which each copy is other runs at another time.
const EVENTS: &str = include_str!("../../tests/integration/openlineage/data/events.jsonl");

/// One record: a run that reads two or three versions of the round before, and writes one, of a region and a day.
pub fn record(number: u64) -> Value {
    let (artifact, round) = (number % ARTIFACTS, number / ARTIFACTS);
    let started = second(round, artifact);
    let inputs: Vec<Value> = (0..2 + number % 2)
        .filter(|_| round > 0)
        .map(|n| {
            let read = (artifact * 7 + n * 131 + 1) % ARTIFACTS;
            let version = json!({ "key": { "artifact": key(read), "version": format!("run-{}", round - 1) } });
            json!({ "name": format!("input_{n}"), "version": version })
        })
        .collect();
    let version = json!({
        "artifact": key(artifact),
        "version": format!("run-{round}"),
        "partition": [{ "key": "region", "value": region(round) }],
        "timePartition": time(day(round)),
        "location": format!("s3://warehouse/table_{artifact}/run-{round}.parquet"),
        "type": "parquet",
        "createdAt": time(started + 55),
    });
    json!({ "execution": {
        "key": { "project": "bench", "domain": "production", "name": format!("refresh_table_{artifact}/{round}") },
        "state": "SUCCEEDED",
        "entity": format!("refresh_table_{artifact}"),
        "entityVersion": "2.4.1",
        "principal": "scheduler@example.com",
        "startedAt": time(started),
        "endedAt": time(started + 60),
        "inputs": inputs,
        "outputs": [{ "name": "table", "version": version }],
    } })
}

/// The artifact, region and day of a version that is among the first records.
pub fn partition(number: u64) -> (Value, &'static str, String) {
    let (artifact, round) = (number % ARTIFACTS, number / ARTIFACTS);
    (key(artifact), region(round), time(day(round)))
}

fn key(artifact: u64) -> Value {
    json!({ "project": "bench", "domain": "production", "name": format!("table_{artifact}") })
}

fn region(round: u64) -> &'static str {
    REGIONS[(round % 3) as usize]
}

fn day(round: u64) -> i64 {
    FIRST_DAY + 86_400 * (round / 3) as i64
}

fn second(round: u64, artifact: u64) -> i64 {
    day(round) + 28_800 * (round % 3) as i64 + 40 * artifact as i64
}

fn time(second: i64) -> String {
    heirloom::domain::time::Timestamp(second * 1_000_000).to_string()
}

/// Real events, copied: each copy has runs of its own, a minute after the last.
pub struct Events {
    real: Vec<Value>,
}

impl Events {
    pub fn new() -> Self {
        let real = EVENTS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // One run has no id that is one: it would be the same run in every copy.
        let real = real.filter(|event| event["run"]["runId"] != "run_id");
        Self { real: real.collect() }
    }

    pub fn get(&self, number: u64) -> String {
        let of = self.real.len() as u64;
        let mut event = self.real[(number % of) as usize].clone();
        later(&mut event, number / of);
        event.to_string()
    }
}

fn later(value: &mut Value, copy: u64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| later(item, copy)),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), &mut *value) {
                    ("runId", Value::String(id)) => {
                        let space = uuid::Uuid::parse_str(id).unwrap();
                        *id = uuid::Uuid::new_v5(&space, &copy.to_le_bytes()).to_string();
                    }
                    ("eventTime", Value::String(at)) => {
                        let mut instant = heirloom::domain::time::Timestamp::parse(at).unwrap();
                        instant.0 += 60_000_000 * copy as i64;
                        *at = instant.to_string();
                    }
                    (_, value) => later(value, copy),
                }
            }
        }
        _ => {}
    }
}
