//! Rule 18: what is answered as applied is on disk.

use heirloom::store::Options;
use heirloom::store::dialect::connect_options;
use heirloom::store::file::Access;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::{Value, json};

use crate::{
    on_both_databases,
    support::{TestApp, TestDb, artifact, process::Server, version},
};

on_both_databases! {
    async fn rule_18_what_is_answered_as_applied_survives_kill_9(db: TestDb) {
        let mut applied = Vec::new();
        for round in 0..3 {
            let server = Server::start(&["serve", "--database", &db.url]);
            let names: Vec<String> = (0..20).map(|n| format!("r{round}v{n}")).collect();
            for chunk in names.chunks(5) {
                let records: Vec<Value> = chunk.iter().map(|name| version("orders", name).record()).collect();
                let answer = server.ingest(&records).await;
                assert_eq!(answer["data"]["ingest"]["applied"], 5, "{answer}");
                applied.extend_from_slice(chunk);
            }
            server.kill();
        }
        let app = TestApp::new(db).await;
        let query = "query($key: ArtifactKey!) { revision { number } artifact(key: $key) { versions(first: 1000, orderBy: {field: CREATED_AT, direction: ASC}) { nodes { version } } } }";
        let data = app.data(query, json!({"key": artifact("orders")})).await;
        assert_eq!(crate::support::app::texts(&data["artifact"]["versions"]["nodes"], "version"), applied);
        assert_eq!(data["revision"]["number"], 12);
    }
}

#[tokio::test]
async fn rule_18_sqlite_writes_ahead_and_syncs_every_commit() {
    let db = TestDb::sqlite().await;
    let options = Options {
        url: db.url.clone(),
        max_connections: 1,
        timeout: std::time::Duration::from_secs(5),
    };
    let connection = Database::connect(connect_options(&options, 1, Access::Write).unwrap())
        .await
        .unwrap();
    let pragma = async |name: &str| {
        let sql = format!("PRAGMA {name}");
        let row = connection
            .query_one_raw(Statement::from_string(DbBackend::Sqlite, sql))
            .await
            .unwrap()
            .unwrap();
        row.try_get_by_index::<String>(0)
            .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode").await, "wal");
    assert_eq!(pragma("synchronous").await, "2", "FULL");
    assert_eq!(pragma("foreign_keys").await, "1");
    // Where the write queue has a connection of its own, that one sees to the log.
    assert_eq!(pragma("wal_autocheckpoint").await, "65536");
}
