//! `heirloom check`: a store that was only ever written by the service is clean, and whatever is done to it behind the
//! service's back is found and named.

use std::collections::BTreeSet;

use heirloom::{
    service::check::{Finding, Told, check, rule_names},
    store::check::{CHECKED_TABLES, queries},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb, artifact,
        db::run,
        declaration, execution,
        fixtures::{exact, latest},
        openlineage::{NAMESPACE, about, dataset, run as run_event},
        process, version,
    },
};

/// What is wrong with a database.
pub async fn findings(db: &TestDb) -> Vec<Finding> {
    let store = db.store().await;
    let mut findings = Vec::new();
    let told = |told| {
        if let Told::Found(finding) = told {
            findings.push(finding);
        }
    };
    check(&store, told).await.unwrap();
    store.close().await.unwrap();
    findings
}

/// Rows of every table, in every state.
async fn fill(db: &TestDb) {
    let app = TestApp::new(db.clone()).await;
    let noon = "2026-11-23T12:34:56Z";
    let batches: [Vec<Value>; 9] = [
        vec![
            version("orders", "v1").at(&[("region", "EU")]).time(noon).record(),
            version("orders", "v2")
                .at(&[("region", "US")])
                .time(noon)
                .with("metadata", json!({"a": 1}))
                .record(),
            version("orders", "v2b").at(&[("store", "7")]).record(),
            version("plain", "p1").record(),
        ],
        vec![json!({"artifact": declaration("orders", &["region"], Some("HOUR"))})],
        vec![
            version("orders", "v3").record(),
            version("orders", "v4")
                .at(&[("region", "EU")])
                .time(noon)
                .created_at("2026-11-23T13:00:00Z")
                .record(),
        ],
        vec![
            version("seen", "s1").at(&[("k1", "x")]).time(noon).record(),
            version("seen", "s2").at(&[("k1", "y"), ("k2", "z")]).record(),
        ],
        vec![
            execution("run")
                .state("SUCCEEDED")
                .with("parent", artifact("flow"))
                .with("startedAt", noon)
                .with("endedAt", "2026-11-23T13:00:00Z")
                .with("metadata", json!({"b": 2}))
                .takes("latest", latest("orders"))
                .consumes("later", "later", "l1")
                .consumes("never", "later", "l2")
                .produces("out", &version("made", "m1"))
                .record(),
            json!({"alias": {"artifact": artifact("orders"), "version": "v1", "alias": "prod"}}),
            json!({"alias": {"artifact": artifact("plain"), "version": "p1", "alias": "gone"}}),
        ],
        vec![
            version("later", "l1").record(),
            json!({"alias": {"artifact": artifact("orders"), "version": "v4", "alias": "prod", "overwrite": true}}),
        ],
        vec![json!({"deletion": {"artifact": artifact("plain"), "version": "p1"}})],
        vec![execution("run").takes("more", exact("orders", "v2")).record()],
        // A declaration and what came before and after it, in one revision.
        vec![
            version("at once", "o1").at(&[("a", "1")]).time(noon).record(),
            version("at once", "o2").at(&[("b", "1")]).record(),
            json!({"artifact": declaration("at once", &["a"], Some("WEEK"))}),
            version("at once", "o3").at(&[("a", "2")]).time(noon).record(),
            json!({"artifact": declaration("orders", &["region"], Some("HOUR")).as_object().map(|known| {
                let mut described = known.clone();
                described.insert("description".to_owned(), "All orders".into());
                described
            })}),
        ],
    ];
    for batch in batches {
        app.pass(60);
        app.ingest(&batch).await;
    }
    for events in heard() {
        app.pass(60);
        app.hear(&events).await;
    }
    app.pass(60);
    let beside = version("model", "m1").with("card", "# Model").json().to_string();
    let beside = beside.replace("shop", NAMESPACE).replace("production", "default");
    app.ingest(&[json!({"version": serde_json::from_str::<Value>(&beside).unwrap()})])
        .await;
    app.store.close().await.unwrap();
}

