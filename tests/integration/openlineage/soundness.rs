//! Whatever is heard and recorded, in whatever order: `heirloom check` finds nothing wrong afterwards.

use proptest::{prelude::*, test_runner::TestError};
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{
    order::{DATASETS, event},
    real::events,
};
use crate::{
    checks::findings,
    on_both_databases,
    support::{
        TestApp, TestDb, artifact, declaration, execution,
        fixtures::{exact, latest},
        openlineage::NAMESPACE,
        runner, version,
    },
};

/// What a client sends at once.
#[derive(Clone, Debug)]
pub enum Step {
    Hear(Vec<Value>),
    Ingest(Value),
}

impl Step {
    /// Sends it. What is refused leaves nothing behind.
    pub async fn send(&self, app: &TestApp) {
        let reply = match self {
            Self::Hear(events) => app.try_hear(events).await,
            Self::Ingest(record) => app.try_ingest(std::slice::from_ref(record)).await,
        };
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

/// A record about the things that events are about.
pub fn on_lake(record: &Value) -> Value {
    let text = record.to_string().replace("\"shop\"", &format!("{NAMESPACE:?}"));
    serde_json::from_str(&text.replace("\"production\"", "\"default\"")).unwrap()
}

/// Versions as events make and name them.
const VERSIONS: [&str; 6] = ["v0", "v1", "run2", "run3", "unversioned", "run2/day=20"];

fn record() -> impl Strategy<Value = Value> {
    (0..7_u8, 0..DATASETS.len(), 0..VERSIONS.len(), 2..5_u8, any::<bool>()).prop_map(|(kind, dataset, name, run, flag)| {
        let (dataset, name) = (DATASETS[dataset], VERSIONS[name]);
        let run = format!("run{run}");
        let record = match kind {
            0 => json!({"deletion": {"artifact": artifact(dataset), "version": name}}),
            1 => json!({"alias": {"artifact": artifact(dataset), "version": name, "alias": "prod", "overwrite": flag}}),
            2 => json!({"aliasRemoval": {"artifact": artifact(dataset), "alias": "prod"}}),
            3 => json!({"artifact": declaration(dataset, if flag { &["day"] } else { &[] }, None)}),
            4 => version(dataset, name).created_at("2026-11-24T09:00:00Z").record(),
            5 if flag => execution(&run).takes(dataset, exact(dataset, name)).record(),
            5 => execution(&run).takes("of a query", latest(dataset)).record(),
            _ => execution(&run).produces(dataset, &version(dataset, name)).record(),
        };
        on_lake(&record)
    })
}

pub fn heard() -> impl Strategy<Value = Step> {
    prop::collection::vec(event(), 1..4).prop_map(Step::Hear)
}

pub fn recorded() -> impl Strategy<Value = Step> {
    record().prop_map(Step::Ingest)
}

pub fn told(step: &Step) -> String {
    match step {
        Step::Hear(events) => format!("hear {}", Value::from(events.clone())),
        Step::Ingest(record) => format!("ingest {record}"),
    }
}

/// What is wrong after some steps.
async fn wrong_after(backend: DbBackend, steps: &[Step]) -> Vec<String> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    TestDb::of(backend)
        .await
        .lend(async |db| {
            let app = TestApp::new(db).await;
            for step in steps {
                app.pass(1);
                step.send(&app).await;
            }
            let wrong = findings(&app.db).await;
            let wrong = wrong
                .into_iter()
                .map(|f| format!("{}: {}: {}", f.check, f.row, f.right));
            sender.send(wrong.collect()).await.unwrap();
        })
        .await;
    receiver.recv().await.unwrap()
}

fn check(backend: DbBackend, handle: &Handle, cases: u32, steps: impl Strategy<Value = Vec<Step>>) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = runner(config).run(&steps, |steps| {
        let wrong: Vec<String> = handle.block_on(wrong_after(backend, &steps));
        let told: Vec<String> = steps.iter().map(told).collect();
        prop_assert!(wrong.is_empty(), "{}\nafter\n{}", wrong.join("\n"), told.join("\n"));
        Ok(())
    });
    if let Err(TestError::Fail(reason, _)) = &outcome {
        panic!("{reason}");
    }
    outcome.unwrap();
}

fn cases(backend: DbBackend) -> u32 {
    let default = if backend == DbBackend::Sqlite { 40 } else { 12 };
    std::env::var("SOUNDNESS_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

on_both_databases! {
    async fn events_leave_a_store_as_it_should_be(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        let steps = prop::collection::vec(heard(), 1..12);
        tokio::task::block_in_place(|| check(backend, &handle, cases(backend), steps));
    }

    async fn events_and_records_leave_a_store_as_it_should_be(db: TestDb) {
        let (backend, handle) = (db.backend(), Handle::current());
        let steps = prop::collection::vec(prop_oneof![2 => heard(), 1 => recorded()], 1..14);
        tokio::task::block_in_place(|| check(backend, &handle, cases(backend), steps));
    }

    async fn real_events_leave_a_store_as_it_should_be(db: TestDb) {
        let app = TestApp::new(db).await;
        let events = events();
        for some in events.chunks(3).rev() {
            app.hear(some).await;
        }
        assert_eq!(findings(&app.db).await, []);
    }
}
