//! Shapes whose answers can be said beforehand, and four real runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::ask::{FIELDS, answer, artifact_id, ask, ask_paths, execution_id, part, read, version_id};
use super::reference::Answer;
use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb, artifact, declaration, execution,
        fixtures::{ExecutionInput, VersionInput},
        process, version,
    },
};

/// Nodes by the names that they were given: `name@version`, or the execution's name.
const NAMES: &str =
    "nodes { distance node { ... on Artifact { name } ... on Partition { artifact { name } timePartition { label } }
    ... on Version { version artifact { name } } ... on Execution { name } } } complete stoppedBy nodeCount";

/// A run that takes versions in and gives versions out, each written as `name@version`.
fn run(name: &str, takes: &[&str], gives: &[&str]) -> ExecutionInput {
    let mut run = execution(name);
    for taken in takes {
        let (artifact, version) = taken.split_once('@').unwrap();
        run = run.consumes("in", artifact, version);
    }
    for given in gives {
        run = run.produces("out", &content(given));
    }
    run
}

fn content(name: &str) -> VersionInput {
    let (artifact, name) = name.split_once('@').unwrap();
    version(artifact, name)
}

/// The id of `name@version`.
async fn id(app: &TestApp, name: &str) -> String {
    let (artifact, version) = name.split_once('@').unwrap();
    version_id(app, artifact, version).await
}

/// The name of a node.
fn name(node: &Value) -> String {
    let artifact = node["artifact"]["name"].as_str();
    match (
        artifact,
        node["version"].as_str(),
        node["timePartition"]["label"].as_str(),
    ) {
        (Some(artifact), Some(version), _) => format!("{artifact}@{version}"),
        (Some(artifact), _, Some(label)) => format!("{artifact}/{label}"),
        _ => node["name"].as_str().unwrap_or_else(|| panic!("{node}")).to_owned(),
    }
}

/// The names in an answer, in its order, each with its distance.
fn names(lineage: &Value) -> Vec<(String, u64)> {
    let nodes = lineage["nodes"].as_array().unwrap().iter();
    nodes
        .map(|seen| (name(&seen["node"]), seen["distance"].as_u64().unwrap()))
        .collect()
}

/// The same, without distances.
fn only_names(lineage: &Value) -> Vec<String> {
    names(lineage).into_iter().map(|(name, _)| name).collect()
}

fn named<const N: usize>(names: [(&str, u64); N]) -> Vec<(String, u64)> {
    names
        .into_iter()
        .map(|(name, distance)| (name.to_owned(), distance))
        .collect()
}

/// Records at most two thousand at a time.
async fn ingest(app: &TestApp, records: &[Value]) {
    for some in records.chunks(2_000) {
        app.ingest(some).await;
    }
}

/// A chain: each day's run takes the day before and gives the day.
fn chain(days: usize) -> Vec<Value> {
    let day = |day: usize| format!("table@d{day}");
    (1..=days)
        .map(|n| run(&format!("run{n}"), &[&day(n - 1)], &[&day(n)]).record())
        .collect()
}

/// A ladder: from each rung two runs lead to the next, so that there are two to the power of its length paths.
fn ladder(rungs: usize) -> Vec<Value> {
    let rung = |n: usize| format!("rung@{n}");
    let runs = (0..rungs).flat_map(|n| ["left", "right"].map(|side| (n, side)));
    runs.map(|(n, side)| run(&format!("{side}{n}"), &[&rung(n)], &[&rung(n + 1)]).record())
        .collect()
}

