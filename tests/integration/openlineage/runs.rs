//! Runs of which both records and events tell: what each says is kept apart, so that the order does not matter, and events take
//! back only what they have said themselves.

use proptest::prelude::*;
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{
    order::{DATASETS, difference, event, picture, shuffled},
    picture::{edges, execution as told},
    soundness::on_lake,
};
use crate::{
    checks::findings,
    on_both_databases,
    support::{
        TestApp, TestDb, execution,
        fixtures::ExecutionInput,
        openlineage::{EventInput, NAMESPACE, dataset, run},
        runner, version,
    },
};

/// Sends an event as it is, and anything else as a record; answers why it was refused, if it was.
async fn send(app: &TestApp, step: &Value) -> Vec<Value> {
    let step_alone = std::slice::from_ref(step);
    if step.get("eventTime").is_some() {
        let body = app.try_hear(step_alone).await.json();
        return body["failed_events"].as_array().unwrap().clone();
    }
    let results = app.try_ingest(step_alone).await.ok()["ingest"]["results"].clone();
    let errors = results.as_array().unwrap().iter().map(|result| result["error"].clone());
    errors.filter(|error| !error.is_null()).collect()
}

/// A record about a run of the tests' namespace.
fn record(record: &ExecutionInput) -> Value {
    on_lake(&record.record())
}

/// What a store holds after steps in each order that there is of them.
async fn in_every_order(backend: DbBackend, steps: &[Value]) -> Vec<Vec<String>> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    for step in 0..steps.len() {
        let longer = orders.iter().flat_map(|order| {
            (0..=order.len()).map(|place| {
                let mut longer = order.clone();
                longer.insert(place, step);
                longer
            })
        });
        orders = longer.collect();
    }
    let mut pictures = Vec::new();
    for order in orders {
        let app = TestApp::new(TestDb::of(backend).await).await;
        for place in order {
            assert_eq!(send(&app, &steps[place]).await, Vec::<Value>::new());
        }
        pictures.push(picture(&app).await);
    }
    pictures
}

fn all_the_same(pictures: &[Vec<String>]) {
    for other in pictures {
        assert!(pictures[0] == *other, "{}", difference(&pictures[0], other));
    }
}

fn complete(run_id: &str, time: &str) -> EventInput {
    run(run_id).on("COMPLETE", time)
}

/// Records of runs that never are as far along as an event and say something else.
fn run_record() -> impl Strategy<Value = Value> {
    (
        2..5_u8,
        0..5_u8,
        0..600_u32,
        0..DATASETS.len(),
        prop::option::of(0..4_usize),
    )
        .prop_map(|(number, kind, minute, dataset, version)| {
            let time = format!("2026-11-24T{:02}:{:02}:30Z", 8 + minute / 60, minute % 60);
            let run = execution(&format!("run{number}"));
            let run = match kind {
                0 => run.state("QUEUED").with("principal", "queue").with("entity", "planned"),
                1 => run
                    .state("RUNNING")
                    .with("principal", "worker")
                    .with("attempt", 1)
                    .with("entityVersion", "v"),
                2 => run
                    .state("SUCCEEDED")
                    .with("metadata", json!({"at": minute}))
                    .with("startedAt", "2026-11-24T07:00:30Z"),
                3 => run
                    .state("FAILED")
                    .with("error", format!("at {minute}"))
                    .with("entity", format!("at {minute}")),
                _ => run.with("nodeId", "n0"),
            };
            let run = if kind == 2 || kind == 3 {
                run.with("endedAt", time)
            } else {
                run
            };
            let versions = ["v0", "run2", "unversioned", "run3"];
            let dataset = DATASETS[dataset];
            record(&match version {
                Some(version) => run.consumes(dataset, dataset, versions[version]),
                None => run,
            })
        })
}

