//! The store that is asked, and the versions that are asked about.

use std::time::{Duration, Instant};

use heirloom::domain::record::Record;
use heirloom::service::{Mode, Verdict, Writer, WriterOptions};
use heirloom::store::{Options, Store};

use super::floor::{Database, Walk, What};
use super::graph::Graph;
use super::queries::Direction;
use super::support::postgres;

/// As many as an import has.
const RECORDS_A_BATCH: usize = 5_000;
/// How many versions are asked about in turn where one is as good as another.
const TYPICAL: usize = 32;
/// How many nodes the upstream of each of them has, three executions deep: about as many as that of half of all versions.
const TYPICAL_NODES: usize = 33;

/// Fills a new store through the write queue, as an import does; a sentence about it.
pub fn fill(url: &str, graph: &Graph) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options {
            url: url.to_owned(),
            max_connections: 2,
            timeout: Duration::from_secs(600),
        };
        let store = Store::connect(&options).await.unwrap();
        store.migrate().await.unwrap();
        let writer = Writer::start(store.clone(), WriterOptions::default());
        let (begin, mut records, mut all) = (Instant::now(), 0, graph.records());
        loop {
            let batch: Vec<Record> = all.by_ref().take(RECORDS_A_BATCH).collect();
            if batch.is_empty() {
                break;
            }
            records += batch.len();
            let answer = writer.submit(batch, Mode::Ingest).await.unwrap();
            let refused = answer.verdicts.iter().find(|v| matches!(v, Verdict::Rejected(_)));
            assert!(refused.is_none(), "{refused:?}");
        }
        let seconds = begin.elapsed().as_secs_f64();
        store.close().await.unwrap();
        if url.starts_with("postgres") {
            // What autovacuum does within a minute.
            postgres::execute(url, "VACUUM (ANALYZE)").await;
        }
        format!(
            "filled with {records} records in {seconds:.1} s: {:.0} a second",
            records as f64 / seconds
        )
    })
}

/// The nodes that are asked about, by the numbers behind their ids.
pub struct Roots {
    /// Versions with an upstream of one size.
    pub typical: Vec<i64>,
    /// Day 365 of a chain.
    pub day: i64,
    /// Hubs, each with the number of its consumers.
    pub hubs: Vec<(u32, i64)>,
    /// A version that comes from about everything that was made before.
    pub newest: i64,
    /// All artifacts.
    pub artifacts: Vec<i64>,
}

impl Roots {
    pub async fn find(database: &mut Database, graph: &Graph) -> Self {
        let mut typical = Vec::new();
        for digest in graph.some_of_the_rest() {
            let root = database.version(digest).await;
            let walk = Walk {
                direction: Direction::Upstream,
                hops: Some(6),
            };
            if database.walk(root, walk, What::Counts).await.nodes == TYPICAL_NODES {
                typical.push(root);
            }
            if typical.len() == TYPICAL {
                break;
            }
        }
        assert_eq!(typical.len(), TYPICAL);
        let mut hubs = Vec::new();
        for consumers in [500, 10_000] {
            if let Some(digest) = graph.hub(consumers) {
                hubs.push((consumers, database.version(digest).await));
            }
        }
        Self {
            typical,
            day: database.version(graph.day(365)).await,
            hubs,
            newest: database.version(graph.newest()).await,
            artifacts: database.artifacts().await,
        }
    }
}
