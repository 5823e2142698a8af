//! How long a read takes while much is written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::support::client::{self, Connection};
use super::{data, load, stores};

/// The latest version of a partition.
const LATEST: &str = "query($artifact: ArtifactKey!, $region: String!, $day: DateTime!) { version(query: { key: { artifact: $artifact, \
    partition: { values: [{ key: \"region\", eq: $region }], time: { at: $day } } } }) { id version createdAt } }";
/// One request each so often: a caller that sends the next one at once would compete with the load for the processors.
const EVERY: Duration = Duration::from_millis(4);

/// Seconds that half of the requests took at most, and 99 of 100.
pub struct Latency {
    p50: f64,
    pub p99: f64,
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ms | {:.2} ms", self.p50 * 1e3, self.p99 * 1e3)
    }
}

/// Reads until a load is over, of partitions among the first records.
fn during(address: &str, of: u64, load: impl FnOnce() + Send) -> Latency {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            load();
            is_over.store(true, Ordering::Release);
        });
        let mut connection = Connection::open(address);
        let mut latencies = Vec::new();
        let mut random = 1_u64;
        while !is_over.load(Ordering::Acquire) {
            // A linear congruential generator: any partition, in the same order each time.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (artifact, region, day) = data::partition((random >> 33) % of);
            let variables = json!({ "artifact": artifact, "region": region, "day": day });
            let request = client::request(address, LATEST, &variables);
            let begin = Instant::now();
            let answer = connection.exchange(&request);
            latencies.push(begin.elapsed().as_secs_f64());
            assert!(
                String::from_utf8_lossy(&answer).contains("\"version\":{\"id\""),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            wait(EVERY.saturating_sub(begin.elapsed()));
        }
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        Latency {
            p50: at(0.5),
            p99: at(0.99),
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "callers here are threads, not tasks of a runtime"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// When nothing is written.
pub fn idle(address: &str, of: u64, time: Duration) -> Latency {
    during(address, of, || wait(time))
}

/// While another process imports, at full speed.
pub fn during_import(address: &str, url: &str, of: u64, next: &AtomicU64, time: Duration) -> Latency {
    during(address, of, || {
        stores::import(url, |lines| {
            use std::io::Write as _;
            let begin = Instant::now();
            while begin.elapsed() < time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                // Where the import has been slow to start, it has not taken everything in yet.
                writeln!(lines, "{}", data::record(number)).unwrap();
            }
        });
    })
}

/// While a caller sends batches of 1,000 to the server, at full speed.
pub fn during_batches(address: &str, of: u64, next: &AtomicU64, time: Duration) -> Latency {
    during(address, of, || {
        let mut connection = Connection::open(address);
        let begin = Instant::now();
        while begin.elapsed() < time {
            let first = next.fetch_add(1_000, Ordering::Relaxed);
            load::check(&connection.exchange(&load::batch(address, first..first + 1_000)));
        }
    })
}
