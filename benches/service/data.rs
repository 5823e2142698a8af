//! The store that is asked: the sample, and one artifact whose versions come from ten inputs that come from ten inputs.

use std::time::Duration;

use heirloom::domain::filter::{VersionKeyQuery, VersionQuery};
use heirloom::domain::key::{ArtifactKey, ExecutionKey};
use heirloom::domain::record::{
    CreateVersion, ExecutionInput, ExecutionOutput, ExecutionState, Record, RecordExecution,
};
use heirloom::domain::time::Timestamp;
use heirloom::sample;
use heirloom::service::{Mode, Writer, WriterOptions};
use heirloom::store::{Options, Store};

/// Partitioned by region, channel and day.
pub const PARTITIONED: &str = "impressions";
/// The last layer of the layered artifacts.
pub const LAYERED: &str = "layer2";
/// A month of windows.
pub const RANGE: Range = Range("2026-10-15T00:00:00Z", "2026-11-15T00:00:00Z");

pub struct Range(&'static str, &'static str);

impl Range {
    pub fn map_both(&self) -> (Timestamp, Timestamp) {
        (Timestamp::parse(self.0).unwrap(), Timestamp::parse(self.1).unwrap())
    }
}

/// Fills a new store through the write queue, as an import does.
pub fn fill(url: &str, versions: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options {
            url: url.to_owned(),
            max_connections: 2,
            timeout: Duration::from_secs(60),
        };
        let store = Store::connect(&options).await.unwrap();
        store.migrate().await.unwrap();
        let writer = Writer::start(store.clone(), WriterOptions::default());
        let sample = sample::records(sample::Options {
            versions,
            ..sample::Options::default()
        });
        let all: Vec<Record> = sample.chain(layers()).collect();
        for batch in all.chunks(5_000) {
            writer.submit(batch.to_vec(), Mode::Ingest).await.unwrap();
        }
        store.close().await.unwrap();
        if url.starts_with("postgres") {
            // What autovacuum does within a minute.
            super::support::postgres::execute(url, "ANALYZE").await;
        }
    });
}

fn layers() -> impl Iterator<Item = Record> {
    let sizes = [2_000, 200, 20];
    (0..3).flat_map(move |layer| (0..sizes[layer]).map(move |i| produced(layer, i)))
}

fn layered(layer: usize) -> ArtifactKey {
    ArtifactKey {
        project: "bench".into(),
        domain: "production".into(),
        name: format!("layer{layer}"),
    }
}

fn produced(layer: usize, i: usize) -> Record {
    let input = |n: usize| ExecutionInput {
        name: format!("in{n}"),
        version: VersionQuery::Key(VersionKeyQuery {
            artifact: layered(layer - 1),
            version: Some(format!("v{}", 10 * i + n)),
            alias: None,
            partition: None,
        }),
    };
    let at = Timestamp(1_760_000_000_000_000 + 1_000_000 * i as i64);
    let version = CreateVersion {
        artifact: layered(layer),
        version: Some(format!("v{i}")),
        partition: vec![],
        time_partition: Some(at),
        location: Some(format!("s3://bench/layer{layer}/{i}")),
        data_type: None,
        description: None,
        metadata: None,
        card: None,
        created_at: Some(at),
    };
    Record::Execution(RecordExecution {
        key: ExecutionKey {
            project: "bench".into(),
            domain: "production".into(),
            name: format!("layer{layer}/{i}"),
        },
        kind: None,
        state: Some(ExecutionState::Succeeded),
        entity: Some("combine".into()),
        entity_version: None,
        node_id: None,
        attempt: None,
        principal: None,
        parent: None,
        started_at: Some(at),
        ended_at: Some(Timestamp(at.0 + 60_000_000)),
        error: None,
        metadata: None,
        inputs: (layer > 0).then(|| (0..10).map(input).collect()),
        outputs: Some(vec![ExecutionOutput {
            name: "out".into(),
            version,
            announced: false,
        }]),
    })
}
