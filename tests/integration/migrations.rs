//! The history of the schema: it goes down and up again, the rows fit it, and every reference is kept and found.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, Statement};

use crate::{
    on_both_databases,
    support::{
        TestApp, TestDb,
        db::steps_from,
        execution,
        openlineage::{NAMESPACE, about, dataset, run},
        version,
    },
};

/// The rows of a query, each as its first columns, texts.
async fn rows<const N: usize>(connection: &DatabaseConnection, sql: &str) -> Vec<[String; N]> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection
        .query_all_raw(statement)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.iter()
        .map(|row| std::array::from_fn(|n| row.try_get_by_index(n).unwrap()))
        .collect()
}

/// The tables, without that of the migrations themselves.
async fn tables(connection: &DatabaseConnection) -> BTreeSet<String> {
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        _ => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
    };
    let names = rows::<1>(connection, sql).await.into_iter().map(|[name]| name);
    names.filter(|name| name != "seaql_migrations").collect()
}

/// Everything that the migrations made, as the database tells it.
async fn definition(connection: &DatabaseConnection) -> Vec<[String; 2]> {
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => "SELECT name, COALESCE(sql, '') FROM sqlite_master WHERE name NOT LIKE 'seaql%' ORDER BY name",
        _ => "SELECT table_name || '.' || column_name, data_type || is_nullable || COALESCE(collation_name, '') FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name NOT LIKE 'seaql%'
              UNION ALL SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'seaql%'
              UNION ALL SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'seaql%'
              ORDER BY 1, 2",
    };
    rows(connection, sql).await
}

/// The columns of a table that refer to a row of another, by their names.
async fn references(connection: &DatabaseConnection, table: &str) -> Vec<String> {
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => {
            format!("SELECT name FROM pragma_table_info('{table}') WHERE name LIKE '%\\_id' ESCAPE '\\'")
        }
        _ => format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}' AND column_name LIKE '%\\_id'"
        ),
    };
    rows::<1>(connection, &sql)
        .await
        .into_iter()
        .map(|[name]| name)
        .collect()
}

/// The columns of a table that have a foreign key.
async fn foreign_keys(connection: &DatabaseConnection, table: &str) -> BTreeSet<String> {
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => format!("SELECT \"from\" FROM pragma_foreign_key_list('{table}')"),
        _ => format!(
            "SELECT a.attname::text FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
             WHERE c.contype = 'f' AND c.conrelid = '\"{table}\"'::regclass"
        ),
    };
    rows::<1>(connection, &sql)
        .await
        .into_iter()
        .map(|[name]| name)
        .collect()
}

/// The first column of each index of a table, and every column of its primary key.
async fn indexed(connection: &DatabaseConnection, table: &str) -> BTreeSet<String> {
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => format!(
            "SELECT i.name FROM pragma_index_list('{table}') l JOIN pragma_index_info(l.name) i WHERE i.seqno = 0 AND i.name IS NOT NULL
             UNION SELECT name FROM pragma_table_info('{table}') WHERE pk > 0"
        ),
        _ => format!(
            "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
             WHERE i.indrelid = '\"{table}\"'::regclass AND (a.attnum = i.indkey[0] OR i.indisprimary AND a.attnum = ANY (i.indkey))"
        ),
    };
    rows::<1>(connection, &sql)
        .await
        .into_iter()
        .map(|[name]| name)
        .collect()
}

/// Columns that end like a reference and are none: the counter's last numbers, and the owner's id beside the partition's,
/// kept there so that an index can begin with it.
const NO_REFERENCES: [&str; 10] = [
    "revision_counter.artifact_id",
    "revision_counter.partition_id",
    "revision_counter.version_id",
    "revision_counter.execution_id",
    "revision_counter.alias_id",
    "revision_counter.event_id",
    "partition_value.artifact_id",
    "version_value.artifact_id",
    "execution.node_id",
    // The sender's own name for a run.
    "event.run_id",
];

/// Columns that nobody looks up by: which inputs were once resolved to a version, and which values a version has. Versions are
/// never taken out of their table, so the database has no need to either.
const NOT_LOOKED_UP: [&str; 2] = ["resolved_input.version_id", "version_value.version_id"];

