//! Rule 15 for events: what a store holds depends on the set of events, not on their order, nor on how often or by whom each was sent.

use std::collections::BTreeMap;

use entity::{dataset_story, run_story, version_story};
use proptest::prelude::*;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ActiveModelTrait, DatabaseConnection, DbBackend, EntityTrait};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{
    picture::{dataset as artifact, edges, export},
    real::events,
};
use crate::{
    checks::findings,
    on_both_databases,
    support::{
        TestApp, TestDb,
        openlineage::{DatasetInput, EventInput, NAMESPACE, about, dataset, job, run},
        runner,
    },
};

const TYPES: [&str; 6] = ["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"];
pub const DATASETS: [&str; 4] = ["orders", "a/orders", "model", "raw"];

/// A dataset as an event may mention it: its name, a version, a partition, a facet, another name.
fn mention() -> impl Strategy<Value = (usize, Option<u8>, Option<u8>, u8, bool)> {
    (
        0..DATASETS.len(),
        prop::option::weighted(0.25, 0..3_u8),
        prop::option::weighted(0.25, 0..3_u8),
        0..4_u8,
        prop::bool::weighted(0.08),
    )
}

fn mentioned(
    (name, version, day, facet, linked): (usize, Option<u8>, Option<u8>, u8, bool),
    own: &str,
) -> DatasetInput {
    let mut found = dataset(DATASETS[name]);
    if let Some(version) = version {
        // All who name a version agree on what it is.
        found = found.version(&format!("v{version}")).schema(&format!("field{version}"));
    } else if let Some(day) = day {
        found = found.partitions(own, &[&[("day", &format!("2{day}"))]]);
    } else if facet == 0 {
        found = found.facet("note", json!({"of": DATASETS[name]}));
    }
    if linked {
        found.symlink(DATASETS[(name + 1) % 2])
    } else {
        found
    }
}

/// Events about a few runs, a job and datasets, at times of one day.
pub fn event() -> impl Strategy<Value = Value> {
    let mentions = || prop::collection::vec(mention(), 0..3);
    (0..9_usize, 0..TYPES.len(), 0..600_u32, mentions(), mentions(), 0..4_u8).prop_map(
        |(who, event_type, minute, inputs, outputs, facet)| {
            // No two events at the same instant write, so that no two versions are equally recent.
            let time = format!("{:02}:{:02}", 8 + minute / 60, minute % 60);
            let event: EventInput = match who {
                0 => {
                    let one = inputs.first().copied().unwrap_or((0, None, None, 0, false));
                    return about(mentioned((one.0, one.1, None, one.3, one.4), ""))
                        .at(&time)
                        .json();
                }
                1 => job("plan").at(&time),
                _ => run(&format!("run{who}")).on(TYPES[event_type], &time),
            };
            let event = inputs
                .into_iter()
                .fold(event, |event, one| event.reads(mentioned(one, "inputFacets")));
            let event = outputs
                .into_iter()
                .fold(event, |event, one| event.writes(mentioned(one, "outputFacets")));
            let event = if facet > 1 {
                event.facet("job", "note", json!({"facet": facet, "at": minute}))
            } else {
                event
            };
            let parent = json!({"run": {"runId": "run2"}, "job": {"namespace": "s3://lake", "name": "x"}});
            if facet == 3 && who > 2 {
                event.facet("run", "parent", parent).json()
            } else {
                event.json()
            }
        },
    )
}

/// Events about two runs that name many versions of two datasets, which may turn out to be one, and events about these.
fn naming_event() -> impl Strategy<Value = Value> {
    let version = prop::option::weighted(0.8, 0..6_u8);
    let mention = (0..2_usize, version, Just(None), 0..2_u8, prop::bool::weighted(0.1));
    let mentions = prop::collection::vec(mention, 1..4);
    (0..3_u8, 0..TYPES.len(), 0..600_u32, mentions, any::<bool>()).prop_map(
        |(who, event_type, minute, mentions, reads)| {
            let time = format!("{:02}:{:02}", 8 + minute / 60, minute % 60);
            if who == 0 {
                return about(mentioned(mentions[0], "")).at(&time).json();
            }
            let event = run(&format!("run{who}")).on(TYPES[event_type], &time);
            let event = mentions.into_iter().fold(event, |event, one| match reads {
                true => event.reads(mentioned(one, "inputFacets")),
                false => event.writes(mentioned(one, "outputFacets")),
            });
            event.json()
        },
    )
}

