//! The ways in, each as a number of requests that take so many records.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::data::{self, Events};
use super::stores;
use super::support::client::{self, Connection};

const ONE: &str = "mutation($input: RecordExecutionInput!) { recordExecution(input: $input) { revision } }";
const MANY: &str = "mutation($records: [RecordInput!]!) { ingest(records: $records) { revision applied rejected } }";

/// A way in.
#[derive(Clone, Copy)]
pub struct Way {
    pub name: &'static str,
    how: How,
    /// Records or events in a round.
    pub round: u64,
}

#[derive(Clone, Copy)]
enum How {
    /// So many callers, a mutation for each record.
    Single(usize),
    /// One caller, so many records a mutation.
    Batches(u64),
    /// The command.
    Import,
    /// One caller, a request for each event.
    Event,
    /// One caller, so many events a request.
    EventBatches(u64),
}

const fn way(name: &'static str, how: How, round: u64) -> Way {
    Way { name, how, round }
}

/// All of them.
pub const WAYS: [Way; 6] = [
    way("1 caller, 1 record", How::Single(1), 1_500),
    way("32 callers, 1 record", How::Single(32), 8_000),
    way("1 caller, batches of 1,000", How::Batches(1_000), 12_000),
    way("import", How::Import, 24_000),
    way("OpenLineage, 1 event", How::Event, 900),
    way("OpenLineage, batches of 1,000", How::EventBatches(1_000), 4_000),
];

/// What the warm-up sends: all artifacts and events are there afterwards.
pub const WARM_UP: [Way; 2] = [
    way("records", How::Batches(600), 1_800),
    way("events", How::EventBatches(44), 44),
];

impl Way {
    pub fn takes_events(&self) -> bool {
        matches!(self.how, How::Event | How::EventBatches(_))
    }

    /// Sends a round, from a record on. Answers the seconds that it takes, without those in which it is written down first.
    pub fn send(&self, address: &str, url: &str, events: &Events, first: u64) -> f64 {
        let numbers = first..first + self.round;
        let requests: Vec<Vec<u8>> = match self.how {
            How::Single(_) => numbers
                .map(|n| client::request(address, ONE, &json!({ "input": data::record(n)["execution"] })))
                .collect(),
            How::Batches(size) => self.parts(first, size).map(|part| batch(address, part)).collect(),
            How::Import => return import(url, numbers),
            How::Event => numbers
                .map(|n| client::post(address, "/api/v1/lineage", &events.get(n)))
                .collect(),
            How::EventBatches(size) => {
                let list = |part: std::ops::Range<u64>| part.map(|n| events.get(n)).collect::<Vec<_>>().join(",");
                self.parts(first, size)
                    .map(|part| client::post(address, "/api/v1/lineage/batch", &format!("[{}]", list(part))))
                    .collect()
            }
        };
        let callers = match self.how {
            How::Single(callers) => callers,
            _ => 1,
        };
        call(address, callers, &requests)
    }

    fn parts(&self, first: u64, size: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
        let end = first + self.round;
        (first..end)
            .step_by(size as usize)
            .map(move |from| from..end.min(from + size))
    }
}

/// A mutation of many records.
pub fn batch(address: &str, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let records: Vec<Value> = numbers.map(data::record).collect();
    client::request(address, MANY, &json!({ "records": records }))
}

fn import(url: &str, numbers: std::ops::Range<u64>) -> f64 {
    let lines: Vec<String> = numbers.map(|n| data::record(n).to_string()).collect();
    let text = lines.join("\n");
    let begin = Instant::now();
    stores::import(url, |into| into.write_all(text.as_bytes()).unwrap());
    begin.elapsed().as_secs_f64()
}

/// Has callers send requests, each the next one as soon as it has an answer; the seconds until all are answered.
fn call(address: &str, callers: usize, requests: &[Vec<u8>]) -> f64 {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let mut connection = Connection::open(address);
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(&connection.exchange(request));
                }
            });
        }
    });
    begin.elapsed().as_secs_f64()
}

/// Stops at an answer that says that something was not recorded.
pub fn check(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let failed = ["\"errors\"", "\"error\"", "partial_success"]
        .iter()
        .any(|word| text.contains(word));
    let rejected = text.contains("\"rejected\":") && !text.contains("\"rejected\":0");
    assert!(!failed && !rejected, "{text}");
}
