//! What a fresh server needs until its first answer, what a walk of the whole store takes, and whether work stops when nobody
//! waits for it.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::data::Roots;
use super::floor::{Database, Walk, What};
use super::queries::{Direction, variables};
use super::support::client::{self, Connection};
use super::support::cpu;
use super::support::server::Server;
use super::{check, json, megabytes, time};

/// How long a client waits that goes away.
const PATIENCE: Duration = Duration::from_millis(5);
/// How many of them there are.
const DEPARTURES: u32 = 20;

pub fn report(runtime: &Runtime, url: &str, roots: &Roots, database: &mut Database) {
    let begin = Instant::now();
    let server = Server::start(runtime, url);
    println!("\n| a fresh server | after | CPU server | CPU database | resident | of it memory of its own | at most |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    start_up_row(&server, "is ready", begin.elapsed());
    let counts = |roots: &[String], direction: Direction, depth| {
        let variables = variables(roots, direction, depth);
        client::request(&server.address, &What::Counts.document(), &variables)
    };
    let upstream = Direction::Upstream;
    let first = counts(&[json::version_id(roots.typical[0])], upstream, Some(6));
    let mut connection = Connection::open(&server.address);
    check::lineage("first answer", &connection.exchange(&first));
    start_up_row(&server, "has answered a first walk", begin.elapsed());

    println!("\n| a walk in counts only | nodes | memory on top | p50 | CPU server | CPU database | floor CPU |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let artifacts: Vec<String> = roots.artifacts.iter().map(|id| json::artifact_id(*id)).collect();
    let name = "the whole store: both ways from all artifacts";
    let everything = counts(&artifacts, Direction::Both, None);
    let size = runtime.block_on(database.size());
    walk_row(&server, name, &everything, "", |_, nodes| {
        assert_eq!(nodes.as_i64(), Some(size.versions + size.executions), "{name}");
    });
    let walk = Walk {
        direction: upstream,
        hops: None,
    };
    let floor = runtime.block_on(database.walk(roots.newest, walk, What::Counts));
    let by_hand = runtime.block_on(database.cpu(&[roots.newest], walk, What::Counts, Duration::ZERO));
    let name = "upstream of one of the newest versions, unlimited";
    let newest = counts(&[json::version_id(roots.newest)], upstream, None);
    walk_row(&server, name, &newest, &time(by_hand), |answer, _| {
        check::same(name, What::Counts, answer, &floor);
    });
    departures(runtime, &server, roots);
}

fn start_up_row(server: &Server, what: &str, after: Duration) {
    let cpu = server.cpu();
    println!(
        "| {what} | {} | {} | {} | {} | {} | {} |",
        time(after.as_secs_f64()),
        time(cpu.server),
        time(cpu.database),
        megabytes(server.resident_megabytes()),
        // The rest is files: the program, and what it has mapped of SQLite's.
        megabytes(cpu::megabytes(server.pid(), "RssAnon")),
        megabytes(cpu::megabytes(server.pid(), "VmHWM")),
    );
}

/// Asks once for the memory that it takes, and more often for the time.
fn walk_row(server: &Server, name: &str, request: &[u8], by_hand: &str, check: impl FnOnce(&[u8], &Value)) {
    // Says the kernel: what is resident now is the most that it ever was.
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    let resident = server.resident_megabytes();
    let answer = Connection::open(&server.address).exchange(request);
    let on_top = cpu::megabytes(server.pid(), "VmHWM") - resident;
    let nodes = check::lineage(name, &answer)["nodeCount"].take();
    check(&answer, &nodes);
    let each = client::measure(server, &[request.to_vec()], Duration::from_secs(1));
    println!(
        "| {name} | {nodes} | {} | {} | {} | {} | {by_hand} |",
        megabytes(on_top),
        time(each.p50),
        time(each.cpu.server),
        time(each.cpu.database),
    );
}

/// What requests cost whose client does not wait for the answer, where there is one that takes long enough.
fn departures(runtime: &Runtime, server: &Server, roots: &Roots) {
    let Some(&(consumers, hub)) = roots.hubs.iter().find(|(consumers, _)| *consumers >= 10_000) else {
        return;
    };
    let variables = variables(&[json::version_id(hub)], Direction::Downstream, Some(6));
    let request = client::request(&server.address, &What::Rows.document(), &variables);
    let stays = client::measure(server, std::slice::from_ref(&request), Duration::from_secs(1));
    let pause = |time| runtime.block_on(async move { tokio::time::sleep(time).await });
    let before = server.cpu();
    for _ in 0..DEPARTURES {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(&request).unwrap();
        pause(PATIENCE);
        drop(stream);
        // Until the server rests.
        let mut cpu = f64::NAN;
        while cpu != server.cpu().total() {
            cpu = server.cpu().total();
            pause(Duration::from_millis(50));
        }
    }
    let leaves = server.cpu().since(before).each(DEPARTURES.into());
    println!(
        "\nAll rows downstream of the hub read by {consumers}, depth 3, cost {}, and {} when the client goes away after {}.",
        time(stays.cpu.total()),
        time(leaves.total()),
        time(PATIENCE.as_secs_f64()),
    );
}