/// Each at a minute of its own.
fn by_minute(events: Vec<Value>) -> Vec<Value> {
    let by_time: BTreeMap<String, Value> = events
        .into_iter()
        .map(|event| (event["eventTime"].to_string(), event))
        .collect();
    by_time.into_values().collect()
}

/// Puts what is kept apart from stories into them, as it was kept before.
async fn keep_within(connection: &DatabaseConnection) {
    let apart = version_story::Entity::find().all(connection).await.unwrap();
    assert!(!apart.is_empty());
    let put = |uses: &mut Value, rows: &mut dyn Iterator<Item = &version_story::Model>| {
        uses.as_object_mut().unwrap().remove("of_apart");
        for row in rows {
            uses["versions"][&row.version] = serde_json::from_str(&row.story).unwrap();
        }
    };
    for row in run_story::Entity::find().all(connection).await.unwrap() {
        let mut story: Value = serde_json::from_str(&row.story).unwrap();
        for (is_written, list) in [(false, "inputs"), (true, "outputs")] {
            for pair in story.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let dataset = pair[0].clone();
                let is_its = |apart: &&version_story::Model| {
                    let of = apart
                        .dataset
                        .as_ref()
                        .map(|of| serde_json::from_str::<Value>(of).unwrap());
                    apart.execution_id == Some(row.id)
                        && apart.is_written == is_written
                        && of.as_ref() == Some(&dataset)
                };
                put(&mut pair[1], &mut apart.iter().filter(is_its));
            }
        }
        let changed = run_story::ActiveModel {
            id: Unchanged(row.id),
            story: Set(story.to_string()),
            ..Default::default()
        };
        changed.update(connection).await.unwrap();
    }
    for row in dataset_story::Entity::find().all(connection).await.unwrap() {
        let mut story: Value = serde_json::from_str(&row.story).unwrap();
        put(
            &mut story["uses"],
            &mut apart.iter().filter(|apart| apart.artifact_id == Some(row.id)),
        );
        let changed = dataset_story::ActiveModel {
            id: Unchanged(row.id),
            story: Set(story.to_string()),
        };
        changed.update(connection).await.unwrap();
    }
    version_story::Entity::delete_many().exec(connection).await.unwrap();
}

/// Sends events by several clients at once, each its share, some at a time.
async fn send(app: &TestApp, events: &[Value], clients: usize, at_a_time: usize) {
    let share = events.len().div_ceil(clients).max(1);
    let sent = events.chunks(share).map(async |share| {
        for some in share.chunks(at_a_time) {
            app.hear(some).await;
        }
    });
    futures_util::future::join_all(sent).await;
}