/// Events that leave something in every table, in every state.
fn heard() -> Vec<Vec<Value>> {
    let made = || dataset("raw").schema("id");
    vec![
        vec![
            run_event("r1").on("START", "08:00").json(),
            run_event("r1").on("COMPLETE", "08:10").writes(made()).json(),
            run_event("r2")
                .on("START", "09:00")
                .reads("raw")
                .reads("from outside")
                .json(),
            run_event("r3").on("COMPLETE", "09:10").writes("renamed").json(),
            run_event("r4").on("START", "09:20").reads("raw").json(),
            run_event("r5").on("COMPLETE", "09:30").writes("other name").json(),
            about(dataset("model").version("m1").schema("weights"))
                .at("10:00")
                .json(),
            // Of several versions those after the first are kept apart.
            about(dataset("model").version("m2")).at("10:01").json(),
            run_event("r6")
                .on("RUNNING", "09:40")
                .writes(dataset("many").version("n1"))
                .writes(dataset("many").version("n2"))
                .json(),
        ],
        vec![
            // What it has made has another version, what it has read has one, and what it has written has another name.
            run_event("r3")
                .on("OTHER", "09:11")
                .writes(dataset("renamed").version("named"))
                .json(),
            run_event("r4")
                .on("COMPLETE", "09:21")
                .reads(dataset("raw").version("older"))
                .json(),
            about(dataset("kept").symlink("other name")).at("10:10").json(),
        ],
    ]
}

