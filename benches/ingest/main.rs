//! What ingestion costs, as a ratio to raw inserts of the same rows in the same commits, in the same run.
//!
//!     scripts/postgres --durable cargo bench --bench ingest      # both databases, empty and with 2 million versions
//!     cargo bench --bench ingest -- --versions 0,1000000         # SQLite; other sizes of the store at the beginning
//!     cargo bench --bench ingest -- --rounds 1 --ways batches    # less of it
//!
//! The service runs as a process of its own, and so does the import. The floor runs here: one connection, prepared statements,
//! and as durable as the service. Service and floor take turns, since the machine may have others to serve.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on stops, and says in which line"
)]

mod data;
mod floor;
mod load;
mod reads;
mod stores;
#[expect(dead_code, reason = "other benchmarks need the rest of it")]
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use data::Events;
use floor::{Cost, Floor, Written};
use load::{WARM_UP, WAYS, Way};
use stores::Place;
use support::arguments::{Arguments, value};
use support::cpu;
use support::server::Server;
use tokio::runtime::Runtime;

/// How long reads are measured during each load, against the time for which others are measured.
const READS: f64 = 3.0;

fn main() {
    let arguments = Arguments::read(&[0, 2_000_000]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    on("SQLite", &arguments, &runtime, &Place::sqlite());
    match std::env::var("TEST_POSTGRES_URL") {
        Ok(url) => {
            println!("\nPostgreSQL: {}", runtime.block_on(stores::durability(&url)));
            on("PostgreSQL", &arguments, &runtime, &Place::postgres(url));
        }
        Err(_) => println!("PostgreSQL is left out: TEST_POSTGRES_URL is not set."),
    }
}

/// All sizes on one kind of database.
fn on(name: &str, arguments: &Arguments, runtime: &Runtime, place: &Place) {
    let only = value("--database");
    if only.is_some_and(|only| only != name) {
        return;
    }
    let mut rates: Vec<Vec<[f64; 2]>> = Vec::new();
    for &size in &arguments.versions {
        println!("\n# {name}, {size} versions at the beginning");
        let mut stage = Stage::new(runtime, place, size);
        rates.push(stage.rates(runtime));
        stage.reads(arguments.seconds * READS);
    }
    if let [first, .., last] = &rates[..] {
        println!("\nrates on the largest store against those on the first, of the service and of the floor:");
        for (way, (first, last)) in ways().zip(first.iter().zip(last)) {
            println!(
                "| {} | {:.2} | {:.2} |",
                way.name,
                last[0] / first[0],
                last[1] / first[1]
            );
        }
    }
}

/// Those that are asked for.
fn ways() -> impl Iterator<Item = Way> {
    let only = value("--ways");
    WAYS.into_iter()
        .filter(move |way| only.as_ref().is_none_or(|only| way.name.contains(only.as_str())))
}

/// A store that is served, and the floor's copy of it.
struct Stage {
    url: String,
    server: Server,
    floor: Floor,
    floor_url: String,
    events: Events,
    /// Records that were there at the beginning.
    size: u64,
    next_record: u64,
    next_event: u64,
}

impl Stage {
    fn new(runtime: &Runtime, place: &Place, size: u64) -> Self {
        let [url, copy] = place.pair(runtime, size);
        let mut stage = Self {
            server: Server::start(runtime, &url),
            floor: Floor::open(runtime, &url, &copy),
            events: Events::new(),
            size,
            next_record: size,
            next_event: 0,
            url,
            floor_url: copy,
        };
        stage.server.settle(runtime);
        for way in WARM_UP {
            stage.send(&way);
            let written = stage.floor.written(runtime);
            stage.insert(runtime, &written);
        }
        stores::analyze(runtime, &stage.url);
        stores::analyze(runtime, &stage.floor_url);
        stage
    }

    /// Sends a round: what it costs until it is written where it stays.
    fn send(&mut self, way: &Way) -> Cost {
        let next = if way.takes_events() {
            &mut self.next_event
        } else {
            &mut self.next_record
        };
        let first = *next;
        *next += way.round;
        let before = self.cpu();
        let sent = Cost {
            seconds: way.send(&self.server.address, &self.url, &self.events, first),
            cpu: self.cpu() - before,
        };
        sent.and(stores::copy_log(&self.url))
    }

    /// Inserts what the service has written into the floor's copy.
    fn insert(&mut self, runtime: &Runtime, written: &Written) -> Cost {
        let inserted = self.floor.insert(runtime, written);
        inserted.and(stores::copy_log(&self.floor_url))
    }

    /// Measures every way in: records a second, by the service and by the floor.
    fn rates(&mut self, runtime: &Runtime) -> Vec<[f64; 2]> {
        println!(
            "| | records a second | floor | ratio (all rounds) | CPU a record | floor | ratio | records a commit | rows a record | bytes a record |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        ways().map(|way| self.rate(runtime, &way)).collect()
    }

    /// CPU time of the server, of imports, and of PostgreSQL.
    fn cpu(&self) -> f64 {
        cpu::of_children(std::process::id()) + self.server.cpu().database
    }

    fn rate(&mut self, runtime: &Runtime, way: &Way) -> [f64; 2] {
        let rounds: u64 = value("--rounds").map_or(5, |n| n.parse().unwrap());
        let (mut rates, mut ratios) = (Vec::new(), Vec::new());
        let (mut rows, mut commits) = (0, 0);
        let (mut cpu_of_service, mut cpu_of_floor) = (0.0, 0.0);
        let bytes = stores::bytes(runtime, &self.url);
        for _ in 0..rounds {
            let sent = self.send(way);
            cpu_of_service += sent.cpu;
            let written = self.floor.written(runtime);
            rows += written.rows();
            commits += written.commits();
            let inserted = self.insert(runtime, &written);
            cpu_of_floor += inserted.cpu;
            let [service, floor] = [sent, inserted].map(|cost| way.round as f64 / cost.seconds);
            rates.push([service, floor]);
            ratios.push(service / floor);
        }
        let records = (rounds * way.round) as f64;
        let bytes = (stores::bytes(runtime, &self.url) - bytes) as f64;
        let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let [service, floor] = [0, 1].map(|of| median(rates.iter().map(|rate| rate[of]).collect()));
        println!(
            "| {} | {service:.0} | {floor:.0} | {:.2} ({}) | {:.0} µs | {:.0} µs | {:.2} | {:.0} | {:.1} | {:.0} |",
            way.name,
            median(ratios),
            all.join(", "),
            cpu_of_service / records * 1e6,
            cpu_of_floor / records * 1e6,
            cpu_of_floor / cpu_of_service,
            records / commits as f64,
            rows as f64 / records,
            bytes / records,
        );
        [service, floor]
    }

    /// Measures reads while much is written, and before and after.
    fn reads(&self, seconds: f64) {
        let time = Duration::from_secs_f64(seconds);
        let (address, url) = (self.server.address.as_str(), self.url.as_str());
        let next = AtomicU64::new(self.next_record);
        // Those of the warm-up, or of the store at the beginning.
        let of = if self.size == 0 { WARM_UP[0].round } else { self.size };
        let idle = reads::idle(address, of, time);
        let measured = [
            (
                "while another process imports",
                reads::during_import(address, url, of, &next, time),
            ),
            (
                "while the server takes batches of 1,000",
                reads::during_batches(address, of, &next, time),
            ),
            ("idle again", reads::idle(address, of, time)),
        ];
        println!("\n| latest by partition | p50 | p99 | p99 against idle |");
        println!("| --- | --- | --- | --- |");
        println!("| idle | {idle} | 1 |");
        for (when, latency) in measured {
            println!("| {when} | {latency} | {:.1} |", latency.p99 / idle.p99);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
