//! Rule 15 where records and events speak of the same: a record is one more speaker, whoever came first.

use proptest::prelude::*;
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{
    order::{DATASETS, difference, event, picture, shuffled},
    picture::{dataset as fields_of, edges},
};
use crate::{
    checks::findings,
    on_both_databases,
    support::{
        TestApp, TestDb, artifact, declaration, execution,
        fixtures::VersionInput,
        openlineage::{DatasetInput, NAMESPACE, about, dataset, run},
        runner, version,
    },
};

/// What a client sends at once.
#[derive(Clone, Debug, PartialEq)]
enum Given {
    Event(Value),
    Record(Value),
}

use Given::{Event, Record};

/// A record about the things that events are about.
fn on_lake(record: &Value) -> Given {
    let text = record.to_string().replace("\"shop\"", &format!("{NAMESPACE:?}"));
    Record(serde_json::from_str(&text.replace("\"production\"", "\"default\"")).unwrap())
}

/// A record of a version of the dataset `d`, with some fields more.
fn record_of(name: &str, fields: Value) -> Given {
    let fields = fields.as_object().unwrap().clone();
    let input = fields
        .into_iter()
        .fold(version("d", name), |input, (field, value)| input.with(&field, value));
    on_lake(&input.record())
}

/// A run that has written a version of `d`.
fn wrote(id: &str, time: &str, version: DatasetInput) -> Given {
    Event(run(id).on("COMPLETE", time).writes(version).json())
}

fn deletion(name: &str) -> Given {
    on_lake(&json!({"deletion": {"artifact": artifact("d"), "version": name}}))
}

/// Whether what is sent is taken.
async fn send(app: &TestApp, given: &Given) -> bool {
    match given {
        Event(event) => app.try_hear(std::slice::from_ref(event)).await.json()["status"] == "success",
        Record(record) => {
            let reply = app.try_ingest(std::slice::from_ref(record)).await;
            reply.ok()["ingest"]["rejected"] == 0
        }
    }
}

/// All orders of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let longer = shorter.iter().flat_map(|order| {
        (0..=order.len()).map(|place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    });
    longer.collect()
}