/// What is done to a store, and which check names what row of it. `{never}` stands for a revision that has not been.
const CORRUPTIONS: &[(&str, &str, &str)] = &[
    (
        "references",
        "version ",
        "UPDATE version SET partition_id = 999 WHERE version = 'v4'",
    ),
    (
        "references",
        "edge ",
        "UPDATE edge SET version_id = 999 WHERE name = 'out'",
    ),
    (
        "references",
        "alias ",
        "UPDATE alias SET version_id = 999 WHERE name = 'gone'",
    ),
    (
        "revision columns",
        "artifact ",
        "UPDATE artifact SET revision = 99 WHERE name = 'plain'",
    ),
    (
        "revision columns",
        "version ",
        "UPDATE version SET produced_revision = 99 WHERE version = 'v4'",
    ),
    (
        "revision columns",
        "version ",
        "UPDATE version SET deleted_revision = 1 WHERE version = 'v4'",
    ),
    (
        "revision columns",
        "alias ",
        "UPDATE alias SET ended_revision = 1 WHERE name = 'gone'",
    ),
    (
        "revision columns",
        "edge ",
        "UPDATE edge SET revision = 0 WHERE name = 'out'",
    ),
    ("ids", "alias 99", "UPDATE alias SET id = 99 WHERE name = 'gone'"),
    ("ids", "execution ", "UPDATE revision_counter SET execution_id = 1"),
    (
        "ids",
        "version ",
        "UPDATE version SET revision = 1 WHERE version = 'o3'",
    ),
    ("revisions", "revision 4", "DELETE FROM revision WHERE id = 3"),
    (
        "revisions",
        "revision 4",
        "UPDATE revision SET recorded_at = 1 WHERE id = 4",
    ),
    (
        "revisions",
        "revision 2",
        "UPDATE revision SET changed = '[' WHERE id = 2",
    ),
    (
        "revisions",
        "revision_counter",
        "UPDATE revision_counter SET revision = revision + 1",
    ),
    (
        "revisions",
        "revision_counter",
        "UPDATE revision_counter SET recorded_at = recorded_at + 1",
    ),
    (
        "changes in the log",
        "revision 2",
        "UPDATE revision SET changed = NULL WHERE id = 2",
    ),
    (
        "changes in the log",
        "revision 6",
        "UPDATE revision SET changed = NULL WHERE id = 6",
    ),
    (
        "changes in the log",
        "revision 7",
        "UPDATE revision SET changed = '{\"versions\": [1]}' WHERE id = 7",
    ),
    (
        "changes in the log",
        "revision 8",
        "UPDATE revision SET changed = NULL WHERE id = 8",
    ),
    ("counter", "revision_counter", "DELETE FROM revision_counter"),
    (
        "recorded times",
        "artifact ",
        "UPDATE artifact SET created_at = 1 WHERE name = 'plain'",
    ),
    (
        "recorded times",
        "version ",
        "UPDATE version SET named_at = 1 WHERE version = 'l1'",
    ),
    (
        "recorded times",
        "version ",
        "UPDATE version SET created_at = created_at - 1 WHERE version = 'v1'",
    ),
    (
        "keys of artifacts",
        "version ",
        "DELETE FROM artifact_key WHERE key = 'k1'",
    ),
    (
        "keys of artifacts",
        "artifact_key ",
        "INSERT INTO artifact_key SELECT id, 'k9', revision FROM artifact WHERE name = 'seen'",
    ),
    (
        "keys of artifacts",
        "artifact ",
        "UPDATE artifact_key SET key = 'tag' WHERE key = 'k1'",
    ),
    (
        "keys of artifacts",
        "artifact ",
        "UPDATE artifact_key SET revision = 3 WHERE key = 'region'",
    ),
    (
        "keys of artifacts",
        "version ",
        "UPDATE artifact SET time_seen_revision = {never} WHERE name = 'seen'",
    ),
    (
        "keys of artifacts",
        "artifact ",
        "UPDATE artifact SET time_seen_revision = 1 WHERE name = 'plain'",
    ),
    (
        "partitions",
        "partition ",
        "UPDATE partition SET revision = revision + 1 WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "partitions",
        "partition ",
        "UPDATE partition SET \"values\" = '{' WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "partitions",
        "partition ",
        "UPDATE partition SET \"values\" = '{\"k1\": \"x\"}' WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "partitions",
        "partition ",
        "UPDATE partition SET key_count = 7 WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "partitions",
        "partition ",
        "UPDATE partition SET window_start = window_start + 1 WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "partitions",
        "partition ",
        "UPDATE partition SET granularity = NULL WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "retired partitions",
        "partition ",
        "UPDATE partition SET retired_revision = {never} WHERE retired_revision < {never}",
    ),
    (
        "retired partitions",
        "partition ",
        "UPDATE partition SET retired_revision = 5 WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "partition values",
        "partition ",
        "DELETE FROM partition_value WHERE key = 'region'",
    ),
    (
        "partition values",
        "partition ",
        "UPDATE partition_value SET value = 'zz' WHERE key = 'k1' AND value = 'x'",
    ),
    (
        "partition values",
        "partition ",
        "UPDATE partition_value SET artifact_id = artifact_id + 1 WHERE key = 'k2'",
    ),
    (
        "version values",
        "version ",
        "DELETE FROM version_value WHERE key = 'k1' AND value = 'x'",
    ),
    (
        "version values",
        "version_value ",
        "UPDATE version_value SET value = 'zz' WHERE key = 'k1' AND value = 'x'",
    ),
    (
        "version values",
        "version_value ",
        "UPDATE version_value SET created_at = 1 WHERE key = 'k2'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET partition_id = NULL WHERE version = 'v4'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET partition_id = (SELECT partition_id FROM version WHERE version = 's1') WHERE version = 'v4'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET window_start = window_start + 1 WHERE version = 'v4'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET schema_mismatch = NULL WHERE version = 'v3'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET schema_mismatch = 'x' WHERE version = 'v4'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET placed_revision = 1 WHERE version = 'v1'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET prior_partition_id = NULL WHERE version = 'v1'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET prior_window_start = 0 WHERE version = 'v3'",
    ),
    (
        "placement",
        "version ",
        "UPDATE version SET given_time = given_time - 3600000000 WHERE version = 'v4'",
    ),
    (
        "states of versions",
        "version ",
        "UPDATE version SET location = 'x' WHERE version = 'l2'",
    ),
    (
        "states of versions",
        "version ",
        "UPDATE version SET placed_revision = {never} WHERE version = 'v4'",
    ),
    (
        "ordinals",
        "version ",
        "UPDATE version SET ordinal = 0 WHERE version = 'v4'",
    ),
    (
        "ordinals",
        "version ",
        "UPDATE version SET ordinal = 999 WHERE version = 'l1'",
    ),
    (
        "ordinals",
        "version ",
        "UPDATE version SET created_at = (SELECT created_at FROM version WHERE version = 'v4'),
        ordinal = (SELECT ordinal FROM version WHERE version = 'v4') WHERE version = 'v3'",
    ),
    (
        "aliases",
        "alias ",
        "UPDATE alias SET artifact_id = (SELECT id FROM artifact WHERE name = 'seen') WHERE name = 'gone'",
    ),
    (
        "aliases",
        "alias ",
        "UPDATE alias SET ended_revision = {never} WHERE name = 'gone'",
    ),
    (
        "aliases",
        "alias ",
        "UPDATE alias SET ended_revision = 9 WHERE name = 'prod' AND ended_revision < {never}",
    ),
    ("edges", "edge ", "UPDATE edge SET revision = 1 WHERE name = 'out'"),
    (
        "resolved inputs",
        "resolved_input ",
        "DELETE FROM edge WHERE name = 'latest'",
    ),
    (
        "resolved inputs",
        "resolved_input ",
        "UPDATE resolved_input SET digest = substr(digest, 1, 4)",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET parent_id = id WHERE name = 'run'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET parent_id = NULL WHERE name = 'run'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET ended_at = NULL WHERE name = 'run'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET principal = 'somebody' WHERE name = 'run'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET field_ranks = 'x' WHERE name = 'run'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET state = 'RUNNING' WHERE name = 'flow'",
    ),
    (
        "key digests",
        "artifact ",
        "UPDATE artifact SET key_digest = substr(key_digest, 1, 15) WHERE name = 'plain'",
    ),
    (
        "key digests",
        "version ",
        "UPDATE version SET version = 'other' WHERE version = 'v4'",
    ),
    (
        "key digests",
        "partition ",
        "UPDATE partition SET digest = substr(digest, 1, 15) WHERE \"values\" = '{\"k1\":\"x\"}'",
    ),
    (
        "key digests",
        "execution ",
        "UPDATE execution SET domain = 'development' WHERE name = 'run'",
    ),
    (
        "names",
        "artifact ",
        "UPDATE artifact SET name = ' plain' WHERE name = 'plain'",
    ),
    (
        "names",
        "version ",
        "UPDATE version SET version = 'latest' WHERE version = 'v4'",
    ),
    (
        "names",
        "execution ",
        "UPDATE execution SET project = '' WHERE name = 'run'",
    ),
    (
        "names",
        "alias ",
        "UPDATE alias SET name = 'latest' WHERE name = 'gone'",
    ),
    ("names", "edge ", "UPDATE edge SET name = 'out ' WHERE name = 'out'"),
    (
        "declarations",
        "artifact ",
        "UPDATE artifact SET declared_keys = '[\"region\"' WHERE name = 'orders'",
    ),
    (
        "declarations",
        "artifact ",
        "UPDATE artifact SET declared_keys = '[\"a\", \"a\"]' WHERE name = 'orders'",
    ),
    (
        "declarations",
        "artifact ",
        "UPDATE artifact SET declared_keys = '[\"version\"]' WHERE name = 'orders'",
    ),
    (
        "declarations",
        "artifact ",
        "UPDATE artifact SET declared_revision = {never} WHERE name = 'orders'",
    ),
    (
        "declarations",
        "artifact ",
        "UPDATE artifact SET description = 'x' WHERE name = 'plain'",
    ),
    (
        "given values",
        "version ",
        "UPDATE version SET given_values = '[]' WHERE version = 'v4'",
    ),
    (
        "given values",
        "version ",
        "UPDATE version SET given_values = '{}' WHERE version = 'p1'",
    ),
    (
        "given values",
        "version ",
        "UPDATE version SET given_values = '{\"tag\":\"EU\"}' WHERE version = 'v4'",
    ),
    (
        "metadata",
        "version ",
        "UPDATE version SET metadata = '[1]' WHERE version = 'v2'",
    ),
    (
        "metadata",
        "execution ",
        "UPDATE execution SET metadata = '{' WHERE name = 'run'",
    ),
    (
        "edges",
        "edge ",
        "INSERT INTO edge SELECT execution_id, role, name, version_id, revision + 1, {never}, is_recorded FROM edge WHERE name = 'out'",
    ),
    (
        "changes in the log",
        "revision 11",
        "UPDATE revision SET changed = NULL WHERE id = 11",
    ),
    ("ids", "id ", "UPDATE symlink SET id = (SELECT min(id) FROM event)"),
    (
        "ids",
        "floating_input ",
        "UPDATE floating_input SET id = id + 100 WHERE name = 'from outside'",
    ),
    (
        "events",
        "event ",
        "UPDATE event SET namespace = 'elsewhere' WHERE run_id = 'r1'",
    ),
    (
        "events",
        "event ",
        "UPDATE event SET event_time = event_time + 1 WHERE run_id = 'r1'",
    ),
    (
        "events",
        "event ",
        "UPDATE event SET body = replace(body, 'COMPLETE', 'FAIL') WHERE run_id = 'r1'",
    ),
    (
        "events",
        "event ",
        "UPDATE event SET body = replace(body, '{', '{ ') WHERE run_id = 'r1'",
    ),
    ("events", "event ", "UPDATE event SET body = '{}' WHERE run_id = 'r1'"),
    (
        "events",
        "event ",
        "UPDATE event SET execution_id = NULL WHERE run_id = 'r1'",
    ),
    (
        "events",
        "event ",
        "UPDATE event SET execution_id = 1 WHERE run_id = 'r1'",
    ),
    (
        "events",
        "event ",
        "UPDATE event SET artifact_id = 1 WHERE name = 'model'",
    ),
    ("stories", "run_story ", "DELETE FROM event WHERE run_id = 'r1'"),
    (
        "stories",
        "run_story ",
        "DELETE FROM event WHERE run_id = 'r1' AND event_type = 'START'",
    ),
    ("stories", "run_story ", "UPDATE run_story SET story = '{}'"),
    ("stories", "run_story ", "DELETE FROM run_story"),
    ("stories", "event ", "DELETE FROM dataset_story"),
    ("stories", "dataset_story ", "UPDATE dataset_story SET story = '{}'"),
    (
        "stories",
        "run_story ",
        "DELETE FROM version_story WHERE execution_id IS NOT NULL",
    ),
    (
        "stories",
        "dataset_story ",
        "DELETE FROM version_story WHERE artifact_id IS NOT NULL",
    ),
    (
        "stories",
        "run_story ",
        "UPDATE run_story SET story = replace(story, 'of_apart', 'of_nothing')",
    ),
    (
        "stories",
        "dataset_story ",
        "UPDATE dataset_story SET story = replace(story, 'of_apart', 'of_nothing')",
    ),
    (
        "stories",
        "run_story ",
        "UPDATE version_story SET dataset = replace(dataset, 'many', 'few') WHERE execution_id IS NOT NULL",
    ),
    (
        "stories",
        "run_story ",
        "UPDATE version_story SET story = '{}' WHERE execution_id IS NOT NULL",
    ),
    (
        "stories",
        "run_story ",
        "UPDATE version_story SET dataset = 'x' WHERE execution_id IS NOT NULL",
    ),
    (
        "stories",
        "version_story ",
        "UPDATE version_story SET digest = substr(digest, 1, 15)",
    ),
    (
        "stories",
        "version_story ",
        "UPDATE version_story SET execution_id = NULL WHERE artifact_id IS NULL",
    ),
    (
        "references",
        "version_story ",
        "UPDATE version_story SET execution_id = 999 WHERE execution_id IS NOT NULL",
    ),
    (
        "stories",
        "execution ",
        "UPDATE edge SET ended_revision = revision WHERE name = 'raw' AND role = 1",
    ),
    (
        "stories",
        "execution ",
        "UPDATE edge SET ended_revision = revision WHERE name = 'raw' AND role = 0",
    ),
    (
        "stories",
        "execution ",
        "INSERT INTO edge SELECT execution_id, role, 'unsaid', version_id, revision, ended_revision, is_recorded FROM edge WHERE name = 'raw' AND role = 1",
    ),
    (
        "edges",
        "edge ",
        "UPDATE edge SET is_recorded = FALSE WHERE name = 'out'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE execution SET entity = NULL WHERE name = 'r1'",
    ),
    (
        "executions",
        "execution ",
        "UPDATE run_story SET recorded = '{\"principal\": \"x\", \"ranks\": \"1,-9223372036854775808,0=p\"}'",
    ),
    ("executions", "execution ", "UPDATE run_story SET recorded = '1'"),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE floating_input SET version_id = NULL WHERE version_id IS NOT NULL",
    ),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE floating_input SET started_at = started_at - 1",
    ),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE floating_input SET digest = substr(digest, 1, 15)",
    ),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE floating_input SET partition_digest = digest WHERE name = 'from outside'",
    ),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE floating_input SET version_id = 1 WHERE name = 'from outside'",
    ),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE edge SET ended_revision = revision WHERE name = 'from outside'",
    ),
    (
        "floating inputs",
        "floating_input ",
        "UPDATE version SET created_at = created_at + 86400000000 WHERE version = 'r1'",
    ),
    ("floating inputs", "execution ", "DELETE FROM floating_input"),
    ("other names", "symlink ", "DELETE FROM dataset_name"),
    (
        "other names",
        "symlink ",
        "UPDATE symlink SET digest = substr(digest, 1, 15)",
    ),
    ("other names", "symlink ", "UPDATE symlink SET alias = 'x'"),
    ("other names", "artifact ", "DELETE FROM symlink"),
    ("other names", "dataset_name ", "UPDATE dataset_name SET name = 'x'"),
    ("other names", "dataset_name ", "UPDATE dataset_name SET dataset = '{}'"),
    ("other names", "artifact ", "UPDATE dataset_name SET artifact_id = 1"),
    (
        "other names",
        "dataset_name ",
        "UPDATE dataset_name SET ended_revision = revision + 1",
    ),
    (
        "merged artifacts",
        "artifact ",
        "UPDATE version SET ordinal = abs(ordinal)",
    ),
    (
        "merged artifacts",
        "artifact ",
        "UPDATE artifact SET merged_revision = revision WHERE name = 'kept'",
    ),
    (
        "withdrawn versions",
        "version ",
        "UPDATE version SET deleted_revision = {never} WHERE ordinal < 0",
    ),
    (
        "withdrawn versions",
        "version ",
        "UPDATE edge SET ended_revision = {never} WHERE ended_revision < {never}",
    ),
    (
        "withdrawn versions",
        "version ",
        "UPDATE edge SET ended_revision = revision WHERE name = 'never'",
    ),
    (
        "withdrawn versions",
        "version ",
        "UPDATE edge SET ended_revision = revision WHERE name = 'raw' AND role = 1",
    ),
    (
        "stories",
        "dataset_story ",
        "UPDATE version SET is_described = FALSE WHERE version = 'm1'",
    ),
    (
        "described versions",
        "version ",
        "UPDATE version SET card = NULL WHERE version = 'm1'",
    ),
    (
        "described versions",
        "version ",
        "UPDATE version SET metadata = NULL WHERE version = 'r1'",
    ),
    (
        "described versions",
        "version ",
        "UPDATE version SET created_at = created_at + 1 WHERE version = 'r1'",
    ),
    (
        "recorded versions",
        "version ",
        "UPDATE recorded_version SET content = '['",
    ),
    (
        "recorded versions",
        "recorded_version ",
        "UPDATE version SET is_described = FALSE WHERE version = 'm1'",
    ),
    (
        "kept answers",
        "idempotent_answer k",
        "INSERT INTO idempotent_answer VALUES ('k', 'x', 200, 'text/plain', 'x', 1)",
    ),
];