async fn picture_after(backend: DbBackend, steps: &[Value]) -> Vec<String> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    TestDb::of(backend)
        .await
        .lend(async |db| {
            let app = TestApp::new(db).await;
            for step in steps {
                assert_eq!(send(&app, step).await, Vec::<Value>::new(), "{step}");
            }
            sender.send(picture(&app).await).await.unwrap();
        })
        .await;
    receiver.recv().await.unwrap()
}

fn cases(backend: DbBackend) -> u32 {
    let asked = std::env::var("ORDER_CASES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if backend == DbBackend::Sqlite { 40 } else { 10 })
}

fn check(backend: DbBackend, handle: &Handle) {
    let config = ProptestConfig {
        cases: cases(backend),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let steps = prop::collection::vec(prop_oneof![event(), run_record()], 1..12);
    let places = prop::collection::vec((any::<u32>(), any::<u32>()), 64);
    let outcome = runner(config).run(&(steps, places), |(steps, places)| {
        let mixed = shuffled(&steps, &places);
        handle.block_on(async {
            let expected = picture_after(backend, &steps).await;
            let found = picture_after(backend, &mixed).await;
            prop_assert!(
                expected == found,
                "{}\nsteps {steps:#?}\nmixed {mixed:#?}",
                difference(&expected, &found)
            );
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

on_both_databases! {
    async fn an_input_that_a_record_states_stays_when_the_event_moves(db: TestDb) {
        let steps = [
            run("reader").on("START", "10:05").reads("model").json(),
            record(&execution("reader").consumes("model", "model", "unversioned")),
            complete("writer", "10:01").writes("model").json(),
        ];
        all_the_same(&in_every_order(db.backend(), &steps).await);
        let app = TestApp::new(db).await;
        for step in &steps {
            send(&app, step).await;
        }
        assert_eq!(edges(&app).await, ["model@unversioned? -> reader", "model@writer -> reader", "writer -> model@writer"]);
    }

    async fn an_edge_goes_when_only_events_said_it(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[run("reader").on("START", "10:05").reads("model").json()]).await;
        app.hear(&[complete("writer", "10:01").writes("model").json()]).await;
        assert_eq!(edges(&app).await, ["model@writer -> reader", "writer -> model@writer"]);
        // A record may say now what events said once.
        send(&app, &record(&execution("reader").consumes("model", "model", "writer"))).await;
        app.hear(&[complete("between", "10:03").writes("model").json()]).await;
        assert_eq!(edges(&app).await[..2], ["between -> model@between", "model@between -> reader"]);
        assert_eq!(edges(&app).await[2..], ["model@writer -> reader", "writer -> model@writer"]);
    }

    async fn what_a_record_says_as_well_stays_when_an_event_takes_it_back(db: TestDb) {
        let message = |time: &str, message: Value| run("r").on("FAIL", time).facet("run", "errorMessage", message).json();
        let steps = [
            message("10:30", json!({"message": "out of memory", "programmingLanguage": "en"})),
            record(&execution("r").state("QUEUED").with("error", "out of memory")),
            message("10:31", json!({"_deleted": true})),
        ];
        all_the_same(&in_every_order(db.backend(), &steps).await);
        let app = TestApp::new(db).await;
        for step in &steps {
            send(&app, step).await;
        }
        assert_eq!(told(&app, "r", "error state").await, json!({"error": "out of memory", "state": "FAILED"}));
    }

    // What is less far along is hidden, and comes out when the other is taken back.
    async fn a_record_behind_an_event_is_not_lost(db: TestDb) {
        let app = TestApp::new(db).await;
        app.hear(&[complete("r", "10:30").facet("run", "parent", json!({"run": {"runId": "dag"}, "job": {"namespace": NAMESPACE, "name": "d"}})).json()]).await;
        send(&app, &record(&execution("r").state("RUNNING").with("entity", "mine").with("principal", "ann"))).await;
        assert_eq!(
            told(&app, "r", "entity principal parent { name }").await,
            json!({"entity": "job of r", "principal": "ann", "parent": {"name": "dag"}})
        );
        app.hear(&[complete("r", "10:31").facet("run", "parent", json!({"_deleted": true})).json()]).await;
        assert_eq!(told(&app, "r", "principal parent { name }").await, json!({"principal": "ann", "parent": null}));
        send(&app, &record(&execution("r").state("SUCCEEDED").with("endedAt", "2026-11-24T11:00:00Z").with("entity", "mine"))).await;
        assert_eq!(told(&app, "r", "entity endedAt").await, json!({"entity": "mine", "endedAt": "2026-11-24T11:00:00Z"}));
    }

    async fn a_run_does_not_read_what_a_record_says_it_has_written(db: TestDb) {
        let made = version("model", "made").created_at("2026-11-24T09:00:00Z");
        let steps = [
            on_lake(&made.record()),
            complete("r", "10:00").reads("model").json(),
            record(&execution("r").produces("out", &made)),
        ];
        all_the_same(&in_every_order(db.backend(), &steps).await);
        let app = TestApp::new(db).await;
        for step in &steps {
            send(&app, step).await;
        }
        assert_eq!(edges(&app).await, ["model@unversioned? -> r", "r -> model@made"]);
        assert_eq!(findings(&app.db).await, []);
    }

    async fn a_parent_is_there_although_a_later_event_names_another(db: TestDb) {
        let parent = |time: &str, id: &str| run("r").on("RUNNING", time).facet("run", "parent", json!({"run": {"runId": id}, "job": {"namespace": NAMESPACE, "name": "d"}})).json();
        for order in [["10:00", "11:00"], ["11:00", "10:00"]] {
            let app = TestApp::new(TestDb::of(db.backend()).await).await;
            for time in order {
                app.hear(&[parent(time, if time == "10:00" { "first" } else { "second" })]).await;
            }
            let data = app.data("{ executions { totalCount } }", json!({})).await;
            assert_eq!(data["executions"]["totalCount"], 3);
            assert_eq!(told(&app, "r", "parent { name }").await["parent"]["name"], "second");
        }
    }

    async fn a_run_that_succeeded_when_it_was_tried_again_has_no_error(db: TestDb) {
        let app = TestApp::new(db).await;
        let message = json!({"message": "boom", "programmingLanguage": "en"});
        app.hear(&[run("r").on("FAIL", "10:00").facet("run", "errorMessage", message).json()]).await;
        assert_eq!(told(&app, "r", "error").await, json!({"error": "boom"}));
        app.hear(&[complete("r", "11:00").json()]).await;
        let after = told(&app, "r", "error metadata").await;
        assert_eq!((&after["error"], &after["metadata"]["run"]["errorMessage"]["message"]), (&json!(null), &json!("boom")));
    }

    // Of two that are as far along and say different things, the first stays.
    async fn of_a_record_and_an_event_that_contradict_each_other_the_first_stays(db: TestDb) {
        let mine = record(&execution("r").state("SUCCEEDED").with("endedAt", "2026-11-24T10:30:00Z").with("entity", "mine"));
        let event = complete("r", "10:30").writes(dataset("model")).json();
        let app = TestApp::new(TestDb::of(db.backend()).await).await;
        assert_eq!(send(&app, &mine).await.len(), 0);
        app.hear(std::slice::from_ref(&event)).await;
        assert_eq!(told(&app, "r", "entity").await, json!({"entity": "mine"}));
        assert_eq!(edges(&app).await, ["r -> model@r"]);
        let app = TestApp::new(db).await;
        app.hear(&[event]).await;
        let refused = send(&app, &mine).await;
        assert_eq!(refused[0]["code"], "CONFLICT", "{refused:?}");
        assert_eq!(told(&app, "r", "entity").await, json!({"entity": "job of r"}));
    }

    async fn any_order_of_events_and_records_about_runs_makes_the_same_store(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        tokio::task::block_in_place(|| check(backend, &handle));
    }
}