on_both_databases! {
    async fn the_history_goes_down_and_up_again(db: TestDb) {
        let store = db.store().await;
        let connection = db.connection().await;
        let before = definition(&connection).await;
        assert!(before.len() > 20, "{before:?}");
        Migrator::down(&connection, None).await.unwrap();
        assert_eq!(tables(&connection).await, BTreeSet::new());
        store.migrate().await.unwrap();
        assert_eq!(definition(&connection).await, before);
        store.migrate().await.unwrap();
        store.close().await.unwrap();
        let app = TestApp::new(db).await;
        app.record(&execution("e").consumes("in", "raw", "r1").produces("out", &version("orders", "v1").at(&[("region", "EU")]).time("2026-11-22"))).await;
        assert_eq!(app.revision().await, 1);
    }

    async fn digests_of_before_are_put_in_order(db: TestDb) {
        let app = TestApp::new(db).await;
        // The first bytes of one end within a character, and of the other between two.
        let (long, odd) = ("ü".repeat(40), format!("a{}", "ü".repeat(40)));
        for name in ["v1", &long, &odd] {
            let output = version("orders", name).at(&[("region", "EU")]).time("2026-11-22");
            app.record(&execution(name).consumes("in", "raw", "r1").produces("out", &output)).await;
            app.record(&execution(name).produces("plain", &version("plain", name).at(&[("region", "EU")]))).await;
        }
        let events = [run("r").reads("d").writes("e").json(), about(dataset("d").version("v")).json()];
        app.hear(&events).await;
        let connection = app.db.connection().await;
        let hex = match connection.get_database_backend() {
            DbBackend::Sqlite => "hex(digest)",
            _ => "upper(encode(digest, 'hex'))",
        };
        let of = |table: &str, digest: &str| format!("SELECT {} FROM {table}", hex.replace("digest", digest));
        let all = [of("version", "key_digest"), of("execution", "key_digest"), of("partition", "digest"), of("event", "digest")];
        let all = format!("{} ORDER BY 1", all.join(" UNION ALL "));
        let (digests, revision) = (rows::<1>(&connection, &all).await, app.revision().await);
        Migrator::down(&connection, Some(steps_from("m20261125_000007_order"))).await.unwrap();
        let before = rows::<1>(&connection, &all).await;
        assert!(before.iter().all(|[digest]| digest.len() == 32), "{before:?}");
        Migrator::up(&connection, None).await.unwrap();
        assert_eq!(rows::<1>(&connection, &all).await, digests);
        app.hear(&events).await;
        assert_eq!(app.revision().await, revision, "what was there is found again");
    }

    async fn every_entity_fits_its_table(db: TestDb) {
        let app = TestApp::new(db).await;
        let output = version("orders", "v1").at(&[("region", "EU")]).time("2026-11-22").with("metadata", serde_json::json!({"a": 1})).with("card", "#");
        app.record(&execution("e").consumes("in", "raw", "r1").produces("out", &output)).await;
        app.record(&execution("f").takes("in", crate::support::fixtures::latest("orders"))).await;
        let id = app.chosen(crate::support::fixtures::exact("orders", "v1"), "id").await["id"].as_str().unwrap().to_owned();
        app.set_alias(&id, "production", false).await.ok();
        app.hear(&[run("r").reads("d").json(), about(dataset("d").symlink("other")).json()]).await;
        app.hear(&[about(dataset("d").version("v")).json(), about(dataset("d").version("w")).json()]).await;
        let record = version("d", "v").json().to_string().replace("shop", NAMESPACE).replace("production", "default");
        app.ingest(&[serde_json::json!({"version": serde_json::from_str::<serde_json::Value>(&record).unwrap()})]).await;
        let keyed = axum::http::Request::post("/graphql").header("content-type", "application/json").header("idempotency-key", "k");
        let removal = r#"{"query":"mutation { removeAlias(input: {artifact: {project: \"shop\", domain: \"production\", name: \"orders\"}, alias: \"a\"}) { removed } }"}"#;
        app.send(keyed.body(removal.into()).unwrap()).await.ok();
        let connection = app.db.connection().await;
        let mut seen = 0;
        macro_rules! read {
            ($($table:ident)+) => {$(
                let rows = entity::$table::Entity::find().all(&connection).await.unwrap();
                assert!(!rows.is_empty(), "{} has no row to read", stringify!($table));
                seen += 1;
            )+};
        }
        read!(alias artifact artifact_key dataset_name dataset_story edge event execution floating_input idempotent_answer partition partition_value recorded_version resolved_input revision revision_counter run_story symlink version version_story version_value);
        assert_eq!(seen, tables(&connection).await.len(), "each table has its entity");
    }

    async fn every_reference_has_a_foreign_key_and_an_index(db: TestDb) {
        let connection = db.connection().await;
        let (mut complaints, mut seen) = (Vec::new(), 0);
        for table in tables(&connection).await {
            let (keys, indices) = (foreign_keys(&connection, &table).await, indexed(&connection, &table).await);
            for column in references(&connection, &table).await {
                let path = format!("{table}.{column}");
                seen += 1;
                if NO_REFERENCES.contains(&path.as_str()) {
                    continue;
                }
                if !keys.contains(&column) {
                    complaints.push(format!("{path} has no foreign key"));
                }
                if !NOT_LOOKED_UP.contains(&path.as_str()) && !indices.contains(&column) {
                    complaints.push(format!("{path} has no index that begins with it, and is not in the primary key"));
                }
            }
        }
        assert!(seen > 15, "these are not all of the references: {seen}");
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

#[tokio::test]
async fn a_foreign_key_that_is_missing_is_seen() {
    let db = TestDb::sqlite_empty();
    let connection = db.connection_to_new_file().await;
    for sql in [
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (a_id BIGINT, c_id BIGINT REFERENCES a (id))",
    ] {
        connection.execute_unprepared(sql).await.unwrap();
    }
    assert_eq!(references(&connection, "b").await, ["a_id", "c_id"]);
    assert_eq!(
        foreign_keys(&connection, "b").await,
        BTreeSet::from(["c_id".to_owned()])
    );
    assert_eq!(indexed(&connection, "b").await, BTreeSet::new());
}