/// Has the database look away.
async fn unguard(connection: &DatabaseConnection) {
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
        _ => "SET session_replication_role = replica",
    };
    run(connection, sql).await;
}

async fn corrupt(db: &TestDb, sql: &str) {
    let connection = db.connection().await;
    unguard(&connection).await;
    run(&connection, &sql.replace("{never}", &i64::MAX.to_string())).await;
    connection.close().await.unwrap();
}

/// Every table with what it held at the beginning, so that what is done to it can be taken back.
struct Kept {
    connection: DatabaseConnection,
    tables: Vec<&'static str>,
}

impl Kept {
    async fn of(db: &TestDb) -> Self {
        let mut tables: Vec<&str> = CHECKED_TABLES.iter().map(|table| table.name).collect();
        tables.extend(["revision", "revision_counter"]);
        let connection = db.connection().await;
        unguard(&connection).await;
        for table in &tables {
            run(
                &connection,
                &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"),
            )
            .await;
        }
        Self { connection, tables }
    }

    async fn corrupt(&self, sql: &str) {
        run(&self.connection, &sql.replace("{never}", &i64::MAX.to_string())).await;
    }

    async fn restore(&self) {
        for table in &self.tables {
            let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
            run(&self.connection, &sql).await;
        }
    }
}

on_both_databases! {
    async fn whatever_is_wrong_is_found(db: TestDb) {
        fill(&db).await;
        let kept = Kept::of(&db).await;
        assert_eq!(findings(&db).await, []);
        for (check, row, sql) in CORRUPTIONS {
            kept.corrupt(sql).await;
            let findings = findings(&db).await;
            let is_named = |finding: &Finding| finding.check == *check && finding.row.starts_with(row);
            assert!(findings.iter().any(is_named), "{sql}\nwas not found as {check:?} of {row}, but as {findings:#?}");
            kept.restore().await;
        }
        assert_eq!(findings(&db).await, []);
        // What the database does not let happen, as long as it has its index.
        kept.corrupt("DROP INDEX alias_open; UPDATE alias SET ended_revision = {never} WHERE name = 'prod'").await;
        assert!(findings(&db).await.iter().any(|finding| finding.check == "aliases"));
        kept.connection.close().await.unwrap();
    }

    async fn the_sample_is_clean(db: TestDb) {
        let sample = process::run(&["sample", "--versions", "1500"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), sample.stdout).unwrap();
        assert!(process::run(&["import", "--database", &db.url, file.path().to_str().unwrap()]).status.success());
        let checked = process::run(&["check", "--database", &db.url]);
        let said = process::text(&checked.stdout);
        assert_eq!((checked.status.code(), process::text(&checked.stderr).as_str()), (Some(0), ""), "{said}");
        assert!(said.ends_with("all is as it should be\n"), "{said}");
    }

    async fn findings_are_lines_and_the_exit_code_says_that_there_are_some(db: TestDb) {
        fill(&db).await;
        corrupt(&db, "UPDATE version SET data_type = 'x', metadata = '[]' WHERE version = 'v2'").await;
        let checked = process::run(&["check", "--database", &db.url]);
        let said = process::text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "metadata: version 2: metadata is a JSON object, or none");
        assert!(lines.len() == 2 && lines[1].ends_with("rows as of revision 12: 1 thing is wrong"), "{said}");

        corrupt(&db, "UPDATE version SET key_digest = substr(key_digest, 1, 15)").await;
        corrupt(&db, "UPDATE edge SET name = name || ' '").await;
        corrupt(&db, "UPDATE execution SET key_digest = substr(key_digest, 1, 15)").await;
        corrupt(&db, "UPDATE artifact SET key_digest = substr(key_digest, 1, 15)").await;
        let few = process::text(&process::run(&["check", "--database", &db.url]).stdout);
        assert_eq!(few.lines().count(), 22, "{few}");
        assert!(few.contains("more: --verbose prints them all"), "{few}");
        let all = process::text(&process::run(&["check", "--verbose", "--database", &db.url]).stdout);
        assert!(all.lines().count() > 22 && !all.contains("--verbose"), "{all}");
    }
}