on_both_databases! {
    async fn a_diamond_has_each_node_once_and_every_edge(db: TestDb) {
        let app = TestApp::new(db).await;
        app.ingest(&[
            run("split", &["raw@1"], &["left@1", "right@1"]).record(),
            run("join", &["left@1", "right@1"], &["report@1"]).record(),
        ]).await;
        let report = id(&app, "report@1").await;
        let found = part(&app, &[&report], json!({}), NAMES).await;
        // The split named its input before it gave anything; the join named nothing new but its output.
        assert_eq!(names(&found), named([("report@1", 0), ("join", 1), ("left@1", 2), ("right@1", 2), ("split", 3), ("raw@1", 4)]));
        assert_eq!((&found["complete"], &found["stoppedBy"], &found["nodeCount"]), (&json!(true), &json!([]), &json!(6)));
        let full = answer(&app, &[&report], json!({})).await;
        assert_eq!(full.edges.len(), 6);
        assert_eq!(full.counts, [(0, "Version", 1), (1, "Execution", 1), (2, "Version", 2), (3, "Execution", 1), (4, "Version", 1)].map(counted));
        let versions = part(&app, &[&report], json!({"level": "VERSION"}), NAMES).await;
        assert_eq!(names(&versions), named([("report@1", 0), ("left@1", 1), ("right@1", 1), ("raw@1", 2)]));
        assert_eq!(answer(&app, &[&report], json!({"level": "VERSION"})).await.edges.len(), 4);
        let runs = part(&app, &[&report], json!({"level": "EXECUTION"}), NAMES).await;
        assert_eq!(names(&runs), named([("join", 0), ("split", 1)]));
        assert_eq!(answer(&app, &[&report], json!({"level": "EXECUTION"})).await.edges.len(), 1, "both chains are one edge");
        let back = part(&app, &[id(&app, "raw@1").await], json!({"direction": "DOWNSTREAM", "level": "ARTIFACT"}), NAMES).await;
        assert_eq!(names(&back), named([("raw", 0), ("left", 1), ("right", 1), ("report", 2)]));
        let middle = part(&app, &[id(&app, "left@1").await], json!({"direction": "BOTH"}), NAMES).await;
        assert_eq!(names(&middle), named([("left@1", 0), ("split", 1), ("join", 1), ("raw@1", 2), ("report@1", 2)]), "ancestors and descendants, and not the sibling");
    }

    async fn a_cycle_ends_and_its_last_edge_is_shown(db: TestDb) {
        let app = TestApp::new(db).await;
        app.ingest(&[
            run("there", &["a@1"], &["b@1"]).record(),
            run("back", &["b@1"], &["a@1"]).record(),
            run("itself", &["a@1"], &["a@1"]).record(),
        ]).await;
        let a = id(&app, "a@1").await;
        for direction in ["UPSTREAM", "DOWNSTREAM", "BOTH"] {
            let found = answer(&app, &[&a], json!({"direction": direction})).await;
            assert_eq!((found.nodes.len(), found.edges.len(), found.complete), (5, 6, true), "{direction}");
            let whole = answer(&app, &[&a], json!({"direction": direction, "depth": 2})).await;
            assert_eq!((whole.nodes.len(), whole.complete), (if direction == "BOTH" { 5 } else { 4 }, direction == "BOTH"), "{direction}: {whole:?}");
        }
        let versions = answer(&app, &[&a], json!({"level": "VERSION"})).await;
        let ends: Vec<_> = versions.edges.iter().map(|edge| (edge.source == a, edge.target == a, edge.role.as_str())).collect();
        assert_eq!(versions.nodes.len(), 2);
        assert_eq!(BTreeSet::from_iter(ends), BTreeSet::from([(true, true, "DERIVED"), (true, false, "DERIVED"), (false, true, "DERIVED")]));
        assert_eq!((versions.nodes[0].upstream, versions.nodes[0].downstream), (1, 1), "a node is no neighbour of its own");
        let root = execution_id(&app, "itself").await;
        let runs = answer(&app, &[&root], json!({"level": "EXECUTION", "direction": "DOWNSTREAM"})).await;
        assert_eq!(runs.nodes.iter().map(|seen| seen.distance).collect::<Vec<_>>(), [0, 1, 2]);
    }

    async fn a_hub_of_ten_thousand_consumers(db: TestDb) {
        let app = TestApp::new(db).await;
        let runs: Vec<Value> = (0..10_000).map(|n| run(&format!("r{n}"), &["hub@1"], &[&format!("leaf@{n}")]).record()).collect();
        ingest(&app, &runs).await;
        let hub = id(&app, "hub@1").await;
        let down = |options: Value| {
            let mut options = options;
            options["direction"] = json!("DOWNSTREAM");
            options
        };
        let counts = part(&app, &[&hub], down(json!({"limit": 100_000})), "complete nodeCount counts { distance kind count }").await;
        assert_eq!(counts["counts"], json!([{"distance": 0, "kind": "Version", "count": 1}, {"distance": 1, "kind": "Execution", "count": 10_000}, {"distance": 2, "kind": "Version", "count": 10_000}]));
        assert_eq!((&counts["complete"], &counts["nodeCount"]), (&json!(true), &json!(20_001)));
        let one = answer(&app, &[&hub], down(json!({"depth": 1, "limit": 100_000}))).await;
        assert_eq!((one.node_count, one.edges.len(), one.stopped_by.as_slice()), (10_001, 10_000, &["DEPTH".to_owned()][..]));
        assert_eq!((one.nodes[0].downstream, one.nodes[0].upstream), (10_000, 0));
        let few = answer(&app, &[&hub], down(json!({"fanOut": 100}))).await;
        assert_eq!((few.node_count, few.stopped_by.as_slice(), few.has_cursor), (201, &["FAN_OUT".to_owned()][..], false));
        assert_eq!(few.nodes[0].downstream, 10_000, "the rest is counted");
        let first = answer(&app, &[&hub], down(json!({}))).await;
        assert_eq!((first.node_count, first.nodes.len(), first.stopped_by.as_slice(), first.has_cursor), (500, 500, &["LIMIT".to_owned()][..], true));
        let (pages, nodes, edges) = pages(&app, &hub, down(json!({})), 6_000).await;
        assert_eq!((pages, nodes.len(), edges), (4, 20_001, 20_000));
        let whole = part(&app, &[&hub], down(json!({"level": "ARTIFACT"})), NAMES).await;
        assert_eq!(names(&whole), named([("hub", 0), ("leaf", 1)]));
        let leaf = id(&app, "leaf@9999").await;
        let up = part(&app, &[&leaf], json!({}), NAMES).await;
        assert_eq!(names(&up), named([("leaf@9999", 0), ("r9999", 1), ("hub@1", 2)]));
        let all = answer(&app, &[artifact_id(&app, "leaf").await], json!({"level": "VERSION", "limit": 20_000})).await;
        assert_eq!((all.node_count, all.edges.len(), all.nodes[10_000].distance), (10_001, 10_000, 1), "an artifact means all its versions");
    }

    async fn a_chain_of_a_thousand_days(db: TestDb) {
        let app = TestApp::new(db).await;
        ingest(&app, &chain(1_000)).await;
        let last = id(&app, "table@d1000").await;
        let whole = part(&app, &[&last], json!({"limit": 5_000}), NAMES).await;
        let expected = (0..1_000).rev().flat_map(|n| [(format!("run{}", n + 1), 2 * (1_000 - n) - 1), (format!("table@d{n}"), 2 * (1_000 - n))]);
        let expected: Vec<(String, u64)> = std::iter::once(("table@d1000".to_owned(), 0)).chain(expected).collect();
        assert_eq!(names(&whole), expected);
        assert_eq!(whole["complete"], true);
        let first = id(&app, "table@d0").await;
        let versions = answer(&app, &[&first], json!({"direction": "DOWNSTREAM", "level": "VERSION", "limit": 5_000})).await;
        assert_eq!((versions.nodes.len(), versions.edges.len(), versions.nodes[1_000].distance), (1_001, 1_000, 1_000));
        let middle = id(&app, "table@d500").await;
        let near = part(&app, &[&middle], json!({"direction": "BOTH", "level": "VERSION", "depth": 2}), NAMES).await;
        assert_eq!(names(&near), named([("table@d500", 0), ("table@d499", 1), ("table@d501", 1), ("table@d498", 2), ("table@d502", 2)]));
        assert_eq!(near["stoppedBy"], json!(["DEPTH"]));
        let to_the_end = answer(&app, &[&middle], json!({"level": "EXECUTION", "depth": 499})).await;
        assert_eq!((to_the_end.nodes.len(), to_the_end.complete), (500, true), "at the depth, but nothing lies beyond");
        let table = answer(&app, &[&last], json!({"level": "ARTIFACT"})).await;
        assert_eq!((table.nodes.len(), table.edges.len(), table.nodes[0].upstream), (1, 1, 0), "made from its former versions");
        let (pages, nodes, edges) = pages(&app, &last, json!({}), 300).await;
        assert_eq!((pages, nodes.len(), edges), (7, 2_001, 2_000));
        let path = ask_paths(&app, &first, &last, Some(1), None).await;
        assert_eq!(path.ok()["lineagePaths"][0]["nodes"].as_array().unwrap().len(), 2_001);
        let none = ask_paths(&app, &last, &first, Some(1), None).await;
        assert_eq!(none.ok()["lineagePaths"], json!([]), "there is no way back");
    }

    async fn a_ladder_with_a_million_million_paths(db: TestDb) {
        let app = TestApp::new(db).await;
        app.ingest(&ladder(40)).await;
        let (bottom, top) = (id(&app, "rung@0").await, id(&app, "rung@40").await);
        let up = answer(&app, &[&top], json!({})).await;
        assert_eq!((up.nodes.len(), up.edges.len(), up.complete), (41 + 80, 160, true));
        let rungs = answer(&app, &[&top], json!({"level": "VERSION"})).await;
        assert_eq!((rungs.nodes.len(), rungs.edges.len(), rungs.nodes[40].distance), (41, 40, 40));
        let began = std::time::Instant::now();
        let reply = app.query("query($from: ID!, $to: ID!) { lineagePaths(from: $from, to: $to, first: 5) { nodes { ... on Execution { name } ... on Version { version } } edges { role } } }", json!({"from": bottom, "to": top})).await;
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        let paths = reply.ok()["lineagePaths"].as_array().unwrap();
        let lasts: Vec<Vec<&str>> = paths.iter().map(|path| {
            let nodes = path["nodes"].as_array().unwrap();
            assert_eq!((nodes.len(), path["edges"].as_array().unwrap().len()), (81, 80));
            let sides: Vec<&str> = nodes.iter().filter_map(|node| node["name"].as_str()).collect();
            assert!(sides[..37].iter().all(|side| side.starts_with("left")), "{sides:?}");
            sides[37..].to_vec()
        }).collect();
        assert_eq!(lasts, [
            ["left37", "left38", "left39"],
            ["left37", "left38", "right39"],
            ["left37", "right38", "left39"],
            ["left37", "right38", "right39"],
            ["right37", "left38", "left39"],
        ]);
    }

    async fn layers_that_all_lead_to_the_next(db: TestDb) {
        let app = TestApp::new(db).await;
        let of = |layer: usize| (0..6).map(move |n| format!("l{layer}@{n}")).collect::<Vec<_>>();
        let mut records = vec![];
        for layer in 0..5 {
            let takes = of(layer);
            let takes: Vec<&str> = takes.iter().map(String::as_str).collect();
            for (n, gives) in of(layer + 1).iter().enumerate() {
                records.push(run(&format!("r{layer}-{n}"), &takes, &[gives]).record());
            }
        }
        app.ingest(&records).await;
        let root = id(&app, "l5@3").await;
        let full = answer(&app, &[&root], json!({})).await;
        let expected = (1..5).flat_map(|hop| [(2 * hop, "Version", 6), (2 * hop + 1, "Execution", 6)]);
        let expected: Vec<_> = [(0, "Version", 1), (1, "Execution", 1)].into_iter().chain(expected).chain([(10, "Version", 6)]).map(counted).collect();
        assert_eq!(full.counts, expected);
        let versions = answer(&app, &[&root], json!({"level": "VERSION", "depth": 2})).await;
        assert_eq!((versions.nodes.len(), versions.edges.len(), versions.stopped_by), (13, 6 + 36, vec!["DEPTH".to_owned()]));
        let layers = part(&app, &[&root], json!({"level": "ARTIFACT"}), NAMES).await;
        assert_eq!(only_names(&layers), ["l5", "l4", "l3", "l2", "l1", "l0"]);
        let two = part(&app, &[&root], json!({"level": "VERSION", "fanOut": 2}), NAMES).await;
        assert_eq!(only_names(&two), ["l5@3", "l4@0", "l4@1", "l3@0", "l3@1", "l2@0", "l2@1", "l1@0", "l1@1", "l0@0", "l0@1"]);
        assert_eq!(two["stoppedBy"], json!(["FAN_OUT"]));
    }

    async fn what_lies_beyond_the_depth_may_lie_behind_what_was_not_followed_too(db: TestDb) {
        let app = TestApp::new(db).await;
        // Recorded before x, so that of r1's two sources it is the one that is followed.
        app.create(&content("a@1")).await;
        let runs = [run("e1", &["r2@1", "z@1"], &["x@1"]), run("e2", &["x@1"], &["a@1"]), run("e3", &["a@1", "x@1"], &["r1@1"])];
        app.ingest(&runs.map(|run| run.record())).await;
        let roots = [id(&app, "r1@1").await, id(&app, "r2@1").await];
        let options = json!({"level": "VERSION", "direction": "BOTH", "depth": 1, "fanOut": 1});
        let seen = part(&app, &[&roots[0], &roots[1]], options, NAMES).await;
        assert_eq!(only_names(&seen), ["r2@1", "r1@1", "a@1", "x@1"]);
        // Upstream z lies behind a, beyond the depth, and behind x, which only the way down has shown.
        assert_eq!(seen["stoppedBy"], json!(["DEPTH", "FAN_OUT"]));
    }

    async fn the_hours_that_made_the_report_of_a_day(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("clicks", &[], Some("HOUR"))).await.ok();
        app.declare(declaration("report", &[], Some("DAY"))).await.ok();
        let mut records = vec![];
        for day in 1..=3 {
            let mut report = execution(&format!("report{day}"));
            for hour in 0..24 {
                let clicks = version("clicks", &format!("{day}-{hour}")).time(&format!("2026-11-{day:02}T{hour:02}:10:00Z"));
                records.push(execution(&format!("load{day}-{hour}")).produces("out", &clicks).record());
                report = report.consumes("in", "clicks", &format!("{day}-{hour}"));
            }
            records.push(report.produces("out", &version("report", &day.to_string()).time(&format!("2026-11-{day:02}"))).record());
        }
        app.ingest(&records).await;
        let of_the_third = app.chosen(json!({"uri": "flyte://av0.1/shop/production/report@3"}), "partition { id }").await;
        let root = of_the_third["partition"]["id"].as_str().unwrap();
        let found = part(&app, &[root], json!({"level": "PARTITION"}), NAMES).await;
        let hours: Vec<String> = (0..24).map(|hour| format!("clicks/2026-11-03T{hour:02}")).collect();
        assert_eq!(only_names(&found)[0], "report/2026-11-03");
        assert_eq!(only_names(&found)[1..], hours, "partition-exact: not the hours of other days");
        let morning = json!({"level": "PARTITION", "where": {"partition": {"time": {"from": "2026-11-03T06:00:00Z", "to": "2026-11-03T08:00:00Z"}}}});
        let found = part(&app, &[root], morning, NAMES).await;
        assert_eq!(only_names(&found), ["report/2026-11-03", "clicks/2026-11-03T06", "clicks/2026-11-03T07"]);
        assert_eq!(found["complete"], true, "what is hidden is not missing");
    }

    async fn what_is_deleted_or_not_yet_there_does_not_cut_a_path(db: TestDb) {
        let app = TestApp::new(db).await;
        app.ingest(&[run("first", &["awaited@1"], &["gone@1"]).record(), run("second", &["gone@1"], &["kept@1"]).record()]).await;
        app.delete(&id(&app, "gone@1").await).await.ok();
        let found = part(&app, &[id(&app, "kept@1").await], json!({}), "nodes { node { ... on Version { version artifact { name } state location } ... on Execution { name } } }").await;
        let states: Vec<_> = found["nodes"].as_array().unwrap().iter().map(|seen| (name(&seen["node"]), seen["node"]["state"].as_str().unwrap_or("").to_owned())).collect();
        let expected = [("kept@1", "AVAILABLE"), ("second", ""), ("gone@1", "DELETED"), ("first", ""), ("awaited@1", "REFERENCED")];
        assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state.to_owned())));
    }

    async fn parallel_edges_are_each_shown_and_lead_to_one_node(db: TestDb) {
        let app = TestApp::new(db).await;
        let twice = execution("join").consumes("left", "table", "1").consumes("right", "table", "1").produces("b", &version("out", "1")).produces("a", &version("out", "1"));
        app.record(&twice).await;
        let (table, out) = (id(&app, "table@1").await, id(&app, "out@1").await);
        let found = answer(&app, &[&out], json!({})).await;
        let edges: BTreeSet<_> = found.edges.iter().map(|edge| (edge.role.as_str(), edge.name.as_deref().unwrap())).collect();
        assert_eq!(edges, BTreeSet::from([("INPUT", "left"), ("INPUT", "right"), ("OUTPUT", "a"), ("OUTPUT", "b")]));
        assert_eq!((found.edges.len(), found.nodes.len(), found.nodes[1].upstream, found.nodes[1].downstream), (4, 3, 1, 1), "neighbours are nodes, not edges");
        assert_eq!(answer(&app, &[&out], json!({"level": "VERSION"})).await.edges.len(), 1);
        let paths = ask_paths(&app, &table, &out, Some(10), None).await;
        let paths = paths.ok()["lineagePaths"].as_array().unwrap();
        assert_eq!(paths.len(), 1, "distinct by their nodes");
        let names: Vec<&str> = paths[0]["edges"].as_array().unwrap().iter().map(|edge| edge["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["left", "right", "a", "b"], "hop by hop, then by name");
    }

    async fn what_is_pruned_is_said_and_what_is_hidden_is_walked_through(db: TestDb) {
        let app = TestApp::new(db).await;
        app.ingest(&[
            run("clean", &["raw@1"], &["clean@1"]).state("SUCCEEDED").record(),
            run("join", &["clean@1"], &["joined@1"]).state("FAILED").record(),
            run("report", &["joined@1"], &["report@1"]).state("SUCCEEDED").record(),
        ]).await;
        let root = [id(&app, "report@1").await];
        let only = |names: &[&str], prune: bool| json!({"where": {"artifacts": names.iter().map(|name| artifact(name)).collect::<Vec<_>>(), "prune": prune}});
        let hidden = part(&app, &root, only(&["raw"], false), NAMES).await;
        assert_eq!(names(&hidden), named([("report@1", 0), ("report", 1), ("join", 2), ("clean", 3), ("raw@1", 4)]), "executions have no artifact to test");
        assert_eq!(hidden["complete"], true);
        let edges = answer(&app, &root, only(&["raw"], false)).await.edges;
        assert_eq!(edges.iter().filter(|edge| edge.role == "DERIVED").count(), 2, "across what is hidden");
        let pruned = part(&app, &root, only(&["raw"], true), NAMES).await;
        assert_eq!(names(&pruned), named([("report@1", 0), ("report", 1)]));
        assert_eq!((&pruned["complete"], &pruned["stoppedBy"]), (&json!(false), &json!(["HIDDEN"])));
        let succeeded = |prune: bool| json!({"level": "VERSION", "where": {"states": ["SUCCEEDED"], "prune": prune}});
        let through = part(&app, &root, succeeded(false), NAMES).await;
        assert_eq!(only_names(&through), ["report@1", "joined@1", "clean@1", "raw@1"], "no version is hidden for its producer's state");
        let stopped = part(&app, &root, succeeded(true), NAMES).await;
        assert_eq!((only_names(&stopped), &stopped["stoppedBy"]), (vec!["report@1".to_owned(), "joined@1".to_owned()], &json!(["HIDDEN"])));
    }

    async fn an_artifact_without_versions_stands_for_nothing(db: TestDb) {
        let app = TestApp::new(db).await;
        app.declare(declaration("empty", &[], None)).await.ok();
        let empty = artifact_id(&app, "empty").await;
        for level in ["FULL", "VERSION", "EXECUTION"] {
            let found = answer(&app, &[&empty], json!({"level": level, "direction": "BOTH"})).await;
            let expected = Answer { revision: found.revision, roots: vec![empty.clone()], nodes: vec![], edges: vec![], complete: true, stopped_by: vec![], has_cursor: false, node_count: 0, counts: vec![] };
            assert_eq!(found, expected, "{level}");
        }
        for level in ["PARTITION", "ARTIFACT"] {
            let found = answer(&app, &[&empty], json!({"level": level})).await;
            assert_eq!((found.nodes.len(), &found.nodes[0].id, found.complete), (1, &empty, true), "{level}");
        }
        assert_eq!(ask_paths(&app, &empty, &empty, Some(3), None).await.ok()["lineagePaths"], json!([]));
    }

    async fn a_deadline_leaves_pages_that_are_the_whole(db: TestDb) {
        let app = TestApp::new(db).await;
        let layer = |layer: usize, n: usize| format!("l{layer}@{n}");
        let mut records = vec![];
        for step in 0..20 {
            for n in 0..50 {
                let takes: Vec<String> = (0..20).map(|other| layer(step, (n + other * 7) % 50)).collect();
                let takes: Vec<&str> = takes.iter().map(String::as_str).collect();
                records.push(run(&format!("r{step}-{n}"), &takes, &[&layer(step + 1, n)]).record());
            }
        }
        ingest(&app, &records).await;
        let root = id(&app, "l20@0").await;
        let whole = answer(&app, &[&root], json!({"limit": 10_000})).await;
        assert!(whole.complete && whole.nodes.len() > 1_000);
        let (mut nodes, mut edges, mut cursor) = (vec![], vec![], Value::Null);
        // Whatever the machine can do in so little time, what is answered is right and the rest can be had.
        for deadline in [1, 2, 4, 1_000, 60_000] {
            let reply = ask(&app, &[&root], json!({"limit": 10_000, "after": cursor, "deadlineMs": deadline}), FIELDS).await;
            if reply.code() == "DEADLINE_EXCEEDED" {
                reply.refused("DEADLINE_EXCEEDED");
                continue;
            }
            let page = read(&reply.ok()["lineage"]);
            assert_eq!(page.has_cursor, page.stopped_by == ["DEADLINE"], "{page:?}");
            assert_eq!(page.complete, !page.has_cursor);
            nodes.extend(page.nodes);
            edges.extend(page.edges);
            assert_eq!(page.node_count, nodes.len());
            cursor = reply.data["lineage"]["endCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        edges.sort();
        assert!(cursor.is_null());
        assert_eq!((nodes, edges), (whole.nodes, whole.edges));
    }

    async fn four_real_runs_have_the_closures_of_another_search(db: TestDb) {
        for file in ["1000genome-chameleon-2ch-250k-001", "blast-chameleon-large-003", "montage-chameleon-2mass-025d-001", "sarek-dirt02-001"] {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/integration/lineage/data").join(format!("{file}.jsonl.gz"));
            let (url, from) = (db.url.clone(), path.display().to_string());
            let imported = tokio::task::spawn_blocking(move || process::run(&["import", "--database", &url, &from])).await.unwrap();
            assert!(imported.status.success(), "{}", process::text(&imported.stderr));
            let app = TestApp::new(db.clone()).await;
            let graph = Recorded::read(&path);
            for root in graph.nodes.iter().step_by(graph.nodes.len() / 12) {
                for direction in ["UPSTREAM", "DOWNSTREAM"] {
                    let found = part(&app, &[graph.id(&app, root).await], json!({"direction": direction, "limit": 10_000}), NAMES).await;
                    let distances: BTreeMap<String, u64> = names(&found).into_iter().collect();
                    assert_eq!(distances, graph.closure(root, direction == "UPSTREAM"), "{direction} of {root}");
                    assert_eq!((&found["complete"], &found["nodeCount"]), (&json!(true), &json!(distances.len())), "{root}");
                }
            }
        }
    }
}

fn counted((distance, kind, count): (usize, &str, usize)) -> (usize, String, usize) {
    (distance, kind.to_owned(), count)
}

/// Draws all pages: how many there are, the nodes in order, none of them twice, and the number of edges.
async fn pages(app: &TestApp, root: &str, mut options: Value, limit: usize) -> (usize, Vec<String>, usize) {
    let (mut drawn, mut nodes, mut shown, mut edges) = (0, vec![], BTreeSet::new(), BTreeSet::new());
    options["limit"] = json!(limit);
    loop {
        let reply = ask(app, &[root], options.clone(), FIELDS).await;
        let page = read(&reply.ok()["lineage"]);
        drawn += 1;
        nodes.extend(page.nodes.into_iter().map(|seen| seen.id));
        shown.extend(nodes[shown.len()..].iter().cloned());
        for edge in page.edges {
            assert!(
                shown.contains(&edge.source) && shown.contains(&edge.target),
                "both ends have been shown"
            );
            assert!(edges.insert(edge), "no edge comes twice");
        }
        assert_eq!(page.node_count, nodes.len());
        options["after"] = reply.data["lineage"]["endCursor"].clone();
        if !page.has_cursor {
            assert!(page.complete);
            assert_eq!(shown.len(), nodes.len(), "no node comes twice");
            return (drawn, nodes, edges.len());
        }
    }
}

/// The graph of a file of records, by the names of things: `file@run`, or the execution's name.
struct Recorded {
    /// The project and the domain of all of it.
    project: String,
    domain: String,
    nodes: BTreeSet<String>,
    hops: Vec<(String, String)>,
}

impl Recorded {
    fn read(path: &PathBuf) -> Self {
        let mut graph = Self {
            project: String::new(),
            domain: String::new(),
            nodes: BTreeSet::new(),
            hops: vec![],
        };
        for line in BufReader::new(GzDecoder::new(std::fs::File::open(path).unwrap())).lines() {
            graph.add(&serde_json::from_str(&line.unwrap()).unwrap());
        }
        graph
    }

    fn add(&mut self, record: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let version = |version: &Value| format!("{}@{}", text(&version["artifact"]["name"]), text(&version["version"]));
        if record["version"].is_object() {
            self.nodes.insert(version(&record["version"]));
            return;
        }
        let execution = &record["execution"];
        let run = text(&execution["key"]["name"]);
        (self.project, self.domain) = (text(&execution["key"]["project"]), text(&execution["key"]["domain"]));
        self.nodes.insert(run.clone());
        for input in execution["inputs"].as_array().into_iter().flatten() {
            self.hops.push((version(&input["version"]["key"]), run.clone()));
        }
        for output in execution["outputs"].as_array().into_iter().flatten() {
            self.nodes.insert(version(&output["version"]));
            self.hops.push((run.clone(), version(&output["version"])));
        }
    }

    /// How many hops away everything is that can be reached.
    fn closure(&self, root: &str, up: bool) -> BTreeMap<String, u64> {
        let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (source, target) in &self.hops {
            let (from, to) = if up { (target, source) } else { (source, target) };
            next.entry(from).or_default().push(to);
        }
        let mut found = BTreeMap::from([(root.to_owned(), 0)]);
        let mut open = VecDeque::from([root]);
        while let Some(node) = open.pop_front() {
            let distance = found[node] + 1;
            for other in next.get(node).into_iter().flatten() {
                if !found.contains_key(*other) {
                    found.insert((*other).to_owned(), distance);
                    open.push_back(other);
                }
            }
        }
        found
    }

    async fn id(&self, app: &TestApp, name: &str) -> String {
        let key = |name: &str| json!({"project": self.project, "domain": self.domain, "name": name});
        // Files' names have slashes and perhaps an `@`; the version is the run.
        let data = if let Some((file, run)) = name.rsplit_once('@') {
            let query = json!({"key": {"artifact": key(file), "version": run}});
            app.data(
                "query($query: VersionQuery!) { it: version(query: $query) { id } }",
                json!({"query": query}),
            )
            .await
        } else {
            app.data(
                "query($key: ExecutionKey!) { it: execution(key: $key) { id } }",
                json!({"key": key(name)}),
            )
            .await
        };
        data["it"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is not there"))
            .to_owned()
    }
}