const FIELDS: &str = "versions(orderBy: {field: VERSION, direction: ASC}) { nodes { version state createdAt location type description metadata
    card partition { value(key: \"day\") timePartition { start } } } }";

/// Sends it in every order, one at a time; afterwards the store is the same, and as it should be. Answers the versions of `d`.
async fn in_any_order(backend: DbBackend, given: &[Given]) -> Vec<Value> {
    let mut first: Option<(Vec<String>, Value)> = None;
    for order in orders(given.len()) {
        let app = TestApp::new(TestDb::of(backend).await).await;
        for place in &order {
            assert!(
                send(&app, &given[*place]).await,
                "{order:?}: {:?} is refused",
                given[*place]
            );
        }
        assert_eq!(findings(&app.db).await, [], "{order:?}");
        let found = (picture(&app).await, fields_of(&app, "d", FIELDS).await);
        let expected = first.get_or_insert_with(|| found.clone());
        assert!(
            *expected == found,
            "{order:?} of {given:#?}: {}",
            difference(&expected.0, &found.0)
        );
    }
    let (_, artifact) = first.unwrap();
    artifact["versions"]["nodes"].as_array().cloned().unwrap_or_default()
}

/// The one version of `d`, after all orders.
async fn one_in_any_order(backend: DbBackend, given: &[Given]) -> Value {
    let versions = in_any_order(backend, given).await;
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions[0].clone()
}

/// Of two that contradict each other the first stays, whichever it is.
async fn contradict(backend: DbBackend, one: Given, other: Given) {
    for pair in [[&one, &other], [&other, &one]] {
        let app = TestApp::new(TestDb::of(backend).await).await;
        assert!(send(&app, pair[0]).await, "{pair:?}");
        let before = picture(&app).await;
        assert!(!send(&app, pair[1]).await, "{:?} is taken after {:?}", pair[1], pair[0]);
        assert_eq!(before, picture(&app).await);
        assert_eq!(findings(&app.db).await, []);
    }
}

fn day(day: &str) -> DatasetInput {
    dataset("d").version("v").partitions("outputFacets", &[&[("day", day)]])
}

on_both_databases! {
    async fn what_a_record_gives_holds_and_what_it_leaves_open_is_what_events_say(db: TestDb) {
        let said = dataset("d").version("v").schema("x").facet("note", json!({"by": "event"}))
            .facet("documentation", json!({"description": "of the event"})).facet("datasetType", json!({"datasetType": "TABLE"}));
        let record = record_of("v", json!({"location": "s3://elsewhere", "card": "# card", "metadata": {"note": "of the record", "rows": 3}}));
        let found = one_in_any_order(db.backend(), &[record, wrote("r", "10:00", said)]).await;
        assert_eq!((&found["location"], &found["card"]), (&json!("s3://elsewhere"), &json!("# card")));
        assert_eq!((&found["type"], &found["description"]), (&json!("TABLE"), &json!("of the event")));
        assert_eq!((&found["metadata"]["note"], &found["metadata"]["rows"]), (&json!("of the record"), &json!(3)));
        assert_eq!(found["metadata"]["schema"]["fields"][0]["name"], "x");
        assert_eq!(found["createdAt"], "2026-11-24T10:00:00Z");
    }

    async fn a_record_beside_several_runs_and_an_event_about_the_dataset(db: TestDb) {
        let said = |note: &str| dataset("d").version("v").facet("note", json!({"is": note})).facet(note, json!({"is": note}));
        let record = record_of("v", json!({"type": "PARQUET", "description": "of the record"}));
        let found = one_in_any_order(db.backend(), &[
            wrote("r1", "10:00", said("one")), record, wrote("r2", "10:05", said("two")), Event(about(said("three")).at("09:55").json()),
        ]).await;
        assert_eq!((&found["type"], &found["description"]), (&json!("PARQUET"), &json!("of the record")));
        assert_eq!(found["metadata"]["note"]["is"], "two");
        assert!(["one", "two", "three"].iter().all(|note| found["metadata"][note]["is"] == **note), "{found}");
        assert_eq!(found["createdAt"], "2026-11-24T09:55:00Z");
    }

    async fn the_time_that_a_record_gives_holds(db: TestDb) {
        for at in ["2026-11-24T08:00:00Z", "2026-11-24T12:00:00Z"] {
            let given = [
                record_of("v", json!({"createdAt": at})),
                wrote("r", "10:00", dataset("d").version("v").schema("x")),
                // One that floats: it is at the version only once that is there.
                Event(run("reader").on("START", "11:00").reads("d").json()),
            ];
            let versions = in_any_order(db.backend(), &given).await;
            assert_eq!(versions.last().unwrap()["createdAt"], at, "{versions:?}");
            assert_eq!(versions.len() == 2, at > "2026-11-24T11", "{versions:?}");
        }
    }

    async fn the_partition_that_one_of_them_gives_holds(db: TestDb) {
        let partition = json!([{"key": "day", "value": "1"}]);
        let plain = || wrote("r", "10:00", dataset("d").version("v").schema("x"));
        let reader = Event(run("reader").on("START", "11:00").reads(dataset("d").partitions("inputFacets", &[&[("day", "1")]])).json());
        for given in [
            [record_of("v", json!({})), wrote("r", "10:00", day("1")), reader.clone()],
            [record_of("v", json!({"partition": partition})), plain(), reader.clone()],
            [record_of("v", json!({"partition": partition})), wrote("r", "10:00", day("1")), reader.clone()],
            [wrote("other", "10:05", dataset("d").version("v")), wrote("r", "10:00", day("1")), reader.clone()],
        ] {
            let found = one_in_any_order(db.backend(), &given).await;
            assert_eq!(found["partition"]["value"], "1", "{given:?}");
        }
        let time = record_of("v", json!({"timePartition": "2026-11-24T05:00:00Z"}));
        let found = one_in_any_order(db.backend(), &[time, wrote("r", "10:00", day("1"))]).await;
        assert_eq!((&found["partition"]["value"], &found["partition"]["timePartition"]["start"]), (&json!("1"), &json!("2026-11-24T00:00:00Z")));
    }

    async fn another_partition_or_another_schema_is_a_contradiction(db: TestDb) {
        let partition = json!([{"key": "day", "value": "2"}]);
        contradict(db.backend(), record_of("v", json!({"partition": partition})), wrote("r", "10:00", day("1"))).await;
        let schema = json!({"schema": {"fields": [{"name": "other"}]}});
        contradict(db.backend(), record_of("v", json!({"metadata": schema})), wrote("r", "10:00", dataset("d").version("v").schema("x"))).await;
        contradict(db.backend(), wrote("r1", "10:00", day("1")), wrote("r2", "10:00", day("2"))).await;
    }

    async fn records_are_compared_with_records(db: TestDb) {
        let event = wrote("r", "10:00", dataset("d").version("v").schema("x").facet("documentation", json!({"description": "of the event"})));
        let record = record_of("v", json!({"type": "PARQUET"}));
        for first in [[&event, &record], [&record, &event]] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            let mut verdicts = Vec::new();
            for given in first.into_iter().chain([&record, &record_of("v", json!({"type": "PARQUET", "description": "of the event"}))]) {
                verdicts.push(match given {
                    Event(event) => app.try_hear(std::slice::from_ref(event)).await.json()["status"].clone(),
                    Record(record) => app.try_ingest(std::slice::from_ref(record)).await.ok()["ingest"]["results"][0]["status"].clone(),
                });
            }
            assert_eq!(verdicts[2..], [json!("UNCHANGED"), json!("REJECTED")], "{verdicts:?}");
            assert!(verdicts[..2].iter().all(|verdict| *verdict == "APPLIED" || *verdict == "success"), "{verdicts:?}");
            assert_eq!(findings(&app.db).await, []);
        }
    }

    async fn a_mutation_after_events_applies_and_creates_nothing(db: TestDb) {
        let app = TestApp::new(db).await;
        assert!(send(&app, &wrote("r", "10:00", dataset("d").version("v").schema("x"))).await);
        let Record(record) = record_of("v", json!({"location": "s3://elsewhere"})) else { unreachable!() };
        let query = "mutation($input: CreateVersionInput!) { createVersion(input: $input) { created version { location metadata } } }";
        for _ in 0..2 {
            let reply = app.data(query, json!({"input": record["version"]})).await;
            let payload = &reply["createVersion"];
            assert_eq!((&payload["created"], &payload["version"]["location"]), (&json!(false), &json!("s3://elsewhere")));
            assert_eq!(payload["version"]["metadata"]["schema"]["fields"][0]["name"], "x");
        }
    }

    async fn what_events_take_back_goes_and_what_a_record_said_stays(db: TestDb) {
        let record = || record_of("r", json!({"location": "s3://elsewhere", "metadata": {"rows": 3}}));
        let written = || wrote("r", "10:00", dataset("d").schema("x").facet("documentation", json!({"description": "of the event"})));
        // The run names its version after all, so it has not made one that is called like itself.
        let named = || Event(run("r").on("RUNNING", "09:50").writes(dataset("d").version("v")).json());
        let versions = in_any_order(db.backend(), &[record(), written(), named()]).await;
        let found = &versions[0];
        assert_eq!((versions.len(), &found["version"], &found["state"]), (2, &json!("r"), &json!("AVAILABLE")));
        assert_eq!((&found["location"], &found["metadata"], &found["description"]), (&json!("s3://elsewhere"), &json!({"rows": 3}), &Value::Null));
        assert_eq!(found["createdAt"], "2026-11-23T12:00:00Z");
        assert_eq!(in_any_order(db.backend(), &[written(), named()]).await.len(), 1);
        // A version that is only announced is not produced by that.
        let announced = Event(run("other").on("START", "09:00").writes(dataset("d").version("r")).json());
        let versions = in_any_order(db.backend(), &[written(), named(), announced]).await;
        assert_eq!((&versions[0]["version"], &versions[0]["state"]), (&json!("r"), &json!("REFERENCED")));
    }

    async fn what_moves_to_another_name_leaves_the_record_behind(db: TestDb) {
        let record = record_of("v", json!({"location": "s3://elsewhere"}));
        let written = wrote("r", "10:00", dataset("d").version("v").schema("x"));
        let linked = Event(about(dataset("a").symlink("d")).at("10:10").json());
        let found = one_in_any_order(db.backend(), &[record, written, linked]).await;
        assert_eq!((&found["location"], &found["metadata"]), (&json!("s3://elsewhere"), &json!({})));
    }

    async fn what_a_run_records_of_its_own_stays_when_its_event_moves_to_another_name(db: TestDb) {
        let recorded = on_lake(&execution("r").produces("d", &version("d", "r")).record());
        let linked = Event(about(dataset("a").symlink("d")).at("10:10").json());
        let found = one_in_any_order(db.backend(), &[Event(run("r").on("COMPLETE", "08:01").writes("d").json()), recorded, linked]).await;
        assert_ne!(found["createdAt"], "2026-11-24T08:01:00Z", "nobody gives a time of it any more");
    }

    async fn what_executions_of_records_give_out_are_records_too(db: TestDb) {
        let output = version("d", "v").with("location", "s3://elsewhere").with("metadata", json!({"rows": 3}));
        let recorded = on_lake(&execution("e").produces("d", &output).record());
        let again = on_lake(&execution("f").produces("d", &output).record());
        let found = one_in_any_order(db.backend(), &[recorded, wrote("r", "10:00", dataset("d").version("v").schema("x")), again]).await;
        assert_eq!((&found["location"], &found["metadata"]["rows"]), (&json!("s3://elsewhere"), &json!(3)));
        assert_eq!(found["metadata"]["schema"]["fields"][0]["name"], "x");
    }

    async fn an_alias_that_has_ended_does_not_hold_what_events_take_back(db: TestDb) {
        let app = TestApp::new(db.clone()).await;
        let lake = json!({"project": NAMESPACE, "domain": "default", "name": "d"});
        let alias = |version: &str, overwrite: bool| json!({"alias": {"artifact": lake, "version": version, "alias": "prod", "overwrite": overwrite}});
        app.hear(&[run("r").on("COMPLETE", "10:00").writes("d").json(), run("x").on("COMPLETE", "10:00").writes("d").json()]).await;
        app.ingest(&[alias("r", false)]).await;
        app.ingest(&[alias("x", true)]).await;
        app.hear(&[run("r").on("OTHER", "10:01").writes(dataset("d").version("v")).json()]).await;
        assert_eq!(findings(&db).await, []);
        assert_eq!(edges(&app).await, ["r -> d@v", "x -> d@x"]);
        // What comes again does not undo what came after it, also where its version has gone since.
        let revision = app.revision().await;
        app.ingest(&[alias("r", false)]).await;
        assert_eq!(app.revision().await, revision);
        app.ingest(&[json!({"aliasRemoval": {"artifact": lake, "alias": "prod"}})]).await;
        assert_eq!(findings(&db).await, []);
    }

    async fn a_tombstone_stays_one_whoever_speaks_of_it(db: TestDb) {
        let record = || record_of("v", json!({"location": "s3://elsewhere", "card": "# card"}));
        let written = || wrote("r", "10:00", dataset("d").version("v").schema("x"));
        let found = one_in_any_order(db.backend(), &[record(), written(), deletion("v")]).await;
        assert_eq!((&found["state"], &found["location"], &found["card"], &found["metadata"]), (&json!("DELETED"), &Value::Null, &Value::Null, &json!({})));
        let taken_back = [
            wrote("r", "10:00", dataset("d").schema("x")), deletion("r"), Event(run("r").on("RUNNING", "09:50").writes(dataset("d").version("v")).json()),
        ];
        let versions = in_any_order(db.backend(), &taken_back).await;
        assert_eq!((&versions[0]["version"], &versions[0]["state"]), (&json!("r"), &json!("DELETED")));
    }

    async fn records_and_declarations_in_any_order(db: TestDb) {
        let declared = on_lake(&json!({"artifact": declaration("d", &["day"], None)}));
        let found = one_in_any_order(db.backend(), &[declared, record_of("v", json!({"card": "# card"})), wrote("r", "10:00", day("1"))]).await;
        assert_eq!((&found["partition"]["value"], &found["card"]), (&json!("1"), &json!("# card")));
    }

    async fn what_a_record_declares_stays_under_its_own_name(db: TestDb) {
        let key = json!({"project": NAMESPACE, "domain": "default", "name": "d"});
        let linked = Event(about(dataset("a").symlink("d")).at("10:10").json());
        let written = wrote("r", "10:00", dataset("d"));
        for declaration in [json!({"key": key, "partitionKeys": ["day"]}), json!({"key": key, "partitionKeys": [], "description": "what it is"})] {
            let declared = Record(json!({"artifact": declaration}));
            assert!(in_any_order(db.backend(), &[declared.clone(), linked.clone(), written.clone()]).await.is_empty());
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for given in [&declared, &linked] {
                assert!(send(&app, given).await);
            }
            let found = fields_of(&app, "d", "name partitionKeys description").await;
            assert_eq!((&found["name"], &found["partitionKeys"]), (&json!("d"), &declaration["partitionKeys"]));
        }
    }

    async fn an_input_moves_when_a_record_says_when_its_version_was_made(db: TestDb) {
        let app = TestApp::new(db).await;
        for given in [
            wrote("r", "10:00", dataset("d").version("v")), Event(run("reader").on("START", "11:00").reads("d").json()),
            record_of("v", json!({"createdAt": "2026-11-24T12:00:00Z"})),
        ] {
            assert!(send(&app, &given).await);
        }
        assert_eq!(edges(&app).await, ["d@unversioned? -> reader", "r -> d@v"]);
    }
}

/// Versions as events make and name them.
const VERSIONS: [&str; 7] = ["v0", "v1", "v2", "run2", "run3", "run2/day=20", "unversioned"];

/// What a record gives of a version: the same whoever sends it, and nothing that an event contradicts.
fn content(of: &str, name: usize) -> VersionInput {
    let input = version(of, VERSIONS[name]);
    match name {
        0 => input
            .created_at("2026-11-24T09:30:00Z")
            .with("location", "s3://elsewhere"),
        1 => input.with(
            "metadata",
            json!({"rows": 3, "schema": {"fields": [{"name": "field1"}]}}),
        ),
        2 => input.at(&[("day", "22")]).with("card", "# card"),
        3 => input
            .with("type", "PARQUET")
            .with("metadata", json!({"note": "of a record"})),
        4 => input.with("description", "of a record"),
        5 => input.at(&[("day", "20")]).created_at("2026-11-24T16:00:00Z"),
        _ => input,
    }
}

fn record() -> impl Strategy<Value = Given> {
    (0..6_u8, 0..DATASETS.len(), 0..VERSIONS.len(), 0..2_u8).prop_map(|(kind, of, name, who)| {
        let dataset = DATASETS[of];
        on_lake(&match kind {
            0..3 => content(dataset, name).record(),
            3 => execution(&format!("recorded{who}"))
                .state("SUCCEEDED")
                .produces(dataset, &content(dataset, name))
                .record(),
            4 => json!({"artifact": declaration(dataset, if of % 2 == 0 { &["day"] } else { &[] }, None)}),
            _ => json!({"deletion": {"artifact": artifact(dataset), "version": VERSIONS[name]}}),
        })
    })
}

async fn picture_of(
    backend: DbBackend,
    given: &[Given],
    clients: usize,
    at_a_time: usize,
) -> (Vec<String>, Vec<String>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let tell = async |db: TestDb| {
        let app = TestApp::new(db).await;
        let share = given.len().div_ceil(clients).max(1);
        let sent = given.chunks(share).map(async |share| {
            for some in share.chunks(at_a_time) {
                let (mut events, mut records) = (Vec::new(), Vec::new());
                for given in some {
                    match given {
                        Event(event) => events.push(event.clone()),
                        Record(record) => records.push(record.clone()),
                    }
                }
                app.hear(&events).await;
                app.ingest(&records).await;
            }
        });
        futures_util::future::join_all(sent).await;
        let wrong = findings(&app.db).await;
        let wrong = wrong
            .iter()
            .map(|found| format!("{}: {}: {}", found.check, found.row, found.right));
        // Records at the same instant are told in the order in which they came.
        let mut picture = picture(&app).await;
        picture.sort();
        sender.send((picture, wrong.collect())).await.unwrap();
    };
    TestDb::of(backend).await.lend(tell).await;
    receiver.recv().await.unwrap()
}

fn cases(backend: DbBackend) -> u32 {
    let default = if backend == DbBackend::Sqlite { 30 } else { 8 };
    let asked = std::env::var("RECORD_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn check(backend: DbBackend, handle: &Handle, given: impl Strategy<Value = Vec<Given>>) {
    let config = ProptestConfig {
        cases: cases(backend),
        max_shrink_iters: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let places = prop::collection::vec((any::<u32>(), any::<u32>()), 64);
    let outcome = runner(config).run(
        &(given, places, 1..4_usize, 1..6_usize),
        |(given, places, clients, at_a_time)| {
            let mixed = shuffled(&given, &places);
            handle.block_on(async {
                let (expected, _) = picture_of(backend, &given, 1, 1).await;
                let (found, wrong) = picture_of(backend, &mixed, clients, at_a_time).await;
                prop_assert!(
                    expected == found && wrong.is_empty(),
                    "{wrong:?} {}\n{given:#?}\nor {mixed:#?}",
                    difference(&expected, &found)
                );
                Ok(())
            })
        },
    );
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

on_both_databases! {
    async fn any_order_of_records_and_events_makes_the_same_store(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        let one = prop_oneof![3 => event().prop_map(Event), 2 => record()];
        let given = prop::collection::vec(one, 1..14).prop_map(|given| {
            let mut times = std::collections::BTreeSet::new();
            // No two events at the same instant, so that no two versions are equally recent.
            let is_one = |given: &Given| match given {
                Event(event) => times.insert(event["eventTime"].to_string()),
                Record(_) => true,
            };
            let mut given = given;
            given.retain(is_one);
            given
        });
        tokio::task::block_in_place(|| check(backend, &handle, given));
    }
}