#[test]
fn what_cannot_be_checked_is_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.sqlite");
    std::fs::write(&empty, "").unwrap();
    let text = directory.path().join("text.sqlite");
    std::fs::write(&text, "no database, but long enough to be looked at. ".repeat(50)).unwrap();
    for (file, complaint) in [
        (directory.path().join("none.sqlite"), "there is no database file"),
        (empty, "run `heirloom migrate` first"),
        (text, "is no SQLite database"),
    ] {
        let checked = process::run(&["check", "--database", &format!("sqlite:{}", file.display())]);
        let said = process::text(&checked.stderr);
        assert_eq!((checked.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
}

#[tokio::test]
async fn sqlite_looks_at_its_own_file() {
    let db = TestDb::sqlite().await;
    fill(&db).await;
    corrupt(
        &db,
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'execution_started_at'",
    )
    .await;
    let findings = findings(&db).await;
    assert!(
        findings.iter().any(|finding| finding.check == "database file"),
        "{findings:#?}"
    );
}

/// Pages are overwritten, as by a disk that fails: it is said, and nothing panics.
#[tokio::test]
async fn a_damaged_file_is_not_clean() {
    let db = TestDb::sqlite().await;
    fill(&db).await;
    let file = db.file();
    let whole = std::fs::read(file).unwrap();
    for page in (1..whole.len() / 4_096).step_by(3) {
        let mut damaged = whole.clone();
        damaged[page * 4_096..][..4_096].fill(0x5a);
        std::fs::write(file, damaged).unwrap();
        let checked = process::run(&["check", "--database", &db.url]);
        let said = process::text(&checked.stdout) + &process::text(&checked.stderr);
        assert!(matches!(checked.status.code(), Some(1 | 2)), "page {page}: {checked:?}");
        assert!(
            said.contains("database file: ") || said.contains("malformed"),
            "page {page}: {said}"
        );
    }
}

/// What is put into a store of SQLite that is not UTF-8, and how it is named. `{id}` stands for the first id of the table.
const UNREADABLE: [(&str, &str); 8] = [
    (
        "UPDATE version SET location = {bad} WHERE id = {id}",
        "version {id}: location is UTF-8",
    ),
    (
        "UPDATE version SET metadata = {bad}, card = {bad} WHERE id = {id}",
        "version {id}: card is UTF-8",
    ),
    (
        "UPDATE artifact SET name = {bad} WHERE id = {id}",
        "artifact {id}: name is UTF-8",
    ),
    (
        "UPDATE execution SET error = {bad} WHERE id = {id}",
        "execution {id}: error is UTF-8",
    ),
    (
        "UPDATE event SET body = {bad} WHERE id = {id}",
        "event {id}: body is UTF-8",
    ),
    (
        "UPDATE alias SET name = {bad} WHERE id = {id}",
        "alias {id}: name is UTF-8",
    ),
    ("UPDATE edge SET name = {bad} WHERE rowid_of", " s3\u{fffd}\u{fffd} "),
    (
        "UPDATE partition_value SET value = {bad} WHERE rowid_of",
        "value is UTF-8",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_is_not_utf8_is_named_and_the_other_checks_go_on() {
    let filled = TestDb::sqlite().await;
    fill(&filled).await;
    for (sql, named) in UNREADABLE {
        let db = filled.copy().await;
        let table = sql.split(' ').nth(1).unwrap();
        let id = match named.contains("{id}") {
            true => db.number(&format!("SELECT min(id) FROM {table}")).await.to_string(),
            false => String::new(),
        };
        let sql = sql.replace("{bad}", "CAST(x'7333ff80' AS TEXT)").replace("{id}", &id);
        // One row of a table that has no ids.
        let key = if table == "edge" {
            "execution_id, role, name"
        } else {
            "partition_id, key"
        };
        let first = format!("({key}) IN (SELECT {key} FROM {table} LIMIT 1)");
        let connection = db.connection().await;
        run(&connection, "PRAGMA foreign_keys = OFF").await;
        run(&connection, &sql.replace("rowid_of", &first)).await;
        run(&connection, "UPDATE alias SET id = 99 WHERE name = 'gone'").await;
        connection.close().await.unwrap();
        let checked = process::run(&["check", "--verbose", "--database", &db.url]);
        let said = process::text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1), "{sql}: {checked:?}");
        let named = named.replace("{id}", &id);
        assert!(
            said.lines()
                .any(|line| line.starts_with("texts: ") && line.contains(&named)),
            "{sql}: {said}"
        );
        assert!(
            said.contains("ids: alias 99: ") && said.contains(" rows as of revision "),
            "{sql}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_says_which_row_it_cannot_read() {
    let filled = TestDb::sqlite().await;
    fill(&filled).await;
    for (table, column, format) in [
        ("version", "location", "records"),
        ("version", "data_type", "prov-json"),
        ("artifact", "description", "prov-json"),
        ("execution", "error", "records"),
        ("event", "body", "openlineage"),
    ] {
        let db = filled.copy().await;
        let id = db.number(&format!("SELECT max(id) FROM {table}")).await;
        let connection = db.connection().await;
        run(
            &connection,
            &format!("UPDATE {table} SET {column} = CAST(x'7333ff' AS TEXT) WHERE id = {id}"),
        )
        .await;
        connection.close().await.unwrap();
        let said = process::run(&["export", "--format", format, "--database", &db.url]);
        let err = process::text(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{err}");
        assert!(
            err.contains(&format!("{table} {id} cannot be read: ")) && err.contains(column),
            "{err}"
        );
    }
}

#[test]
fn every_check_has_a_corruption_that_it_finds() {
    let tested: BTreeSet<&str> = CORRUPTIONS.iter().map(|(check, ..)| *check).collect();
    let statements = queries(DbBackend::Postgres);
    let mut checks = rule_names();
    checks.extend(statements.iter().map(|query| query.name));
    assert_eq!(tested, checks);
}

/// A new table, a new reference or a new column of revisions is checked, or this test fails.
#[tokio::test]
async fn every_table_is_checked() {
    let db = TestDb::sqlite().await;
    let connection = db.connection().await;
    let texts = async |sql: String| -> BTreeSet<String> {
        let rows = connection
            .query_all_raw(Statement::from_string(DbBackend::Sqlite, sql))
            .await
            .unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    };
    let set = |texts: &[&str]| -> BTreeSet<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
    let mut tables = texts("SELECT name FROM sqlite_master WHERE type = 'table'".to_owned()).await;
    for other in ["revision", "revision_counter", "seaql_migrations", "sqlite_sequence"] {
        tables.remove(other);
    }
    let checked: Vec<&str> = CHECKED_TABLES.iter().map(|table| table.name).collect();
    assert_eq!(tables, set(&checked));
    for table in CHECKED_TABLES {
        let columns = format!(
            "SELECT name FROM pragma_table_info('{}') WHERE name LIKE '%revision'",
            table.name
        );
        assert_eq!(texts(columns).await, set(table.revisions), "{}", table.name);
        let keys = format!(
            "SELECT \"from\" || ' ' || \"table\" FROM pragma_foreign_key_list('{}')",
            table.name
        );
        let references: Vec<String> = table
            .references
            .iter()
            .map(|(column, parent)| format!("{column} {parent}"))
            .collect();
        assert_eq!(texts(keys).await, references.into_iter().collect(), "{}", table.name);
    }
    connection.close().await.unwrap();
}
