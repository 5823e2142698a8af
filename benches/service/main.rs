//! What a request costs, as a ratio to the same rows fetched by hand-written prepared statements in the same run.
//!
//!     cargo bench --bench service                           # SQLite; PostgreSQL too when TEST_POSTGRES_URL is set
//!     cargo bench --bench service -- --versions 20000       # another size than 2,000 and 200,000
//!
//! The service runs as a process of its own; its CPU time (and that of PostgreSQL's backends) is read from the kernel.
//! The floor runs here: one thread, one connection, prepared statements, rows read into owned values, no JSON, no HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on stops, and says in which line"
)]

mod data;
mod floor;
mod queries;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use floor::Floor;
use support::arguments::Arguments;
use support::client::{self, Connection};
use support::postgres;
use support::server::Server;

fn main() {
    let arguments = Arguments::read(&[2_000, 200_000]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let postgres_url = std::env::var("TEST_POSTGRES_URL").ok();
    on("SQLite", &arguments, &runtime, |directory, size| {
        format!("sqlite:{}", directory.join(format!("bench{size}.sqlite")).display())
    });
    match postgres_url {
        Some(url) => on("PostgreSQL", &arguments, &runtime, |_, size| {
            postgres::fresh(&runtime, &url, size)
        }),
        None => println!("PostgreSQL is left out: TEST_POSTGRES_URL is not set."),
    }
}

/// All sizes on one kind of database.
fn on(
    name: &str,
    arguments: &Arguments,
    runtime: &tokio::runtime::Runtime,
    database: impl Fn(&std::path::Path, u64) -> String,
) {
    let mut costs: Vec<Vec<f64>> = Vec::new();
    for &size in &arguments.versions {
        let directory = tempfile::tempdir().unwrap();
        let url = database(directory.path(), size);
        println!("\n# {name}, about {size} versions");
        data::fill(&url, size);
        costs.push(requests(runtime, &url, arguments.seconds));
    }
    if let [first, .., last] = &costs[..] {
        let growth: Vec<String> = first.iter().zip(last).map(|(a, b)| format!("{:.2}", b / a)).collect();
        println!(
            "from the smallest store to the largest a request costs times {}",
            growth.join(", ")
        );
    }
}

/// Measures every query; its CPU time a request.
fn requests(runtime: &tokio::runtime::Runtime, url: &str, seconds: f64) -> Vec<f64> {
    let mut floor = Floor::open(runtime, url);
    let server = Server::start(runtime, url);
    server.settle(runtime);
    println!("idle server: {:.1} MB resident", server.resident_megabytes());
    println!("| query | rows | CPU a request | p50 | p99 | floor CPU | times the floor |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut costs = Vec::new();
    for query in queries::all() {
        let rows = floor.rows(runtime, &query.floor);
        let by_hand = floor.cpu(runtime, &query.floor, Duration::from_secs_f64(seconds / 2.0));
        let request = client::request(&server.address, &query.document, &query.variables);
        query.check(&Connection::open(&server.address).exchange(&request));
        let by_service = client::measure(&server, &[request], Duration::from_secs_f64(seconds));
        let cpu = by_service.cpu.total();
        println!(
            "| {} | {rows} | {:.0} µs | {:.0} µs | {:.0} µs | {:.0} µs | {:.1} |",
            query.name,
            cpu * 1e6,
            by_service.p50 * 1e6,
            by_service.p99 * 1e6,
            by_hand * 1e6,
            cpu / by_hand,
        );
        costs.push(cpu);
    }
    costs
}
