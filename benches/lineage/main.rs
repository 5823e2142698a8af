//! What a lineage answer costs, as a ratio to the same walk and the same JSON by hand in the same run.
//!
//!     cargo bench --bench lineage                           # SQLite; PostgreSQL too when TEST_POSTGRES_URL is set
//!     cargo bench --bench lineage -- --versions 2000000     # another size than 20,000 and 200,000
//!     cargo bench --bench lineage -- --keep DIRECTORY       # SQLite files stay there, and are not filled the next time
//!
//! The service runs as a process of its own; its CPU time (and that of PostgreSQL's backends) is read from the kernel. The floor
//! runs here, without HTTP; what it writes is compared with what the service answers.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on stops, and says in which line"
)]

mod check;
mod data;
mod floor;
mod fresh;
mod graph;
mod json;
mod queries;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;

use data::Roots;
use floor::{Database, What};
use graph::Graph;
use queries::Query;
use support::arguments::{self, Arguments};
use support::client::{self, Connection, Measure};
use support::postgres;
use support::server::Server;

/// How often each is measured.
const ROUNDS: u32 = 3;

/// Seconds of CPU time of each query in each form, by the size of the store.
type Costs = HashMap<(u64, String, &'static str), f64>;

fn main() {
    let arguments = Arguments::read(&[20_000, 200_000]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let thrown_away = tempfile::tempdir().unwrap();
    let directory = arguments::value("--keep").map_or(thrown_away.path().to_owned(), Into::into);
    let mut floors = Costs::new();
    on("SQLite", &arguments, &runtime, &mut floors, |size| {
        format!("sqlite:{}", directory.join(format!("lineage{size}.sqlite")).display())
    });
    match std::env::var("TEST_POSTGRES_URL") {
        Ok(url) => on("PostgreSQL", &arguments, &runtime, &mut floors, |size| {
            postgres::fresh(&runtime, &url, size)
        }),
        Err(_) => println!("PostgreSQL is left out: TEST_POSTGRES_URL is not set."),
    }
}

/// All sizes on one kind of database. The floors of SQLite, which come first, are what the goals are told in.
fn on(
    name: &str,
    arguments: &Arguments,
    runtime: &Runtime,
    sqlite_floors: &mut Costs,
    database: impl Fn(u64) -> String,
) {
    let mut costs = Costs::new();
    for &size in &arguments.versions {
        println!("\n# {name}, {size} versions\n");
        let (url, graph) = (database(size), Graph::of(size));
        fill(&url, &graph);
        let mut database = runtime.block_on(Database::open(&url));
        println!("{}; {}", runtime.block_on(database.size()), load());
        let roots = runtime.block_on(Roots::find(&mut database, &graph));
        drop(graph);
        let table = Table {
            runtime,
            server: Server::start(runtime, &url),
            size,
            time: Duration::from_secs_f64(arguments.seconds),
        };
        table.server.settle(runtime);
        table.fill(&mut database, &queries::all(&roots), &mut costs, sqlite_floors);
        drop(table);
        fresh::report(runtime, &url, &roots, &mut database);
        println!("\n{}", load());
    }
    growth(&arguments.versions, &costs);
}

/// Fills a store, unless it is a file that was filled before; a file has its name only once it is whole.
fn fill(url: &str, graph: &Graph) {
    let Some(file) = url.strip_prefix("sqlite:") else {
        println!("{}", data::fill(url, graph));
        return;
    };
    if Path::new(file).exists() {
        println!("filled before");
        return;
    }
    let part = format!("{file}.part");
    println!("{}", data::fill(&format!("sqlite:{part}"), graph));
    std::fs::rename(part, file).unwrap();
}

/// How the cost of what was asked of every store grows from the first to the last.
fn growth(sizes: &[u64], costs: &Costs) {
    let (Some(&first), Some(&last)) = (sizes.first(), sizes.last()) else {
        return;
    };
    if first == last {
        return;
    }
    println!("\n| query | of | cost from {first} to {last} versions |");
    println!("| --- | --- | --- |");
    let mut lines: Vec<String> = costs
        .iter()
        .filter(|((size, ..), _)| *size == first)
        .filter_map(|((_, query, what), cost)| {
            let grown = costs.get(&(last, query.clone(), *what))? / cost;
            Some(format!("| {query} | {what} | × {grown:.2} |"))
        })
        .collect();
    lines.sort_unstable();
    println!("{}", lines.join("\n"));
}

/// The queries on one store.
struct Table<'a> {
    runtime: &'a Runtime,
    server: Server,
    size: u64,
    time: Duration,
}

impl Table<'_> {
    fn fill(&self, database: &mut Database, queries: &[Query], costs: &mut Costs, sqlite_floors: &mut Costs) {
        let is_sqlite = matches!(database, Database::Sqlite(_));
        println!(
            "\n| query | of | nodes | edges | answer | CPU server | database | p50 | p99 | floor CPU | times the floor | times SQLite's | goal |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for (query, what) in queries.iter().flat_map(|query| What::ALL.map(|what| (query, what))) {
            let (requests, answer) = self.ask(database, query, what);
            let (by_service, by_hand) = self.measure(database, query, what, &requests);
            let key = (self.size, query.name.clone(), what.name());
            if is_sqlite {
                sqlite_floors.insert(key.clone(), by_hand);
            }
            let cpu = by_service.cpu.total();
            let goal = match what {
                What::Rows => format!("{:.1}", query.goal),
                What::Edges | What::Counts => String::new(),
            };
            let [of_database, of_sqlite] = if is_sqlite {
                Default::default()
            } else {
                let of_sqlite = format!("{:.2}", cpu / sqlite_floors[&key]);
                [time(by_service.cpu.database), of_sqlite]
            };
            println!(
                "| {} | {} | {} | {} | {} | {} | {of_database} | {} | {} | {} | {:.2} | {of_sqlite} | {goal} |",
                query.name,
                what.name(),
                answer.nodes,
                answer.edges,
                bytes(answer.json.len()),
                time(by_service.cpu.server),
                time(by_service.p50),
                time(by_service.p99),
                time(by_hand),
                cpu / by_hand,
            );
            costs.insert(key, cpu);
        }
        println!("\n{}", self.smallest());
    }

    /// What requests cost that ask for next to nothing, and are part of every other.
    fn smallest(&self) -> String {
        let cost = |document: &str| {
            let request = client::request(&self.server.address, document, &serde_json::Value::Null);
            let smallest = client::measure(&self.server, &[request], self.time / ROUNDS);
            format!(
                "`{document}` costs {} of CPU and takes {}",
                time(smallest.cpu.total()),
                time(smallest.p50)
            )
        };
        format!("{}; {}.", cost("{ __typename }"), cost("{ revision { number } }"))
    }

    /// The requests, each answered as by the floor; the floor's last answer.
    fn ask(&self, database: &mut Database, query: &Query, what: What) -> (Vec<Vec<u8>>, floor::Answer) {
        let mut connection = Connection::open(&self.server.address);
        let (mut requests, mut last) = (Vec::new(), None);
        for &root in &query.roots {
            let variables = query.variables(root);
            let request = client::request(&self.server.address, &what.document(), &variables);
            let answer = self.runtime.block_on(database.walk(root, query.walk, what));
            check::same(&query.name, what, &connection.exchange(&request), &answer);
            requests.push(request);
            last = Some(answer);
        }
        (requests, last.unwrap())
    }

    /// Service and floor in turn, so that a busy neighbour disturbs both; of each the round that cost least.
    fn measure(&self, database: &mut Database, query: &Query, what: What, requests: &[Vec<u8>]) -> (Measure, f64) {
        let rounds: Vec<(Measure, f64)> = (0..ROUNDS)
            .map(|_| {
                let by_service = client::measure(&self.server, requests, self.time / ROUNDS);
                let by_hand = database.cpu(&query.roots, query.walk, what, self.time / ROUNDS / 2);
                (by_service, self.runtime.block_on(by_hand))
            })
            .collect();
        let by_hand = rounds.iter().map(|round| round.1).fold(f64::INFINITY, f64::min);
        let by_service = rounds.into_iter().map(|round| round.0);
        let least = by_service.min_by(|a, b| a.cpu.total().total_cmp(&b.cpu.total()));
        (least.unwrap(), by_hand)
    }
}

/// What else the machine has to do: the benchmark itself keeps one or two processors busy.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load of the machine: {}", load.split(' ').next().unwrap_or_default())
}

fn time(seconds: f64) -> String {
    match seconds * 1e6 {
        micros if micros < 1_000.0 => format!("{micros:.0} µs"),
        micros if micros < 10_000.0 => format!("{:.2} ms", micros / 1e3),
        micros if micros < 10_000_000.0 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.1} s", micros / 1e6),
    }
}

fn bytes(count: usize) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

fn megabytes(count: f64) -> String {
    format!("{:.0} MB", count.max(0.0))
}