/// What the store holds: the export, byte for byte, and every edge. Of several versions that
/// one run made at the same instant, any may be the most recent: rule 11 goes by the order of recording.
pub async fn picture(app: &TestApp) -> Vec<String> {
    let mut lines: Vec<String> = export(&app.db.url).await.lines().map(str::to_owned).collect();
    lines.extend(edges(app).await);
    let query = "{ artifacts(orderBy: {field: NAME, direction: ASC}) { nodes { name metadata otherNames { name } versionCount latest { createdAt }
        versions(orderBy: {field: VERSION, direction: ASC}) { nodes { version state createdAt location type description metadata card schemaMismatch aliases partition { value(key: \"day\") } producer { name } } }
        partitions { nodes { value(key: \"day\") versionCount latest { createdAt } } } } } }";
    let data = app.data(query, json!({})).await;
    for artifact in data["artifacts"]["nodes"].as_array().unwrap() {
        let mut artifact = artifact.clone();
        for version in artifact["versions"]["nodes"].as_array_mut().unwrap() {
            if version["state"] == "REFERENCED" {
                // Until it is produced, this is when it was recorded.
                version["createdAt"].take();
            }
        }
        // A partition stays, also when it has lost its versions.
        let partitions = artifact["partitions"]["nodes"].as_array_mut().unwrap();
        partitions.retain(|partition| partition["versionCount"] != 0);
        partitions.sort_by_key(Value::to_string);
        lines.push(artifact.to_string());
    }
    lines
}

async fn picture_of(backend: DbBackend, events: &[Value], clients: usize, at_a_time: usize) -> Vec<String> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    TestDb::of(backend)
        .await
        .lend(async |db| {
            let app = TestApp::new(db).await;
            send(&app, events, clients, at_a_time).await;
            sender.send(picture(&app).await).await.unwrap();
        })
        .await;
    receiver.recv().await.unwrap()
}

/// Shuffled by one number for each event; of three, one comes twice.
pub fn shuffled<T: Clone>(events: &[T], places: &[(u32, u32)]) -> Vec<T> {
    let mut placed: BTreeMap<(u32, usize), &T> = BTreeMap::new();
    for (index, (event, (one, other))) in events.iter().zip(places.iter().cycle()).enumerate() {
        placed.insert((*one, 2 * index), event);
        if one % 3 == 0 {
            placed.insert((*other, 2 * index + 1), event);
        }
    }
    placed.into_values().cloned().collect()
}

pub fn difference(expected: &[String], found: &[String]) -> String {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    format!("missing {missing:#?}\nsurplus {surplus:#?}")
}

/// Compares what events make in order with what they make in many other orders.
fn check(backend: DbBackend, handle: &Handle, cases: u32, events: impl Strategy<Value = Vec<Value>>) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let places = prop::collection::vec((any::<u32>(), any::<u32>()), 64);
    let outcome = runner(config).run(
        &(events, places, 1..5_usize, 1..9_usize),
        |(events, places, clients, at_a_time)| {
            let mixed = shuffled(&events, &places);
            handle.block_on(async {
                let mut in_order = events.clone();
                in_order.sort_by_key(|event| event["eventTime"].as_str().unwrap().to_owned());
                let expected = picture_of(backend, &in_order, 1, 1).await;
                let found = picture_of(backend, &mixed, clients, at_a_time).await;
                prop_assert!(
                    expected == found,
                    "{}\nevents {mixed:#?}",
                    difference(&expected, &found)
                );
                Ok(())
            })
        },
    );
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

on_both_databases! {
    async fn any_order_of_events_makes_the_same_store(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        let cases = if backend == DbBackend::Sqlite { 60 } else { 16 };
        let events = prop::collection::vec(event(), 1..14).prop_map(by_minute);
        tokio::task::block_in_place(|| check(backend, &handle, cases, events));
    }

    async fn any_order_of_events_that_name_many_versions_makes_the_same_store(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        let cases = if backend == DbBackend::Sqlite { 40 } else { 12 };
        let events = prop::collection::vec(naming_event(), 1..14).prop_map(by_minute);
        tokio::task::block_in_place(|| check(backend, &handle, cases, events));
    }

    async fn a_run_may_name_another_version_with_each_event(db: TestDb) {
        let names: Vec<String> = (1..=7).map(|n| format!("v{n}")).collect();
        let noted = || dataset("model").facet("note", json!({"of": "all"}));
        let mut events = vec![run("r").on("START", "10:00").json()];
        events.extend(names.iter().enumerate().map(|(n, version)| {
            let model = dataset("model").version(version).schema("field").own("outputFacets", "outputStatistics", json!({"rowCount": n}));
            run("r").on("RUNNING", &format!("10:{:02}", n + 1)).reads(dataset("raw").version(version)).writes(model).json()
        }));
        events.push(run("r").on("RUNNING", "10:20").writes(noted()).json());
        // What a version says changes, then when it was made: the run is complete before it names the last one.
        events.push(run("r").on("OTHER", "10:30").writes(dataset("model").version("v3").facet("note", json!({"of": "one"}))).json());
        events.push(run("r").on("COMPLETE", "10:05").json());
        let mut pictures = Vec::new();
        for is_reversed in [false, true] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            let sent: Vec<Value> = if is_reversed { events.iter().rev().cloned().collect() } else { events.clone() };
            for event in &sent {
                app.hear(std::slice::from_ref(event)).await;
            }
            assert_eq!(findings(&app.db).await, []);
            let told = artifact(&app, "model", "versions(orderBy: {field: VERSION, direction: ASC}) { nodes { version createdAt metadata } }").await;
            let versions = told["versions"]["nodes"].as_array().unwrap();
            let found: Vec<&str> = versions.iter().map(|version| version["version"].as_str().unwrap()).collect();
            assert_eq!(found, names);
            for (n, version) in versions.iter().enumerate() {
                let note = if version["version"] == "v3" { "one" } else { "all" };
                assert_eq!((&version["metadata"]["note"]["of"], &version["metadata"]["outputStatistics"]["rowCount"]), (&json!(note), &json!(n)), "{version}");
            }
            assert_eq!(versions[6]["createdAt"], "2026-11-24T10:05:00Z");
            assert_eq!(edges(&app).await.iter().filter(|edge| edge.contains("raw")).count(), 7);
            pictures.push(picture(&app).await);
        }
        assert_eq!(pictures[0], pictures[1]);
    }

    // Before version stories had a table, a story had all versions in itself.
    async fn a_story_of_before_goes_on(db: TestDb) {
        let version = |name: &str, n: usize| dataset(name).version(&format!("v{n}")).facet("note", json!({"is": n}));
        let before: Vec<Value> = (1..=4).flat_map(|n| [
            run("r").on("RUNNING", &format!("10:0{n}")).reads(version("raw", n)).writes(version("model", n)).json(),
            about(version("model", n)).at(&format!("10:1{n}")).json(),
        ]).collect();
        let after = [
            run("r").on("RUNNING", "11:00").writes(version("model", 3).facet("more", json!({"is": 3}))).json(),
            run("r").on("RUNNING", "11:01").reads(version("raw", 5)).writes(version("model", 5)).json(),
            about(version("model", 2).facet("later", json!({"is": 2}))).at("11:02").json(),
            about(version("model", 6)).at("11:03").json(),
            run("r").on("COMPLETE", "10:02").json(),
        ];
        let mut pictures = Vec::new();
        for is_old in [true, false] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            app.hear(&before).await;
            if is_old {
                keep_within(&app.db.connection().await).await;
                assert_eq!(findings(&app.db).await, []);
            }
            for event in &after {
                app.hear(std::slice::from_ref(event)).await;
            }
            assert_eq!(findings(&app.db).await, []);
            pictures.push(picture(&app).await);
        }
        assert!(pictures[0] == pictures[1], "{}", difference(&pictures[1], &pictures[0]));
    }

    async fn an_event_that_is_refused_tells_no_other_names(db: TestDb) {
        let app = TestApp::new(db).await;
        let said = |field: &str| dataset("orders").version("v").schema(field);
        app.hear(&[
            run("a").on("COMPLETE", "10:00").writes(said("one")).json(),
            run("b").on("COMPLETE", "10:10").writes(dataset("model").version("w")).writes("raw").json(),
            about(dataset("model").version("w2")).at("10:11").json(),
        ]).await;
        let before = picture(&app).await;
        // Refused for its schema, after its other names were heard of.
        let refused = run("c").on("COMPLETE", "10:20").writes(said("two").symlink("model")).reads(dataset("raw").symlink("model")).json();
        for beside in [None, Some(run("d").on("START", "10:30").json())] {
            let sent: Vec<Value> = [Some(refused.clone()), beside.clone()].into_iter().flatten().collect();
            let answer = app.try_hear(&sent).await.json();
            let failed = answer["failed_events"].as_array().unwrap();
            assert_eq!((failed.len(), &failed[0]["index"]), (1, &json!(0)), "{answer}");
            assert!(failed[0]["reason"].as_str().unwrap().contains("schema"), "{answer}");
            assert_eq!(findings(&app.db).await, []);
            if beside.is_none() {
                assert_eq!(picture(&app).await, before);
            }
        }
        let told = artifact(&app, "model", "name otherNames { name } versionCount").await;
        assert_eq!(told, json!({"name": "model", "otherNames": [], "versionCount": 2}));
    }

    async fn a_name_may_move_twice_in_one_revision(db: TestDb) {
        let events = [
            run("r").on("COMPLETE", "10:00").writes(dataset("z").version("v")).json(),
            about(dataset("z").version("v2")).at("10:01").json(),
            // It is kept as b, and then, with b, as a.
            about(dataset("b").symlink("z")).at("10:02").json(),
            about(dataset("a").symlink("b")).at("10:03").json(),
        ];
        let mut pictures = Vec::new();
        for at_a_time in [1, 2, 4] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for some in [&events[..2], &events[2..]].into_iter().flat_map(|half| half.chunks(at_a_time)) {
                app.hear(some).await;
            }
            assert_eq!(findings(&app.db).await, []);
            let told = artifact(&app, "a", "otherNames { name } versions { nodes { version } }").await;
            assert_eq!((told["otherNames"].as_array().unwrap().len(), told["versions"]["nodes"].as_array().unwrap().len()), (2, 2), "{told}");
            pictures.push(picture(&app).await);
        }
        assert!(pictures.iter().all(|picture| *picture == pictures[0]), "{pictures:#?}");
    }

    // The rows that are kept apart go along when their dataset turns out to be another one.
    async fn many_versions_of_a_dataset_move_with_its_name(db: TestDb) {
        let app = TestApp::new(db).await;
        for n in 1..=4 {
            let version = |name: &str| dataset(name).version(&format!("v{n}")).facet("note", json!({"of": name, "is": n}));
            app.hear(&[
                about(version("other")).at(&format!("10:0{n}")).json(),
                run("r").on("RUNNING", &format!("11:0{n}")).writes(version("other")).reads(version("read")).json(),
            ]).await;
        }
        app.hear(&[about(dataset("a model").symlink("other")).at("12:00").json()]).await;
        app.hear(&[about(dataset("a model").version("v5")).at("12:01").json(), run("r").on("RUNNING", "12:02").writes(dataset("other").version("v2").facet("more", json!({"is": 2}))).json()]).await;
        let told = artifact(&app, "a model", "versions(orderBy: {field: VERSION, direction: ASC}) { nodes { version metadata } }").await;
        let versions = told["versions"]["nodes"].as_array().unwrap();
        let notes: Vec<&Value> = versions.iter().map(|version| &version["metadata"]["note"]["is"]).collect();
        assert_eq!(notes, [&json!(1), &json!(2), &json!(3), &json!(4), &Value::Null]);
        assert_eq!(versions[1]["metadata"]["more"]["is"], 2);
        assert_eq!(findings(&app.db).await, []);
    }

    async fn any_order_of_real_events_makes_the_same_store(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        let cases = if backend == DbBackend::Sqlite { 6 } else { 3 };
        tokio::task::block_in_place(|| check(backend, &handle, cases, Just(events())));
    }

    async fn what_is_only_announced_is_not_yet_said(db: TestDb) {
        let backend = db.backend();
        let said = |id: &str, event_type: &str, time: &str, field: &str, note: &str| {
            let version = dataset("model").version("v").schema(field).facet(note, json!({"by": id}));
            run(id).on(event_type, time).writes(version).json()
        };
        let events = [
            said("announcing", "START", "10:30", "one", "x"),
            said("first", "COMPLETE", "10:40", "two", "y"),
            said("second", "COMPLETE", "10:50", "two", "z"),
        ];
        let mut pictures = Vec::new();
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let app = TestApp::new(TestDb::of(backend).await).await;
            for place in order {
                app.hear(&[events[place].clone()]).await;
            }
            let version = artifact(&app, "model", "latest { metadata }").await;
            pictures.push(version["latest"]["metadata"].clone());
        }
        assert_eq!(pictures[0]["schema"]["fields"][0]["name"], "two", "{pictures:?}");
        assert!(pictures[0].get("x").is_none() && pictures.iter().all(|picture| *picture == pictures[0]), "{pictures:?}");
    }

    async fn a_late_version_has_the_readers_up_to_the_next(db: TestDb) {
        let backend = db.backend();
        let model = || dataset("model");
        let wrote = |id: &str, time: &str| run(id).on("COMPLETE", time).writes(model()).json();
        let named = |id: &str, time: &str| run(id).on("RUNNING", time).writes(model().version("v1")).json();
        let reads = |id: &str, time: &str| run(id).on("START", time).reads(model()).json();
        let cases = [
            // Who wrote the next version itself is not held back by it.
            vec![wrote("w", "10:00"), wrote("late", "10:15"), named("own", "10:20"), reads("own", "10:30"), reads("r", "10:40")],
            // A version that turns out to be older lets those go that started after another one.
            vec![named("x", "08:00"), wrote("w", "11:00"), named("x", "13:00"), reads("r", "13:30"), reads("between", "12:00")],
        ];
        for events in cases {
            let mut found = Vec::new();
            for late in 0..events.len() {
                let app = TestApp::new(TestDb::of(backend).await).await;
                let (before, after) = events.split_at(late);
                for event in before.iter().chain(&after[1..]).chain(&after[..1]) {
                    app.hear(std::slice::from_ref(event)).await;
                }
                found.push(edges(&app).await);
            }
            assert!(found.iter().all(|edges| *edges == found[0]), "{found:#?}");
        }
    }

    // What is said again counts as said later, also where it is the same as before.
    async fn what_is_said_again_is_said_last(db: TestDb) {
        let say = |id: &str, time: &str, note: &str| {
            let version = dataset("model").version("v").facet("note", json!({"is": note}));
            run(id).on("RUNNING", time).writes(version).json()
        };
        let about_it = |time: &str| about(dataset("model").version("v").facet("note", json!({"is": "from outside"}))).at(time).json();
        let events = [say("a", "10:00", "one"), say("b", "10:10", "two"), say("a", "10:20", "one"), about_it("10:05"), about_it("10:15")];
        for (order, note) in [(&[0, 1, 2][..], "one"), (&[2, 1, 0], "one"), (&[1, 0, 2], "one"), (&[3, 1, 4], "from outside"), (&[4, 1, 3], "from outside"), (&[0, 1, 4, 3, 2], "one")] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for place in order {
                app.hear(std::slice::from_ref(&events[*place])).await;
            }
            let version = artifact(&app, "model", "latest { metadata }").await;
            assert_eq!(version["latest"]["metadata"]["note"]["is"], note, "{order:?}");
        }
    }

    async fn an_input_of_a_partition_moves_with_a_declaration(db: TestDb) {
        let backend = db.backend();
        let day: &[&[(&str, &str)]] = &[&[("day", "1")]];
        let events = [
            run("r1").on("COMPLETE", "10:02").writes(dataset("model").partitions("outputFacets", day)).json(),
            run("r2").on("START", "10:05").reads(dataset("model").partitions("inputFacets", day)).json(),
        ];
        let mut found = Vec::new();
        for declared in 0..3 {
            let app = TestApp::new(TestDb::of(backend).await).await;
            for place in 0..3 {
                if place == declared {
                    let key = json!({"project": NAMESPACE, "domain": "default", "name": "model"});
                    let reply = app.declare(json!({"key": key, "partitionKeys": ["day", "region"]})).await;
                    assert!(reply.json().get("errors").is_none(), "{}", reply.body);
                }
                if let Some(event) = events.get(place) {
                    app.hear(std::slice::from_ref(event)).await;
                }
            }
            found.push(edges(&app).await);
        }
        assert!(found.iter().all(|edges| *edges == found[0]), "{found:?}");
    }
}
